package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
)

func TestWhatIsKeptIsMadeOnce(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	var got [4][]byte
	var group sync.WaitGroup
	for n := range got {
		group.Go(func() {
			var err error
			if got[n], err = l.Keep(ctx, "key", func() ([]byte, error) { return fmt.Append(nil, "made by ", n), nil }); err != nil {
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
	if _, err := l.Keep(ctx, "other", func() ([]byte, error) { return nil, no }); !errors.Is(err, no) {
		t.Errorf("got %v, want the maker's error", err)
	}
	if v, err := l.Keep(ctx, "other", func() ([]byte, error) { return []byte("x"), nil }); err != nil || string(v) != "x" {
		t.Errorf("after a failed maker: %q, %v", v, err)
	}
}
