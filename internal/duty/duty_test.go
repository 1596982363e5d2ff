package duty_test

import (
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
)

func day(t *testing.T, s string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return d.Add(9 * time.Hour)
}

func TestDueAndExtended(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		regulation              config.Regulation
		received, due, extended string
	}{
		{config.GDPR, "2026-01-15", "2026-02-15", "2026-04-15"},
		{config.GDPR, "2026-01-31", "2026-02-28", "2026-04-30"}, // no 31st
		{config.GDPR, "2028-01-30", "2028-02-29", "2028-04-30"},
		{config.GDPR, "2026-08-31", "2026-09-30", "2026-11-30"},
		{config.GDPR, "2026-12-31", "2027-01-31", "2027-03-31"},
		{config.GDPR, "2026-11-30", "2026-12-30", "2027-02-28"},
		{config.CCPA, "2026-01-31", "2026-03-17", "2026-05-01"},
		{config.CCPA, "2026-12-01", "2027-01-15", "2027-03-01"},
	} {
		received := day(t, c.received)
		if got := duty.Due(c.regulation, received).Format(time.DateOnly); got != c.due {
			t.Errorf("%s, received %s: due %s, want %s", c.regulation, c.received, got, c.due)
		}
		if got := duty.Extended(c.regulation, received).Format(time.DateOnly); got != c.extended {
			t.Errorf("%s, received %s: extended to %s, want %s", c.regulation, c.received, got, c.extended)
		}
	}
}

func TestTheHourOfReceiptIsKept(t *testing.T) {
	t.Parallel()
	received := time.Date(2026, 1, 31, 23, 59, 58, 7, time.UTC)
	if got, want := duty.Due(config.GDPR, received), time.Date(2026, 2, 28, 23, 59, 58, 7, time.UTC); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	due := day(t, "2026-03-10")
	for _, c := range []struct {
		name       string
		ended, now time.Time
		want       duty.State
	}{
		{"long before", time.Time{}, due.Add(-duty.Soon - 1), duty.OnTime},
		{"a week before", time.Time{}, due.Add(-duty.Soon), duty.DueSoon},
		{"at the moment", time.Time{}, due, duty.DueSoon},
		{"just after", time.Time{}, due.Add(1), duty.Overdue},
		{"ended at the moment", due, due.AddDate(1, 0, 0), duty.Met},
		{"ended just after", due.Add(1), due.AddDate(1, 0, 0), duty.Missed},
	} {
		if got := duty.At(due, c.ended, c.now); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
