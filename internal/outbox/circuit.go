package outbox

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/deliver"
)

const (
	maxFailures = 5               // in a row, of calls to one receiver, before it is left alone for a while
	maxRest     = 5 * time.Minute // that it is left alone: it may be back any time, and people wait for mails
)

// circuits know which receivers fail, so that one that is down does not cost every event a call of ten seconds.
type circuits struct {
	random func() float64
	mu     sync.Mutex
	of     map[string]*circuit // by receiver; those without a call under way or a failure are not kept
}

type circuit struct {
	failures int           // in a row
	calls    int           // under way
	failed   time.Time     // last
	rest     time.Time     // no call before
	ended    chan struct{} // closed when a call ends
}

// enter waits until a receiver may be called. Calls under way count as failures until they end, so that no more than
// maxFailures fail in a row; after a rest one call goes ahead. ok is false when the receiver rests, until a time, or ctx
// has ended. After ok leave must be called.
func (s *circuits) enter(ctx context.Context, receiver string, now func() time.Time) (rest time.Time, ok bool) {
	for ctx.Err() == nil {
		s.mu.Lock()
		c := s.of[receiver]
		if c == nil {
			c = &circuit{ended: make(chan struct{})}
			s.of[receiver] = c
		}
		switch {
		case now().Before(c.rest):
			rest := c.rest
			s.mu.Unlock()
			return rest, false
		case c.calls < max(1, maxFailures-c.failures):
			c.calls++
			s.mu.Unlock()
			return time.Time{}, true
		}
		ended := c.ended
		s.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-ended:
		}
	}
	return time.Time{}, false
}

// leave ends a call. After a failure of the receiver that may pass, wait is how long the receiver asked to be left alone, 0 if it did
// not. It tells whether the receiver begins to rest after calls that went well.
func (s *circuits) leave(receiver string, failed bool, wait time.Duration, now time.Time) (resting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.of[receiver]
	defer s.end(receiver, c)
	if !failed {
		c.failures = 0
		return false
	}
	c.failures, c.failed = c.failures+1, now
	if c.failures >= maxFailures {
		wait = max(wait, min(maxRest, deliver.Backoff(c.failures, s.random())))
	}
	if wait > 0 {
		c.rest = now.Add(wait)
	}
	return c.failures == maxFailures
}

// interrupted ends a call of which nobody knows how it would have ended.
func (s *circuits) interrupted(receiver string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(receiver, s.of[receiver])
}

// end lets those go on who wait for a call to end.
func (s *circuits) end(receiver string, c *circuit) {
	c.calls--
	close(c.ended)
	c.ended = make(chan struct{})
	if c.calls == 0 && c.failures == 0 {
		delete(s.of, receiver)
	}
}

// forget drops the receivers whose last failure, and rest, was more than an hour ago, so that old ones do not pile up. One
// that fails is called again within that time: its failures count over passes. No call may be under way.
func (s *circuits) forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.of, func(_ string, c *circuit) bool { return now.Sub(c.failed) > time.Hour && now.Sub(c.rest) > time.Hour })
}
