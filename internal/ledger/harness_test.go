package ledger_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
)

func open(t *testing.T) *ledger.Ledger {
	t.Helper()
	s, err := boltstore.Open(filepath.Join(t.TempDir(), "ledger.db"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return ledger.New(s)
}

// request is a pending request of somebody with these keyed digests of identifiers.
func request(id string, keys ...string) ledger.Request {
	return ledger.Request{ID: id, Status: ledger.Pending, Person: "person-" + id, Subject: []byte("sealed"), Keys: keys, Received: time.Now()}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ids collects what a listing gives, in order.
func ids(t *testing.T, list func(context.Context, func(string) error) error) []string {
	t.Helper()
	var out []string
	must(t, list(t.Context(), func(id string) error {
		out = append(out, id)
		return nil
	}))
	slices.Sort(out)
	return out
}

func wantIDs(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func status(t *testing.T, l *ledger.Ledger, id string) ledger.Status {
	t.Helper()
	r, err := l.Request(t.Context(), id)
	must(t, err)
	return r.Status
}

// claim invites requests to a job and claims them.
func claim(t *testing.T, l *ledger.Ledger, job string, requests ...string) []string {
	t.Helper()
	must(t, l.Invite(t.Context(), job, requests, time.Time{}))
	held, err := l.Claim(t.Context(), job, requests, time.Now())
	must(t, err)
	return held
}

func closeRequest(t *testing.T, l *ledger.Ledger, job, id string, s ledger.Status) {
	t.Helper()
	r, err := l.Request(t.Context(), id)
	must(t, err)
	r.Status, r.Closed = s, time.Now()
	must(t, l.CloseRequests(t.Context(), job, []ledger.Closing{{Request: r, Outcomes: []ledger.Outcome{{Target: "t", Area: "a", Word: ledger.Nothing}}, Certificate: "signed"}}))
}
