package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
)

// recording is a store that remembers what was written.
type recording struct {
	ledger.Store
	writes [][]ledger.Change
}

func (r *recording) Write(ctx context.Context, changes ...ledger.Change) error {
	err := r.Store.Write(ctx, changes...)
	if err == nil {
		r.writes = append(r.writes, changes)
	}
	return err
}

func (r *recording) WriteEach(ctx context.Context, changes ...ledger.Change) ([]int, error) {
	again, err := r.Store.WriteEach(ctx, changes...)
	for n, c := range changes {
		if err == nil && !slices.Contains(again, n) {
			r.writes = append(r.writes, []ledger.Change{c})
		}
	}
	return again, err
}

// last is the last write of an item, in a partition of this name or, with "/" at its end, in one of those it is spread over.
func (r *recording) last(partition, sort string) (c ledger.Change) {
	for _, w := range r.writes {
		for _, change := range w {
			spread := strings.HasSuffix(partition, "/") && strings.HasPrefix(change.Partition, partition)
			if (change.Partition == partition || spread) && change.Sort == sort {
				c = change
			}
		}
	}
	return c
}

func recorded(t *testing.T) (*ledger.Ledger, *recording) {
	t.Helper()
	s, err := boltstore.Open(t.TempDir()+"/ledger.db", time.Second)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	r := &recording{Store: s}
	return ledger.New(r), r
}

// told is a request about which somebody wants to know.
func told(id string, keys ...string) ledger.Request {
	r := request(id, keys...)
	r.Tell, r.Contact = true, []byte("sealed address")
	return r
}

// outbox lists the events, each as its id, what it tells and whether it takes the person's address along.
func outbox(t *testing.T, l *ledger.Ledger) (out []string) {
	t.Helper()
	must(t, l.Outbox(t.Context(), func(e ledger.Event) error {
		s := fmt.Sprintf("%s %s %s", e.ID(), e.Kind, e.Status)
		if e.Settled {
			s += " settled"
		}
		if e.Contact != nil {
			s += " with " + string(e.Contact)
		}
		out = append(out, s)
		return nil
	}))
	return out
}

