package outbox

import (
	"sync"
	"testing"
	"time"
)

// Many look at a receiver while others find that it fails: the race detector would tell.
func TestACircuitIsReadUnderItsLock(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for range 100 {
		s := circuits{of: map[string]*circuit{}, random: func() float64 { return 0.5 }}
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				for range 5 {
					if _, ok := s.enter(t.Context(), "crm", func() time.Time { return now }); ok {
						s.leave("crm", true, time.Minute, now)
					}
				}
			})
		}
		wg.Wait()
	}
}
