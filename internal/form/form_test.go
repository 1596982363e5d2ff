package form_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestTheFormTellsWhatWillHappenAndByWhen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		regulation, path string
		want             []string
	}{
		{"gdpr", "/", []string{"by 22 December 2096 at the latest", "supervisory authority"}},
		{"gdpr", "/?lang=de", []string{"spätestens am 22. Dezember 2096", "Aufsichtsbehörde"}},
		{"gdpr", "/?lang=fr", []string{"au plus tard le 22 décembre 2096", "autorité de contrôle"}},
		{"ccpa", "/", []string{"by 6 January 2097 at the latest"}},
	} {
		a := openWith(t, c.regulation, "privacy@acme.example", nil).get(c.path)
		wantStatus(t, a, http.StatusOK)
		wantText(t, a, append(c.want, "Acme &amp; Söhne GmbH", "App Center Push, Batch", "48 ", `href="mailto:privacy@acme.example"`)...)
		if c.regulation == "ccpa" {
			wantNone(t, a, "supervisory authority")
		}
	}
}

func TestTheLanguageStaysAsChosen(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, c := range []struct{ path, header, language, action string }{
		{"/", "", "en", `action="/"`},
		{"/", "de-CH,de;q=0.9", "de", `action="/"`},
		{"/?lang=fr", "de", "fr", `action="/?lang=fr"`},
	} {
		a := d.get(c.path, "Accept-Language", c.header)
		wantText(t, a, `<html lang="`+c.language+`">`, c.action)
		if got := a.Header.Get("Content-Language"); got != c.language {
			t.Errorf("%s: Content-Language %q", c.path, got)
		}
	}
	a := d.post("/?lang=fr", "wish", "erase", "email", "ann@example.com")
	if got := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || got != "/sent?lang=fr" {
		t.Errorf("got %d to %q", a.StatusCode, got)
	}
	r, err := d.desk.Ledger.Request(t.Context(), d.events()[0].Request)
	must(t, err)
	if r.Language != "fr" {
		t.Errorf("mails will be in %q", r.Language)
	}
	wantText(t, d.get("/verify?lang=fr&token="+d.desk.Links.VerifyToken(r.ID)), `action="/verify?lang=fr"`, "lang=de&amp;token="+d.desk.Links.VerifyToken(r.ID))
}

func TestAnApplicationIsStoredAndNotRepeated(t *testing.T) {
	t.Parallel()
	d := open(t)
	id, _ := d.applied("email", " Ann@Example.com", "phone", "030 1234567", "account", "AT-4711")
	r, err := d.desk.Ledger.Request(t.Context(), id)
	must(t, err)
	if r.Status != ledger.Unverified || r.Language != "en" || len(r.Keys) != 3 {
		t.Errorf("stored as %s, %q, with %d identifiers", r.Status, r.Language, len(r.Keys))
	}
	a := d.get("/sent")
	wantText(t, a, "Look into your mailbox", "48 hours", "noindex")
	wantNone(t, a, "Ann", "example.com", "4711", `class="button"`)
}

func TestTheAnswerIsTheSameWhetherSomebodyIsKnownOrNot(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.confirmed("email", "known@example.com")
	var first answer
	for n, email := range []string{"known@example.com", "unknown@example.com", "known@example.com", "known@example.com"} { // the last one is over the limit of mails
		a := d.post("/", "wish", "erase", "email", email)
		if n == 0 {
			first = a
		}
		if a.StatusCode != first.StatusCode || a.text != first.text || a.Header.Get("Location") != first.Header.Get("Location") {
			t.Errorf("%d: %d %q, and before %d %q", n, a.StatusCode, a.text, first.StatusCode, first.text)
		}
	}
}

func TestErrorsStandBesideTheirFieldsAndKeepWhatWasTyped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fields []string
		want   []string
		none   []string
	}{
		{"no address", []string{"wish", "erase", "email", " "}, []string{`<a href="#email">Enter your e-mail address.</a>`, `id="email-error"`}, []string{`id="phone-error"`}},
		{"no field at all", []string{"wish", "erase"}, []string{`href="#email"`}, nil},
		{
			"everything wrong", []string{"wish", "erase", "email", "ann.example.com", "phone", "12", "account", strings.Repeat("x", 2000)},
			[]string{
				`<a href="#email">This is not an e-mail`, `<a href="#phone">`, `<a href="#account">`, `value="ann.example.com"`, `value="12"`, strings.Repeat("x", 2000),
				`aria-describedby="email-hint email-error" aria-invalid="true"`,
			}, nil,
		},
		{"one wrong", []string{"wish", "erase", "email", "ann@example.com", "phone", "x"}, []string{`value="ann@example.com"`, `value="x"`, `<a href="#phone">`}, []string{`href="#email"`}},
		{"nothing chosen", []string{"email", "ann@example.com"}, []string{`<a href="#wish">Choose`, `value="ann@example.com"`}, []string{" checked"}},
		{"a wish that is not there", []string{"wish", "all", "email", "ann@example.com"}, []string{`<a href="#wish">Choose`}, nil},
	} {
		d := open(t)
		a := d.post("/", c.fields...)
		wantStatus(t, a, http.StatusUnprocessableEntity)
		wantText(t, a, append(c.want, `role="alert"`, "<title>Error: ")...)
		wantNone(t, a, c.none...)
		if got := d.events(); len(got) > 0 {
			t.Errorf("%s: something was stored", c.name)
		}
	}
}

