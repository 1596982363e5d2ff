package erase

import (
	"context"
	"fmt"

	"github.com/lethe-dsr/lethe/internal/batch"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// maxSplits bounds the calls that a slice spends on looking for ids that Batch does not take: 20,000 calls to learn that
// it takes none would help nobody.
const maxSplits = 200

// ProfileDeleter orders the deletion of up to batch.MaxIDs custom ids and answers the provider's token for the order.
type ProfileDeleter interface {
	Delete(ctx context.Context, ids []string) (token string, err error)
}

// BatchDelete orders a slice of the cleared profile deletions, batch.MaxIDs to a call. Batch is ordered once per job:
// what was ordered, or refused for its own sake, is not ordered again. One id that Batch does not take makes it refuse
// the whole call, so a refused call is halved until the id is alone.
func BatchDelete(b Base, at func(target string) (ProfileDeleter, error)) func(context.Context, On) (Slice, error) {
	return func(ctx context.Context, in On) (Slice, error) {
		more := timeLeft(ctx)
		if err := b.closed(ctx, in, Profile, true); err != nil {
			return Slice{}, err
		}
		d, err := at(in.Target)
		if err != nil {
			return Slice{}, err
		}
		todo, err := b.cleared(ctx, in, Profile)
		if err != nil {
			return Slice{}, err
		}
		total, splits := len(todo), maxSplits
		for first := true; len(todo) > 0 && (first || more()); first = false {
			call := todo[:min(batch.MaxIDs, len(todo))]
			todo = todo[len(call):]
			if err := b.order(ctx, in, d, call, &splits); err != nil {
				return Slice{}, fmt.Errorf("%s: %w", in.Target, err)
			}
			b.Report(Event{Job: in.Job, Target: in.Target, Area: Profile, Doing: "ordering", Pass: in.Pass, Done: int64(total - len(todo)), Total: int64(total), End: len(todo) == 0})
		}
		return Slice{Done: len(todo) == 0}, nil
	}
}

func (b Base) order(ctx context.Context, in On, d ProfileDeleter, call []ledger.Finding, splits *int) error {
	ids := make([]string, len(call))
	for n, f := range call {
		o, err := b.openObject(ctx, in.Job, f)
		if err != nil {
			return err
		}
		ids[n] = o.ID
	}
	before := deleted(call)
	token, err := d.Delete(ctx, ids)
	name := fault.NameOf(err)
	bad := name == fault.MalformedParameter || name == fault.BadInput
	switch {
	case err != nil && !bad, bad && *splits == 0:
		return err
	case bad && len(call) > 1:
		*splits--
		half := len(call) / 2
		if err := b.order(ctx, in, d, call[:half], splits); err != nil {
			return err
		}
		return b.order(ctx, in, d, call[half:], splits)
	}
	for n := range call {
		call[n].InPass, call[n].Fault, call[n].Token = in.Pass, string(name), token
		if err == nil {
			call[n].Deleted = b.Now()
		}
	}
	return b.went(ctx, in, Profile, call, deleted(call)-before)
}
