package tell

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-dsr/lethe/internal/service"
)

// A pass that Lambda cuts off has sent what it did not write down, and one that outlives its lease meets another.
func TestAPassEndsWithItsLeaseAndBeforeItsFunction(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ asked, left, want time.Duration }{
		"much time is left":        {0, 10 * time.Minute, lease},
		"the lease took its time":  {5 * time.Second, 10 * time.Minute, lease - 5*time.Second},
		"the function ends sooner": {0, 40 * time.Second, 40*time.Second - service.KeepTime},
		"nearly no time is left":   {0, 10 * time.Second, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), c.left)
				defer cancel()
				if got := passEnd(ctx, now.Add(-c.asked)).Sub(now); got != c.want {
					t.Errorf("it ends after %s, want %s", got, c.want)
				}
			})
		})
	}
}
