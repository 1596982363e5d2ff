package intake_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/link"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/seal"
	"github.com/lethe-dsr/lethe/internal/subject"
)

const document = `
controller: Acme GmbH
phone_region: DE
targets:
  - {id: acme-batch, provider: batch, api_key: k1, rest_key: k2, custom_id: user_id}
serve: {form: {per_address: 3, per_client: 5, all: 12}}
`

// starts notes what the engine was asked for.
type starts struct {
	mu    sync.Mutex
	jobs  []string // "mode: request request"
	words []erase.Word
	l     *ledger.Ledger
}

func (s *starts) Start(ctx context.Context, requests []string, mode config.Mode) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = append(s.jobs, fmt.Sprintf("%s: %v", mode, requests))
	job := fmt.Sprintf("JOB%d", len(s.jobs))
	return job, s.l.Invite(ctx, job, requests, time.Time{})
}

func (s *starts) Decide(_ context.Context, _ string, w erase.Word) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words = append(s.words, w)
	return nil
}

func (s *starts) Tell() {}

// door is a desk with a clock that is set by hand.
type door struct {
	intake.Desk
	t      *testing.T
	engine *starts
	store  ledger.Store
	mu     sync.Mutex
	now    time.Time
	path   string
}

func (d *door) pass(dur time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(dur)
}

func open(t *testing.T) *door {
	t.Helper()
	d := &door{t: t, now: time.Now().UTC().Truncate(time.Millisecond), path: filepath.Join(t.TempDir(), "ledger.db")}
	store, err := boltstore.Open(d.path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	key, err := seal.OpenKey(filepath.Join(t.TempDir(), "key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := configfile.Parse([]byte(document), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	d.store = store
	l := ledger.New(store)
	ids := 0
	d.engine = &starts{l: l}
	d.Desk = intake.Desk{
		Base: erase.Base{
			Ledger: l, Seal: key, Config: cfg, Report: func(erase.Event) {},
			Now: func() time.Time { d.mu.Lock(); defer d.mu.Unlock(); return d.now },
			NewID: func() string {
				d.mu.Lock()
				defer d.mu.Unlock()
				ids++
				return fmt.Sprintf("R%04d", ids)
			},
		},
		Engine: d.engine,
		Links:  link.Maker{Base: &url.URL{Scheme: "https", Host: "privacy.acme.example"}, Digest: key.Digest},
	}
	return d
}

// got makes a value of a value and an error.
func got[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func person(t *testing.T, email string, more ...string) subject.Subject {
	t.Helper()
	s := subject.Subject{}
	s.Add(got(subject.New(subject.Email, "", email, phone.In("")))(t))
	for _, id := range more {
		s.Add(got(subject.New(subject.UserID, "", id, phone.In("")))(t))
	}
	return s
}

// apply sends the form, and gives the id of the request that came of it: "" for none.
func (d *door) apply(a intake.Application) string {
	d.t.Helper()
	before := map[string]bool{}
	for _, e := range d.events() {
		before[e.Request] = true
	}
	if err := d.Apply(d.t.Context(), a); err != nil {
		d.t.Fatal(err)
	}
	for _, e := range d.events() {
		if !before[e.Request] {
			return e.Request
		}
	}
	return ""
}

func (d *door) events() (all []ledger.Event) {
	d.t.Helper()
	if err := d.Ledger.Outbox(d.t.Context(), func(e ledger.Event) error { all = append(all, e); return nil }); err != nil {
		d.t.Fatal(err)
	}
	return all
}
