package gauge

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// The list of open requests and the requests are two reads.
func TestARequestThatEndedMeanwhileIsNotOpen(t *testing.T) {
	t.Parallel()
	s := Standing{Open: map[ledger.Status]int{}}
	s.request(ledger.Request{ID: "r", Status: ledger.Erased})
	s.request(ledger.Request{ID: "r", Status: ledger.Partial, Settled: true})
	if len(s.Open) > 0 || s.Overdue > 0 {
		t.Errorf("%+v", s)
	}
}
