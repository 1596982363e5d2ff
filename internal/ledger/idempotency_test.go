package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

func once(key, body string) ledger.Once {
	return ledger.Once{Key: key, Body: body, Until: time.Now().Add(time.Hour)}
}

// The same submission under the same key is one request, also when two come at the same time.
func TestASubmissionIsFiledOnce(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	if _, err := l.Sent(ctx, once("key", "body")); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an unused key: %v", err)
	}
	var got [4]string
	var group sync.WaitGroup
	for n := range got {
		group.Go(func() {
			id, err := l.FileOnce(ctx, told(fmt.Sprint("r", n), fmt.Sprint("k", n)), once("key", "body"))
			if err != nil {
				t.Error(err)
			}
			got[n] = id
		})
	}
	group.Wait()
	if len(slices.Compact(got[:])) != 1 {
		t.Fatalf("the answers name %q", got)
	}
	wantIDs(t, "requests", ids(t, l.Requests), got[0])
	wantOutbox(t, l, got[0]+"-1 status pending")
	if id, err := l.Sent(ctx, once("key", "body")); err != nil || id != got[0] {
		t.Errorf("sent again: %q, %v", id, err)
	}
	if _, err := l.Sent(ctx, once("key", "another")); !errors.Is(err, ledger.ErrReused) {
		t.Errorf("the key with another body: %v, want ErrReused", err)
	}
	if _, err := l.FileOnce(ctx, request("r9"), once("key", "another")); !errors.Is(err, ledger.ErrReused) {
		t.Errorf("filed under a used key: %v, want ErrReused", err)
	}
	if _, err := l.Request(ctx, "r9"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("it was filed all the same: %v", err)
	}
}

func TestAKeyIsTiedToARequestThatIsThere(t *testing.T) {
	t.Parallel()
	l, store, _ := inContention(t)
	ctx := t.Context()
	must(t, l.File(ctx, []ledger.Request{request("r1", "k1")}))
	if id, err := l.FileOnce(ctx, ledger.Request{ID: "r1"}, once("key", "body")); err != nil || id != "r1" {
		t.Errorf("tied to %q, %v", id, err)
	}
	if id, err := l.Sent(ctx, once("key", "body")); err != nil || id != "r1" {
		t.Errorf("sent again: %q, %v", id, err)
	}
	wantIDs(t, "requests", ids(t, l.Requests), "r1")
	old := once("old", "body")
	old.Until = time.Now().Add(-time.Minute)
	if _, err := l.FileOnce(ctx, request("r2"), old); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Sent(ctx, old); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a key is known after its time: %v", err)
	}
	store.conflicts = 1 // nobody used the key: another transaction had the item in hand
	if _, err := l.FileOnce(ctx, request("r3"), once("third", "body")); !fault.Is(err, fault.LedgerBusy) {
		t.Errorf("got %v, want LedgerBusy", err)
	}
}
