package ledger

import (
	"context"
	"errors"
	"time"
)

func executionKey(name string) Key { return Key{"execution/" + name, "record"} }

// SaveExecution keeps the record of an execution that the local runner works on.
func (l *Ledger) SaveExecution(ctx context.Context, name string, record []byte) error {
	items, err := l.store.Get(ctx, executionKey(name))
	if err != nil {
		return err
	}
	if len(items) > 0 {
		return l.store.Write(ctx, Change{Key: executionKey(name), Data: record, If: items[0].Version})
	}
	return l.store.Write(ctx, Change{Key: executionKey(name), Data: record}, Change{Key: Key{"executions", name}, Data: []byte(`{}`)})
}

// LoadExecution reads the record of an execution; ErrNotFound where there is none.
func (l *Ledger) LoadExecution(ctx context.Context, name string) ([]byte, error) {
	items, err := l.store.Get(ctx, executionKey(name))
	if err == nil && len(items) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return items[0].Data, nil
}

// Executions calls do for the names of the executions that have not been dropped, oldest first.
func (l *Ledger) Executions(ctx context.Context, do func(name string) error) error {
	return each(ctx, l, "executions", "", func(name string, _ int64, _ struct{}) error { return do(name) })
}

// DropExecution removes the record of an execution that has ended. Requests that its job still holds, because it could
// not close them, are free for another job. The job works no more, also where whoever closed it could not write that down.
func (l *Ledger) DropExecution(ctx context.Context, name string, at time.Time) error {
	var held []string
	var previews []Request
	err := l.RequestsOf(ctx, name, func(r Request) error {
		if r.Preview {
			previews = append(previews, r)
		} else {
			held = append(held, r.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := l.Destroy(ctx, previews...); err != nil {
		return err
	}
	if err := l.Release(ctx, name, held, at); err != nil {
		return err
	}
	if _, err := l.Job(ctx, name); errors.Is(err, ErrNotFound) { // it was never opened, and a sweep would wait for it
		if err := l.Uninvite(ctx, name); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return l.store.Write(ctx, Change{Key: executionKey(name)}, Change{Key: Key{"executions", name}}, Change{Key: Job{ID: name}.workingKey()})
}
