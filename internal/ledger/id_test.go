package ledger_test

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// The first two are examples of others: the specification's time, and all bits.
func TestIDsAreULIDs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ms     int64
		random byte
		want   string
	}{
		{1469918176385, 0, "01ARYZ6S410000000000000000"},
		{1<<48 - 1, 0xff, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"},
		{0, 0, "00000000000000000000000000"},
	} {
		if got := ledger.NewID(time.UnixMilli(c.ms), bytes.NewReader(bytes.Repeat([]byte{c.random}, 10))); got != c.want {
			t.Errorf("%d: %s, want %s", c.ms, got, c.want)
		}
	}
	now := time.Now()
	first, second, third := ledger.NewID(now, rand.Reader), ledger.NewID(now.Add(time.Millisecond), rand.Reader), ledger.NewID(now, rand.Reader)
	if !(first < second) || first == third || len(first) != 26 {
		t.Errorf("%s, %s, %s", first, second, third)
	}
}
