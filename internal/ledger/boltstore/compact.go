package boltstore

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// copyAtOnce is how many bytes Compact copies in one transaction, which bounds its memory.
const copyAtOnce = 4 << 20

// compactPath is next to the ledger, so that the rename stays in one file system.
func (s *Store) compactPath() string { return s.path + ".compact" }

// Compact writes the ledger anew and puts the new file in the place of the old one. bbolt leaves deleted bytes in its
// free pages; after Compact the file holds only what is still there, and no expired item. (When the disk's blocks
// themselves are overwritten is up to the file system.) Other calls wait meanwhile. A crash at any moment leaves either
// the old file or the new one in place, both whole.
func (s *Store) Compact() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.compact(); err != nil {
		return fmt.Errorf("compact the ledger: %w", err)
	}
	return nil
}

func (s *Store) compact() error {
	err := s.db.Update(func(tx *bbolt.Tx) error { return tablesOf(tx).dropExpired(s.now().Unix(), math.MaxInt) })
	if err != nil {
		return err
	}
	fresh, err := s.copyTo(s.compactPath())
	if err != nil {
		return err
	}
	// The new file is open, and locked, before it gets the name: no other process can come between.
	if err := os.Rename(s.compactPath(), s.path); err != nil {
		return errors.Join(err, fresh.Close(), os.Remove(s.compactPath()))
	}
	old := s.db
	s.db = fresh
	if err := syncDir(filepath.Dir(s.path)); err != nil {
		// After a crash the old file could be back, without what is written from now on: write no more.
		return errors.Join(err, old.Close(), fresh.Close())
	}
	return old.Close()
}

// copyTo writes everything into a new, synced and opened file.
func (s *Store) copyTo(path string) (*bbolt.DB, error) {
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	fresh, err := openBolt(path, 0, bbolt.Options{NoSync: true})
	if err != nil {
		return nil, err
	}
	err = bbolt.Compact(fresh, s.db, copyAtOnce)
	if err == nil {
		err = fresh.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, fresh.Close(), os.Remove(path))
	}
	fresh.NoSync = false
	return fresh, nil
}
