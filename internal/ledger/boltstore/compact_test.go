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

	"github.com/lethe-dsr/lethe/internal/ledger"
)

const secret = "sealed-bytes-of-somebody"

// leftBehind tells whether the secret is still in any file of the ledger's directory.
func leftBehind(t *testing.T, path string) bool {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(secret)) {
			return true
		}
	}
	return false
}

func TestCompactLeavesNothingDeletedBehind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	s := mustOpen(t, path)
	var changes, deletions []ledger.Change
	for n := range 50 {
		changes = append(changes, create(fmt.Sprintf("deleted-%02d", n), strings.Repeat(secret, 100)))
		deletions = append(deletions, ledger.Change{Key: changes[n].Key})
	}
	mustWrite(t, s, changes...)
	mustWrite(t, s, create("kept", "x"), create("replaced", secret))
	mustWrite(t, s, ledger.Change{Key: create("replaced", "").Key, If: 1, Data: []byte("y")})
	mustWrite(t, s, deletions...)
	if !leftBehind(t, path) {
		t.Fatal("bbolt removes deleted bytes by itself: is Compact still needed?")
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Compact(); err != nil {
		t.Fatal(err)
	}
	if leftBehind(t, path) {
		t.Error("deleted bytes are still there")
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if after.Size() >= before.Size() || after.Mode() != 0o600 {
		t.Errorf("got %d bytes, mode %v; want less than %d, mode 600", after.Size(), after.Mode(), before.Size())
	}
	mustWrite(t, s, create("later", "z"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := all(t, mustOpen(t, path)), "kept@1 later@1 replaced@2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCompactKeepsEverythingInLargeLedgers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	s := mustOpen(t, path)
	var want []string
	for n := range 5 { // more than two of Compact's transactions
		var changes []ledger.Change
		for i := range 9 {
			c := create(fmt.Sprintf("%d-%d", n, i), strings.Repeat("x", 200_000))
			c.Expires = time.Now().Add(time.Hour)
			changes, want = append(changes, c), append(want, c.Sort+"@1")
		}
		mustWrite(t, s, changes...)
	}
	for range 2 {
		if err := s.Compact(); err != nil {
			t.Fatal(err)
		}
	}
	if got := all(t, s); got != strings.Join(want, " ") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCompactRemovesWhatACrashLeft(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	s := mustOpen(t, path)
	mustWrite(t, s, create("a", "x"))
	left := []byte(strings.Repeat(secret, 1000))
	if err := os.WriteFile(s.compactPath(), left, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Compact(); err != nil {
		t.Fatal(err)
	}
	if leftBehind(t, path) {
		t.Error("Compact went on with the file of an earlier one")
	}
	if err := errors.Join(os.WriteFile(s.compactPath(), left, 0o600), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, path)
	if leftBehind(t, path) {
		t.Error("Open left it there")
	}
	if got := all(t, s); got != "a@1" {
		t.Errorf("got %q", got)
	}
}

func TestCompactThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	s := mustOpen(t, path)
	mustWrite(t, s, create("a", "x"))
	// A directory under the ledger's name: the new file cannot take it.
	if err := errors.Join(os.Rename(path, path+".away"), os.MkdirAll(filepath.Join(path, "full"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := s.Compact(); err == nil {
		t.Error("Compact reports success")
	}
	if _, err := os.Stat(s.compactPath()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the new file was left: %v", err)
	}
	if err := errors.Join(os.RemoveAll(path), os.Rename(path+".away", path)); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, create("b", "x"))
	if err := s.Compact(); err != nil {
		t.Error(err)
	}
	if got := all(t, s); got != "a@1 b@1" {
		t.Errorf("got %q", got)
	}
}

func TestCallsWaitForCompact(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, filepath.Join(t.TempDir(), "ledger"))
	const each = 15
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for n := range each {
				c := create(fmt.Sprintf("%d-%02d", w, n), "x")
				if err := s.Write(context.Background(), c); err != nil {
					t.Errorf("Write: %v", err)
				}
				if items, err := s.Get(context.Background(), c.Key); err != nil || len(items) != 1 {
					t.Errorf("Get: got %d items and error %v, want the one just written", len(items), err)
				}
			}
		})
	}
	for range 5 {
		if err := s.Compact(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if got := len(strings.Fields(all(t, s))); got != 3*each {
		t.Errorf("items: got %d, want %d", got, 3*each)
	}
}
