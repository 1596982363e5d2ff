package provider

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
)

// slow is a ledger's driver whose calls take time, so that others come in between. Not all of them say whether they wrote.
type slow struct{ ledger.Store }

func (s slow) Get(ctx context.Context, keys ...ledger.Key) ([]ledger.Item, error) {
	defer time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
	return s.Store.Get(ctx, keys...)
}

var errLost = errors.New("the answer was lost")

func (s slow) Write(ctx context.Context, changes ...ledger.Change) error {
	time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
	err := s.Store.Write(ctx, changes...)
	if err == nil && rand.IntN(50) == 0 {
		return errLost
	}
	return err
}

func store(t *testing.T) ledger.Store {
	t.Helper()
	s, err := boltstore.Open(filepath.Join(t.TempDir(), "ledger"), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// calls are when calls of a target arrived.
type calls struct {
	mu sync.Mutex
	at []time.Time
}

func (c *calls) arrived() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = append(c.at, time.Now())
}

// wantNoMore looks at every window.
func (c *calls) wantNoMore(t *testing.T, perMinute int) {
	t.Helper()
	slices.SortFunc(c.at, time.Time.Compare)
	for i := perMinute; i < len(c.at); i++ {
		if got := c.at[i].Sub(c.at[i-perMinute]); got < Window {
			t.Errorf("%d a minute: %d calls within %s", perMinute, perMinute+1, got)
		}
	}
}

// A dozen processes on one ledger, each with a clock of its own and callers that compete, with calls of different lengths:
// some of them for as long as a call may take, and some whose process dies in it.
func TestNoMinuteHoldsMoreCalls(t *testing.T) {
	t.Parallel()
	for _, perMinute := range []int{1, 7, 100} {
		t.Run(fmt.Sprint(perMinute), func(t *testing.T) {
			t.Parallel()
			book := ledger.New(slow{store(t)}).Calls("acme-ios")
			synctest.Test(t, func(t *testing.T) {
				var seen calls
				var processes sync.WaitGroup
				for range 12 {
					processes.Go(func() {
						time.Sleep(time.Duration(rand.IntN(2)*rand.IntN(120)) * time.Second)
						pace := NewPace(perMinute, book)
						ahead := time.Duration(rand.Int64N(int64(apart)))
						pace.now = func() time.Time { return time.Now().Add(ahead) }
						ctx, die := context.WithCancel(t.Context())
						defer die()
						var callers sync.WaitGroup
						for range 3 {
							callers.Go(func() {
								for range 10 + perMinute/4 {
									ended, err := pace.Take(ctx)
									if errors.Is(err, errLost) {
										continue
									}
									if err != nil {
										if ctx.Err() == nil {
											t.Error(err)
										}
										return
									}
									way := rand.IntN(3000)
									if rand.IntN(10) == 0 {
										way = int(perCall.Milliseconds()) - 3000
									}
									time.Sleep(time.Duration(way) * time.Millisecond)
									seen.arrived()
									if rand.IntN(perMinute+20) == 0 {
										die()
									}
									if ctx.Err() != nil {
										return
									}
									time.Sleep(time.Duration(rand.IntN(3000)) * time.Millisecond) // and back
									ended()
									time.Sleep(time.Duration(rand.IntN(2)*rand.IntN(20_000)) * time.Millisecond)
								}
							})
						}
						callers.Wait()
					})
				}
				processes.Wait()
				if len(seen.at) < 2*perMinute {
					t.Errorf("%d calls prove nothing", len(seen.at))
				}
				seen.wantNoMore(t, perMinute)
			})
		})
	}
}

// The limit is full of a process's blocks; from the one in which it died on, another one has it all.
func TestAProcessThatDiesCostsABlock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		book := memory()
		first, second := NewPace(100, book), NewPace(100, book)
		take := func(p *Pace) (ended func()) {
			t.Helper()
			ended, err := p.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return ended
		}
		for range 16 { // of blocks of 1, 2, 4, 8 and 10
			take(first)()
		}
		start := time.Now()
		for range 100 - 15 - 10 {
			take(second)()
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("a block of 10 costs the other %s", took)
		}
		take(second)
		if took := time.Since(start); took < Window {
			t.Errorf("the dead one's block was used after %s", took)
		}
		for range 3 * 90 {
			take(second)()
		}
		if took := time.Since(start); took > 4*(Window+apart)+useFor {
			t.Errorf("three windows of the other took %s", took)
		}
	})
}

// Processes queue: none is overtaken for ever, whoever asks more often.
func TestWhoAsksFirstIsFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		book := memory()
		made := [3]int{}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, nil)
		defer cancel()
		var all sync.WaitGroup
		for n := range made {
			all.Go(func() {
				pace := NewPace(20, book)
				for {
					ended, err := pace.Take(ctx)
					if err != nil {
						return
					}
					made[n]++
					time.Sleep(100 * time.Millisecond)
					ended()
				}
			})
		}
		all.Wait()
		if sum := made[0] + made[1] + made[2]; sum < 60*20*85/100 || slices.Min(made[:]) < sum/4 {
			t.Errorf("in an hour of 20 calls a minute they made %v", made)
		}
	})
}
