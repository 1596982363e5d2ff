package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/api"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/seal"
	"github.com/lethe-dsr/lethe/internal/web"
)

const document = `
controller: Acme GmbH
phone_region: DE
targets:
  - {id: acme-batch, provider: batch, api_key: k1, rest_key: k2, custom_id: user_id}
serve:
  tokens:
    - {name: crm, role: submit, token: crm-token-0123456789}
    - {name: shop, role: submit, token: shop-token-0123456789}
    - {name: officer, role: approve, token: officer-token-0123456789}
`

// The tokens of the document, as headers.
const (
	nobody  = ""
	crm     = "Bearer crm-token-0123456789"
	shop    = "Bearer shop-token-0123456789"
	officer = "Bearer officer-token-0123456789"
)

// engine opens jobs when a test says so, and takes people's words at once.
type engine struct {
	base erase.Base
	key  *seal.Key

	mu    sync.Mutex
	modes map[string]config.Mode // of the jobs that were started
}

func (e *engine) Start(ctx context.Context, requests []string, mode config.Mode) (string, error) {
	job := e.base.NewID()
	e.mu.Lock()
	e.modes[job] = mode
	e.mu.Unlock()
	return job, e.base.Ledger.Invite(ctx, job, requests, time.Time{})
}

func (e *engine) Decide(ctx context.Context, job string, w erase.Word) error {
	_, err := erase.Decide(ctx, e.base, job, w)
	return err
}

func (e *engine) Tell() {}

// service is the API behind the guard, on a ledger of its own, with the wall's clock.
type service struct {
	t      *testing.T
	desk   intake.Desk
	engine *engine
	h      http.Handler
	log    *bytes.Buffer
}

func serve(t *testing.T) *service {
	t.Helper()
	dir := t.TempDir()
	store, err := boltstore.Open(filepath.Join(dir, "ledger.db"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	key, err := seal.OpenKey(filepath.Join(dir, "key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := configfile.Parse([]byte(document), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	base := erase.Base{
		Ledger: ledger.New(store), Seal: key, Config: cfg, Report: func(erase.Event) {}, Now: time.Now,
		NewID: func() string { return ledger.NewID(time.Now(), rand.Reader) },
	}
	s := &service{t: t, engine: &engine{base: base, key: key, modes: map[string]config.Mode{}}, log: &bytes.Buffer{}}
	s.desk = intake.Desk{Base: base, Engine: s.engine}
	s.h = handler(s.log, api.Options{
		Desk: s.desk, Tokens: web.NewKeys(cfg.Serve.Tokens, key.Digest, time.Now), Keys: key.PublicSet(),
		PhoneRegion: cfg.PhoneRegion, Mode: cfg.Mode,
	})
	return s
}

// handler is an API behind the guard.
func handler(log io.Writer, o api.Options) http.Handler {
	mux := http.NewServeMux()
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	api.New(o).Register(mux)
	return web.Guard(mux, web.GuardOptions{
		Hosts: []string{"lethe.example"}, HTTPS: true, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

// open lets a job claim its requests.
func (s *service) open(job string) {
	s.t.Helper()
	s.engine.mu.Lock()
	mode := s.engine.modes[job]
	s.engine.mu.Unlock()
	if _, err := erase.OpenJob(s.engine.base)(s.t.Context(), erase.OpenJobIn{Job: job, Input: erase.Input{Mode: mode}}); err != nil {
		s.t.Fatal(err)
	}
}

// objectName is what a person recognises the object by that waits in a plan.
const objectName = marker + "'s phone"

const plan = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// wait opens a job and lets it wait for a person's word on plan, with one object in it.
func (s *service) wait(job string) {
	s.t.Helper()
	s.open(job)
	object, err := s.engine.key.Seal(s.t.Context(), "job/"+job, []byte(`{"id":"`+marker+`","name":"`+objectName+`"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	found := ledger.Finding{Target: "acme-batch", Area: erase.Profile, Digest: "digest", Object: object, Requests: map[string][]string{}, Seen: 1, Held: true}
	err = s.desk.Ledger.Members(s.t.Context(), job, func(id string, _ ledger.Member) error {
		found.Requests[id] = []string{"user id"}
		return nil
	})
	if err == nil {
		_, err = s.desk.Ledger.Found(s.t.Context(), job, []ledger.Finding{found})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = erase.RequestApproval(s.engine.base)(s.t.Context(), erase.RequestApprovalIn{Job: job, Plan: plan, Token: "task"})
	if err != nil {
		s.t.Fatal(err)
	}
}

// end closes a job.
func (s *service) end(job string) {
	s.t.Helper()
	if _, err := erase.CloseJob(s.engine.base, s.engine.key, "test")(s.t.Context(), erase.CloseJobIn{Job: job, Pass: 1, Final: true}); err != nil {
		s.t.Fatal(err)
	}
}

// ask makes a request; head are further headers, name and value by turns.
func ask(method, target, token, body string, head ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "lethe.example"
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for n := 0; n < len(head); n += 2 {
		r.Header.Set(head[n], head[n+1])
	}
	return r
}

func (s *service) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.h.ServeHTTP(w, r)
	return w
}

// answered is what tests look at in any answer.
type answered struct {
	ID       string            `json:"id"`
	Status   string            `json:"status"`
	State    string            `json:"state"`
	By       string            `json:"by"`
	Mode     string            `json:"mode"`
	Job      string            `json:"job"`
	Jobs     []any             `json:"jobs"`
	Joined   bool              `json:"joined"`
	Repeated bool              `json:"repeated"`
	Links    map[string]string `json:"links"`
	Requests any               `json:"requests"`
}

// must makes a request that has to be answered with a status.
func (s *service) must(want int, r *http.Request) (answered, *httptest.ResponseRecorder) {
	s.t.Helper()
	w := s.do(r)
	if w.Code != want {
		s.t.Fatalf("%s %s: got %d %s, want %d", r.Method, r.URL.Path, w.Code, w.Body, want)
	}
	var a answered
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			s.t.Fatalf("%s %s: %v in %s", r.Method, r.URL.Path, err, w.Body)
		}
	}
	return a, w
}

// person is a body for POST /requests; more are further members.
func person(email string, more ...string) string {
	return fmt.Sprintf(`{"subject":{"identifiers":[{"type":"email","value":%q}]}%s}`, email, strings.Join(append([]string{""}, more...), ","))
}

// filed files a request and gives its id.
func (s *service) filed(token, email string, more ...string) string {
	s.t.Helper()
	a, _ := s.must(202, ask("POST", "/requests", token, person(email, more...)))
	return a.ID
}

// claim makes identifiers of a request ones that nobody verified, as the form does.
func (s *service) claim(id string) {
	s.t.Helper()
	_, err := s.desk.Ledger.ChangeRequest(s.t.Context(), id, time.Now(), func(r *ledger.Request) error {
		r.Claimed = []string{"phone"}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

type problem struct {
	Type   string         `json:"type"`
	Status int            `json:"status"`
	Errors []intake.Field `json:"errors"`
}

// refused makes a request that has to be answered with a problem.
func (s *service) refused(want int, r *http.Request) problem {
	s.t.Helper()
	w := s.do(r)
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != want || p.Status != want || w.Header().Get("Content-Type") != "application/problem+json" {
		s.t.Errorf("%s %s: got %d %s, want a problem %d", r.Method, r.URL.Path, w.Code, w.Body, want)
	}
	return p
}
