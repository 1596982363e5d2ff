package erase

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// Container is where exports are written. Deleting a blob that is gone succeeds.
type Container interface {
	ID() string
	List(ctx context.Context, max int) ([]appcenter.Blob, error)
	Kind(ctx context.Context, b appcenter.Blob) (appcenter.Kind, error)
	Open(ctx context.Context, b appcenter.Blob, k appcenter.Kind, offset int64) (io.ReadCloser, error)
	Delete(ctx context.Context, name string) error
}

// lease takes the container for this job's export, and notes what lies in it. It is nil while a job at work holds it.
func (b Base) lease(ctx context.Context, in On, c Container, alive func(context.Context, string) bool) (*ledger.Lease, error) {
	key := b.Seal.Digest("container", c.ID())
	held, err := b.Ledger.Lease(ctx, key)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	mine := held.Job == in.Job && held.Target == in.Target && !held.Over
	switch {
	case mine:
		return &held, nil
	case held.Job != "" && !held.Over && (held.Job == in.Job || alive(ctx, held.Job)):
		return nil, nil
	}
	to := ledger.Lease{Job: in.Job, Target: in.Target, Before: held.Before}
	if held.Job != "" {
		// Its holder died, or could not clear up: what appeared since is its export, full of everybody's data, and
		// nobody else would delete it.
		if err := b.removeExport(ctx, in.Target, c, held); err != nil {
			return nil, err
		}
	}
	blobs, err := c.List(ctx, maxBefore)
	if err != nil {
		return nil, err
	}
	to.Before = make([]string, len(blobs))
	for n, blob := range blobs {
		to.Before[n] = b.Seal.Digest("blob", blob.Name)
	}
	// Whatever this job knew of an export in this container is void, because another job may have removed it; so is how
	// far it was read. That is written first: a crash in between must not leave a lease on an export that is gone.
	if _, err := b.Ledger.ChangeExport(ctx, in.Job, in.Target, func(e *ledger.Export) { *e = e.Next(0) }); err != nil {
		return nil, err
	}
	if err := b.Ledger.ClearCursors(ctx, in.Job, "shard/"+in.Target+"/"); err != nil {
		return nil, err
	}
	if err := b.Ledger.TakeLease(ctx, key, held, to); errors.Is(err, ledger.ErrConflict) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &to, nil
}

func (b Base) waitForContainer(ctx context.Context, in On, e ledger.Export) (ExportDevicesOut, error) {
	if e.Pass != in.Pass || e.Started.IsZero() { // the time of an earlier pass is none of this wait's
		_, err := b.Ledger.ChangeExport(ctx, in.Job, in.Target, func(e *ledger.Export) {
			*e = e.Next(in.Pass)
			e.Started = b.Now()
		})
		return ExportDevicesOut{WaitSeconds: 1}, err
	}
	if b.Now().Sub(e.Started) > busyTime {
		return ExportDevicesOut{}, fault.New(fault.ContainerBusy, "%s: another export has held the container for %s; give each target its own container", in.Target, busyTime)
	}
	e, err := b.Ledger.ChangeExport(ctx, in.Job, in.Target, func(e *ledger.Export) { e.Polls++ })
	return ExportDevicesOut{WaitSeconds: pollWait(e.Polls)}, err
}

// newBlobs lists the blobs that appeared since the lease was taken.
func (b Base) newBlobs(ctx context.Context, c Container, l ledger.Lease) ([]appcenter.Blob, error) {
	before := make(map[string]bool, len(l.Before))
	for _, digest := range l.Before {
		before[digest] = true
	}
	blobs, err := c.List(ctx, maxBefore+maxBlobs)
	return slices.DeleteFunc(blobs, func(blob appcenter.Blob) bool {
		return before[b.Seal.Digest("blob", blob.Name)]
	}), err
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
