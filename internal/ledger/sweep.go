package ledger

import (
	"context"
	"errors"
	"time"
)

// StartTime is how long whoever starts the jobs of a sweep may say nothing before it counts as dead.
const StartTime = time.Minute

// Sweep is the last sweep that began, and the previews since that hold what the next one would take.
type Sweep struct {
	Begun
	Mode  string `json:"mode,omitempty"` // that it was asked for
	Whole bool   `json:"whole"`          // it took the requests of every mode, and not only those of its own

	Late     bool   `json:"late,omitempty"`      // another one was due while this one or a preview worked, and waits for its end
	LateMode string `json:"late_mode,omitempty"` // that it was asked for

	Look  Begun `json:"look,omitzero"`  // the last preview of everything that the door began
	Looks Begun `json:"looks,omitzero"` // those that executions began by their input; Began is that of the first which the next sweep waits for
}

// Last is the record of the last sweep, or of the last preview of everything.
func (s *Sweep) Last(preview bool) *Begun {
	if preview {
		return &s.Look
	}
	return &s.Begun
}

// Begun is how a sweep or a preview began.
type Begun struct {
	Began time.Time `json:"began"`
	Beat  time.Time `json:"beat,omitzero"` // when whoever starts its jobs said last that it still does
	Jobs  []string  `json:"jobs"`          // that it started; nil while it is starting them
}

// Starting tells whether somebody is starting its jobs.
func (b Begun) Starting(now time.Time) bool {
	last := b.Began
	if b.Beat.After(last) {
		last = b.Beat
	}
	return b.Jobs == nil && !last.IsZero() && now.Sub(last) < StartTime
}

// Died tells whether whoever began it died before it had started its jobs.
func (b Begun) Died(now time.Time) bool {
	return b.Jobs == nil && !b.Began.IsZero() && !b.Starting(now)
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
