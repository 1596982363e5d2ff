package outbox

import (
	"testing"
	"time"
)

func TestAReceiverRestsLongerTheLongerItFails(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := circuits{of: map[string]*circuit{}, random: func() float64 { return 0.5 }}
	fail := func(wait time.Duration) time.Duration {
		t.Helper()
		if _, ok := s.enter(t.Context(), "crm", func() time.Time { return now }); !ok {
			t.Fatal("crm rests")
		}
		s.leave("crm", true, wait, now)
		rest, ok := s.enter(t.Context(), "crm", func() time.Time { return now })
		if ok {
			s.interrupted("crm")
			return 0
		}
		took := rest.Sub(now)
		now = rest
		return took
	}
	for n, want := range []time.Duration{0, 0, 0, 0, 80 * time.Second, 160 * time.Second, maxRest, maxRest} {
		if got := fail(0); got != want {
			t.Errorf("after %d failures crm rests for %v, want %v", n+1, got, want)
		}
	}
	if got := fail(time.Hour); got != time.Hour {
		t.Errorf("asked to wait for an hour, crm rests for %v", got)
	}
	if len(s.of) != 1 {
		t.Errorf("%d circuits are kept", len(s.of))
	}
	if s.forget(now.Add(2 * time.Hour)); len(s.of) != 0 {
		t.Error("a failure of long ago is kept")
	}
	if _, ok := s.enter(t.Context(), "crm", func() time.Time { return now }); !ok {
		t.Fatal("crm rests")
	}
	if s.leave("crm", false, 0, now); len(s.of) != 0 {
		t.Error("a receiver that answers is kept")
	}
}

// One event a minute is enough to notice that a receiver is down.
func TestFailuresCountOverPasses(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := circuits{of: map[string]*circuit{}, random: func() float64 { return 0.5 }}
	for n := 1; n <= maxFailures; n++ {
		s.forget(now) // as each pass does
		if _, ok := s.enter(t.Context(), "mail", func() time.Time { return now }); !ok {
			t.Fatalf("mail rests before failure %d", n)
		}
		if told := s.leave("mail", true, 0, now); told != (n == maxFailures) {
			t.Errorf("failure %d is told: %v", n, told)
		}
		now = now.Add(time.Minute)
	}
}