func wantOutbox(t *testing.T, l *ledger.Ledger, want ...string) {
	t.Helper()
	if got := outbox(t, l); !slices.Equal(got, want) {
		t.Errorf("the outbox has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Whatever changes a request's status tells so, once, in the same write, and the last news takes the address along.
func TestChangesOfStatusAreToldInOrder(t *testing.T) {
	t.Parallel()
	l, store := recorded(t)
	ctx, at := t.Context(), time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	quiet, preview := request("r2", "k2"), told("r3", "k3")
	preview.Preview = true
	must(t, l.File(ctx, []ledger.Request{told("r1", "k1"), quiet, preview}))
	all := []string{"r1", "r2", "r3"}

	must(t, l.Invite(ctx, "job1", all, time.Time{}))
	for range 2 { // a step may run twice
		if _, err := l.Claim(ctx, "job1", all, at); err != nil {
			t.Fatal(err)
		}
		must(t, l.MarkRequests(ctx, "job1", ledger.InReview, at))
	}
	must(t, l.MarkRequests(ctx, "job1", ledger.Running, at))
	must(t, l.DropExecution(ctx, "job1", at))
	claim(t, l, "job2", "r1", "r2")
	closeRequest(t, l, "job2", "r1", ledger.Partial)
	closeRequest(t, l, "job2", "r2", ledger.Partial)
	_, err := l.ChangeRequest(ctx, "r1", at, func(r *ledger.Request) error { r.Due = at; r.Report("extended"); return nil })
	must(t, err)
	_, err = l.ChangeRequest(ctx, "r1", at, func(r *ledger.Request) error { r.External = "theirs"; return nil }) // no news
	must(t, err)
	claim(t, l, "job3", "r1")
	closeRequest(t, l, "job3", "r1", ledger.Erased)

	wantOutbox(t, l, "r1-1 status pending", "r1-2 status running", "r1-3 status in_review", "r1-4 status running",
		"r1-5 status pending", "r1-6 status running", "r1-7 status partial", "r1-8 extended partial", "r1-9 status running",
		"r1-10 status erased with sealed address")
	r, err := l.Request(ctx, "r1")
	must(t, err)
	if r.Contact != nil || r.Events != 10 {
		t.Errorf("the request has %d events, and the address: %t", r.Events, r.Contact != nil)
	}
	told := 0
	for _, w := range store.writes {
		news := slices.IndexFunc(w, func(c ledger.Change) bool { return strings.HasPrefix(c.Partition, "outbox/") })
		if news < 0 {
			continue
		}
		told++
		if !slices.ContainsFunc(w, func(c ledger.Change) bool { return c.Key == ledger.Key{Partition: "request/r1", Sort: "request"} }) {
			t.Errorf("%s was written without its request", w[news].Sort)
		}
	}
	if told != 10 {
		t.Errorf("%d writes told something, want 10", told)
	}
	must(t, l.Outbox(ctx, func(e ledger.Event) error {
		if e.Number == 3 && !e.At.Equal(at) {
			t.Errorf("the review is told as of %v", e.At)
		}
		return nil
	}))
}

func TestTheEndIsToldWithTheAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(*ledger.Ledger) error
		want []string
	}{
		"ended at the desk": {func(l *ledger.Ledger) error {
			_, err := l.End(t.Context(), "r1", ledger.Denied, "unfounded", time.Now())
			return err
		}, []string{"r1-1 status pending", "r1-2 status denied with sealed address"}},
		"with news of its own": {func(l *ledger.Ledger) error {
			_, err := l.ChangeRequest(t.Context(), "r1", time.Now(), func(r *ledger.Request) error {
				r.Report("joined")
				r.Status = ledger.Cancelled
				return nil
			})
			return err
		}, []string{"r1-1 status pending", "r1-2 joined cancelled", "r1-3 status cancelled with sealed address"}},
		"settled": {func(l *ledger.Ledger) error {
			claim(t, l, "job", "r1")
			c := closingOf(t, l, "r1", ledger.Partial)
			c.Request.Settled = true
			return l.CloseRequests(t.Context(), "job", []ledger.Closing{c})
		}, []string{"r1-1 status pending", "r1-2 status running", "r1-3 status partial settled with sealed address"}},
		"settled later": {func(l *ledger.Ledger) error {
			claim(t, l, "job", "r1")
			closeRequest(t, l, "job", "r1", ledger.Partial)
			_, err := l.ChangeRequest(t.Context(), "r1", time.Now(), func(r *ledger.Request) error { r.Settled = true; return nil })
			return err
		}, []string{"r1-1 status pending", "r1-2 status running", "r1-3 status partial", "r1-4 status partial settled with sealed address"}},
	} {
		l := open(t)
		must(t, l.File(t.Context(), []ledger.Request{told("r1", "k1")}))
		if err := c.end(l); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantOutbox(t, l, c.want...)
		if r, err := l.Request(t.Context(), "r1"); err != nil || r.Contact != nil {
			t.Errorf("%s: the ended request keeps the address (%v)", name, err)
		}
	}
}

// What was changed while a job worked on a request is not taken back by the job's end, and no number comes twice.
func TestTheEndOfAJobKeepsWhatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	must(t, l.File(ctx, []ledger.Request{told("r1", "k1")}))
	claim(t, l, "job", "r1")
	stale := closingOf(t, l, "r1", ledger.Partial)
	stale.Request.Learned, stale.Request.Kept = []byte("sealed ids"), []ledger.KeptObject{{Digest: "d"}}
	due := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	_, err := l.ChangeRequest(ctx, "r1", time.Now(), func(r *ledger.Request) error {
		r.Due, r.Extension = due, &ledger.Extension{Reason: "complexity"}
		r.Report("extended")
		return nil
	})
	must(t, err)
	must(t, l.CloseRequests(ctx, "job", []ledger.Closing{stale}))
	r, err := l.Request(ctx, "r1")
	must(t, err)
	if r.Status != ledger.Partial || !r.Due.Equal(due) || r.Extension == nil || string(r.Learned) != "sealed ids" || len(r.Kept) != 1 || r.LastJob != "job" {
		t.Errorf("after the end: %+v", r)
	}
	wantOutbox(t, l, "r1-1 status pending", "r1-2 status running", "r1-3 extended running", "r1-4 status partial")
}

