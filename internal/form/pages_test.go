package form_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/page"
)

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// elements gives the elements of a page, all or those of one kind.
func elements(t *testing.T, a answer, kind string) (out []*html.Node) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(a.text))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && (kind == "" || n.Data == kind) {
			out = append(out, n)
		}
	}
	return out
}

// check looks for what browsers under our Content-Security-Policy and screen readers would trip over.
func check(t *testing.T, name string, a answer) {
	t.Helper()
	ids, count, level := map[string]bool{}, map[string]int{}, 0
	all := elements(t, a, "")
	for _, n := range all {
		if id := attribute(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("%s: the id %s twice", name, id)
			}
			ids[id] = true
		}
	}
	labels := map[string]bool{}
	for _, n := range all {
		count[n.Data]++
		if n.Data == "label" {
			labels[attribute(n, "for")] = true
		}
		if len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' {
			now := int(n.Data[1] - '0')
			if now > level+1 {
				t.Errorf("%s: a heading of level %d under one of %d", name, now, level)
			}
			level = now
		}
		for _, at := range n.Attr {
			refers := at.Key == "for" || at.Key == "aria-describedby" || at.Key == "aria-labelledby"
			if at.Key == "style" || strings.HasPrefix(at.Key, "on") {
				t.Errorf("%s: attribute %s of %s", name, at.Key, n.Data)
			}
			if at.Key == "href" && strings.HasPrefix(at.Val, "#") {
				refers, at.Val = true, at.Val[1:]
			}
			for _, id := range strings.Fields(at.Val) {
				if refers && !ids[id] {
					t.Errorf("%s: %s of %s names %q, which is not there", name, at.Key, n.Data, id)
				}
			}
			if at.Key == "src" || at.Key == "action" || at.Key == "href" && n.Data == "link" {
				if !strings.HasPrefix(at.Val, "/") || strings.HasPrefix(at.Val, "//") {
					t.Errorf("%s: %s %s goes to %q", name, n.Data, at.Key, at.Val)
				}
			}
		}
	}
	for _, n := range all {
		if n.Data == "input" && attribute(n, "type") != "hidden" && !labels[attribute(n, "id")] {
			t.Errorf("%s: the input %s has no label", name, attribute(n, "name"))
		}
	}
	for kind, want := range map[string]int{"h1": 1, "main": 1, "title": 1, "script": 0, "style": 0, "img": 0, "iframe": 0, "base": 0} {
		if count[kind] != want {
			t.Errorf("%s: %d elements %s, want %d", name, count[kind], kind, want)
		}
	}
	if l := attribute(elements(t, a, "html")[0], "lang"); l == "" || l != a.Header.Get("Content-Language") {
		t.Errorf("%s: language %q, and %q in the header", name, l, a.Header.Get("Content-Language"))
	}
	if strings.Contains(a.text, "%!") || strings.Contains(a.text, "ZgotmplZ") || strings.Contains(a.text, "&lt;no value&gt;") {
		t.Errorf("%s: something was not filled in:\n%s", name, a.text)
	}
}

// shown is a desk that shows what a test gives it.
type shown struct {
	view intake.View
	err  error
}

func (s shown) Apply(context.Context, intake.Application) error { return s.err }
func (s shown) CheckVerify(context.Context, string) (intake.Check, error) {
	return intake.Check{Status: "T.x"}, s.err
}
func (s shown) Confirm(context.Context, string) (string, error)             { return "T.x", s.err }
func (s shown) ByLink(context.Context, string) (intake.View, error)         { return s.view, s.err }
func (s shown) Certificate(context.Context, string) (string, error)         { return "", s.err }
func (s shown) Cancel(_ context.Context, _ string) (v intake.View, _ error) { return s.view, s.err }

