package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// unverified is what somebody typed into the form, until a time.
func unverified(id string, until time.Time) ledger.Request {
	r := told(id, "mail-"+id, "phone-"+id)
	r.Status, r.Until = ledger.Unverified, until
	return r
}

// wantNowhere checks that a request is in no list and found by nobody.
func wantNowhere(t *testing.T, l *ledger.Ledger, id string) {
	t.Helper()
	wantIDs(t, "requests", ids(t, l.Requests))
	wantIDs(t, "open requests", ids(t, l.OpenRequests))
	wantIDs(t, "previews", ids(t, l.Previews))
	for _, k := range []string{"mail-" + id, "phone-" + id} {
		if _, err := l.OpenFor(t.Context(), []string{k}, nil); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s is found by an identifier: %v", id, err)
		}
	}
}

func TestAnUnverifiedRequestIsInNoList(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	must(t, l.File(ctx, []ledger.Request{unverified("r1", time.Now().Add(time.Hour))}))
	wantNowhere(t, l, "r1")
	wantIDs(t, "claimed", claim(t, l, "job", "r1"))
	if s := status(t, l, "r1"); s != ledger.Unverified {
		t.Errorf("it is %s", s)
	}
	wantOutbox(t, l, "r1-1 status unverified")
	if err := l.File(ctx, []ledger.Request{unverified("r1", time.Now().Add(time.Hour))}); err == nil {
		t.Error("it was filed twice")
	}
}

func TestAnUnverifiedRequestGoesByItself(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	must(t, l.File(ctx, []ledger.Request{unverified("r1", time.Now().Add(-time.Minute))}))
	if _, err := l.Request(ctx, "r1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("it is there after its time: %v", err)
	}
	wantNowhere(t, l, "r1")
	wantOutbox(t, l) // and so is the mail that was to be sent for it
	if _, err := l.ChangeRequest(ctx, "r1", time.Now(), func(r *ledger.Request) error { r.Status = ledger.Pending; return nil }); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("it was confirmed after its time: %v", err)
	}
}

// A change that does not confirm the request leaves its time as it is.
func TestAChangeDoesNotMakeAnUnverifiedRequestStay(t *testing.T) {
	t.Parallel()
	l, store := recorded(t)
	ctx, until := t.Context(), time.Now().Add(time.Hour).Truncate(time.Second)
	must(t, l.File(ctx, []ledger.Request{unverified("r1", until)}))
	_, err := l.ChangeRequest(ctx, "r1", time.Now(), func(r *ledger.Request) error { r.Language = "de"; r.Report("sent again"); return nil })
	must(t, err)
	wantNowhere(t, l, "r1")
	if c := store.last("request/r1", "request"); !c.Expires.Equal(until) {
		t.Errorf("it expires at %v, want %v", c.Expires, until)
	}
	if c := store.last("outbox/", "r1/000002"); !c.Expires.Equal(until) {
		t.Errorf("its event expires at %v, want %v", c.Expires, until)
	}
	must(t, l.Outbox(ctx, func(e ledger.Event) error {
		_, err := l.ChangeEvent(ctx, e, func(e *ledger.Event) { e.Tries++ })
		return err
	}))
	for _, sort := range []string{"r1/000001", "r1/000002"} {
		if c := store.last("outbox/", sort); c.If != 1 || !c.Expires.Equal(until) {
			t.Errorf("after an attempt %s in version %d expires at %v, want %v", sort, c.If+1, c.Expires, until)
		}
	}
}

func TestAConfirmedRequestIsFound(t *testing.T) {
	t.Parallel()
	l, store := recorded(t)
	ctx := t.Context()
	must(t, l.File(ctx, []ledger.Request{unverified("r1", time.Now().Add(time.Hour))}))
	at := time.Now()
	r, err := l.ChangeRequest(ctx, "r1", at, func(r *ledger.Request) error {
		r.Status, r.Verified = ledger.Pending, at
		return nil
	})
	must(t, err)
	wantIDs(t, "requests", ids(t, l.Requests), "r1")
	wantIDs(t, "open requests", ids(t, l.OpenRequests), "r1")
	if found, err := l.OpenFor(ctx, []string{"phone-r1", "mail-r1"}, nil); err != nil || found.ID != "r1" {
		t.Errorf("found by its identifiers: %q, %v", found.ID, err)
	}
	if c := store.last("request/r1", "request"); !c.Expires.IsZero() || !r.Until.IsZero() || !r.Changed.Equal(at) {
		t.Errorf("it expires at %v, until %v, changed %v", c.Expires, r.Until, r.Changed)
	}
	wantOutbox(t, l, "r1-1 status unverified", "r1-2 status pending")
	wantIDs(t, "claimed", claim(t, l, "job", "r1"), "r1")
	closeRequest(t, l, "job", "r1", ledger.Erased)
	wantIDs(t, "open requests", ids(t, l.OpenRequests))
}

// Ended before it was confirmed, it was found by nothing, and is kept as evidence of what was answered.
func TestAnUnverifiedRequestCanEnd(t *testing.T) {
	t.Parallel()
	l, store := recorded(t)
	ctx, at := t.Context(), time.Now()
	must(t, l.File(ctx, []ledger.Request{unverified("r1", at.Add(time.Hour))}))
	r, err := l.End(ctx, "r1", ledger.Denied, "not_identified", at)
	must(t, err)
	if r.Status != ledger.Denied || len(r.Subject)+len(r.Keys)+len(r.Contact) > 0 || !r.Until.IsZero() {
		t.Errorf("it ended as %+v", r)
	}
	wantIDs(t, "requests", ids(t, l.Requests), "r1")
	wantIDs(t, "open requests", ids(t, l.OpenRequests))
	if _, err := l.OpenFor(ctx, []string{"mail-r1"}, nil); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("it is found by an identifier: %v", err)
	}
	for _, k := range [][2]string{{"request/r1", "request"}, {"requests/", "r1"}} {
		if c := store.last(k[0], k[1]); !c.Expires.Equal(at.Add(ledger.Retention)) {
			t.Errorf("%s expires at %v", k[0], c.Expires)
		}
	}
	wantOutbox(t, l, "r1-1 status unverified", "r1-2 status denied with sealed address")
}