// A write that does not happen tells nothing, and one that is tried again tells it once.
func TestConflictsTellNothingTwice(t *testing.T) {
	t.Parallel()
	l, store, _ := inContention(t)
	ctx := t.Context()
	steps := []func() error{
		func() error { return l.File(ctx, []ledger.Request{told("r1", "k1"), told("r2", "k2")}) },
		func() error { return l.Invite(ctx, "job", []string{"r1", "r2"}, time.Time{}) },
		func() error { _, err := l.Claim(ctx, "job", []string{"r1", "r2"}, time.Now()); return err },
		func() error { return l.MarkRequests(ctx, "job", ledger.InReview, time.Now()) },
		func() error {
			return l.CloseRequests(ctx, "job", []ledger.Closing{closingOf(t, l, "r1", ledger.Failed), closingOf(t, l, "r2", ledger.Failed)})
		},
		func() error { _, err := l.End(ctx, "r1", ledger.Denied, "", time.Now()); return err },
	}
	for n, step := range steps {
		before := len(outbox(t, l))
		store.conflicts = -1
		if err := step(); err == nil || len(outbox(t, l)) != before {
			t.Errorf("step %d: error %v, and %d events where there were %d", n, err, len(outbox(t, l)), before)
		}
		store.conflicts = 3
		must(t, step())
		store.conflicts = 0
	}
	wantOutbox(t, l, "r1-1 status pending", "r1-2 status running", "r1-3 status in_review", "r1-4 status failed", "r1-5 status denied with sealed address",
		"r2-1 status pending", "r2-2 status running", "r2-3 status in_review", "r2-4 status failed")
}