func TestEveryPageIsSoundInEveryLanguage(t *testing.T) {
	t.Parallel()
	d := open(t)
	_, token := d.applied("email", "ann@example.com")
	id, status := d.confirmed("email", "ben@example.com")
	done, erased := d.confirmed("email", "cid@example.com")
	d.closed(done, ledger.Partial, devices(ledger.NotDone, "StillThere"), profile(ledger.Kept, "rejected in review"))
	_, err := d.desk.Extend(t.Context(), id, intake.Number, "x")
	must(t, err)
	for _, l := range []string{"en", "de", "fr"} {
		for _, path := range []string{"/", "/sent", "/other", "/verify", "/verify?token=" + token, status, status + "/cancel", erased, "/status/x"} {
			address, query, _ := strings.Cut(path, "?")
			a := d.get(address + "?lang=" + l + "&" + query)
			check(t, l+" "+path, a)
			if got := attribute(elements(t, a, "html")[0], "lang"); got != l {
				t.Errorf("%s is in %s, want %s", path, got, l)
			}
		}
		check(t, l+" with errors", d.post("/?lang="+l, "email", "x", "phone", "x", "account", "", "more", "x"))
		check(t, l+" refused", d.do(post("/?lang="+l, strings.Repeat("x", 1<<20))))
	}
}

func TestMistakesOfOursAreToldWithoutDetails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want int
		log  bool
	}{
		{errors.New("a secret reason"), http.StatusInternalServerError, true},
		{fault.New(fault.SealBroken, "a secret reason"), http.StatusInternalServerError, true},
		{fault.New(fault.LedgerBusy, "a secret reason"), http.StatusServiceUnavailable, true},
		{context.Canceled, http.StatusServiceUnavailable, false},
	} {
		d := openWith(t, "gdpr", "", shown{err: c.err})
		for name, a := range map[string]answer{
			"apply": d.post("/", "wish", "erase", "email", "ann@example.com"), "verify": d.get("/verify?token=TOKEN.x"), "confirm": d.post("/verify", "token", "TOKEN.x"),
			"status": d.get("/status/TOKEN.x"), "certificate": d.get("/status/TOKEN.x/certificate"), "cancel": d.post("/status/TOKEN.x/cancel"), "ask": d.get("/status/TOKEN.x/cancel"),
		} {
			if a.StatusCode != c.want {
				t.Errorf("%s: %d, want %d", name, a.StatusCode, c.want)
			}
			wantNone(t, a, "secret reason")
			check(t, name, a)
			if c.want == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "" {
				t.Errorf("%s: no Retry-After", name)
			}
		}
		log := d.log.String()
		if (log != "") != c.log || strings.Contains(log, "a secret reason") != c.log || strings.Contains(log, "TOKEN") || strings.Contains(log, "ann@") {
			t.Errorf("the log holds\n%s", log)
		}
	}
}

// FuzzPost sends bodies to the form: whatever comes, it answers with a page of its own, and takes in only what is sound.
func FuzzPost(f *testing.F) {
	for _, body := range []string{
		"wish=erase&email=ann%40example.com&phone=&account=", "wish=other", "wish=erase&email=%00", "email=%ff&wish=erase", "a=b;c=d", "&&&===", "wish=erase&wish=erase", "wish=erase&email=\"><script>",
		"wish=erase&email=x&account=%F0%9F%98%80",
	} {
		f.Add(body, "de")
	}
	taken := &taker{}
	d := openWith(f, "gdpr", "", taken)
	f.Fuzz(func(t *testing.T, body, language string) {
		taken.n, d.t = 0, t
		r := post("/", body)
		r.Header.Set("Accept-Language", language)
		a := d.do(r)
		switch a.StatusCode {
		case http.StatusSeeOther:
			if l := a.Header.Get("Location"); l != "/sent" && l != "/other" {
				t.Errorf("sent to %q", l)
			}
		case http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
			check(t, "fuzzed", a)
			if !slices.Contains([]string{page.English, page.German, page.French}, a.Header.Get("Content-Language")) {
				t.Errorf("in %q", a.Header.Get("Content-Language"))
			}
		default:
			t.Errorf("answered with %d", a.StatusCode)
		}
		if (a.Header.Get("Location") == "/sent") != (taken.n == 1) {
			t.Errorf("%d applications, and %d to %q", taken.n, a.StatusCode, a.Header.Get("Location"))
		}
	})
}

// taker takes every application.
type taker struct {
	shown
	n int
}

func (k *taker) Apply(context.Context, intake.Application) error { k.n++; return nil }
