package ledger_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

func TestWhatIsLimitedIsAllowedUntilTheLimit(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	start := time.Now()
	allow := func(what string, after time.Duration) bool {
		ok, err := l.Allow(ctx, what, 3, time.Hour, start.Add(after))
		must(t, err)
		return ok
	}
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true}, {59 * time.Minute, true}, {59 * time.Minute, true}, // the hour counts from the first on
		{59 * time.Minute, false}, {time.Hour - time.Millisecond, false},
		{time.Hour, true}, {time.Hour, true}, {time.Hour, true}, {time.Hour, false},
	} {
		if got := allow("form", c.after); got != c.want {
			t.Errorf("after %v: allowed %t, want %t", c.after, got, c.want)
		}
	}
	if !allow("another", 0) {
		t.Error("another count was used up, too")
	}
}

// Many who come at once wait for each other: nobody is told that the ledger is busy, and nobody is missed.
func TestManyAreCountedExactlyAtTheSameTime(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{100, 60} {
		l, ctx := open(t), t.Context()
		var allowed atomic.Int32
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				ok, err := l.Allow(ctx, "form", limit, time.Hour, time.Now())
				if err != nil {
					t.Error(err)
				}
				if ok {
					allowed.Add(1)
				}
			})
		}
		group.Wait()
		if n := int(allowed.Load()); n != limit {
			t.Errorf("of 100 %d were allowed, want %d", n, limit)
		}
		for n, want := range map[int]bool{limit: true, limit + 1: false} {
			if spent, err := l.Spent(ctx, "form", n, time.Now()); err != nil || spent != want {
				t.Errorf("of %d spent: %t, %v", n, spent, err)
			}
		}
	}
}

func TestACountIsTriedAsOftenAsOthersAreFaster(t *testing.T) {
	t.Parallel()
	l, store, _ := inContention(t)
	ctx, end := context.WithCancel(t.Context())
	allow := func(conflicts int) (bool, error) {
		store.conflicts = conflicts
		return l.Allow(ctx, "form", 5, time.Hour, time.Now())
	}
	if ok, err := allow(199); !ok || err != nil {
		t.Errorf("199 were faster: %t, %v", ok, err)
	}
	if ok, err := allow(200); ok || !fault.Is(err, fault.LedgerBusy) {
		t.Errorf("200 were faster: %t, %v, want LedgerBusy", ok, err)
	}
	store.before = end
	if ok, err := allow(-1); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits any more: %t, %v", ok, err)
	}
	if tries := -1 - store.conflicts; tries != 1 {
		t.Errorf("after the end of its context it was tried %d times more", tries-1)
	}
}

func TestWhatIsSpentIsNotCounted(t *testing.T) {
	t.Parallel()
	l, store, _ := inContention(t)
	ctx := t.Context()
	for range 5 {
		if ok, err := l.Allow(ctx, "form", 5, time.Hour, time.Now()); !ok || err != nil {
			t.Errorf("below the limit: %t, %v", ok, err)
		}
	}
	for limit, want := range map[int]bool{4: true, 5: true, 6: false} {
		if got, err := l.Spent(ctx, "form", limit, time.Now()); err != nil || got != want {
			t.Errorf("of %d spent: %t, %v", limit, got, err)
		}
	}
	if spent, err := l.Spent(ctx, "form", 5, time.Now().Add(time.Hour)); err != nil || spent {
		t.Errorf("spent after its time: %t, %v", spent, err)
	}
	if spent, err := l.Spent(ctx, "another", 1, time.Now()); err != nil || spent {
		t.Errorf("spent before the first: %t, %v", spent, err)
	}
	store.before = func() { t.Error("what is not allowed was written") }
	if ok, err := l.Allow(ctx, "form", 5, time.Hour, time.Now()); ok || err != nil {
		t.Errorf("over the limit: %t, %v", ok, err)
	}
}
