package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestARequestEndsAtTheDesk(t *testing.T) {
	t.Parallel()
	l, store := recorded(t)
	ctx, at := t.Context(), time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	must(t, l.File(ctx, []ledger.Request{request("r1", "k1"), request("r2", "k2")}))
	claim(t, l, "job", "r1", "r2")
	if _, err := l.End(ctx, "r1", ledger.Cancelled, "", at); !errors.Is(err, ledger.ErrHeld) {
		t.Errorf("ending a request that a job works on: %v, want ErrHeld", err)
	}
	closeRequest(t, l, "job", "r1", ledger.Partial)
	for _, s := range []ledger.Status{ledger.Pending, ledger.Partial, ledger.Failed, ledger.Unverified, ""} {
		if _, err := l.End(ctx, "r1", s, "", at); err == nil {
			t.Errorf("a request ended as %q", s)
		}
	}
	r, err := l.End(ctx, "r1", ledger.Denied, "unfounded", at)
	must(t, err)
	if r.Status != ledger.Denied || r.Ground != "unfounded" || !r.Closed.Equal(at) || !r.Changed.Equal(at) || len(r.Subject)+len(r.Keys) > 0 {
		t.Errorf("it ended as %+v", r)
	}
	if there, err := l.Request(ctx, "r1"); err != nil || there.Status != ledger.Denied || there.Ground != "unfounded" {
		t.Errorf("what is kept is %+v (%v)", there, err)
	}
	for _, sort := range []string{"request", "evidence"} { // what earlier jobs did is kept as long
		if c := store.last("request/r1", sort); !c.Expires.Equal(at.Add(ledger.Retention)) {
			t.Errorf("%s is kept until %v", sort, c.Expires)
		}
	}
	if c, err := l.Certificate(ctx, "r1"); c != "signed" {
		t.Errorf("the certificate is %q (%v)", c, err)
	}
	wantIDs(t, "open", ids(t, l.OpenRequests), "r2")
	wantIDs(t, "requests", ids(t, l.Requests), "r1", "r2")
	if _, err := l.End(ctx, "r1", ledger.Abandoned, "", at); !errors.Is(err, ledger.ErrFinal) {
		t.Errorf("it ended twice: %v", err)
	}
	if _, err := l.End(ctx, "r9", ledger.Denied, "", at); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("nobody's request ended: %v", err)
	}
}

// A request of which a person decided to keep something has ended for good, though its status is partial.
func TestASettledRequestHasEnded(t *testing.T) {
	t.Parallel()
	l, store := recorded(t)
	ctx := t.Context()
	must(t, l.File(ctx, []ledger.Request{request("r1", "k1"), request("r2", "k2")}))
	claim(t, l, "job", "r1", "r2")
	settled, partial := closingOf(t, l, "r1", ledger.Partial), closingOf(t, l, "r2", ledger.Partial)
	for _, c := range []*ledger.Closing{&settled, &partial} {
		c.Request.Kept, c.Request.Learned = []ledger.KeptObject{{Target: "a", Area: "devices", Digest: "d1", Ground: "legal_claims"}}, []byte("sealed")
	}
	settled.Request.Settled = true
	must(t, l.CloseRequests(ctx, "job", []ledger.Closing{settled, partial}))

	r, err := l.Request(ctx, "r1")
	must(t, err)
	if !r.Final() || r.Status.Final() || len(r.Subject)+len(r.Learned)+len(r.Keys)+len(r.Kept) > 0 {
		t.Errorf("the settled one is %+v", r)
	}
	if c := store.last("request/r1", "evidence"); !c.Expires.Equal(r.Closed.Add(ledger.Retention)) {
		t.Errorf("its certificate is kept until %v", c.Expires)
	}
	if r, err := l.Request(ctx, "r2"); err != nil || r.Final() || len(r.Kept) != 1 || r.Kept[0].Ground != "legal_claims" || string(r.Learned) != "sealed" {
		t.Errorf("the other one is %+v (%v)", r, err)
	}
	wantIDs(t, "open", ids(t, l.OpenRequests), "r2")
	wantIDs(t, "claimed", claim(t, l, "job2", "r1", "r2"), "r2")
	if _, err := l.OpenFor(ctx, []string{"k1"}, nil); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("it is joined: %v", err)
	}
	if _, err := l.ChangeRequest(ctx, "r1", time.Now(), func(*ledger.Request) error { return nil }); !errors.Is(err, ledger.ErrFinal) {
		t.Errorf("it was changed: %v", err)
	}
	settled.Request.Status, settled.Request.Settled = ledger.Erased, false
	must(t, l.CloseRequests(ctx, "job", []ledger.Closing{settled})) // a step that runs twice
	if s := status(t, l, "r1"); s != ledger.Partial {
		t.Errorf("it became %s", s)
	}
}

// The list of all requests names a request as long as there is one.
func TestTheListForgetsARequestWithItsRecord(t *testing.T) {
	t.Parallel()
	l, store := recorded(t)
	ctx, at := t.Context(), time.Now().Truncate(time.Second)
	confirmed := unverified("r3", at.Add(time.Hour))
	must(t, l.File(ctx, []ledger.Request{request("r1", "k1"), request("r2", "k2"), confirmed, request("r4", "k4")}))
	_, err := l.ChangeRequest(ctx, "r3", at, func(r *ledger.Request) error { r.Status = ledger.Pending; return nil })
	must(t, err)
	claim(t, l, "job", "r1", "r3", "r4")
	closeRequest(t, l, "job", "r1", ledger.Erased)
	closeRequest(t, l, "job", "r3", ledger.NothingFound)
	closeRequest(t, l, "job", "r4", ledger.Partial)
	_, err = l.End(ctx, "r2", ledger.Cancelled, "", at.Add(-ledger.Retention-time.Minute)) // its time is over
	must(t, err)
	for id, final := range map[string]bool{"r1": true, "r2": true, "r3": true, "r4": false} {
		record, listed := store.last("request/"+id, "request"), store.last("requests/", id)
		if !listed.Expires.Equal(record.Expires) || listed.Expires.IsZero() == final {
			t.Errorf("%s expires at %v, and in the list at %v", id, record.Expires, listed.Expires)
		}
	}
	wantIDs(t, "requests", ids(t, l.Requests), "r1", "r3", "r4")
}

func TestAFailedChangeOfARequestWritesNothing(t *testing.T) {
	t.Parallel()
	l, store, other := inContention(t)
	ctx := t.Context()
	must(t, l.File(ctx, []ledger.Request{told("r1", "k1")}))
	no := errors.New("no")
	if _, err := l.ChangeRequest(ctx, "r1", time.Now(), func(r *ledger.Request) error { r.Status = ledger.Denied; return no }); !errors.Is(err, no) {
		t.Errorf("got %v, want the caller's own error", err)
	}
	// A change is made on what another writer left.
	store.before = func() { claim(t, other, "job", "r1") }
	if _, err := l.End(ctx, "r1", ledger.Cancelled, "", time.Now()); !errors.Is(err, ledger.ErrHeld) {
		t.Errorf("a job was faster, and the end gives %v", err)
	}
	wantOutbox(t, l, "r1-1 status pending", "r1-2 status running")
}
