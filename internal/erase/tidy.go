package erase

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// PreviewTime is how long the subject of a preview may wait for its job where jobs run side by side.
const PreviewTime = 24 * time.Hour

// Tidy destroys the subjects of previews that were asked for by a time and never ran, and gives up requests whose time
// for another try is over.
func Tidy(ctx context.Context, b Base, asked time.Time) error {
	l := b.Ledger
	var orphans, old []ledger.Request
	err := l.Previews(ctx, func(id string) error {
		r, err := l.Request(ctx, id)
		if errors.Is(err, ledger.ErrNotFound) { // it ended a moment ago
			return nil
		}
		if !r.Received.After(asked) {
			orphans = append(orphans, r)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := l.Destroy(ctx, orphans...); err != nil {
		return err
	}
	// Many at a time: thousands may be open, of which nearly all stay.
	var open []string
	err = l.OpenRequests(ctx, func(id string) error {
		open = append(open, id)
		return nil
	})
	if err != nil {
		return err
	}
	err = l.Each(ctx, open, func(r ledger.Request) error {
		if r.Job == "" && b.Now().After(duty.Extended(config.Regulation(r.Regulation), r.Received)) {
			old = append(old, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range old {
		_, err := l.End(ctx, r.ID, ledger.Abandoned, "", b.Now())
		switch {
		case err == nil:
			b.Tally(Count{What: Closings, N: 1, Status: ledger.Abandoned})
		case !errors.Is(err, ledger.ErrHeld) && !errors.Is(err, ledger.ErrFinal):
			return err
		}
	}
	return nil
}
