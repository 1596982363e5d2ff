package boltstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// clock is a Store's time; it is moved between calls only.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func openAt(t *testing.T, c *clock) *Store {
	t.Helper()
	s, err := open(filepath.Join(t.TempDir(), "ledger"), 0, c.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// stored counts what is in the file, seen or not.
func stored(t *testing.T, s *Store) (items, expiries int) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		tables := tablesOf(tx)
		items, expiries = tables.items.Stats().KeyN, tables.expiries.Stats().KeyN
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return items, expiries
}

func TestExpiredItemsGoInTime(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := &clock{start}
	s := openAt(t, c)
	until := func(change ledger.Change, d time.Duration) ledger.Change {
		change.Expires = start.Add(d)
		return change
	}

	mustWrite(t, s, until(create("hour", ""), time.Hour), until(create("part", ""), 1500*time.Millisecond),
		until(create("renewed", ""), time.Hour), until(create("kept", ""), time.Hour), until(create("deleted", ""), time.Hour), create("never", ""))
	mustWrite(t, s, until(ledger.Change{Key: create("renewed", "").Key, If: 1, Data: []byte("x")}, 2*time.Hour),
		ledger.Change{Key: create("kept", "").Key, If: 1, Data: []byte("x")}, ledger.Change{Key: create("deleted", "").Key})

	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{0, "hour@1 kept@2 never@1 part@1 renewed@2"},
		{1999 * time.Millisecond, "hour@1 kept@2 never@1 part@1 renewed@2"}, // never early: whole seconds are rounded up
		{2 * time.Second, "hour@1 kept@2 never@1 renewed@2"},
		{time.Hour - time.Nanosecond, "hour@1 kept@2 never@1 renewed@2"},
		{time.Hour, "kept@2 never@1 renewed@2"},
		{2 * time.Hour, "kept@2 never@1"},
	} {
		c.t = start.Add(step.after)
		if got := all(t, s); got != step.want {
			t.Errorf("after %v: got %q, want %q", step.after, got, step.want)
		}
	}
	gone, err := s.Get(t.Context(), create("hour", "").Key, create("part", "").Key, create("renewed", "").Key)
	if err != nil || len(gone) != 0 {
		t.Errorf("expired items by key: got %d and error %v, want none", len(gone), err)
	}
	for _, change := range []ledger.Change{{Key: create("hour", "").Key, If: 1}, {Key: create("hour", "").Key, If: 1, Data: []byte("x")}} {
		if err := s.Write(t.Context(), change); !errors.Is(err, ledger.ErrConflict) {
			t.Errorf("a write on an expired item: got error %v, want ErrConflict", err)
		}
	}
	if items, expiries := stored(t, s); items != 5 || expiries != 3 {
		t.Errorf("before the next write: %d items, %d with an expiry; want 5 and 3", items, expiries)
	}
	mustWrite(t, s, create("hour", "again"))
	if got, want := all(t, s), "hour@1 kept@2 never@1"; got != want {
		t.Errorf("after it: got %q, want %q", got, want)
	}
	if items, expiries := stored(t, s); items != 3 || expiries != 0 {
		t.Errorf("after it: %d items, %d with an expiry; want 3 and 0", items, expiries)
	}
}

func TestExpiredItemsAreDroppedALittleAtATimeOrByCompact(t *testing.T) {
	t.Parallel()
	c := &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	s := openAt(t, c)
	for batch := range 3 {
		var changes []ledger.Change
		for n := range ledger.MaxChanges {
			change := create(fmt.Sprintf("%d-%02d", batch, n), "")
			change.Expires = c.t.Add(time.Hour)
			changes = append(changes, change)
		}
		mustWrite(t, s, changes...)
	}
	c.t = c.t.Add(time.Hour)
	mustWrite(t, s, create("next", ""))
	if items, _ := stored(t, s); items != 3*ledger.MaxChanges-dropAtOnce+1 {
		t.Errorf("after one write: got %d items, want %d dropped", items, dropAtOnce)
	}
	if err := s.Compact(); err != nil {
		t.Fatal(err)
	}
	if items, expiries := stored(t, s); items != 1 || expiries != 0 {
		t.Errorf("after Compact: %d items, %d with an expiry; want 1 and 0", items, expiries)
	}
}

func TestExpiryBeforeTheEpochIsNotNever(t *testing.T) {
	t.Parallel()
	s := openAt(t, &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)})
	for n, at := range []time.Time{time.Unix(0, 0), time.Unix(-1, 0), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)} {
		change := create(fmt.Sprint(n), "")
		change.Expires = at
		mustWrite(t, s, change)
	}
	if got := all(t, s); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
}
