// Package duty knows the dates that the law sets for an answer: when a request is due, when that comes close, and how it
// may be extended. It holds no clock.
package duty

import (
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
)

// Due is the day by which a request must be answered. GDPR art. 12(3) gives one calendar month from receipt, so a
// request of 31 January is due on the last day of February; CCPA (11 CCR 7021) gives 45 calendar days.
func Due(r config.Regulation, received time.Time) time.Time {
	if r == config.CCPA {
		return received.AddDate(0, 0, 45)
	}
	return months(received, 1)
}

// Extended is the latest day that a request can be extended to: two more months under GDPR art. 12(3), 45 more days
// under 11 CCR 7021. An open request without success keeps its sealed identifiers for another try until then, extended or
// not, and is given up after it.
func Extended(r config.Regulation, received time.Time) time.Time {
	if r == config.CCPA {
		return received.AddDate(0, 0, 90)
	}
	return months(received, 3)
}

// months is n calendar months later, on the last day of the month where that is shorter.
func months(t time.Time, n int) time.Time {
	later := t.AddDate(0, n, 0)
	if day := later.Day(); day < t.Day() { // AddDate ran over the end of the shorter month
		later = later.AddDate(0, 0, -day)
	}
	return later
}

// State says how a request stands with its due date.
type State string

// The states.
const (
	OnTime  State = "on_time"  // open, and not due soon
	DueSoon State = "due_soon" // open, and due within Soon
	Overdue State = "overdue"  // open, and the due date is over
	Met     State = "met"      // ended by its due date
	Missed  State = "missed"   // ended after it
)

// Soon is how long before its due date a request counts as due soon: time for some daily sweeps and for a person who
// has to approve.
const Soon = 7 * 24 * time.Hour

// At says how a request stands at a time; ended is when it ended for good, and zero while it is open. A request is
// answered in time until the very moment that it is due.
func At(due, ended, now time.Time) State {
	switch {
	case !ended.IsZero() && ended.After(due):
		return Missed
	case !ended.IsZero():
		return Met
	case now.After(due):
		return Overdue
	case !now.Before(due.Add(-Soon)):
		return DueSoon
	}
	return OnTime
}
