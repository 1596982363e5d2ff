package form

import (
	"errors"
	"net/http"
	"strings"

	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/page"
)

type verification struct {
	common
	Token string
	Also  string // what was typed beside the address; somebody else may have typed it
}

// verify asks for a click: programs that look at the links of a mail must confirm nothing.
func (f *Form) verify(w http.ResponseWriter, r *http.Request) {
	tokens := r.URL.Query()["token"]
	if len(tokens) != 1 {
		f.refuse(w, r, "", intake.ErrLink)
		return
	}
	check, err := f.o.Desk.CheckVerify(r.Context(), tokens[0])
	if err != nil {
		f.refuse(w, r, check.Status, err)
		return
	}
	page := verification{common: f.common(r, f.o.Config.Regulation, false), Token: tokens[0]}
	if len(check.Claimed) > 0 {
		page.Also = f.speak(r)("typed." + strings.TrimPrefix(claimsKey(check.Claimed), "claims."))
	}
	f.write(w, r, http.StatusOK, "verify.html", f.speak(r)("verify.title"), page)
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
