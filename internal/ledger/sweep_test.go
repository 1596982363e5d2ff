package ledger_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestTheLastSweepIsRemembered(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	if s, err := l.LastSweep(ctx); err != nil || !s.Began.IsZero() {
		t.Errorf("before the first: %+v, %v", s, err)
	}
	began := time.Date(2026, 5, 1, 3, 0, 0, 0, time.UTC)
	for _, job := range []string{"j1", "j2"} {
		_, err := l.ChangeSweep(ctx, func(s *ledger.Sweep) error { s.Began, s.Jobs = began, append(s.Jobs, job); return nil })
		must(t, err)
	}
	if s, err := l.LastSweep(ctx); err != nil || !s.Began.Equal(began) || !slices.Equal(s.Jobs, []string{"j1", "j2"}) {
		t.Errorf("it is %+v, %v", s, err)
	}
}
