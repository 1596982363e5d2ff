package provider

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// memory is a Book of one process.
func memory() Book {
	var mu sync.Mutex
	var b []byte
	return func(_ context.Context, change func([]byte) ([]byte, error)) error {
		mu.Lock()
		defer mu.Unlock()
		data, err := change(b)
		if data != nil {
			b = data
		}
		return err
	}
}

// taken is how many calls began, as the pace would write it next.
func taken(t *testing.T, p *Pace) (sum int) {
	t.Helper()
	ends, _ := p.ends()
	err := p.book(t.Context(), func(old []byte) ([]byte, error) {
		there, err := read(old, 0, ends)
		for _, e := range there {
			sum += e.Calls
		}
		return nil, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// alone has one process make calls of 0.3 seconds one after the other, in so many minutes, and counts them and how often
// they were written: never more than a write unit of DynamoDB.
func alone(t *testing.T, perMinute, minutes int) (made, written int) {
	var kept []byte
	pace := NewPace(perMinute, func(_ context.Context, change func([]byte) ([]byte, error)) (err error) {
		written++
		if kept, err = change(kept); len(kept) > 900 {
			t.Fatalf("%d calls a minute take %d bytes", perMinute, len(kept))
		}
		return err
	})
	for end := time.Now().Add(time.Duration(minutes) * Window); time.Now().Before(end); made++ {
		ended, err := pace.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		ended()
	}
	return made, written
}

// A window takes 62 seconds and the time of a block: 3 seconds where a tenth is 10 calls of 0.3 seconds.
func TestOneProcessGetsNearlyTheWholeLimit(t *testing.T) {
	t.Parallel()
	for perMinute, want := range map[int]float64{1: 60 / 62.3, 7: 60 / 62.3, 20: 60 / 62.6, 52: 60 / 64.0, 100: 60 / 65.0, 150: 60 / 66.5} {
		synctest.Test(t, func(t *testing.T) {
			made, written := alone(t, perMinute, 100)
			if got := float64(made) / float64(100*perMinute); got < 0.99*want || got > 1.03 {
				t.Errorf("%.3f of %d calls a minute, want %.3f", got, perMinute, want)
			}
			size := (perMinute + parts - 1) / parts
			if most := 1.2 * float64(made) / float64(size); float64(written) > most {
				t.Errorf("%d calls a minute: %d writes for %d calls, want %.0f", perMinute, written, made, most)
			}
		})
	}
}

// What is left of a block when its time is over is not used: others may count on that.
func TestABlockHasItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		written, book := 0, memory()
		pace := NewPace(100, func(ctx context.Context, change func([]byte) ([]byte, error)) error {
			written++
			return book(ctx, change)
		})
		for n, row := range []struct {
			pause time.Duration
			want  int
		}{{0, 1}, {0, 2}, {useFor, 3}, {useFor - time.Millisecond, 3}} { // blocks of 1, of 2, and of 2
			time.Sleep(row.pause)
			ended, err := pace.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ended()
			if written != row.want {
				t.Errorf("call %d: written %d times, want %d", n, written, row.want)
			}
		}
	})
}

func TestWhatABlockHasLeftIsGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pace := NewPace(100, memory())
		for n := range 5 { // of blocks of 1, 2 and 4, and one of 2 after a pause
			if n == 4 {
				time.Sleep(useFor)
			}
			ended, err := pace.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ended()
		}
		err := pace.book(t.Context(), func(old []byte) ([]byte, error) {
			there, err := read(old, time.Now().UnixMilli(), nil)
			sum := 0
			for _, e := range there {
				sum += e.Calls
			}
			if sum != 1+2+1+2 {
				t.Errorf("%d calls count, want the 4 of the blocks that are over and a block of 2", sum)
			}
			return nil, err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A call that is under way when the next block is reserved is corrected later.
func TestACallThatLastsIsWrittenWhenItHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pace := NewPace(100, memory())
		take := func() (ended func()) {
			t.Helper()
			ended, err := pace.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return ended
		}
		long := take()
		take()()
		long()
		take()()
		take()() // in a block of 4
		err := pace.book(t.Context(), func(old []byte) ([]byte, error) {
			there, err := read(old, 0, nil)
			now := time.Now()
			for n, want := range []time.Duration{Window + apart, Window + apart, useFor + perCall + Window + apart} {
				if got := there[n].Until - now.UnixMilli(); got != want.Milliseconds() {
					t.Errorf("block %d counts for %d ms, want %s", n, got, want)
				}
			}
			return nil, err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A block that took whatever is free would leave ever smaller ones behind, and a write for each.
func TestABlockWaitsForHalfOfItself(t *testing.T) {
	t.Parallel()
	there := []entry{{"A", 10, 61_000}, {"B", 87, 99_000}}
	for _, row := range []struct {
		size  int
		from  int64
		calls int
	}{{2, 60_000, 2}, {4, 60_000, 3}, {6, 60_000, 3}, {8, 61_000, 8}, {10, 61_000, 10}} {
		if from, calls := fit(there, 100, row.size, 60_000); from != row.from || calls != row.calls {
			t.Errorf("of %d: %d from %d on, want %d from %d on", row.size, calls, from, row.calls, row.from)
		}
	}
}

func TestTakeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pace := NewPace(1, memory())
		if _, err := pace.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 2 { // one waits for the place, one for its turn
			all.Go(func() {
				if _, err := pace.Take(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want the context's end", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		all.Wait()
		// The place that nobody waits for any more is the next one's.
		start := time.Now()
		if _, err := pace.Take(t.Context()); err != nil || time.Since(start) > useFor+perCall+Window+apart {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

func TestAWaitThatTheStepHasNoTimeForIsNotBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		book := memory()
		first, second := NewPace(1, book), NewPace(1, book)
		ended, err := first.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ended()
		start := time.Now()
		for _, pace := range []*Pace{first, second, first} {
			ctx, cancel := context.WithTimeout(t.Context(), 80*time.Second)
			defer cancel()
			if _, err := pace.Take(ctx); !fault.Is(err, fault.Throttled) || time.Since(start) > 0 {
				t.Errorf("got %v after %s, want %s at once", err, time.Since(start), fault.Throttled)
			}
		}
		// Nobody who did not wait is in the queue; of the first nobody knows yet that its call has ended.
		if _, err := NewPace(1, book).Take(t.Context()); err != nil || time.Since(start) != useFor+perCall+Window+apart {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

func TestNoLimitNeverWaits(t *testing.T) {
	t.Parallel()
	for _, pace := range []*Pace{nil, NewPace(0, nil), NewPace(-1, nil)} {
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

// A process that still has the larger limit fills the window; one that has the smaller waits until it fits.
func TestALimitThatWasLowered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		book := memory()
		start := time.Now()
		for _, p := range []*Pace{NewPace(30, book), NewPace(10, book)} {
			for range 25 {
				ended, err := p.Take(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				ended()
			}
		}
		if took := time.Since(start); took < 3*Window {
			t.Errorf("25 calls of 30 and then 25 of 10 a minute took %s", took)
		}
	})
}

func TestABookThatFailsKeepsTheCallBack(t *testing.T) {
	t.Parallel()
	busy := fault.New(fault.LedgerBusy, "busy")
	pace := NewPace(1, func(context.Context, func([]byte) ([]byte, error)) error { return busy })
	next := &answers{}
	c := New(Options{Base: base(t, "https://api.example"), Transport: next, Pace: pace, RetryWait: time.Hour})
	if _, err := c.Call(t.Context(), "GET", "/x", nil, nil); !errors.Is(err, busy) || len(next.sent) > 0 {
		t.Errorf("got %v after %d calls, want the book's error and none", err, len(next.sent))
	}
	pace = NewPace(1, func(_ context.Context, change func([]byte) ([]byte, error)) error {
		_, err := change([]byte("not JSON"))
		return err
	})
	if _, err := pace.Take(t.Context()); err == nil {
		t.Error("a record that does not decode is no limit")
	}
}

func TestAWaitIsToldWhenItBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pace := NewPace(2, memory())
		start := time.Now()
		var told []time.Duration
		pace.OnWait(func() { told = append(told, time.Since(start)) })
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
		if waited := time.Since(start); waited != Window+apart+time.Second {
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
	for _, pace := range []*Pace{nil, NewPace(0, nil), NewPace(1, memory())} {
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

// What is written may be anything that an older program, or a damaged disk, left.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"blocks":[{"id":"A","n":10,"until":61000},{"id":"B","n":10,"until":99000}]}`), 7)
	f.Add([]byte(`{"count":3,"until":"2026-11-22T00:00:00Z"}`), 100)
	f.Add([]byte(`{"blocks":[{"n":-5,"until":9223372036854775807}]}`), 1)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		const now = 60_000
		limit = 1 + max(limit, -limit, 0)%60_000
		there, err := read(b, now, nil)
		if err != nil {
			return
		}
		size := (limit + parts - 1) / parts
		from, calls := fit(there, limit, size, now)
		if from < now || calls < 1 || calls > size {
			t.Errorf("%d calls from %d on", calls, from)
		}
		busy := calls
		for _, e := range there {
			if e.Until > from {
				busy += e.Calls
			}
		}
		if busy > limit {
			t.Errorf("%d calls in a window of %d", busy, limit)
		}
	})
}
