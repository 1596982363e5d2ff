package erase

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// reads counts the calls that read by key.
type reads struct {
	ledger.Store
	calls int
}

func (r *reads) Get(ctx context.Context, keys ...ledger.Key) ([]ledger.Item, error) {
	r.calls++
	return r.Store.Get(ctx, keys...)
}

// Whoever keeps house has a few minutes, in which plans that wait need their heartbeat, too.
func TestTidyingReadsManyRequestsAtATime(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	const open = 50
	for n := range open {
		m.NewID = func() string { return fmt.Sprintf("open-%02d", n) }
		m.file(m.person("user_id", fmt.Sprintf("account-%02d", n)), "api", func(r *ledger.Request) { // one of them is too old
			if n == 7 {
				r.Received = r.Received.AddDate(-1, 0, 0)
			}
		})
	}
	store := &reads{Store: m.store}
	b := m.Base
	b.Ledger = ledger.New(store)
	m.must(Tidy(t.Context(), b, time.Now()))
	if store.calls > open/5 {
		t.Errorf("%d reads for %d open requests", store.calls, open)
	}
	for n := range open {
		r, err := m.Ledger.Request(t.Context(), fmt.Sprintf("open-%02d", n))
		if m.must(err); (r.Status == ledger.Abandoned) != (n == 7) {
			t.Errorf("request %d is %s", n, r.Status)
		}
	}
}
