package form_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/form"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/link"
	"github.com/lethe-dsr/lethe/internal/page"
	"github.com/lethe-dsr/lethe/internal/seal"
)

const document = `
controller: Acme & Söhne GmbH
regulation: %s
phone_region: DE
targets:
  - {id: acme-ios, provider: appcenter, owner: acme, app: acme-ios, token: t, export_container: "https://acme.blob.core.windows.net/lethe?sig=x"}
  - {id: acme-batch, provider: batch, api_key: k1, rest_key: k2, custom_id: user_id}
serve: {%sform: {per_address: 3, per_client: 5, all: 12}}
`

// idle is an engine that does nothing: jobs are played by tests.
type idle struct{}

func (idle) Start(context.Context, []string, config.Mode) (string, error) {
	return "", errors.New("not in this test")
}
func (idle) Decide(context.Context, string, erase.Word) error { return errors.New("not in this test") }
func (idle) Tell()                                            {}

// door is the public pages on a real desk, with a clock that is set by hand: in years to come, because a store forgets by
// the machine's clock what is over.
type door struct {
	t    testing.TB
	desk intake.Desk
	mux  *http.ServeMux
	mu   sync.Mutex
	now  time.Time
	log  strings.Builder
}

func (d *door) pass(dur time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(dur)
}

func (d *door) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func open(t *testing.T) *door { return openWith(t, "gdpr", "privacy@acme.example", nil) }

// openWith opens the door under a regulation; other stands in for the desk where it is given.
func openWith(t testing.TB, regulation, contact string, other form.Desk) *door {
	t.Helper()
	d := &door{t: t, mux: http.NewServeMux(), now: time.Date(2096, 11, 22, 9, 30, 0, 0, time.UTC)}
	if contact != "" {
		contact = fmt.Sprintf("contact: %q, ", contact)
	}
	cfg, err := configfile.Parse(fmt.Appendf(nil, document, regulation, contact), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	if other == nil {
		d.desk = realDesk(t, cfg, d.clock)
		other = d.desk
	}
	f, err := form.New(form.Options{
		Desk: other, Config: cfg, Now: d.clock, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
		Client: func(r *http.Request) string { return r.Header.Get("Test-Client") },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Register(d.mux)
	page.Register(d.mux)
	return d
}

func realDesk(t testing.TB, cfg config.Config, now func() time.Time) intake.Desk {
	t.Helper()
	store, err := boltstore.Open(filepath.Join(t.TempDir(), "ledger.db"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	key, err := seal.OpenKey(filepath.Join(t.TempDir(), "key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var ids atomic.Int32
	return intake.Desk{
		Base: erase.Base{
			Ledger: ledger.New(store), Seal: key, Config: cfg, Report: func(erase.Event) {}, Now: now,
			NewID: func() string { return fmt.Sprintf("R%04d", ids.Add(1)) },
		},
		Engine: idle{},
		Links:  link.Maker{Base: &url.URL{Scheme: "https", Host: "privacy.acme.example"}, Digest: key.Digest},
	}
}

// answer is what came back.
type answer struct {
	*http.Response
	text string
}

func (d *door) do(r *http.Request) answer {
	d.t.Helper()
	w := httptest.NewRecorder()
	d.mux.ServeHTTP(w, r)
	a := w.Result()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return answer{a, string(body)}
}

func (d *door) get(path string, header ...string) answer {
	d.t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	for n := 0; n+1 < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	return d.do(r)
}

func post(path, body string) *http.Request {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// post sends fields given as name, value, name, value.
func (d *door) post(path string, fields ...string) answer {
	d.t.Helper()
	v := url.Values{}
	for n := 0; n+1 < len(fields); n += 2 {
		v.Add(fields[n], fields[n+1])
	}
	return d.do(post(path, v.Encode()))
}

// events is what the ledger's outbox holds: mails to come.
func (d *door) events() (all []ledger.Event) {
	d.t.Helper()
	if err := d.desk.Ledger.Outbox(d.t.Context(), func(e ledger.Event) error { all = append(all, e); return nil }); err != nil {
		d.t.Fatal(err)
	}
	return all
}

// applied sends the form, and gives the request and the token of the link in the mail.
func (d *door) applied(fields ...string) (id, token string) {
	d.t.Helper()
	before := map[string]bool{}
	for _, e := range d.events() {
		before[e.Request] = true
	}
	if a := d.post("/", append([]string{"wish", "erase"}, fields...)...); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sent" {
		d.t.Fatalf("the form is answered with %d to %q: %s", a.StatusCode, a.Header.Get("Location"), a.text)
	}
	for _, e := range d.events() {
		if !before[e.Request] {
			return e.Request, d.desk.Links.VerifyToken(e.Request)
		}
	}
	d.t.Fatal("nothing was filed")
	return "", ""
}

// confirmed goes on to the status page, and gives its path.
func (d *door) confirmed(fields ...string) (id, path string) {
	d.t.Helper()
	id, token := d.applied(fields...)
	a := d.post("/verify", "token", token)
	if a.StatusCode != http.StatusSeeOther {
		d.t.Fatalf("confirming is answered with %d: %s", a.StatusCode, a.text)
	}
	return id, a.Header.Get("Location")
}

// closed plays a job that works on a request and closes it with a status and outcomes.
func (d *door) closed(id string, s ledger.Status, outcomes ...ledger.Outcome) {
	d.t.Helper()
	ctx, l, job := d.t.Context(), d.desk.Ledger, "J"+id
	must(d.t, l.Invite(ctx, job, []string{id}, time.Time{}))
	_, err := l.Claim(ctx, job, []string{id}, d.clock())
	must(d.t, err)
	r, err := l.Request(ctx, id)
	must(d.t, err)
	r.Status, r.Closed = s, d.clock()
	must(d.t, l.CloseRequests(ctx, job, []ledger.Closing{{Request: r, Outcomes: outcomes, Certificate: "aGVhZA.Ym9keQ.c2ln"}}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantText(t *testing.T, a answer, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(a.text, p) {
			t.Errorf("%d page lacks %q:\n%s", a.StatusCode, p, a.text)
		}
	}
}

func wantNone(t *testing.T, a answer, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(a.text, p) {
			t.Errorf("%d page holds %q:\n%s", a.StatusCode, p, a.text)
		}
	}
}

func wantStatus(t *testing.T, a answer, status int) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("answered with %d, want %d:\n%s", a.StatusCode, status, a.text)
	}
}
