package page_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lethe-dsr/lethe/internal/page"
)

func parse(t *testing.T, texts map[string]page.Texts, files ...string) *page.Set {
	t.Helper()
	set, err := page.Parse(folder(files...), texts, "*.html")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// folder holds files given as name, text, name, text.
func folder(files ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for n := 0; n < len(files); n += 2 {
		fsys[files[n]] = &fstest.MapFile{Data: []byte(files[n+1])}
	}
	return fsys
}

func write(t *testing.T, set *page.Set, name string, p page.Page) (*httptest.ResponseRecorder, error) {
	t.Helper()
	w := httptest.NewRecorder()
	err := set.Write(w, http.StatusTeapot, name, p)
	return w, err
}

func TestEachFileIsAPageInTheFrame(t *testing.T) {
	t.Parallel()
	set := parse(t, nil, "a.html", `<h1>A {{.}}</h1>{{template "shared"}}`, "b.html", `<h1>B</h1>`, "shared.html", `{{define "shared"}}<hr>{{end}}`)
	w, err := write(t, set, "a.html", page.Page{Title: "<T>", Language: "en", Controller: "Acme & Co", Content: "<x>", Nav: []page.Link{{Text: "Jobs", Path: "/jobs", Current: true}}})
	if err != nil || w.Code != http.StatusTeapot {
		t.Errorf("got %d, %v", w.Code, err)
	}
	for _, want := range []string{`<html lang="en">`, "<title>&lt;T&gt; – Acme &amp; Co</title>", "<h1>A &lt;x&gt;</h1><hr>", `<a href="/jobs" aria-current="page">Jobs</a>`, `<a class="skip" href="#main">`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %s:\n%s", want, w.Body)
		}
	}
	for name, want := range map[string]string{"Content-Type": "text/html; charset=utf-8", "Content-Language": "en", "Cache-Control": "no-store", "Vary": "Accept-Language"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if w, _ := write(t, set, "b.html", page.Page{}); !strings.Contains(w.Body.String(), "<h1>B</h1>") || strings.Contains(w.Body.String(), "robots") {
		t.Errorf("the second page is wrong:\n%s", w.Body)
	}
	if w, _ := write(t, set, "b.html", page.Page{NoIndex: true}); !strings.Contains(w.Body.String(), `<meta name="robots" content="noindex, nofollow">`) {
		t.Errorf("search engines may keep the page:\n%s", w.Body)
	}
}

func TestNothingHalfWritten(t *testing.T) {
	t.Parallel()
	set := parse(t, nil, "a.html", `<h1>begun</h1>{{.Missing.Field}}`)
	for _, name := range []string{"a.html", "none.html", "frame.html"} {
		w, err := write(t, set, name, page.Page{Content: struct{ A int }{1}})
		if err == nil || w.Code != http.StatusInternalServerError {
			t.Errorf("%s: got %d, %v", name, w.Code, err)
		}
		if strings.Contains(w.Body.String(), "<") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %s %s", name, w.Header().Get("Content-Type"), w.Body)
		}
	}
}

func TestMistakesShowWhenPagesAreParsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		texts map[string]page.Texts
		file  string
	}{
		"no such file":           {nil, ""},
		"a template's syntax":    {nil, "{{"},
		"a text too few":         {map[string]page.Texts{"en": {"a": "1", "b": "2"}, "de": {"a": "1"}}, "x"},
		"a text too many":        {map[string]page.Texts{"en": {"a": "1"}, "de": {"a": "1", "b": "2"}}, "x"},
		"no English":             {map[string]page.Texts{"de": {"a": "1"}}, "x"},
		"a template of nobody's": {nil, `{{template "nobody"}}`},
		"a function of nobody's": {nil, `{{nobody}}`},
	} {
		fsys := folder("other.txt", "")
		if c.file != "" {
			fsys = folder("a.html", c.file)
		}
		set, err := page.Parse(fsys, c.texts, "*.html")
		if err == nil { // html/template looks for some of it when it writes
			_, err = write(t, set, "a.html", page.Page{})
		}
		if err == nil {
			t.Errorf("%s: nobody saw it", name)
		}
	}
}

