package intake_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// meanwhile does something once, just before somebody is looked for by an identifier.
type meanwhile struct {
	ledger.Store
	do func()
}

func (s *meanwhile) Query(ctx context.Context, partition, prefix, after string, limit int) ([]ledger.Item, error) {
	if do := s.do; do != nil && strings.HasPrefix(partition, "identifier/") {
		s.do = nil
		do()
	}
	return s.Store.Query(ctx, partition, prefix, after, limit)
}

func TestADoubleClickLeavesOneRequest(t *testing.T) {
	t.Parallel()
	d := open(t)
	hook := &meanwhile{Store: d.store}
	d.Ledger = ledger.New(hook)
	id := d.apply(intake.Application{Email: "ann@example.com", Client: "c"})
	token := d.Links.VerifyToken(id)
	hook.do = func() {
		if _, err := d.Confirm(t.Context(), token); err != nil {
			t.Errorf("the first click: %v", err)
		}
	}
	status, _ := d.Confirm(t.Context(), token)
	if v, err := d.ByLink(t.Context(), status); err != nil || v.ID != id || v.Status != ledger.Pending {
		t.Errorf("after two clicks at once: %+v, %v", v, err)
	}
}

// Of two applications each link is clicked, one of them twice: what was confirmed on its own is not taken away.
func TestOnlyWhatWasNotConfirmedIsDiscarded(t *testing.T) {
	t.Parallel()
	d := open(t)
	id := d.apply(intake.Application{Email: "ann@example.com", Client: "c"})
	got(d.Confirm(t.Context(), d.Links.VerifyToken(id)))(t)
	if err := d.Ledger.Discard(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if v, err := d.Show(t.Context(), id); err != nil || v.Status != ledger.Pending {
		t.Errorf("a confirmed request was discarded: %v", err)
	}
	other := d.apply(intake.Application{Email: "ben@example.com", Client: "c"})
	for range 2 {
		if err := d.Ledger.Discard(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Ledger.Request(t.Context(), other); err == nil {
		t.Error("one that was not confirmed is still there")
	}
}
