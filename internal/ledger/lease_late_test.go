package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// meanwhile is a store in which something happens after the first read.
type meanwhile struct {
	ledger.Store
	do func()
}

func (m *meanwhile) Get(ctx context.Context, keys ...ledger.Key) ([]ledger.Item, error) {
	items, err := m.Store.Get(ctx, keys...)
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return items, err
}

func TestWhoLetsGoLateLeavesTheNextHolderAlone(t *testing.T) {
	t.Parallel()
	l, store := counted(t)
	now := time.Now()
	hold := func(l *ledger.Ledger, holder string) bool {
		held, err := l.Hold(t.Context(), "outbox", holder, now, now.Add(time.Minute))
		must(t, err)
		return held
	}
	hold(l, "a")
	must(t, ledger.New(&meanwhile{store, func() { // a's lease ends, and b's begins: not at the version that a has read
		must(t, l.LetGo(t.Context(), "outbox", "a"))
		hold(l, "b")
	}}).LetGo(t.Context(), "outbox", "a"))
	if hold(l, "c") {
		t.Error("b's lease was ended by a")
	}
}
