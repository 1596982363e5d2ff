package form

import (
	"context"
	"errors"
	"net/http"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/page"
)

// speaker gives texts in the reader's language.
type speaker func(key string, args ...any) string

func (f *Form) speak(r *http.Request) speaker {
	language := page.Language(r)
	return func(key string, args ...any) string { return f.set.Text(language, key, args...) }
}

// message is the content of pages that only say something.
type message struct {
	common
	Heading, Lead string
	Write         bool // where to write stands behind Lead
	More          []string
	Link          page.Link
}

func (f *Form) write(w http.ResponseWriter, r *http.Request, status int, name, title string, content any) {
	p := page.Page{
		Title: title, Language: page.Language(r), Controller: f.o.Config.Controller, Home: "/" + page.Keep(r),
		Footer: f.speak(r)("footer"), NoIndex: r.Pattern != "GET /{$}", Content: content,
	}
	switch {
	case r.Method != http.MethodPost:
		p.Languages = page.Languages(r, r.URL.EscapedPath(), p.Language, "token")
	case r.URL.Path == "/":
		p.Languages = page.Languages(r, "/", p.Language)
	}
	if err := f.set.Write(w, status, name, p); err != nil {
		f.o.Log.ErrorContext(r.Context(), "a page could not be made", "route", r.Pattern, "error", err)
	}
}

func (f *Form) say(w http.ResponseWriter, r *http.Request, status int, m message) {
	m.common = f.common(r, f.o.Config.Regulation, false)
	title := m.Heading
	if status >= 400 {
		title = f.speak(r)("error.prefix", title)
	}
	f.write(w, r, status, "message.html", title, m)
}

// redirect sends the browser to one of our pages by GET, so that loading it again sends nothing again.
func (f *Form) redirect(w http.ResponseWriter, r *http.Request, path string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, path+page.Keep(r), http.StatusSeeOther)
}

// fail answers with the page for an error. What nobody foresaw is logged, and the page tells nothing about it.
func (f *Form) fail(w http.ResponseWriter, r *http.Request, err error) {
	say := f.speak(r)
	home := page.Link{Text: say("back"), Path: "/" + page.Keep(r)}
	tell := func(status int, key string, link page.Link) {
		f.say(w, r, status, message{Heading: say(key + ".title"), Lead: say(key + ".lead"), Link: link})
	}
	switch {
	case errors.Is(err, intake.ErrTooMany):
		w.Header().Set("Retry-After", "3600")
		tell(http.StatusTooManyRequests, "many", home)
	case errors.Is(err, errType):
		tell(http.StatusUnsupportedMediaType, "type", home)
	case errors.Is(err, errFields):
		tell(http.StatusUnprocessableEntity, "type", home)
	case errors.Is(err, errLarge):
		tell(http.StatusRequestEntityTooLarge, "large", home)
	case errors.Is(err, intake.ErrLink), errors.Is(err, ledger.ErrNotFound):
		tell(http.StatusNotFound, "lost", home)
	case fault.NameOf(err).Transient():
		if !errors.Is(err, context.Canceled) { // the reader went away
			f.o.Log.WarnContext(r.Context(), "a page had to be put off", "route", r.Pattern, "error", err)
		}
		w.Header().Set("Retry-After", "30")
		tell(http.StatusServiceUnavailable, "busy", page.Link{})
	default:
		f.o.Log.ErrorContext(r.Context(), "a page failed", "route", r.Pattern, "error", err)
		tell(http.StatusInternalServerError, "fault", page.Link{})
	}
}

func (f *Form) sent(w http.ResponseWriter, r *http.Request) {
	say := f.speak(r)
	f.say(w, r, http.StatusOK, message{
		Heading: say("sent.title"), Lead: say("sent.lead"), More: []string{say("sent.link"), say("sent.nothing"), say("sent.missing")},
	})
}

func (f *Form) other(w http.ResponseWriter, r *http.Request) {
	say := f.speak(r)
	f.say(w, r, http.StatusOK, message{
		Heading: say("other.title"), Lead: say("other.lead", f.o.Config.Controller), Write: true, More: []string{say("other.stored")},
		Link: page.Link{Text: say("back"), Path: "/" + page.Keep(r)},
	})
}
