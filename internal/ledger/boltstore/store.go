// Package boltstore keeps the ledger in one bbolt file on this machine. One process has it open at a time.
package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// dropAtOnce bounds how many expired items one Write drops, so that no write pays for a thousand others.
const dropAtOnce = 100

// Store is the bbolt driver of ledger.Store. Open makes it; its methods may be called from any number of goroutines.
type Store struct {
	path string
	now  func() time.Time

	// mu keeps Compact and Close, which replace or end db, apart from the calls that use it.
	mu sync.RWMutex
	db *bbolt.DB
}

var _ ledger.Store = (*Store)(nil)

// Close waits for running calls, gives the lock on the file back and ends the Store; calls after it fail.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.Close()
}

// Get is ledger.Store's; all items are of one moment.
func (s *Store) Get(ctx context.Context, keys ...ledger.Key) ([]ledger.Item, error) {
	if err := ledger.CheckKeys(keys...); err != nil {
		return nil, err
	}
	var found []ledger.Item
	err := s.view(ctx, func(t tables, now int64) error {
		for _, key := range keys {
			rec, err := t.live(itemKey(key), now)
			if err != nil {
				return err
			}
			if rec.version > 0 {
				found = append(found, rec.item(key))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return found, nil
}

// Query is ledger.Store's; all items are of one moment.
func (s *Store) Query(ctx context.Context, partition, prefix, after string, limit int) ([]ledger.Item, error) {
	if err := ledger.CheckQuery(partition, prefix, after, limit); err != nil {
		return nil, err
	}
	var found []ledger.Item
	err := s.view(ctx, func(t tables, now int64) error {
		head := itemKey(ledger.Key{Partition: partition})
		cursor := t.items.Cursor()
		from := append(slices.Clone(head), max(prefix, after)...)
		for k, v := cursor.Seek(from); len(found) < limit; k, v = cursor.Next() {
			sort, in := bytes.CutPrefix(k, head)
			if !in || !bytes.HasPrefix(sort, []byte(prefix)) {
				return nil
			}
			rec, err := decode(v)
			if err != nil {
				return err
			}
			if string(sort) > after && !rec.expired(now) {
				found = append(found, rec.item(ledger.Key{Partition: partition, Sort: string(sort)}))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("query the ledger: %w", err)
	}
	return found, nil
}

// Write is ledger.Store's; it returns after the file was synced to disk. Each Write also drops some expired items.
func (s *Store) Write(ctx context.Context, changes ...ledger.Change) error {
	if err := ledger.CheckChanges(changes); err != nil {
		return err
	}
	return s.update(ctx, changes, func(_ int, err error) error { return err })
}

// WriteEach is ledger.Store's; all of it is one Write but for the changes whose condition does not hold.
func (s *Store) WriteEach(ctx context.Context, changes ...ledger.Change) (again []int, err error) {
	if err := ledger.CheckEach(changes); err != nil {
		return nil, err
	}
	err = s.update(ctx, changes, func(n int, err error) error {
		if errors.Is(err, ledger.ErrConflict) {
			again, err = append(again, n), nil
		}
		return err
	})
	return again, err
}

// update applies changes; failed says what to do about one that could not be.
func (s *Store) update(ctx context.Context, changes []ledger.Change, failed func(n int, err error) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	if len(changes) == 0 {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	err := s.db.Update(func(tx *bbolt.Tx) error {
		t, now := tablesOf(tx), s.now().Unix()
		for n, c := range changes {
			if err := t.apply(c, now); err != nil {
				if err := failed(n, err); err != nil {
					return err
				}
			}
		}
		return t.dropExpired(now, dropAtOnce)
	})
	if err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return nil
}

func (s *Store) view(ctx context.Context, read func(t tables, now int64) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.db.View(func(tx *bbolt.Tx) error { return read(tablesOf(tx), s.now().Unix()) })
}
