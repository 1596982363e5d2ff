package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	formatBucket   = "lethe ledger"
	itemsBucket    = "items"
	expiriesBucket = "expiries"

	formatKey = "format"
	format    = "1"
)

// ErrLocked says that another process has the ledger open.
var ErrLocked = errors.New("another process has the ledger open; wait until it ends, or end it, and try again; where it is lethe serve, its console and API can do the same")

// Open opens the ledger file at path, or makes it (mode 0600) with its directory (mode 0700). It waits up to lockWait
// for another process to let go of the file, then fails with ErrLocked. A file that is not a ledger, is damaged or has
// another format is an error, and the file stays as it is. What a crashed Compact left behind is removed.
func Open(path string, lockWait time.Duration) (*Store, error) {
	return open(path, lockWait, time.Now)
}

func open(path string, lockWait time.Duration, now func() time.Time) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the ledger's directory: %w", err)
	}
	deadline := time.Now().Add(lockWait)
	for {
		db, current, err := openOnce(path, time.Until(deadline))
		if err != nil {
			return nil, fmt.Errorf("open the ledger %s: %w", path, err)
		}
		if !current {
			continue
		}
		s := &Store{path: path, now: now, db: db}
		if err := s.settle(); err != nil {
			return nil, errors.Join(fmt.Errorf("open the ledger %s: %w", path, err), db.Close())
		}
		return s, nil
	}
}

// openOnce opens and locks the file. current is false, and the file closed again, when another process has compacted
// the ledger while this one waited for the lock: the lock is then on the old file, which has no name any more, and
// whatever was written there would be lost.
func openOnce(path string, lockWait time.Duration) (db *bbolt.DB, current bool, err error) {
	if err := inspect(path, lockWait); err != nil {
		return nil, false, err
	}
	var file *os.File
	db, err = openBolt(path, lockWait, bbolt.Options{OpenFile: func(name string, flag int, mode fs.FileMode) (*os.File, error) {
		var err error
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}})
	if err != nil {
		return nil, false, err
	}
	locked, err := file.Stat()
	if err == nil {
		var named fs.FileInfo
		if named, err = os.Stat(path); err == nil && os.SameFile(locked, named) {
			return db, true, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return nil, false, errors.Join(err, db.Close())
}

// inspect looks at an existing file without changing it: bbolt writes to a file that it opens for writing, also to one
// that is somebody else's, and a file that was cut off would crash it.
func inspect(path string, lockWait time.Duration) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is not a file; give the path of a ledger")
	}
	if info.Size() == 0 {
		return nil // what is left when a first start died before it wrote anything
	}
	db, err := openBolt(path, lockWait, bbolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	err = db.View(func(tx *bbolt.Tx) error {
		// Again, because the file may have grown before it was locked.
		if info, err := os.Stat(path); err != nil || info.Size() < tx.Size() {
			return errors.Join(err, errors.New("its end is missing; restore it from a copy"))
		}
		return checkFormat(tx)
	})
	return errors.Join(err, db.Close())
}

func checkFormat(tx *bbolt.Tx) error {
	bucket := tx.Bucket([]byte(formatBucket))
	if bucket == nil {
		if first, _ := tx.Cursor().First(); first == nil {
			return nil // made by bbolt, and died before settle
		}
		return errors.New("it is not a ledger; give another path, or move the file away")
	}
	if string(bucket.Get([]byte(formatKey))) != format {
		return errors.New("its format is of another version of Lethe; use that version")
	}
	return nil
}

func openBolt(path string, lockWait time.Duration, opts bbolt.Options) (*bbolt.DB, error) {
	opts.Timeout = max(lockWait, time.Nanosecond) // 0 would wait for ever
	opts.FreelistType = bbolt.FreelistMapType     // the other kind is slow in large files
	db, err := bbolt.Open(path, 0o600, &opts)
	var system syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrLocked
	case err != nil && !errors.As(err, &system): // bbolt's own errors, of which most have no name
		return nil, fmt.Errorf("it is not a ledger, or damaged (%w); give another path, or restore it from a copy", err)
	}
	return db, err
}

// settle makes the buckets of a new ledger, makes its name durable, and removes what a crashed Compact left behind. It
// runs under the file's lock, so that no other process is compacting.
func (s *Store) settle() error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte(formatBucket)) != nil {
			return nil
		}
		for _, name := range []string{formatBucket, itemsBucket, expiriesBucket} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte(formatBucket)).Put([]byte(formatKey), []byte(format))
	})
	if err != nil {
		return err
	}
	if err := os.Remove(s.compactPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(s.path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
