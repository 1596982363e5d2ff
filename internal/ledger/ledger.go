// Package ledger keeps what Lethe must remember: requests and what became of them, jobs and what they found, and who
// holds an export container. Everything goes through conditional writes, so that steps may run twice, at the same time
// or die anywhere. Identifiers and object names arrive here sealed or as keyed digests, never in clear.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// Ledger gives the records of a Store their types and rules.
type Ledger struct{ store Store }

// New puts a Ledger on a driver.
func New(s Store) *Ledger { return &Ledger{s} }

const (
	tries = 8   // of an update against other writers
	page  = 500 // items of one Query
)

// read gets one record and its version; ErrNotFound where there is none.
func read[T any](ctx context.Context, l *Ledger, k Key) (T, int64, error) {
	var v T
	items, err := l.store.Get(ctx, k)
	if err != nil {
		return v, 0, err
	}
	if len(items) == 0 {
		return v, 0, ErrNotFound
	}
	return v, items[0].Version, decode(items[0], &v)
}

func decode(i Item, v any) error {
	if err := json.Unmarshal(i.Data, v); err != nil {
		return fmt.Errorf("ledger: a record of partition %q does not decode: %w", i.Partition, err)
	}
	return nil
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("ledger: records always marshal: " + err.Error())
	}
	return b
}

// update reads a record, lets change work on it and writes it back, again when another writer was faster. A record that
// is not there is created from its zero value if create is set; otherwise the error is ErrNotFound. An error of change
// ends it with nothing written.
func update[T any](ctx context.Context, l *Ledger, k Key, create bool, change func(*T) error) (T, error) {
	for range tries {
		v, version, err := read[T](ctx, l, k)
		if err != nil && !(create && errors.Is(err, ErrNotFound)) {
			return v, err
		}
		if err := change(&v); err != nil {
			return v, err
		}
		err = l.store.Write(ctx, Change{Key: k, Data: encode(v), If: version})
		if !errors.Is(err, ErrConflict) {
			return v, err
		}
	}
	var none T
	return none, fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on one record; run the step again", tries)
}

// each calls do for the records of a partition below prefix, in order, page by page.
func each[T any](ctx context.Context, l *Ledger, partition, prefix string, do func(sort string, version int64, v T) error) error {
	for after := ""; ; {
		items, err := l.store.Query(ctx, partition, prefix, after, page)
		if err != nil {
			return err
		}
		for _, i := range items {
			var v T
			if err := decode(i, &v); err != nil {
				return err
			}
			if err := do(i.Sort, i.Version, v); err != nil {
				return err
			}
			after = i.Sort
		}
		if len(items) < page {
			return nil
		}
	}
}

// groups writes several small groups of changes, each group whole or not at all: those of one change each for itself, of
// the others many to a Write. When a Write meets a conflict, its groups are tried one by one. A group that another writer
// was faster on is made anew by again, from what is there then: no changes mean that nothing is left to do.
func (l *Ledger) groups(ctx context.Context, all [][]Change, again func(n int) ([]Change, error)) error {
	var alone, together []int
	var changes []Change
	for n, g := range all {
		if len(g) == 1 {
			alone, changes = append(alone, n), append(changes, g[0])
		} else if len(g) > 1 {
			together = append(together, n)
		}
	}
	retry := func(n int) error {
		return l.one(ctx, all[n], func() ([]Change, error) { return again(n) })
	}
	late, err := l.store.WriteEach(ctx, changes...)
	if err != nil {
		return err
	}
	for _, n := range late {
		if err := retry(alone[n]); err != nil {
			return err
		}
	}
	for len(together) > 0 {
		count, bytes := 0, 0
		var changes []Change
		for _, n := range together {
			for _, c := range all[n] {
				bytes += len(c.Data)
			}
			if count > 0 && (len(changes)+len(all[n]) > MaxChanges || bytes > MaxWrite) {
				break
			}
			count, changes = count+1, append(changes, all[n]...)
		}
		err := l.store.Write(ctx, changes...)
		if err != nil && !errors.Is(err, ErrConflict) {
			return err
		}
		if err != nil {
			for _, n := range together[:count] {
				if err := retry(n); err != nil {
					return err
				}
			}
		}
		together = together[count:]
	}
	return nil
}

// one writes one group. A conflict does not say that somebody else did it: DynamoDB also answers so when another
// transaction has an item in hand.
func (l *Ledger) one(ctx context.Context, changes []Change, again func() ([]Change, error)) error {
	for range tries {
		if len(changes) == 0 {
			return nil
		}
		err := l.store.Write(ctx, changes...)
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if changes, err = again(); err != nil {
			return err
		}
	}
	return fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on one record; run the step again", tries)
}

// Retention is how long requests, outcomes and certificates are kept after a request closed. 11 CCR 7101 asks for 24
// months; a third year covers the time in which a complaint about the end of that period can come in.
const Retention = 3 * 365 * 24 * time.Hour

// Belongs ties a new ledger to the key with which its content is sealed, and refuses any other key from then on: it
// would open nothing, recognise nobody and sign what is not its own.
func (l *Ledger) Belongs(ctx context.Context, keyID string) error {
	k := Key{"ledger", "key"}
	there, _, err := read[string](ctx, l, k)
	if errors.Is(err, ErrNotFound) {
		return l.store.Write(ctx, Change{Key: k, Data: encode(keyID)})
	}
	if err == nil && there != keyID {
		return errors.New("the key file is not the one that this ledger is sealed with; restore the one that belongs to it")
	}
	return err
}
