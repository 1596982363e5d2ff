package erase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// saveDeletes is how many objects are deleted before the step writes down what went: a write for each would cost more
// than the delete. After a crash in between they are deleted again, and count as already gone.
const saveDeletes = 25

// saveTime is for writing down what went when the step's own time is over; the runner waits twice as long for a
// step to return.
const saveTime = time.Second

// forget deletes the cleared findings of an area, size of them to a call of del, and writes down what went. del answers
// which ids were gone already. A finding that its provider refuses to delete (Refused), or whose name cannot be
// sent (BadInput), keeps that fault and does not stop the others; any other fault ends the step.
func (b Base) forget(ctx context.Context, in On, area string, size int, del func(ctx context.Context, ids []string) (map[string]bool, error)) (Slice, error) {
	more := timeLeft(ctx)
	if err := b.closed(ctx, in, area, true); err != nil {
		return Slice{}, err
	}
	todo, err := b.cleared(ctx, in, area)
	if err != nil {
		return Slice{}, err
	}
	total := len(todo)
	var went []ledger.Finding // not written down yet
	gone := 0                 // of these, for the first time
	for first := true; len(todo) > 0 && (first || more()); first = false {
		batch := todo[:min(size, len(todo))]
		todo = todo[len(batch):]
		before := deleted(batch)
		if err := b.deleteTogether(ctx, in, batch, del); err != nil {
			// The call may have ended with its context; what went before it is written down all the same.
			save, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
			defer cancel()
			return Slice{}, errors.Join(fmt.Errorf("%s: %w", in.Target, err), b.went(save, in, area, went, gone))
		}
		gone += deleted(batch) - before
		if went = append(went, batch...); len(went) >= saveDeletes {
			if err := b.went(ctx, in, area, went, gone); err != nil {
				return Slice{}, err
			}
			went, gone = went[:0], 0
		}
		b.Report(Event{Job: in.Job, Target: in.Target, Area: area, Doing: "deleting", Pass: in.Pass, Done: int64(total - len(todo)), Total: int64(total), End: len(todo) == 0})
	}
	return Slice{Done: len(todo) == 0}, b.went(ctx, in, area, went, gone)
}

// deleteTogether deletes findings by one call and notes in them what became of it.
func (b Base) deleteTogether(ctx context.Context, in On, batch []ledger.Finding, del func(ctx context.Context, ids []string) (map[string]bool, error)) error {
	ids := make([]string, len(batch))
	for n, f := range batch {
		o, err := b.openObject(ctx, in.Job, f)
		if err != nil {
			return err
		}
		ids[n] = o.ID
	}
	already, err := del(ctx, ids)
	name := fault.NameOf(err)
	single := name == fault.Refused || name == fault.BadInput
	switch {
	case single && len(batch) > 1: // one that is refused must not keep the others
		half := len(batch) / 2
		if err := b.deleteTogether(ctx, in, batch[:half], del); err != nil {
			return err
		}
		return b.deleteTogether(ctx, in, batch[half:], del)
	case err != nil && !single:
		return err
	}
	for n := range batch {
		batch[n].InPass, batch[n].Fault = in.Pass, string(name)
		if err == nil {
			batch[n].Deleted, batch[n].Already = b.Now(), already[ids[n]]
		}
	}
	return nil
}

// cleared lists the findings that the review cleared in this pass and that were not worked on yet.
func (b Base) cleared(ctx context.Context, in On, area string) ([]ledger.Finding, error) {
	var out []ledger.Finding
	err := b.Ledger.Findings(ctx, in.Job, in.Target, area, func(f ledger.Finding) error {
		if f.Cleared == in.Pass && f.InPass != in.Pass {
			out = append(out, f)
		}
		return nil
	})
	return out, err
}
