package console_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/console"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/link"
	"github.com/lethe-dsr/lethe/internal/live"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/seal"
	"github.com/lethe-dsr/lethe/internal/subject"
	"github.com/lethe-dsr/lethe/internal/web"
	"github.com/lethe-dsr/lethe/statemachine"
)

const (
	approver  = "token-of-dpo-0123456789"
	submitter = "token-of-crm-0123456789"
)

// world is a console on a desk with a ledger of its own. Jobs are opened by hand, so that tests know what is in them.
type world struct {
	base    erase.Base
	desk    intake.Desk
	keys    *web.Keys
	board   *live.Board
	console *console.Console
	server  *httptest.Server
	client  *http.Client // keeps its cookie, and follows no redirects
	log     *bytes.Buffer

	mu     sync.Mutex
	now    time.Time
	made   int
	starts [][]string   // requests of the jobs that were started
	words  []erase.Word // of Decide
	tells  int
}

// Start writes down what was asked for, and opens no job.
func (w *world) Start(_ context.Context, requests []string, _ config.Mode) (string, error) {
	job := w.base.NewID()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts = append(w.starts, requests)
	return job, nil
}

// Decide is the real one, without a job that goes on.
func (w *world) Decide(ctx context.Context, job string, word erase.Word) error {
	if _, err := erase.Decide(ctx, w.base, job, word); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.words = append(w.words, word)
	return nil
}

