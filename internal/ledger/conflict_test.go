package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
)

// contended is a store in which others have the same items in hand: the next Writes answer ErrConflict with nothing
// written, as DynamoDB does with TransactionConflict. before runs once ahead of the first Write that comes after it was
// set.
type contended struct {
	ledger.Store
	conflicts int // that are still to come; negative for ever
	before    func()
}

func (c *contended) Write(ctx context.Context, changes ...ledger.Change) error {
	if c.meets() {
		return ledger.ErrConflict
	}
	return c.Store.Write(ctx, changes...)
}

func (c *contended) WriteEach(ctx context.Context, changes ...ledger.Change) (again []int, err error) {
	if len(changes) == 0 {
		return nil, nil
	}
	if c.meets() {
		for n := range changes {
			again = append(again, n)
		}
		return again, nil
	}
	return c.Store.WriteEach(ctx, changes...)
}

func (c *contended) meets() bool {
	if before := c.before; before != nil {
		c.before = nil
		before()
	}
	if c.conflicts != 0 {
		c.conflicts--
		return true
	}
	return false
}

// inContention gives a ledger on a store that can be contended, and one on the same store that is not.
func inContention(t *testing.T) (busy *ledger.Ledger, store *contended, calm *ledger.Ledger) {
	t.Helper()
	s, err := boltstore.Open(t.TempDir()+"/ledger.db", time.Second)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	store = &contended{Store: s}
	return ledger.New(store), store, ledger.New(s)
}

func closingOf(t *testing.T, l *ledger.Ledger, id string, s ledger.Status) ledger.Closing {
	t.Helper()
	r, err := l.Request(t.Context(), id)
	must(t, err)
	r.Status, r.Closed = s, time.Now()
	return ledger.Closing{Request: r, Certificate: "signed"}
}

// work is everything that writes many requests at once, in the order of a job's life.
func work(t *testing.T, l *ledger.Ledger) []struct {
	name string
	do   func() error
} {
	members := []string{"r1", "r2", "r3"}
	return []struct {
		name string
		do   func() error
	}{
		{"File", func() error {
			return l.File(t.Context(), []ledger.Request{request("r1", "k1"), request("r2", "k2"), request("r3", "k3")})
		}},
		{"Invite", func() error { return l.Invite(t.Context(), "job", members, time.Time{}) }},
		{"Claim", func() error {
			held, err := l.Claim(t.Context(), "job", members, time.Now())
			if err == nil && len(held) != len(members) {
				err = fmt.Errorf("the job holds %d requests", len(held))
			}
			return err
		}},
		{"MarkRequests", func() error { return l.MarkRequests(t.Context(), "job", ledger.InReview, time.Now()) }},
		{"CloseRequests", func() error {
			var all []ledger.Closing
			for _, id := range members {
				all = append(all, closingOf(t, l, id, ledger.Erased))
			}
			return l.CloseRequests(t.Context(), "job", all)
		}},
	}
}

// A conflict does not say that somebody else did the work.
func TestAConflictLosesNothing(t *testing.T) {
	t.Parallel()
	for _, conflicts := range []int{1, 2, 5, 7} {
		t.Run(fmt.Sprint(conflicts), func(t *testing.T) {
			t.Parallel()
			l, store, _ := inContention(t)
			for _, w := range work(t, l) {
				store.conflicts = conflicts
				if err := w.do(); err != nil {
					t.Fatalf("%s: %v", w.name, err)
				}
				if store.conflicts != 0 {
					t.Fatalf("%s gave up, and says that all went well", w.name)
				}
				want := map[string]ledger.Status{"Claim": ledger.Running, "MarkRequests": ledger.InReview, "CloseRequests": ledger.Erased}[w.name]
				for _, id := range []string{"r1", "r2", "r3"} {
					if got := status(t, l, id); want != "" && got != want {
						t.Errorf("after %s %s is %s", w.name, id, got)
					}
				}
			}
			wantIDs(t, "open", ids(t, l.OpenRequests))
			if c, err := l.Certificate(t.Context(), "r3"); c != "signed" {
				t.Errorf("the certificate is %q (%v)", c, err)
			}
		})
	}
}

func TestEndlessConflictsAreLedgerBusy(t *testing.T) {
	t.Parallel()
	l, store, _ := inContention(t)
	for _, w := range work(t, l) {
		store.conflicts = -1
		if err := w.do(); !fault.Is(err, fault.LedgerBusy) {
			t.Errorf("%s: %v, want LedgerBusy", w.name, err)
		}
		store.conflicts = 0
		if err := w.do(); err != nil { // the step is run again
			t.Fatalf("%s, again: %v", w.name, err)
		}
	}
}

