// Package form is what the public sees of Lethe: the privacy form, the page behind the link in the mail, and the status
// page. Pages are in English, German and French, work without script, set no cookie, and never tell whether a person is known.
//
// It leaves to whoever serves it: page.Register, which its pages need; security headers; protection against cross-origin posts.
package form

import (
	"context"
	"embed"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/page"
)

//go:embed templates/*.html
var templates embed.FS

// Desk is what happens behind the pages. intake.Desk documents the calls and their errors.
type Desk interface {
	Apply(ctx context.Context, a intake.Application) error
	CheckVerify(ctx context.Context, token string) (intake.Check, error)
	Confirm(ctx context.Context, token string) (statusToken string, err error)
	ByLink(ctx context.Context, statusToken string) (intake.View, error)
	Certificate(ctx context.Context, id string) (string, error)
	Cancel(ctx context.Context, id string) (intake.View, error)
}

// Options are what pages need.
type Options struct {
	Desk   Desk
	Config config.Config
	Now    func() time.Time
	Client func(*http.Request) string // where a request comes from, for limits: an address or network
	Log    *slog.Logger               // for errors that people see as a page without details
}

// Form is the public pages.
type Form struct {
	o   Options
	set *page.Set
}

// New makes the public pages. An error is a mistake in their templates or texts.
func New(o Options) (*Form, error) {
	set, err := page.Parse(templates, texts(), "templates/*.html")
	return &Form{o, set}, err
}

func texts() map[string]page.Texts {
	return map[string]page.Texts{page.English: english(), page.German: german(), page.French: french()}
}

// Register puts the pages at their paths.
func (f *Form) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", f.show)
	mux.HandleFunc("POST /{$}", f.apply)
	mux.HandleFunc("GET /sent", f.sent)
	mux.HandleFunc("GET /other", f.other)
	mux.HandleFunc("GET /verify", f.verify)
	mux.HandleFunc("POST /verify", f.confirm)
	mux.HandleFunc("GET /status/{token}", f.status)
	mux.HandleFunc("GET /status/{token}/certificate", f.certificate)
	mux.HandleFunc("GET /status/{token}/cancel", f.askCancel)
	mux.HandleFunc("POST /status/{token}/cancel", f.cancel)
}

// common is in the content of every page.
type common struct {
	Keep       string // query that carries the choice of language on
	Controller string
	Contact    page.Link // the zero Link where the configuration has none
	Complaint  bool      // tell of the supervisory authority
}

func (f *Form) common(r *http.Request, regulation config.Regulation, complaint bool) common {
	c := common{Keep: page.Keep(r), Controller: f.o.Config.Controller, Complaint: complaint && regulation == config.GDPR}
	switch contact := f.o.Config.Serve.Contact; {
	case strings.Contains(contact, "://"):
		c.Contact = page.Link{Text: contact, Path: contact}
	case contact != "":
		c.Contact = page.Link{Text: contact, Path: "mailto:" + url.PathEscape(contact)}
	}
	return c
}

type application struct {
	common
	Problems  *page.Summary
	Wish      page.Radios
	Fields    []page.Field
	Due       time.Time
	Providers string
}

// What a person can ask for.
const (
	wishErase = "erase"
	wishOther = "other"
)

func (f *Form) show(w http.ResponseWriter, r *http.Request) {
	f.showForm(w, r, http.StatusOK, map[string]string{"wish": wishErase}, nil)
}

