package ledger_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// A preview may find more than one item holds.
func TestAPreviewIsKeptWhole(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{1})
	for _, size := range []int{0, 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1<<20 + 7} {
		l, ctx := open(t), t.Context()
		sealed := make([]byte, size)
		random.Read(sealed)
		until := time.Now().Add(time.Hour)
		must(t, l.KeepPreview(ctx, "job", append(sealed, make([]byte, 600<<10)...), until)) // longer than what comes
		must(t, l.KeepPreview(ctx, "job", sealed, until))
		must(t, l.KeepPreview(ctx, "job2", []byte("another"), until))
		if got, err := l.PreviewOf(ctx, "job"); err != nil || !bytes.Equal(got, sealed) {
			t.Errorf("%d bytes: read back %d, %v", size, len(got), err)
		}
		for range 2 {
			must(t, l.DropPreview(ctx, "job"))
		}
		if _, err := l.PreviewOf(ctx, "job"); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%d bytes: dropped, and there: %v", size, err)
		}
		if got, err := l.PreviewOf(ctx, "job2"); err != nil || string(got) != "another" {
			t.Errorf("another preview is %q, %v", got, err)
		}
		must(t, l.KeepPreview(ctx, "job", sealed, time.Now().Add(-time.Minute)))
		if _, err := l.PreviewOf(ctx, "job"); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%d bytes: there after its time: %v", size, err)
		}
	}
}
