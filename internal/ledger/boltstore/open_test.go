package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

func mustOpen(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustWrite(t *testing.T, s *Store, changes ...ledger.Change) {
	t.Helper()
	if err := s.Write(context.Background(), changes...); err != nil {
		t.Fatal(err)
	}
}

func create(sort, data string) ledger.Change {
	return ledger.Change{Key: ledger.Key{Partition: "p", Sort: sort}, Data: []byte(data)}
}

// all gives the partition "p" as "sort@version" each.
func all(t *testing.T, s *Store) string {
	t.Helper()
	items, err := s.Query(context.Background(), "p", "", "", 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, i := range items {
		out = append(out, fmt.Sprintf("%s@%d", i.Sort, i.Version))
	}
	return strings.Join(out, " ")
}

func TestLedgerIsPrivateAndKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "ledger")
	s := mustOpen(t, path)
	mustWrite(t, s, create("a", "x"))
	for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("mode of %s: got %v, want %v", filepath.Base(p), info.Mode(), want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(context.Background(), create("b", "x")); err == nil {
		t.Error("a closed ledger takes writes")
	}
	if _, err := s.Get(context.Background(), create("a", "").Key); err == nil {
		t.Error("a closed ledger answers")
	}
	if got := all(t, mustOpen(t, path)); got != "a@1" {
		t.Errorf("after opening again: got %q", got)
	}
}

func TestLockedLedgerSaysSo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	s := mustOpen(t, path)
	if _, err := Open(path, 0); !errors.Is(err, ErrLocked) {
		t.Errorf("got error %v, want ErrLocked", err)
	}
	if err := s.Compact(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, 0); !errors.Is(err, ErrLocked) {
		t.Errorf("after Compact: got error %v, want ErrLocked", err)
	}
	mustWrite(t, s, create("a", "x"))
}

func TestLedgerIsWaitedFor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	s := mustOpen(t, path)
	var wg sync.WaitGroup
	for n := range 3 {
		wg.Go(func() {
			other, err := Open(path, time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			// Whoever waited on a file that Compact replaced would write where nobody reads.
			err = errors.Join(other.Write(context.Background(), create(fmt.Sprint("other-", n), "x")), other.Compact(), other.Close())
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range 5 {
		if err := s.Compact(); err != nil {
			t.Error(err)
		}
	}
	mustWrite(t, s, create("own", "x"))
	if err := errors.Join(s.Compact(), s.Close()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if got, want := all(t, mustOpen(t, path)), "other-0@1 other-1@1 other-2@1 own@1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A file that was replaced while its lock was waited for has no name any more, and what is written there is lost.
func TestReplacedLedgerIsOpenedAnew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	if err := mustOpen(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	// A reader's lock lets inspect pass and makes the opening for writing wait.
	reader, err := openBolt(path, 0, bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan *Store)
	go func() {
		s, err := Open(path, time.Minute)
		if err != nil {
			t.Error(err)
		}
		opened <- s
	}()
	// Making the new file takes longer than the other needs to come to the lock.
	replacement := mustOpen(t, path+".other")
	for n := range 20 {
		mustWrite(t, replacement, create(fmt.Sprintf("%02d", n), "x"))
	}
	if err := errors.Join(replacement.Close(), os.Rename(path+".other", path), reader.Close()); err != nil {
		t.Fatal(err)
	}
	s := <-opened
	if s == nil {
		t.FailNow()
	}
	mustWrite(t, s, create("after", "x"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := all(t, mustOpen(t, path)); !strings.HasPrefix(got, "00@1 ") || !strings.HasSuffix(got, " after@1") {
		t.Errorf("got %q, want the new file's items and the last one", got)
	}
}

func TestWhatIsNoLedgerIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bolt := func(name string, buckets ...string) string {
		path := filepath.Join(dir, name)
		// Without a synced freelist, bbolt writes to the file as soon as it opens it.
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			for _, b := range buckets {
				bucket, err := tx.CreateBucket([]byte(b))
				if err != nil {
					return err
				}
				if err := bucket.Put([]byte(formatKey), []byte("2")); err != nil {
					return err
				}
			}
			return nil
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole := filepath.Join(dir, "whole")
	s := mustOpen(t, whole)
	for n := range 20 {
		mustWrite(t, s, create(fmt.Sprint(n), strings.Repeat("x", 100_000)))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{bolt("foreign", "users"), "not a ledger"},
		{bolt("newer", formatBucket, itemsBucket, expiriesBucket), "another version"},
		{file("text", []byte(strings.Repeat("Dear diary, ", 5000))), "not a ledger"},
		{file("short", []byte("x")), "not a ledger"},
		{file("zeros", make([]byte, 1<<16)), "not a ledger"},
		{file("half", content[:len(content)/2]), "end is missing"},
		{file("beginning", content[:8192]), "end is missing"},
		{file("first page", content[:4096]), "not a ledger"},
	} {
		before, err := os.ReadFile(c.path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(c.path, 0)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: got error %v, want one that says %q", filepath.Base(c.path), err, c.want)
		}
		after, err := os.ReadFile(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before, after) {
			t.Errorf("%s: the file was changed", filepath.Base(c.path))
		}
	}
	if _, err := Open(dir, 0); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("a directory: got error %v", err)
	}
}

func TestFirstStartThatDiedIsTakenUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty, bare := filepath.Join(dir, "empty"), filepath.Join(dir, "bare")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(bare, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{empty, bare} {
		s := mustOpen(t, path)
		mustWrite(t, s, create("a", "x"))
		if got := all(t, s); got != "a@1" {
			t.Errorf("%s: got %q", filepath.Base(path), got)
		}
	}
}
