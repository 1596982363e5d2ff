// Package page is the frame that all HTML pages of Lethe share: one style sheet, one layout, dates and texts in the
// reader's language. Pages need no script, set no cookie, and load nothing from elsewhere: they work under
//
//	Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'
//
// so templates hold no style or on… attribute. Beside plain elements, the style sheet knows
//
//	<span class="badge ok|wait|bad">          a state, said in words too; without a second class it is a quiet one
//	<div class="notice ok|wait|bad">          a box for what must be seen
//	<a class="button"> <button class="quiet|danger">
//	<div class="actions">                     buttons beside each other
//	<dl class="facts">                        term and value beside each other, below each other on a phone
//	<ol class="steps">                        numbered steps, <li class="done|now"> on the way
//	<table class="stack">                     rows become cards on a phone; each td has data-label
//	<div class="scroll" role="region" tabindex="0" aria-label="…">  around a table that is too wide for a phone
//	<ul class="cards"> <li>                   boxes
//	<p class="lead"> <span class="muted"> <code> <progress> <details>
//
// and the frame defines the templates field (of a Field), radios (of Radios) and problems (of a Summary).
package page

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"time"
)

//go:embed templates/*.html
var templates embed.FS

// Page is one page of a Set.
type Page struct {
	Title      string // of the window; the page's h1 is its own
	Language   string // en, de or fr; another one counts as en
	Controller string // who answers for the erasure
	Home       string // path behind the controller's name; "/" if empty
	Nav        []Link
	Languages  []Link // to the same page in other languages; see Languages
	Footer     string
	Script     string // path of a script of the same origin; "" for none
	Wide       bool   // for tables: wider than lines of text should be
	NoIndex    bool   // search engines should forget it
	Content    any    // for the page's own template
}

// Link is a link of the frame.
type Link struct {
	Text, Path string
	Language   string // of what is behind it, for links to other languages
	Current    bool   // it is this page
}

// Field is a text field of a form.
type Field struct {
	Name, Label, Hint, Error, Value string
	// Type of the input; text if empty. It is text for an e-mail address, too, with InputMode email: browsers turn an
	// international domain in a field of type email into another spelling.
	Type         string
	InputMode    string // which keyboard a phone shows: email, tel
	Autocomplete string
	Required     bool
	Optional     string // word behind the label of a field that may be empty
}

// Radios is a choice of one.
type Radios struct {
	Name, Legend, Error string
	Choices             []Choice
}

// Choice is one of Radios.
type Choice struct {
	Value, Label, Hint string
	Checked            bool
}

// Summary lists what is wrong with a form, above it, with links to the fields.
type Summary struct {
	Title  string
	Errors []FieldError
}

// FieldError is one line of a Summary.
type FieldError struct{ Name, Text string }

// Set is the frame with somebody's pages in it.
type Set struct {
	pages map[string]map[string]*template.Template // by language and file name
	texts map[string]Texts
}

// Parse reads pages: each file is one, named like the file without its folder, and its whole text goes into the frame
// with Content as dot. What files define is for all of them. texts are the sentences by language, the same keys in each;
// English only where there are none. Beside the functions of html/template there are
//
//	t KEY ARGUMENTS…   the sentence, with its arguments as in fmt.Sprintf
//	count N KEY        the sentence KEY.one or KEY.other, with N as its argument
//	number N           1,234 as the language writes it
//	date TIME          22 November 2026
//	moment TIME        22 November 2026, 14:05 UTC
//	iso TIME           for the attribute datetime
func Parse(fsys fs.FS, texts map[string]Texts, patterns ...string) (*Set, error) {
	if len(texts) == 0 {
		texts = map[string]Texts{English: {}}
	}
	if err := sameKeys(texts); err != nil {
		return nil, err
	}
	s := &Set{pages: map[string]map[string]*template.Template{}, texts: texts}
	var files []string
	for _, p := range patterns {
		found, err := fs.Glob(fsys, p)
		if err != nil || len(found) == 0 {
			return nil, fmt.Errorf("page: no file matches %q: %w", p, errors.Join(err, fs.ErrNotExist))
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, errors.New("page: no pages")
	}
	for language := range texts {
		frame, err := template.New("frame.html").Funcs(s.functions(language)).ParseFS(templates, "templates/*.html")
		if err == nil {
			frame, err = frame.ParseFS(fsys, files...)
		}
		if err != nil {
			return nil, fmt.Errorf("page: %w", err)
		}
		s.pages[language] = map[string]*template.Template{}
		for _, f := range files {
			name := path.Base(f)
			t, err := frame.Clone()
			if err == nil {
				_, err = t.AddParseTree("content", frame.Lookup(name).Tree.Copy())
			}
			if err != nil {
				return nil, fmt.Errorf("page: %s: %w", name, err)
			}
			s.pages[language][name] = t
		}
	}
	return s, nil
}

func (s *Set) functions(language string) template.FuncMap {
	own, sheet := frameTexts(language), StylePath+"?v="+digest(style)
	return template.FuncMap{
		"frame": func(key string) string { return own[key] },
		"style": func() string { return sheet },
		"t":     func(key string, args ...any) (string, error) { return s.text(language, key, args) },
		"count": func(n int, key string) (string, error) { return s.text(language, key+plural(language, n), []any{n}) },
		"number": func(n any) (string, error) {
			switch n := n.(type) {
			case int:
				return Number(language, int64(n)), nil
			case int64:
				return Number(language, n), nil
			}
			return "", fmt.Errorf("page: number of a %T", n)
		},
		"date":   func(t time.Time) string { return Date(language, t) },
		"moment": func(t time.Time) string { return Moment(language, t) },
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}
}

// Write answers with a page. Nothing is kept by browsers or on the way, because some pages are about a person. When the
// page cannot be made, which is a mistake in a template, the answer is a plain 500; the error is for the log.
func (s *Set) Write(w http.ResponseWriter, status int, name string, p Page) error {
	pages, ok := s.pages[p.Language]
	if !ok {
		p.Language, pages = English, s.pages[English]
	}
	if p.Home == "" {
		p.Home = "/"
	}
	var b bytes.Buffer
	var err error
	if t := pages[name]; t == nil {
		err = fmt.Errorf("page: there is no page %s", name)
	} else if err = t.Execute(&b, p); err != nil {
		err = fmt.Errorf("page: %w", err)
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if err != nil {
		http.Error(w, "Something went wrong on our side. Please try again later.", http.StatusInternalServerError)
		return err
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", p.Language)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Add("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // fails when the reader is gone, which is nobody's mistake
	return nil
}
