package form

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/page"
)

func statusPath(token string) string { return "/status/" + url.PathEscape(token) }

type statusPage struct {
	common
	Path        string // of this page
	View        intake.View
	Badge       badge
	Now, Ground string
	Claims      string // that somebody checks what nobody verified
	LeftOut     string // or what of it was left out
	Late        string
	Extended    string
	Places      []place
	Next        string
	Ask, Cancel bool
}

func (f *Form) status(w http.ResponseWriter, r *http.Request) {
	v, err := f.o.Desk.ByLink(r.Context(), r.PathValue("token"))
	if err != nil {
		f.fail(w, r, err)
		return
	}
	say := f.speak(r)
	key := statusKey(v)
	p := statusPage{
		common: f.common(r, v.Regulation, mayComplain(v)), Path: statusPath(r.PathValue("token")), View: v,
		Badge: badge{statusClass(key), say("badge." + key)}, Now: say("now." + key),
		Places: f.places(say, v), Cancel: cancellable(v),
	}
	day := func(t time.Time) string { return page.Date(page.Language(r), t) }
	switch {
	case checked(v):
		p.Claims = say("claims.wait")
	case len(leftOut(v)) > 0:
		p.LeftOut = say(claimsKey(leftOut(v)))
	}
	if v.Status == ledger.Denied {
		p.Ground = say(deniedKey(v.Ground))
	}
	switch v.Duty {
	case duty.Overdue:
		p.Late = say("status.late", day(v.Due))
	case duty.Missed:
		p.Late = say("status.missed")
	}
	if e := v.Extension; e != nil {
		p.Extended = say(extendedKey(e.Reason), day(e.At), day(e.Before), day(v.Due))
	}
	p.Next, p.Ask = next(say, v, day(v.Due))
	f.write(w, r, http.StatusOK, "status.html", say("status.title"), p)
}

// certificate gives the signed certificate as a file.
func (f *Form) certificate(w http.ResponseWriter, r *http.Request) {
	v, err := f.o.Desk.ByLink(r.Context(), r.PathValue("token"))
	if err != nil {
		f.fail(w, r, err)
		return
	}
	signed, err := f.o.Desk.Certificate(r.Context(), v.ID)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/jose") // RFC 7515, section 9.2.1
	h.Set("Content-Disposition", `attachment; filename="lethe-certificate.jws"`)
	h.Set("Content-Length", strconv.Itoa(len(signed)))
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(signed)) // fails when the reader is gone
}

type cancellation struct {
	common
	Path string // of the status page
}

// cancellable tells whether the page offers to cancel: before anybody has begun.
func cancellable(v intake.View) bool { return v.Status == ledger.Pending && !v.Ended }

func (f *Form) askCancel(w http.ResponseWriter, r *http.Request) {
	v, err := f.o.Desk.ByLink(r.Context(), r.PathValue("token"))
	switch {
	case err != nil:
		f.fail(w, r, err)
	case !cancellable(v):
		f.tooLate(w, r)
	default:
		f.write(w, r, http.StatusOK, "cancel.html", f.speak(r)("cancel.title"), cancellation{f.common(r, v.Regulation, false), statusPath(r.PathValue("token"))})
	}
}

func (f *Form) cancel(w http.ResponseWriter, r *http.Request) {
	if _, err := fields(w, r); err != nil {
		f.fail(w, r, err)
		return
	}
	v, err := f.o.Desk.ByLink(r.Context(), r.PathValue("token"))
	if err == nil && cancellable(v) {
		_, err = f.o.Desk.Cancel(r.Context(), v.ID)
	} else if err == nil && v.Status != ledger.Cancelled { // twice is as good as once
		err = ledger.ErrHeld
	}
	switch {
	case errors.Is(err, ledger.ErrHeld), errors.Is(err, ledger.ErrFinal):
		f.tooLate(w, r)
	case err != nil:
		f.fail(w, r, err)
	default:
		f.redirect(w, r, statusPath(r.PathValue("token")))
	}
}

func (f *Form) tooLate(w http.ResponseWriter, r *http.Request) {
	say := f.speak(r)
	f.say(w, r, http.StatusConflict, message{
		Heading: say("held.title"), Lead: say("held.lead"), Link: page.Link{Text: say("used.status"), Path: statusPath(r.PathValue("token")) + page.Keep(r)},
	})
}
