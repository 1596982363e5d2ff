package erase

import (
	"context"
	"errors"

	"github.com/lethe-dsr/lethe/internal/fault"
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

// removeExport is removeNew with the fault that says what is at stake.
func (b Base) removeExport(ctx context.Context, target string, c Container, l ledger.Lease) error {
	err := b.removeNew(ctx, c, l)
	if name := fault.NameOf(err); err != nil && !name.Transient() {
		return fault.New(fault.ExportNotRemoved, "%s: exported files may still lie in the container (%s); they hold everybody's data: check the container's permissions and run again", target, name)
	}
	return err
}

// removeNew deletes the blobs that appeared since a lease was taken.
func (b Base) removeNew(ctx context.Context, c Container, l ledger.Lease) error {
	blobs, err := b.newBlobs(ctx, c, l)
	if err != nil {
		return err
	}
	var failed error
	for _, blob := range blobs { // all that can go go, also after one that cannot
		if err := c.Delete(ctx, blob.Name); err != nil {
			failed = err
		}
	}
	return failed
}