func TestSomethingElseStoresNothingAndTellsWhereToWrite(t *testing.T) {
	t.Parallel()
	for contact, want := range map[string]string{
		"privacy@acme.example": `<a href="mailto:privacy@acme.example">`, "https://acme.example/privacy": `<a href="https://acme.example/privacy">`, "": "in our privacy notice",
	} {
		d := openWith(t, "gdpr", contact, nil)
		a := d.post("/", "wish", "other", "email", "ann@example.com")
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/other" {
			t.Errorf("got %d to %q", a.StatusCode, a.Header.Get("Location"))
		}
		a = d.get("/other")
		wantText(t, a, want, "Nothing of what you entered was stored")
		if len(d.events()) > 0 {
			t.Error("something was stored")
		}
	}
}

func TestWhatNoFormSendsIsRefusedAndStoresNothing(t *testing.T) {
	t.Parallel()
	d := open(t)
	good := url.Values{"wish": {"erase"}, "email": {"ann@example.com"}}.Encode()
	typed := func(kind, body string) *http.Request {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		return r
	}
	for name, c := range map[string]struct {
		r    *http.Request
		want int
	}{
		"JSON":                     {typed("application/json", `{"wish":"erase"}`), 415},
		"a file upload":            {typed("multipart/form-data; boundary=x", good), 415},
		"plain text":               {typed("text/plain", good), 415},
		"no content type":          {typed("", good), 415},
		"another character set":    {typed("application/x-www-form-urlencoded; charset=utf-16", good), 415},
		"an unknown field":         {post("/", good+"&admin=1"), 422},
		"a field twice":            {post("/", good+"&email=ben%40example.com"), 422},
		"a wish twice":             {post("/", good+"&wish=other"), 422},
		"a NUL byte":               {post("/", good+"&account=a%00b"), 422},
		"a line end":               {post("/", good+"&account=a%0D%0Ab"), 422},
		"bytes that are no UTF-8":  {post("/", good+"&account=%ff%fe"), 422},
		"a broken escape":          {post("/", good+"&account=%zz"), 422},
		"a semicolon":              {post("/", good+";account=1"), 422},
		"fields in the query only": {post("/?"+good, ""), 422},
		"a very long address":      {post("/", "wish=erase&email="+strings.Repeat("a", 60<<10)+"%40example.com"), 422},
		"more than 64 KiB":         {post("/", good+"&account="+strings.Repeat("a", 64<<10)), 413},
		"ten thousand fields":      {post("/", good+strings.Repeat("&x=1", 10_000)), 422},
	} {
		a := d.do(c.r)
		if a.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", name, a.StatusCode, c.want)
		}
		wantText(t, a, "<title>Error: ")
		if len(d.events()) > 0 {
			t.Fatalf("%s: something was stored", name)
		}
	}
	r := typed("application/x-www-form-urlencoded; charset=UTF-8", good+"&account=4711%09")
	if a := d.do(r); a.StatusCode != http.StatusSeeOther {
		t.Errorf("with a character set named, and a tab from a pasted cell: %d", a.StatusCode)
	}
}

func TestMarkupThatIsTypedStaysText(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, evil := range []string{`"><script>alert(1)</script>`, `' onfocus='x`, `{{.Controller}}`, `</title><h1>`, `javascript:alert(1)`} {
		a := d.post("/", "wish", evil, "email", evil, "phone", evil, "account", evil)
		wantStatus(t, a, http.StatusUnprocessableEntity)
		wantNone(t, a, "<script", "' onfocus", "</title><h1>")
		check(t, "hostile form", a)
		for _, n := range elements(t, a, "input") {
			if name := attribute(n, "name"); slices.Contains([]string{"email", "phone", "account"}, name) && attribute(n, "value") != evil {
				t.Errorf("%s holds %q, and %q was typed", name, attribute(n, "value"), evil)
			}
		}
	}
}

func TestTooManyApplications(t *testing.T) {
	t.Parallel()
	d := open(t)
	send := func(client, email string) answer {
		r := post("/", url.Values{"wish": {"erase"}, "email": {email}}.Encode())
		r.Header.Set("Test-Client", client)
		return d.do(r)
	}
	for n := range 5 {
		wantStatus(t, send("a", string(rune('a'+n))+"@example.com"), http.StatusSeeOther)
	}
	a := send("a", "z@example.com")
	wantStatus(t, a, http.StatusTooManyRequests)
	wantText(t, a, "try again in an hour")
	if a.Header.Get("Retry-After") != "3600" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	wantStatus(t, send("b", "z@example.com"), http.StatusSeeOther)
	d.pass(time.Hour)
	wantStatus(t, send("a", "z@example.com"), http.StatusSeeOther)
}

func TestMethods(t *testing.T) {
	t.Parallel()
	d := open(t)
	_, status := d.confirmed("email", "ann@example.com")
	for path, allow := range map[string]string{
		"/": "GET, HEAD, POST", "/verify": "GET, HEAD, POST", "/sent": "GET, HEAD", "/other": "GET, HEAD", status: "GET, HEAD", status + "/certificate": "GET, HEAD", status + "/cancel": "GET, HEAD, POST",
	} {
		a := d.do(httptest.NewRequest("DELETE", path, nil))
		if a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != allow {
			t.Errorf("%s: %d, Allow %q", path, a.StatusCode, a.Header.Get("Allow"))
		}
	}
	server := httptest.NewServer(d.mux)
	defer server.Close()
	for _, path := range []string{"/", "/sent", status} {
		a, err := http.Head(server.URL + path)
		must(t, err)
		a.Body.Close()
		if a.StatusCode != http.StatusOK || a.ContentLength < 1000 {
			t.Errorf("HEAD %s: %d, %d bytes", path, a.StatusCode, a.ContentLength)
		}
	}
}