// showForm shows the form with what was typed, and with what is wrong: keys of texts by field, "" for the whole form.
func (f *Form) showForm(w http.ResponseWriter, r *http.Request, status int, typed, wrong map[string]string) {
	say := f.speak(r)
	wrongWith := func(field string) string {
		if wrong[field] == "" {
			return ""
		}
		return say(wrong[field])
	}
	a := application{
		common: f.common(r, f.o.Config.Regulation, true),
		Wish: page.Radios{Name: "wish", Legend: say("form.wish"), Error: wrongWith("wish"), Choices: []page.Choice{
			{Value: wishErase, Label: say("wish.erase"), Checked: typed["wish"] == wishErase},
			{Value: wishOther, Label: say("wish.other"), Hint: say("wish.other.more"), Checked: typed["wish"] == wishOther},
		}},
		Fields: []page.Field{
			{Name: "email", Label: say("email"), Hint: say("email.hint"), InputMode: "email", Autocomplete: "email", Required: true},
			{Name: "phone", Label: say("phone"), Hint: say("phone.hint"), Type: "tel", Autocomplete: "tel", Optional: say("optional")},
			{Name: "account", Label: say("account"), Hint: say("account.hint"), Autocomplete: "username", Optional: say("optional")},
		},
		Due:       duty.Due(f.o.Config.Regulation, f.o.Now()),
		Providers: f.providers(say),
	}
	for n := range a.Fields {
		field := &a.Fields[n]
		field.Value, field.Error = typed[field.Name], wrongWith(field.Name)
	}
	title := say("form.title")
	if len(wrong) > 0 {
		a.Problems = &page.Summary{Title: say("form.problems")}
		for _, name := range []string{"", "wish", "email", "phone", "account"} {
			if text := wrongWith(name); text != "" {
				a.Problems.Errors = append(a.Problems.Errors, page.FieldError{Name: name, Text: text})
			}
		}
		title = say("error.prefix", title)
	}
	f.write(w, r, status, "form.html", title, a)
}

func (f *Form) providers(say speaker) string {
	var names []string
	for _, t := range f.o.Config.Targets {
		if name := say(providerKey(string(t.Provider))); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func (f *Form) apply(w http.ResponseWriter, r *http.Request) {
	typed, err := fields(w, r, "wish", "email", "phone", "account")
	if errors.Is(err, errFields) {
		f.showForm(w, r, http.StatusUnprocessableEntity, typed, map[string]string{"": "error.form"})
		return
	}
	if err != nil {
		f.fail(w, r, err)
		return
	}
	wrong := map[string]string{}
	switch typed["wish"] {
	case wishErase:
		err = f.o.Desk.Apply(r.Context(), intake.Application{
			Email: typed["email"], Phone: typed["phone"], Account: typed["account"], Language: page.Language(r), Client: f.o.Client(r),
		})
	case wishOther:
		f.redirect(w, r, "/other")
		return
	default:
		wrong["wish"] = "error.wish"
	}
	if invalid := new(intake.Invalid); errors.As(err, &invalid) {
		for _, field := range invalid.Fields {
			wrong[known(field.Name)] = problemKey(field)
		}
	} else if err != nil {
		f.fail(w, r, err)
		return
	}
	if len(wrong) > 0 {
		f.showForm(w, r, http.StatusUnprocessableEntity, typed, wrong)
		return
	}
	f.redirect(w, r, "/sent")
}

func known(field string) string {
	if slices.Contains([]string{"email", "phone", "account"}, field) {
		return field
	}
	return ""
}

func problemKey(f intake.Field) string {
	switch {
	case f.Name == "email" && f.Code == "required":
		return "error.email.required"
	case known(f.Name) != "":
		return "error." + f.Name
	}
	return "error.form"
}

// Errors of a body that no page of ours sends.
var (
	errType   = errors.New("the body is not a form")
	errLarge  = errors.New("the body is too large")
	errFields = errors.New("the body has other fields than the form")
)

const maxBody = 64 << 10

// fields reads the fields of a form, each of which may be there once. With errFields come those that were right.
func fields(w http.ResponseWriter, r *http.Request, names ...string) (map[string]string, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return nil, errType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, errLarge
	}
	if err != nil {
		return nil, errType // it broke off
	}
	all, err := url.ParseQuery(string(body))
	if err != nil {
		err = errFields
	}
	out := map[string]string{}
	for name, values := range all {
		if !slices.Contains(names, name) || len(values) != 1 || !text(values[0]) {
			err = errFields
			continue
		}
		out[name] = values[0]
	}
	return out, err
}

// text tells whether a browser's field of one line can hold this. A tab comes along when a cell of a table is pasted.
func text(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\t' })
}
