package form_test

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

func (d *door) statusOf(id string) ledger.Status {
	d.t.Helper()
	r, err := d.desk.Ledger.Request(d.t.Context(), id)
	must(d.t, err)
	return r.Status
}

func TestOnlyAClickConfirms(t *testing.T) {
	t.Parallel()
	d := open(t)
	id, token := d.applied("email", "ann@example.com")
	for range 3 { // scanners of mails look at links, some of them often
		a := d.get("/verify?token=" + token)
		wantStatus(t, a, http.StatusOK)
		wantText(t, a, `<form method="post" action="/verify">`, `<input type="hidden" name="token" value="`+token+`">`, "<button", "noindex")
		wantNone(t, a, "ann@example.com", "http-equiv")
	}
	if got := d.statusOf(id); got != ledger.Unverified {
		t.Fatalf("a GET made it %s", got)
	}
	a := d.post("/verify", "token", token)
	if want := "/status/" + d.desk.Links.StatusToken(id); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want {
		t.Errorf("got %d to %q, want %q", a.StatusCode, a.Header.Get("Location"), want)
	}
	if got := d.statusOf(id); got != ledger.Pending {
		t.Errorf("confirmed, it is %s", got)
	}
	wantStatus(t, d.get(a.Header.Get("Location")), http.StatusOK)
}

func TestALinkThatWasUsedLeadsToTheStatusPage(t *testing.T) {
	t.Parallel()
	d := open(t)
	id, token := d.applied("email", "ann@example.com")
	d.post("/verify", "token", token)
	for _, a := range []answer{d.get("/verify?lang=de&token=" + token), d.post("/verify?lang=de", "token", token)} {
		wantStatus(t, a, http.StatusOK)
		wantText(t, a, "Bereits bestätigt", `href="/status/`+d.desk.Links.StatusToken(id)+`?lang=de"`)
	}
}

func TestLinksThatConfirmNothing(t *testing.T) {
	t.Parallel()
	d := open(t)
	id, token := d.applied("email", "ann@example.com")
	other, _ := d.applied("email", "ben@example.com")
	for name, forged := range map[string]string{
		"none": "", "one of the status page": d.desk.Links.StatusToken(id), "one with the id of another request": other + token[len(id):],
		"one that is cut off": token[:len(token)-1], "markup": `"><script>`, "a path": "../status/x", "one of nobody's request": d.desk.Links.VerifyToken("R9999"),
	} {
		for _, a := range []answer{d.get("/verify?token=" + url.QueryEscape(forged)), d.post("/verify", "token", forged)} {
			if a.StatusCode != http.StatusGone {
				t.Errorf("a token that is %s: %d", name, a.StatusCode)
			}
			wantText(t, a, `href="/"`)
			wantNone(t, a, "<script")
		}
	}
	wantStatus(t, d.get("/verify"), http.StatusGone)
	wantStatus(t, d.get("/verify?token="+token+"&token="+token), http.StatusGone)
	wantStatus(t, d.post("/verify?token="+token), http.StatusGone) // a form has it in its body
	wantStatus(t, d.post("/verify", "token", token, "token", token), http.StatusUnprocessableEntity)
	wantStatus(t, d.post("/verify", "token", token, "x", "y"), http.StatusUnprocessableEntity)
	if got := d.statusOf(id); got != ledger.Unverified {
		t.Fatalf("it is %s", got)
	}
	d.pass(48 * time.Hour)
	wantStatus(t, d.get("/verify?token="+token), http.StatusGone)
	wantStatus(t, d.post("/verify", "token", token), http.StatusGone)
}

func TestSomebodyWithAnOpenRequestComesToThatOne(t *testing.T) {
	t.Parallel()
	d := open(t)
	_, first := d.confirmed("email", "ann@example.com")
	if _, second := d.confirmed("email", "ann@example.com"); second != first {
		t.Errorf("got %q, want %q", second, first)
	}
}

// Somebody else may have typed the address, with an account of theirs, or of a third person.
func TestThePageSaysWhatElseIsConfirmed(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, c := range []struct {
		typed []string
		want  string
	}{
		{nil, ""},
		{[]string{"phone", "+49 30 901820"}, "A phone number was entered, too."},
		{[]string{"account", "AT-1"}, "An account ID was entered, too."},
		{[]string{"phone", "+49 30 901820", "account", "AT-1"}, "A phone number and an account ID were entered, too."},
	} {
		_, token := d.applied(append([]string{"email", "ann" + strconv.Itoa(len(c.want)) + "@example.com"}, c.typed...)...)
		a := d.get("/verify?token=" + token)
		wantNone(t, a, "AT-1", "901820")
		if c.want == "" {
			wantNone(t, a, "entered, too")
		} else {
			wantText(t, a, c.want, "Do not confirm if")
		}
	}
}
