package provider

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestNoMinuteHoldsMoreCalls has callers compete, with calls of different lengths, and looks at every window.
func TestNoMinuteHoldsMoreCalls(t *testing.T) {
	t.Parallel()
	for _, perMinute := range []int{1, 7, 100} {
		synctest.Test(t, func(t *testing.T) {
			pace := NewPace(perMinute)
			var mu sync.Mutex
			var arrived []time.Time
			var all sync.WaitGroup
			for range 5 * perMinute {
				all.Go(func() {
					time.Sleep(time.Duration(rand.IntN(30)) * time.Second)
					ended, err := pace.Take(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Duration(rand.IntN(3000)) * time.Millisecond) // on its way
					mu.Lock()
					arrived = append(arrived, time.Now())
					mu.Unlock()
					time.Sleep(time.Duration(rand.IntN(3000)) * time.Millisecond) // and back
					ended()
				})
			}
			start := time.Now()
			all.Wait()
			for i := perMinute; i < len(arrived); i++ {
				if got := arrived[i].Sub(arrived[i-perMinute]); got < Window {
					t.Errorf("%d a minute: %d calls within %s", perMinute, perMinute+1, got)
				}
			}
			if took := time.Since(start); took > 6*(Window+6*time.Second) {
				t.Errorf("%d a minute: %d calls took %s; the limit is not used", perMinute, len(arrived), took)
			}
		})
	}
}

func TestTakeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pace := NewPace(1)
		if _, err := pace.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := pace.Take(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's end", err)
		}
	})
}

func TestNoLimitNeverWaits(t *testing.T) {
	t.Parallel()
	for _, pace := range []*Pace{nil, NewPace(0), NewPace(-1)} {
		for range 1000 {
			ended, err := pace.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ended()
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := pace.Take(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's end", err)
		}
	}
}

func TestHeldPlacesComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pace := NewPace(3)
		pace.Hold(7, 20*time.Second)
		if got := pace.Busy(); got != 3 {
			t.Errorf("%d places are busy, want all 3", got)
		}
		start := time.Now()
		if _, err := pace.Take(t.Context()); err != nil || time.Since(start) != 20*time.Second {
			t.Errorf("got %v after %s, want a place after 20s", err, time.Since(start))
		}
		NewPace(0).Hold(7, time.Second)
	})
}

func TestAWaitIsToldWhenItBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pace := NewPace(2)
		start := time.Now()
		var told []time.Duration
		pace.OnWait(func() {
			told = append(told, time.Since(start))
			if got := pace.Busy(); got != 2 { // no lock is held
				t.Errorf("%d places are busy, want both", got)
			}
		})
		for n := range 3 { // the third one waits
			ended, err := pace.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := len(told); got != n/2 {
				t.Errorf("%d calls after %s: told %d times", n+1, time.Since(start), got)
			}
			ended()
			time.Sleep(time.Second)
		}
		if want := []time.Duration{2 * time.Second}; !slices.Equal(told, want) {
			t.Errorf("told at %v, want %v", told, want)
		}
		if waited := time.Since(start); waited != Window+time.Second {
			t.Errorf("the third call ended after %s", waited)
		}
		pace.OnWait(nil)
		for range 2 {
			if _, err := pace.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(told) != 1 {
			t.Errorf("told %d times, want no more than once", len(told))
		}
	})
}

func TestWhoeverDoesNotWaitIsNotTold(t *testing.T) {
	t.Parallel()
	for _, pace := range []*Pace{nil, NewPace(0), NewPace(1)} {
		pace.OnWait(func() { t.Error("told of a wait") })
		if _, err := pace.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := pace.Take(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's end", err)
		}
	}
}

func TestNoPaceIsNeverBusy(t *testing.T) {
	t.Parallel()
	var none *Pace
	if got := none.Busy() + NewPace(0).Busy(); got != 0 {
		t.Errorf("%d places are busy, want none", got)
	}
}
