package erase

import (
	"context"
	"errors"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// RemoveExport deletes what a target's export wrote into the container and gives the container free. What lay in it
// before stays. A container that this job does not hold is left alone. Its fault is ExportNotRemoved.
//
// An export that was started and not seen to end may write later. Then the container stays marked as this job's, and
// the next job that exports there deletes what has appeared.
func RemoveExport(b Base, at func(target string) (Container, error)) func(context.Context, On) (Slice, error) {
	return func(ctx context.Context, in On) (Slice, error) {
		c, err := at(in.Target)
		if err != nil {
			return Slice{}, err
		}
		key := b.Seal.Digest("container", c.ID())
		l, err := b.Ledger.Lease(ctx, key)
		if errors.Is(err, ledger.ErrNotFound) || err == nil && (l.Job != in.Job || l.Target != in.Target) {
			return Slice{Done: true}, nil
		}
		if err != nil {
			return Slice{}, err
		}
		e, err := b.Ledger.Export(ctx, in.Job, in.Target)
		if err != nil {
			return Slice{}, err
		}
		if err := b.removeExport(ctx, in.Target, c, l); err != nil {
			if err := b.Ledger.EndLease(ctx, key, in.Job, in.Target); err != nil {
				return Slice{}, err
			}
			return Slice{}, err
		}
		if e.Starts > e.Ended {
			return Slice{Done: true}, b.Ledger.EndLease(ctx, key, in.Job, in.Target)
		}
		return Slice{Done: true}, b.Ledger.DropLease(ctx, key, in.Job, in.Target)
	}
}
