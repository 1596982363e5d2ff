package ledger_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestAContainerHasOneHolder(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	var won atomic.Int32
	var group sync.WaitGroup
	for _, target := range []string{"a", "b", "c"} {
		group.Go(func() {
			err := l.TakeLease(ctx, "box", ledger.Lease{}, ledger.Lease{Job: "job", Target: target})
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, ledger.ErrConflict) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Errorf("%d took the container, want 1", won.Load())
	}
}

func TestALeaseIsDroppedAndMarkedByItsHolderOnly(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	mine := ledger.Lease{Job: "job", Target: "a", Before: []string{"digest"}}
	must(t, l.TakeLease(ctx, "box", ledger.Lease{}, mine))
	must(t, l.DropLease(ctx, "box", "job", "b"))
	must(t, l.DropLease(ctx, "box", "job2", "a"))
	must(t, l.EndLease(ctx, "box", "job2", "a"))
	if got, err := l.Lease(ctx, "box"); err != nil || got.Target != "a" || got.Over || len(got.Before) != 1 {
		t.Errorf("somebody else changed the lease: %+v, %v", got, err)
	}
	must(t, l.EndLease(ctx, "box", "job", "a"))
	if got, err := l.Lease(ctx, "box"); err != nil || !got.Over {
		t.Errorf("the lease is not marked: %+v, %v", got, err)
	}
	// Another job takes it over, once.
	must(t, l.TakeLease(ctx, "box", mine, ledger.Lease{Job: "job2", Target: "a"}))
	if err := l.TakeLease(ctx, "box", mine, ledger.Lease{Job: "job3", Target: "a"}); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("a lease was taken from one who does not hold it: %v", err)
	}
	must(t, l.DropLease(ctx, "box", "job2", "a"))
	if _, err := l.Lease(ctx, "box"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a dropped lease is there: %v", err)
	}
	must(t, l.DropLease(ctx, "box", "job2", "a"))
}

// An export of another pass begins anew, but what was started counts for the whole job.
func TestStartsAreCountedThroughTheWholeJob(t *testing.T) {
	t.Parallel()
	e := ledger.Export{Pass: 1, ID: "x", Starts: 3, Ended: 2, Polls: 9, Retried: true, Pieces: 4, Ready: true}.Next(2)
	if e.Pass != 2 || e.Starts != 3 || e.Ended != 2 || !e.Retried || e.ID != "" || e.Ready || e.Pieces != 0 || e.Polls != 0 {
		t.Errorf("got %+v", e)
	}
}
