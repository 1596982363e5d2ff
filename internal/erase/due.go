package erase

import (
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// Due is the day by which a request must be answered. GDPR art. 12(3) gives one calendar month from receipt, so a
// request of 31 January is due on the last day of February; CCPA (11 CCR 7021) gives 45 calendar days.
func Due(regulation string, received time.Time) time.Time {
	if regulation == "ccpa" {
		return received.AddDate(0, 0, 45)
	}
	due := received.AddDate(0, 1, 0)
	for due.Month() != (received.Month()%12)+1 { // the next month is shorter: AddDate ran over its end
		due = due.AddDate(0, 0, -1)
	}
	return due
}

// GivenUp tells whether an open request has been without success for too long: it keeps its sealed identifiers for
// another try during the month of GDPR art. 12(3) and the two months by which it can be extended.
func GivenUp(r ledger.Request, now time.Time) bool { return now.After(r.Received.AddDate(0, 3, 0)) }
