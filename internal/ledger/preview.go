package ledger

import (
	"context"
	"fmt"
	"time"
)

const pieceSize = 256 << 10 // encoded in base64 it fits into an item

// KeepPreview keeps what a preview found, sealed, until a time. What was kept of the job before goes.
func (l *Ledger) KeepPreview(ctx context.Context, job string, sealed []byte, until time.Time) error {
	if err := l.DropPreview(ctx, job); err != nil { // the step is run again, and may write fewer pieces
		return err
	}
	for n := 0; n == 0 || n*pieceSize < len(sealed); n++ {
		piece := sealed[n*pieceSize : min((n+1)*pieceSize, len(sealed))]
		c := Change{Key: Key{"preview/" + job, fmt.Sprintf("%06d", n)}, Data: encode(piece), Expires: until}
		if err := l.store.Write(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// PreviewOf reads what KeepPreview kept; ErrNotFound when there is nothing, or its time is over.
func (l *Ledger) PreviewOf(ctx context.Context, job string) ([]byte, error) {
	var sealed []byte
	found := false
	err := each(ctx, l, "preview/"+job, "", func(_ string, _ int64, piece []byte) error {
		sealed, found = append(sealed, piece...), true
		return nil
	})
	if err == nil && !found {
		err = ErrNotFound
	}
	return sealed, err
}

// DropPreview forgets what a preview found.
func (l *Ledger) DropPreview(ctx context.Context, job string) error {
	return l.clear(ctx, "", "preview/"+job)
}