func TestTextsDatesAndNumbersInTheLanguage(t *testing.T) {
	t.Parallel()
	texts := map[string]page.Texts{}
	for l, things := range map[string]string{"en": "things", "de": "Dinge", "fr": "choses"} {
		texts[l] = page.Texts{"things.one": "%d " + things + "?", "things.other": "%d " + things, "hello": "<%s>", "percent": "100%"}
	}
	set := parse(t, texts, "a.html", `{{date .}}|{{moment .}}|{{iso .}}|{{count 0 "things"}}|{{count 1 "things"}}|{{count 12345 "things"}}|{{t "hello" "Ann"}}|{{t "percent"}}|{{number 2500}}`)
	at := time.Date(2026, 12, 1, 23, 5, 0, 0, time.FixedZone("", -2*3600))
	for l, want := range map[string]string{
		"en": "2 December 2026|2 December 2026, 01:05 UTC|2026-12-02T01:05:00Z|0 things|1 things?|12,345 things|&lt;Ann&gt;|100%|2,500",
		"de": "2. Dezember 2026|2. Dezember 2026, 01:05 UTC|2026-12-02T01:05:00Z|0 Dinge|1 Dinge?|12.345 Dinge|&lt;Ann&gt;|100%|2.500",
		"fr": "2 décembre 2026|2 décembre 2026, 01:05 UTC|2026-12-02T01:05:00Z|0 choses?|1 choses?|12\u00a0345 choses|&lt;Ann&gt;|100%|2\u00a0500",
		"xx": "2 December 2026|2 December 2026, 01:05 UTC|2026-12-02T01:05:00Z|0 things|1 things?|12,345 things|&lt;Ann&gt;|100%|2,500",
	} {
		w, err := write(t, set, "a.html", page.Page{Language: l, Content: at})
		if err != nil || !strings.Contains(w.Body.String(), "\n"+want+"\n") {
			t.Errorf("%s: want %s in\n%s", l, want, w.Body)
		}
		if l == "xx" {
			l = "en"
		}
		if got := w.Header().Get("Content-Language"); got != l || !strings.Contains(w.Body.String(), `<html lang="`+l+`">`) {
			t.Errorf("%s: Content-Language %q, in\n%s", l, got, w.Body)
		}
	}
	if got := page.Date("fr", at.AddDate(0, 0, -1)); got != "1er décembre 2026" {
		t.Errorf("got %q", got)
	}
	if got := set.Text("fr", "hello", "Ann"); got != "<Ann>" {
		t.Errorf("got %q", got)
	}
}

func TestTheLanguageIsWhatTheReaderChoseOrTheBrowserAsksFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ query, header, want, keep string }{
		{"", "", "en", ""},
		{"", "de-AT,de;q=0.9,en;q=0.5", "de", ""},
		{"", "fr-CH", "fr", ""},
		{"", "es,fr;q=0.4", "fr", ""},
		{"", "ja", "en", ""},
		{"", "en;q=0.2,de;q=0.8", "de", ""},
		{"", "\x00;;q=x", "en", ""},
		{"", "fr;q=7,de;q=0.1", "de", ""}, // no weight is above 1
		{"lang=fr", "de", "fr", "?lang=fr"},
		{"lang=xx", "de", "de", ""},
		{"lang=", "de", "de", ""},
	} {
		r := httptest.NewRequest("GET", "/x?"+c.query, nil)
		r.Header.Set("Accept-Language", c.header)
		if got := page.Language(r); got != c.want {
			t.Errorf("%q, %q: got %s, want %s", c.query, c.header, got, c.want)
		}
		if got := page.Keep(r); got != c.keep {
			t.Errorf("%q: keeps %q, want %q", c.query, got, c.keep)
		}
	}
}

func TestLinksToOtherLanguagesKeepWhatTheyAreToldTo(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/verify?token=a%26b&other=x", nil)
	got := page.Languages(r, "/verify", "de", "token")
	want := []page.Link{
		{Text: "English", Path: "/verify?lang=en&token=a%26b", Language: "en"},
		{Text: "Deutsch", Path: "/verify?lang=de&token=a%26b", Language: "de", Current: true},
		{Text: "Français", Path: "/verify?lang=fr&token=a%26b", Language: "fr"},
	}
	for n := range want {
		if got[n] != want[n] {
			t.Errorf("got %+v, want %+v", got[n], want[n])
		}
	}
}

func TestFieldsSayWhatIsWrongBesideThemselves(t *testing.T) {
	t.Parallel()
	set := parse(t, nil, "a.html", `{{template "problems" .Summary}}{{template "field" .Field}}{{template "radios" .Radios}}`)
	w, err := write(t, set, "a.html", page.Page{Content: map[string]any{
		"Summary": page.Summary{Title: "Two problems", Errors: []page.FieldError{{"email", "No address."}, {"", "Sent wrongly."}}},
		"Field":   page.Field{Name: "email", Label: "Mail", Hint: "Hint.", Error: "No address.", Value: `"><script>`, Required: true},
		"Radios":  page.Radios{Name: "wish", Legend: "What?", Error: "Choose.", Choices: []page.Choice{{"a", "A", "", false}, {"b", "B", "More.", true}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<li><a href="#email">No address.</a></li>`, `<li>Sent wrongly.</li>`, `<label for="email">Mail</label>`,
		`aria-describedby="email-hint email-error" aria-invalid="true"`, `value="&#34;&gt;&lt;script&gt;"`, ` required`,
		`<fieldset class="field wrong" aria-describedby="wish-error">`, `id="wish" name="wish" value="a">`, `id="wish-1" name="wish" value="b" checked aria-describedby="wish-1-hint">`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %s:\n%s", want, w.Body)
		}
	}
	w, _ = write(t, set, "a.html", page.Page{Content: map[string]any{"Summary": page.Summary{}, "Field": page.Field{Name: "email", Label: "Mail"}, "Radios": page.Radios{}}})
	if strings.Contains(w.Body.String(), "aria-describedby") || strings.Contains(w.Body.String(), "aria-invalid") {
		t.Errorf("a field without hint and error is described by something:\n%s", w.Body)
	}
}
