// Package gauge measures how things stand: which requests are open and for how long, what waits for a person, and what
// nobody has been told yet. Keep-house writes it down every few minutes as metrics, on which the alarms look.
package gauge

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/metric"
)

// Standing is how things stand at a time.
type Standing struct {
	Open     map[ledger.Status]int // requests that have not ended for good; every status that such a one can have
	DueSoon  int                   // of these: due within duty.Soon
	Overdue  int
	Received time.Time // of the oldest open request; zero without one
	Due      time.Time // the nearest due date, which may be over; zero without an open request
	Plans    int       // that wait for a person
	Swept    time.Time // when the last sweep began, or was first looked for

	Messages int       // events that somebody has not been told of
	Told     time.Time // when the oldest of these happened; zero without one

	at      time.Time
	waiting map[string]bool // jobs whose plan waits
}

// Measure reads the ledger once, from one end to the other, and keeps nothing of it but the numbers and the ids of the jobs
// that wait. It costs a read for each open request; closed ones are counted when they close.
//
// Where no sweep has begun yet, time counts from the first measure on, so that a schedule which never works is noticed: it
// is written down as a sweep without jobs, as the local engine does.
func Measure(ctx context.Context, l *ledger.Ledger, now time.Time) (Standing, error) {
	s := Standing{at: now, waiting: map[string]bool{}, Open: map[ledger.Status]int{
		ledger.Pending: 0, ledger.Running: 0, ledger.InReview: 0, ledger.Partial: 0, ledger.Failed: 0,
	}}
	var some []string // ids that are not read yet
	read := func() error {
		err := l.Each(ctx, some, func(r ledger.Request) error {
			s.request(r)
			return nil
		})
		some = some[:0]
		return err
	}
	err := l.OpenRequests(ctx, func(id string) error {
		if some = append(some, id); len(some) < ledger.MaxChanges {
			return nil
		}
		return read()
	})
	if err != nil {
		return s, err
	}
	if err := read(); err != nil {
		return s, err
	}
	s.Plans = len(s.waiting)
	err = l.Outbox(ctx, func(e ledger.Event) error {
		s.message(e)
		return nil
	})
	if err != nil {
		return s, err
	}
	s.Swept, err = swept(ctx, l, now)
	return s, err
}

// request takes an open request into account.
func (s *Standing) request(r ledger.Request) {
	if r.Final() { // it ended while its entry was read
		return
	}
	s.Open[r.Status]++
	switch duty.At(r.Due, time.Time{}, s.at) {
	case duty.DueSoon:
		s.DueSoon++
	case duty.Overdue:
		s.Overdue++
	}
	if s.Received.IsZero() || r.Received.Before(s.Received) {
		s.Received = r.Received
	}
	if s.Due.IsZero() || r.Due.Before(s.Due) {
		s.Due = r.Due
	}
	if r.Status == ledger.InReview {
		s.waiting[r.Job] = true
	}
}

// message takes an event into account that is in the outbox.
func (s *Standing) message(e ledger.Event) {
	s.Messages++
	if s.Told.IsZero() || e.At.Before(s.Told) {
		s.Told = e.At
	}
}

var errSwept = errors.New("a sweep has begun")

// swept gives when the last sweep began.
func swept(ctx context.Context, l *ledger.Ledger, now time.Time) (time.Time, error) {
	last, err := l.LastSweep(ctx)
	if err != nil || !last.Began.IsZero() {
		return last.Began, err
	}
	last, err = l.ChangeSweep(ctx, func(s *ledger.Sweep) error {
		if !s.Began.IsZero() {
			return errSwept
		}
		s.Began, s.Jobs = now, []string{}
		return nil
	})
	if errors.Is(err, errSwept) {
		err = nil
	}
	return last.Began, err
}

// Put sets the gauges. DaysToNearestDueDate is left out while nothing is open: no number would be right.
func (s Standing) Put(m *metric.Set) {
	stack := metric.Of{}
	open := 0
	for status, n := range s.Open {
		open += n
		m.Gauge(metric.Requests, float64(n), metric.Of{Status: string(status)})
	}
	days := func(d time.Duration) float64 { return d.Hours() / 24 }
	since := func(t time.Time) time.Duration { // a clock of another process may be ahead
		if t.IsZero() {
			return 0
		}
		return max(0, s.at.Sub(t))
	}
	m.Gauge(metric.OpenRequests, float64(open), stack)
	m.Gauge(metric.DueSoonRequests, float64(s.DueSoon), stack)
	m.Gauge(metric.OverdueRequests, float64(s.Overdue), stack)
	m.Gauge(metric.OldestOpenRequestDays, days(since(s.Received)), stack)
	if !s.Due.IsZero() {
		m.Gauge(metric.DaysToNearestDueDate, days(s.Due.Sub(s.at)), stack)
	}
	m.Gauge(metric.WaitingPlans, float64(s.Plans), stack)
	m.Gauge(metric.HoursSinceSweep, since(s.Swept).Hours(), stack)
	m.Gauge(metric.WaitingMessages, float64(s.Messages), stack)
	m.Gauge(metric.OldestWaitingMessageMinutes, since(s.Told).Minutes(), stack)
}