func TestAnEventStaysUntilItIsDropped(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	must(t, l.File(ctx, []ledger.Request{told("r1", "k1")}))
	var e ledger.Event
	must(t, l.Outbox(ctx, func(there ledger.Event) error { e = there; return nil }))
	next := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	changed, err := l.ChangeEvent(ctx, e, func(e *ledger.Event) { e.Done, e.Tries, e.Next = append(e.Done, "shop"), e.Tries+1, next })
	must(t, err)
	must(t, l.Outbox(ctx, func(e ledger.Event) error {
		if !slices.Equal(e.Done, []string{"shop"}) || e.Tries != 1 || !e.Next.Equal(next) || changed.Tries != 1 {
			t.Errorf("the event is %+v", e)
		}
		return nil
	}))
	stop := errors.New("stop")
	if err := l.Outbox(ctx, func(ledger.Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the caller's own error", err)
	}
	for range 2 {
		must(t, l.DropEvent(ctx, e))
	}
	wantOutbox(t, l)
	if _, err := l.ChangeEvent(ctx, e, func(*ledger.Event) {}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("changing a dropped event: %v", err)
	}
}

// Callback addresses may hold anything, also a person's id: they are kept no longer than somebody may have to be called.
func TestCallbackAddressesGoWithTheLastEvent(t *testing.T) {
	t.Parallel()
	l, store := recorded(t)
	ctx, at := t.Context(), time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	r, quiet := told("r1", "k1"), request("r2", "k2")
	r.Callbacks, quiet.Callbacks = []byte("sealed urls"), []byte("sealed urls")
	must(t, l.File(ctx, []ledger.Request{r, quiet}))
	_, err := l.ChangeRequest(ctx, "r1", at, func(r *ledger.Request) error { r.Report("joined"); r.Status = ledger.Denied; return nil })
	must(t, err)
	_, err = l.End(ctx, "r2", ledger.Cancelled, "", at)
	must(t, err)
	callbacks := func(id, want string) {
		t.Helper()
		if r, err := l.Request(ctx, id); err != nil || string(r.Callbacks) != want {
			t.Errorf("the request keeps %q, want %q (%v)", r.Callbacks, want, err)
		}
	}
	callbacks("r2", "") // nobody is told anything of it
	var events []ledger.Event
	must(t, l.Outbox(ctx, func(e ledger.Event) error { events = append(events, e); return nil }))
	if len(events) != 3 {
		t.Fatalf("%d events, want 3", len(events))
	}
	for _, e := range events {
		callbacks("r1", "sealed urls")
		must(t, l.DropEvent(ctx, e))
	}
	callbacks("r1", "")
	wantOutbox(t, l)
	if w := store.writes[len(store.writes)-1]; len(w) != 2 {
		t.Errorf("the addresses were destroyed in a write of %d changes, want one with the event", len(w))
	}
	if c := store.last("request/r1", "request"); !c.Expires.Equal(at.Add(ledger.Retention)) {
		t.Errorf("the request is kept until %v", c.Expires)
	}
	must(t, l.DropEvent(ctx, events[2])) // a pass that is run again
	callbacks("r1", "")
}

func TestTheLastEventIsDroppedInContention(t *testing.T) {
	t.Parallel()
	l, store, _ := inContention(t)
	ctx := t.Context()
	r := told("r1", "k1")
	r.Callbacks = []byte("sealed urls")
	must(t, l.File(ctx, []ledger.Request{r}))
	_, err := l.End(ctx, "r1", ledger.Cancelled, "", time.Now())
	must(t, err)
	drop := func(conflicts int) (err error) {
		must(t, l.Outbox(ctx, func(e ledger.Event) error {
			store.conflicts = conflicts
			err = l.DropEvent(ctx, e)
			store.conflicts = 0
			return nil
		}))
		return err
	}
	if err := drop(-1); !fault.Is(err, fault.LedgerBusy) {
		t.Errorf("got %v, want LedgerBusy", err)
	}
	if r, err := l.Request(ctx, "r1"); err != nil || r.Callbacks == nil || len(outbox(t, l)) != 2 {
		t.Errorf("half of it was written: %q, %q (%v)", r.Callbacks, outbox(t, l), err)
	}
	must(t, drop(3))
	if r, err := l.Request(ctx, "r1"); err != nil || r.Callbacks != nil || r.Status != ledger.Cancelled || len(outbox(t, l)) != 0 {
		t.Errorf("afterwards there is %q, %q (%v)", r.Callbacks, outbox(t, l), err)
	}
}

// An event whose request is gone tells nothing any more, and can be dropped all the same.
func TestAnEventOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	must(t, l.File(ctx, []ledger.Request{told("r1", "k1")}))
	r, err := l.End(ctx, "r1", ledger.Cancelled, "", time.Now())
	must(t, err)
	must(t, l.Destroy(ctx, r))
	must(t, l.Outbox(ctx, func(e ledger.Event) error { return l.DropEvent(ctx, e) }))
	wantOutbox(t, l)
}

func TestARequestIsUntoldWhileAnEventOfItWaits(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	must(t, l.File(ctx, []ledger.Request{unverified("r1", time.Now().Add(time.Hour)), unverified("r10", time.Now().Add(time.Hour))}))
	var first ledger.Event
	must(t, l.Outbox(ctx, func(e ledger.Event) error {
		if e.Request == "r1" {
			first = e
		}
		return nil
	}))
	for _, want := range []bool{true, false} {
		got, err := l.Untold(ctx, "r1")
		must(t, err)
		if got != want {
			t.Errorf("untold: %t, want %t", got, want)
		}
		must(t, l.DropEvent(ctx, first))
	}
	if got, err := l.Untold(ctx, "r10"); err != nil || !got {
		t.Errorf("another request: untold %t, %v", got, err)
	}
}