// What another writer did first counts.
func TestAnotherWriterWins(t *testing.T) {
	t.Parallel()
	l, store, other := inContention(t)
	must(t, l.File(t.Context(), []ledger.Request{request("r1", "k1"), request("r2", "k2")}))
	if err := l.File(t.Context(), []ledger.Request{request("r1", "k9")}); err == nil || fault.Is(err, fault.LedgerBusy) || errors.Is(err, ledger.ErrConflict) {
		t.Errorf("a request was filed twice: %v", err)
	}
	must(t, l.Invite(t.Context(), "job", []string{"r1", "r2"}, time.Time{}))
	must(t, l.Invite(t.Context(), "job", []string{"r1", "r2"}, time.Time{})) // a step that is run again
	store.before = func() { claim(t, other, "faster", "r2") }
	held, err := l.Claim(t.Context(), "job", []string{"r1", "r2"}, time.Now())
	must(t, err)
	wantIDs(t, "held", held, "r1")
	store.before = func() { closeRequest(t, other, "job", "r1", ledger.Erased) }
	must(t, l.MarkRequests(t.Context(), "job", ledger.InReview, time.Now()))
	if got := status(t, l, "r1"); got != ledger.Erased {
		t.Errorf("what was closed meanwhile is %s", got)
	}
	claim(t, l, "next", "r2")
	slow := closingOf(t, l, "r2", ledger.Failed)
	store.before = func() { closeRequest(t, other, "faster", "r2", ledger.NothingFound) }
	must(t, l.CloseRequests(t.Context(), "faster", []ledger.Closing{slow}))
	if got := status(t, l, "r2"); got != ledger.NothingFound {
		t.Errorf("a final status was overwritten by %s", got)
	}
}

// forgetful is a store that loses every second answer: what it was to do each for itself is done, and it cannot tell.
type forgetful struct {
	ledger.Store
	calls int
}

func (f *forgetful) WriteEach(ctx context.Context, changes ...ledger.Change) (again []int, err error) {
	again, err = f.Store.WriteEach(ctx, changes...)
	if f.calls++; f.calls%2 == 0 || err != nil {
		return again, err
	}
	again = nil
	for n := range changes {
		again = append(again, n)
	}
	return again, nil
}

// What was done and not told is not done twice, and is no error.
func TestALostAnswerIsNoFailure(t *testing.T) {
	t.Parallel()
	s, err := boltstore.Open(t.TempDir()+"/ledger.db", time.Second)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	l := ledger.New(&forgetful{Store: s})
	for _, w := range work(t, l) {
		if err := w.do(); err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
	}
	for _, id := range []string{"r1", "r2", "r3"} {
		if r, err := l.Request(t.Context(), id); err != nil || r.Status != ledger.Erased || r.Attempts != 1 {
			t.Errorf("%s is %s after %d attempts, %v", id, r.Status, r.Attempts, err)
		}
	}
	waiting := request("r4")
	waiting.Status, waiting.Until = ledger.Unverified, time.Now().Add(time.Hour)
	for range 2 { // the same again is the same
		must(t, l.File(t.Context(), []ledger.Request{waiting}))
	}
	waiting.Channel = "another"
	if err := l.File(t.Context(), []ledger.Request{waiting}); err == nil {
		t.Error("another request was filed under the same id")
	}
	for range 2 {
		_, err := l.Found(t.Context(), "job2", []ledger.Finding{device("d1", 1, "r1", "email")})
		must(t, err)
	}
}

// Another writer of the same finding between reading and writing: both sights count, alone and in parts.
func TestAFindingThatTwoSeeKeepsBothSights(t *testing.T) {
	t.Parallel()
	for _, many := range []int{1, 6_000} {
		l, store, other := inContention(t)
		mine, theirs := crowdFinding(1, 0, many), crowdFinding(1, many, 2*many)
		store.before = func() {
			_, err := other.Found(t.Context(), "job", []ledger.Finding{theirs})
			must(t, err)
		}
		_, err := l.Found(t.Context(), "job", []ledger.Finding{mine})
		must(t, err)
		if got := len(findings(t, l, "a", "notifications")["d1"].Requests); got != 2*many {
			t.Errorf("it names %d people, want %d", got, 2*many)
		}
		store.conflicts = -1
		if _, err := l.Found(t.Context(), "job", []ledger.Finding{mine}); !fault.Is(err, fault.LedgerBusy) {
			t.Errorf("endless conflicts: %v, want LedgerBusy", err)
		}
	}
}