func (w *world) Tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tells++
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// newID sorts by the order in which ids were made.
func (w *world) newID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made++
	return fmt.Sprintf("01JD%010dABCDEF%06d", w.made, w.made)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := boltstore.Open(filepath.Join(t.TempDir(), "ledger.db"), time.Second)
	must(t, err)
	t.Cleanup(func() { store.Close() })
	key, err := seal.OpenKey(filepath.Join(t.TempDir(), "lethe.key"), rand.Reader)
	must(t, err)
	// Far ahead: the store itself forgets what is over by the real clock.
	w := &world{now: time.Date(2066, 11, 22, 14, 5, 0, 0, time.UTC), log: &bytes.Buffer{}}
	app := func(id string) config.Target { return config.Target{ID: id, Provider: config.AppCenter} }
	w.base = erase.Base{
		Ledger: ledger.New(store), Seal: key, Now: w.clock, NewID: w.newID, Report: func(erase.Event) {},
		Config: config.Config{
			Controller: "Acme GmbH", Regulation: config.GDPR, Mode: config.Approve, Passes: 3,
			Limits:  config.Limits{Devices: 50, Audiences: 3, Notifications: 20, Share: 0.01},
			Targets: []config.Target{app("acme-ios"), app("acme-android")},
		},
	}
	w.desk = intake.Desk{Base: w.base, Engine: w, Links: link.Maker{Base: &url.URL{Scheme: "http", Host: "lethe.test"}, Digest: key.Digest}}
	w.board = live.NewBoard(time.Now)
	w.keys = web.NewKeys([]config.Token{
		{Name: "dpo", Role: config.RoleApprove, Token: config.NewSecret(approver)},
		{Name: "crm", Role: config.RoleSubmit, Token: config.NewSecret(submitter)},
	}, key.Digest, w.clock)
	w.console, err = console.New(console.Options{
		Desk: w.desk, Board: w.board, Keys: w.keys, Controller: "Acme GmbH", Mode: config.Approve, Machine: statemachine.Erasure,
		Now: w.clock, Log: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	must(t, err)
	mux := http.NewServeMux()
	w.console.Register(mux)
	w.server = httptest.NewUnstartedServer(nil)
	w.server.Config.WriteTimeout = time.Second // streams outlive it
	w.server.Config.Handler = web.Guard(mux, web.GuardOptions{
		Hosts: []string{w.server.Listener.Addr().String()}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	w.server.Start()
	t.Cleanup(w.server.Close)
	t.Cleanup(w.console.Close)
	w.client = w.newClient(t)
	return w
}

func (w *world) newClient(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &http.Client{Jar: jar, Transport: w.server.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// signedIn is a world whose client has the dpo's session.
func signedIn(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	if a := w.post(t, "/console/sign-in", "token", approver); a.status != http.StatusSeeOther {
		t.Fatalf("signing in: %d", a.status)
	}
	return w
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (w *world) get(t *testing.T, path string) answer {
	t.Helper()
	return w.do(t, http.MethodGet, path, nil)
}

// post sends a form of names and values.
func (w *world) post(t *testing.T, path string, form ...string) answer {
	t.Helper()
	values := url.Values{}
	for n := 0; n < len(form); n += 2 {
		values.Set(form[n], form[n+1])
	}
	return w.do(t, http.MethodPost, path, values)
}

func (w *world) do(t *testing.T, method, path string, form url.Values) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.server.URL+path, strings.NewReader(form.Encode()))
	must(t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := w.client.Do(r)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// file brings a request of somebody into the ledger, received that long ago.
func (w *world) file(t *testing.T, ago time.Duration, change ...func(*ledger.Request)) string {
	t.Helper()
	w.pass(-ago)
	var s subject.Subject
	id, err := subject.New(subject.Email, "", fmt.Sprintf("person-%d@example.com", w.made), phone.In("DE"))
	must(t, err)
	s.Add(id)
	r, err := erase.NewRequest(t.Context(), w.base, s, "form")
	must(t, err)
	w.pass(ago)
	for _, c := range change {
		c(&r)
	}
	if len(r.Claimed) > 0 { // then an account id was typed as well
		id, err := subject.New(subject.UserID, "", "AT-1", phone.In(""))
		must(t, err)
		s.Add(id)
		r.Subject, err = w.base.Seal.Seal(t.Context(), "request/"+r.ID, s.Encode())
		must(t, err)
	}
	must(t, w.base.Ledger.File(t.Context(), []ledger.Request{r}))
	return r.ID
}

// object is something that a search found.
type object struct {
	target, area, id, name string
	for_                   []string // requests
	grounds                []string
}

// job opens a job over requests.
func (w *world) job(t *testing.T, mode config.Mode, requests ...string) string {
	t.Helper()
	ctx, id := t.Context(), w.base.NewID()
	must(t, w.base.Ledger.Invite(ctx, id, requests, time.Time{}))
	_, err := w.base.Ledger.OpenJob(ctx, ledger.Job{ID: id, Mode: string(mode), Opened: w.clock(), Search: []string{"acme-ios", "acme-android"}, Order: []string{}})
	must(t, err)
	_, err = w.base.Ledger.Claim(ctx, id, requests, w.clock())
	must(t, err)
	return id
}

// review searches and reviews: the objects are what the search found. It gives the hash of the plan.
func (w *world) review(t *testing.T, job string, pass int, faults map[string]string, objects ...object) string {
	t.Helper()
	var found []ledger.Finding
	for _, o := range objects {
		plain, err := json.Marshal(map[string]string{"id": o.id, "name": o.name})
		must(t, err)
		sealed, err := w.base.Seal.Seal(t.Context(), "job/"+job, plain)
		must(t, err)
		f := ledger.Finding{
			Target: o.target, Area: o.area, Digest: w.base.Seal.Digest("object/"+o.target+"/"+o.area, o.id), Object: sealed,
			Requests: map[string][]string{}, Grounds: o.grounds, Seen: pass,
		}
		for _, r := range o.for_ {
			f.Requests[r] = []string{"e-mail in a property"}
		}
		found = append(found, f)
	}
	_, err := w.base.Ledger.Found(t.Context(), job, found)
	must(t, err)
	in := erase.ReviewFindingsIn{Job: job, Pass: pass}
	for _, target := range []string{"acme-ios", "acme-android"} {
		for _, area := range []string{"devices", "audiences", "notifications"} {
			in.Found = append(in.Found, erase.Result{Target: target, Area: area, Fault: faults[target+"/"+area]})
		}
	}
	out, err := erase.ReviewFindings(w.base)(t.Context(), in)
	must(t, err)
	return out.Plan
}

// waiting is a job whose plan waits.
func (w *world) waiting(t *testing.T, requests []string, objects ...object) (job, hash string) {
	t.Helper()
	job = w.job(t, config.Approve, requests...)
	hash = w.review(t, job, 1, nil, objects...)
	_, err := erase.RequestApproval(w.base)(t.Context(), erase.RequestApprovalIn{Job: job, Plan: hash, Token: "task-token"})
	must(t, err)
	return job, hash
}

// enter posts on the board that a job enters states.
func (w *world) enter(job string, states ...string) {
	for _, s := range states {
		w.board.Observe(asl.Event{Execution: job, Kind: asl.Entered, State: s})
	}
}

func device(id string, requests ...string) object {
	return object{target: "acme-ios", area: "devices", id: id, for_: requests}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// holds checks that a page says all that.
func (a answer) holds(t *testing.T, what string, status int, wants ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: status %d, want %d", what, a.status, status)
	}
	for _, want := range wants {
		if !strings.Contains(a.body, want) {
			t.Errorf("%s: the page does not say %q", what, want)
		}
	}
}

// goesTo checks for a redirect after a change.
func (a answer) goesTo(t *testing.T, what, want string) {
	t.Helper()
	if got := a.header.Get("Location"); a.status != http.StatusSeeOther || got != want {
		t.Errorf("%s: %d to %q, want 303 to %q", what, a.status, got, want)
	}
}
