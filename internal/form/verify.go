package form

import (
	"errors"
	"net/http"

	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/page"
)

type verification struct {
	common
	Token string
}

// verify asks for a click: programs that look at the links of a mail must confirm nothing.
func (f *Form) verify(w http.ResponseWriter, r *http.Request) {
	tokens := r.URL.Query()["token"]
	if len(tokens) != 1 {
		f.refuse(w, r, "", intake.ErrLink)
		return
	}
	if status, err := f.o.Desk.CheckVerify(r.Context(), tokens[0]); err != nil {
		f.refuse(w, r, status, err)
		return
	}
	f.write(w, r, http.StatusOK, "verify.html", f.speak(r)("verify.title"), verification{f.common(r, f.o.Config.Regulation, false), tokens[0]})
}

func (f *Form) confirm(w http.ResponseWriter, r *http.Request) {
	typed, err := fields(w, r, "token")
	if err != nil {
		f.fail(w, r, err)
		return
	}
	status, err := f.o.Desk.Confirm(r.Context(), typed["token"])
	if err != nil {
		f.refuse(w, r, status, err)
		return
	}
	f.redirect(w, r, statusPath(status))
}

// refuse says why a link does not confirm.
func (f *Form) refuse(w http.ResponseWriter, r *http.Request, status string, err error) {
	say := f.speak(r)
	switch {
	case errors.Is(err, intake.ErrUsed):
		f.say(w, r, http.StatusOK, message{
			Heading: say("used.title"), Lead: say("used.lead"), Link: page.Link{Text: say("used.status"), Path: statusPath(status) + page.Keep(r)},
		})
	case errors.Is(err, intake.ErrLink):
		f.say(w, r, http.StatusGone, message{
			Heading: say("gone.title"), Lead: say("gone.lead"), More: []string{say("gone.again")}, Link: page.Link{Text: say("back"), Path: "/" + page.Keep(r)},
		})
	default:
		f.fail(w, r, err)
	}
}
