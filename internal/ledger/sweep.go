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

	Late     bool   `json:"late,omitempty"`      // another one was due while this one worked, and waits for its end
	LateMode string `json:"late_mode,omitempty"` // that it was asked for
}

// Died tells whether whoever began the sweep died before it had started its jobs. A preview, which erases nothing, is not
// done again.
func (s Sweep) Died(now time.Time) bool {
	return s.Jobs == nil && s.Mode != "preview" && !s.Began.IsZero() && now.Sub(s.Began) >= time.Minute
}

// Left tells whether there is work that this sweep leaves to another one, and the mode that it is asked for: one that was
// due, or what it did not begin itself.
func (s Sweep) Left(now time.Time) (left bool, mode string) {
	switch {
	case s.Late:
		return true, s.LateMode
	case s.Died(now), !s.Whole && len(s.Jobs) > 0:
		return true, s.Mode
	}
	return false, ""
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
