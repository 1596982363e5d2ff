package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// counter is how often something happened until a time.
type counter struct {
	Count int       `json:"count"`
	Until time.Time `json:"until"`
}

// Spent tells whether something happened limit times already, as Allow counts; it counts nothing.
func (l *Ledger) Spent(ctx context.Context, what string, limit int, now time.Time) (bool, error) {
	c, _, err := read[counter](ctx, l, limitKey(what))
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return c.Until.After(now) && c.Count >= limit, err
}

func limitKey(what string) Key { return Key{"limit/" + what, "count"} }

// rivals is how many others may be faster on one count before Allow gives up. One is done with every round, so that as
// many may come at once.
const rivals = 200

// Allow counts one more of something unless it happened limit times already since the first of them. The count is
// forgotten window after that first one. What is not allowed is not counted and writes nothing. LedgerBusy when 200
// writers in a row were faster.
func (l *Ledger) Allow(ctx context.Context, what string, limit int, window time.Duration, now time.Time) (bool, error) {
	k := limitKey(what)
	for range rivals {
		c, version, err := read[counter](ctx, l, k)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, err
		}
		if !c.Until.After(now) {
			c = counter{Until: now.Add(window)}
		}
		if c.Count >= limit {
			return false, nil
		}
		c.Count++
		err = l.store.Write(ctx, Change{Key: k, Data: encode(c), If: version, Expires: c.Until})
		if !errors.Is(err, ErrConflict) {
			return err == nil, err
		}
	}
	return false, fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on one count; try again", rivals)
}
