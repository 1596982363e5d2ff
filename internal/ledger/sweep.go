package ledger

import (
	"context"
	"errors"
	"time"
)

// Sweep is the last sweep that began.
type Sweep struct {
	Began time.Time `json:"began"`
	Mode  string    `json:"mode,omitempty"` // that it was asked for
	Jobs  []string  `json:"jobs"`           // that it started; nil while it is starting them
	Whole bool      `json:"whole"`          // it took the requests of every mode, and not only those of its own
}

func sweepKey() Key { return Key{"sweep", "last"} }

// LastSweep reads the last sweep; the zero value when there was none.
func (l *Ledger) LastSweep(ctx context.Context) (Sweep, error) {
	s, _, err := read[Sweep](ctx, l, sweepKey())
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return s, err
}

// ChangeSweep lets change work on the record of the last sweep. An error of change ends it with nothing written.
func (l *Ledger) ChangeSweep(ctx context.Context, change func(*Sweep) error) (Sweep, error) {
	return update(ctx, l, sweepKey(), true, change)
}
