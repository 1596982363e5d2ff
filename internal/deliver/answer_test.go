package deliver

import (
	"net/http"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	for attempt, want := range map[int]time.Duration{
		-1: 5 * time.Second, 0: 5 * time.Second, 1: 5 * time.Second, 2: 10 * time.Second, 3: 20 * time.Second, 10: 2560 * time.Second,
		11: 50 * time.Minute, 12: 50 * time.Minute, 1 << 40: 50 * time.Minute,
	} {
		for random, share := range map[float64]float64{0: 0.8, 0.5: 1, 0.75: 1.1, 1: 1.2} {
			got, want := Backoff(attempt, random), time.Duration(float64(want)*share)
			if (got-want).Abs() > time.Microsecond || got > time.Hour {
				t.Errorf("attempt %d, random %g: got %v, want %v", attempt, random, got, want)
			}
		}
	}
}

// FuzzRetryAfter: whatever a receiver sends, nobody waits longer than an hour for it, nor less than not at all.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "-1", "+1", "1e9", "99999999999999999999", "Thu, 01 Jan 2026 00:00:00 GMT", "Thursday, 01-Jan-26 00:00:00 GMT", "Thu, 01 Jan 9999 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		f.Add(seed, "Thu, 01 Jan 2026 00:00:00 GMT")
		f.Add("Thu, 01 Jan 2026 00:00:00 GMT", seed)
	}
	f.Fuzz(func(t *testing.T, after, date string) {
		got, named := retryAfter(http.Header{"Retry-After": {after}, "Date": {date}})
		if got < 0 || got > time.Hour || !named && got != 0 {
			t.Errorf("%q: got %v, %v", after, got, named)
		}
	})
}
