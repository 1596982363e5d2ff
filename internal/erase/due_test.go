package erase

import (
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestDue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ regulation, received, want string }{
		{"gdpr", "2026-01-15", "2026-02-15"},
		{"gdpr", "2026-01-31", "2026-02-28"}, // February has no 31st
		{"gdpr", "2028-01-30", "2028-02-29"},
		{"gdpr", "2026-08-31", "2026-09-30"},
		{"gdpr", "2026-12-31", "2027-01-31"},
		{"gdpr", "2026-11-30", "2026-12-30"},
		{"ccpa", "2026-01-31", "2026-03-17"},
		{"ccpa", "2026-12-01", "2027-01-15"},
	} {
		received, err := time.Parse(time.DateOnly, c.received)
		if err != nil {
			t.Fatal(err)
		}
		if got := Due(c.regulation, received.Add(9*time.Hour)).Format(time.DateOnly); got != c.want {
			t.Errorf("%s, received %s: due %s, want %s", c.regulation, c.received, got, c.want)
		}
	}
}

func TestARequestIsGivenUpAfterThreeMonths(t *testing.T) {
	t.Parallel()
	r := ledger.Request{Received: time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)}
	if GivenUp(r, r.Received.AddDate(0, 3, -1)) {
		t.Error("given up a day early")
	}
	if !GivenUp(r, r.Received.AddDate(0, 3, 1)) {
		t.Error("not given up")
	}
}
