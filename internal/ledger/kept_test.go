package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestWhatIsKeptIsMadeOnce(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	var got [4][]byte
	var group sync.WaitGroup
	for n := range got {
		group.Go(func() {
			var err error
			if got[n], err = l.Keep(ctx, "key", time.Time{}, func() ([]byte, error) { return fmt.Append(nil, "made by ", n), nil }); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, v := range got {
		if len(v) == 0 || !bytes.Equal(v, got[0]) {
			t.Errorf("got %q and %q", v, got[0])
		}
	}
	no := errors.New("no")
	if _, err := l.Keep(ctx, "other", time.Time{}, func() ([]byte, error) { return nil, no }); !errors.Is(err, no) {
		t.Errorf("got %v, want the maker's error", err)
	}
	if v, err := l.Keep(ctx, "other", time.Time{}, func() ([]byte, error) { return []byte("x"), nil }); err != nil || string(v) != "x" {
		t.Errorf("after a failed maker: %q, %v", v, err)
	}
}

func TestWhatIsKeptUntilATimeIsMadeAnewAfterIt(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	made := 0
	keep := func(name string, until time.Time) {
		t.Helper()
		if _, err := l.Keep(ctx, name, until, func() ([]byte, error) { made++; return []byte("x"), nil }); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		keep("for an hour", time.Now().Add(time.Hour))
	}
	if made != 1 {
		t.Errorf("made %d times, want once", made)
	}
	for range 2 {
		keep("over", time.Now().Add(-time.Hour))
	}
	keep("over", time.Now().Add(time.Hour)) // in the place of what nobody can read any more
	keep("over", time.Now().Add(time.Hour))
	if made != 4 {
		t.Errorf("made %d times, want three times more", made)
	}
}
