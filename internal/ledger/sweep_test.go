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

func TestWhoStartsASweep(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 5, 1, 3, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		b              ledger.Begun
		after          time.Duration
		starting, died bool
	}{
		"none":                       {ledger.Begun{}, 0, false, false},
		"just now":                   {ledger.Begun{Began: began}, ledger.StartTime - 1, true, false},
		"silent for too long":        {ledger.Begun{Began: began}, ledger.StartTime, false, true},
		"slow":                       {ledger.Begun{Began: began, Beat: began.Add(time.Hour)}, time.Hour + ledger.StartTime - 1, true, false},
		"slow, and silent":           {ledger.Begun{Began: began, Beat: began.Add(time.Hour)}, time.Hour + ledger.StartTime, false, true},
		"whose jobs are started":     {ledger.Begun{Began: began, Jobs: []string{"job"}}, 0, false, false},
		"with nothing to be started": {ledger.Begun{Began: began, Jobs: []string{}}, time.Hour, false, false},
	} {
		now := began.Add(c.after)
		if s, d := c.b.Starting(now), c.b.Died(now); s != c.starting || d != c.died {
			t.Errorf("%s: starting %t, died %t", name, s, d)
		}
	}
}
