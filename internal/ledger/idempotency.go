package ledger

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// ErrReused answers an idempotency key that came before with another request.
var ErrReused = errors.New("ledger: the idempotency key was used for another request")

// Once ties a request to the key under which its sender may send it again.
type Once struct {
	Key   string    // a digest of the sender and the sender's key
	Body  string    // a digest of what was sent
	Until time.Time // when the key is forgotten
}

type sent struct {
	Request string `json:"request"`
	Body    string `json:"body"`
}

func (o Once) key() Key { return Key{"idempotency/" + o.Key, "request"} }

// Sent finds the request that was filed under an idempotency key: ErrNotFound when there is none, ErrReused when it was
// another one.
func (l *Ledger) Sent(ctx context.Context, o Once) (id string, err error) {
	there, _, err := read[sent](ctx, l, o.key())
	if err == nil && there.Body != o.Body {
		err = ErrReused
	}
	return there.Request, err
}

// FileOnce files a request and ties it to its sender's key, both or none. When the key was used meanwhile, it gives the
// id that it stands for, and files nothing. With an empty r.Status it only ties the key to the request r.ID, which is
// filed already.
func (l *Ledger) FileOnce(ctx context.Context, r Request, o Once) (id string, err error) {
	changes := []Change{{Key: o.key(), Data: encode(sent{r.ID, o.Body}), Expires: o.Until}}
	if r.Status != "" {
		changes = append(changes, r.filing()...)
	}
	err = l.store.Write(ctx, changes...)
	if !errors.Is(err, ErrConflict) {
		return r.ID, err
	}
	id, err = l.Sent(ctx, o)
	if errors.Is(err, ErrNotFound) { // DynamoDB also says so when another transaction has an item in hand
		err = fault.New(fault.LedgerBusy, "ledger: another request had the same key in hand; send it again")
	}
	return id, err
}

// Join lets a request that was never confirmed become part of an open one, at a time: the open one reports that it was
// joined, the key stands for it, and the other is gone, all or nothing. It does nothing when the other is gone already, or was
// confirmed. ErrFinal when the open one has ended, ErrNotFound when it is not there.
func (l *Ledger) Join(ctx context.Context, joins, open string, o Once, at time.Time) error {
	for range tries {
		r, version, err := read[Request](ctx, l, requestKey(joins))
		if errors.Is(err, ErrNotFound) || err == nil && r.Status != Unverified {
			return nil
		}
		if err != nil {
			return err
		}
		old, there, err := read[Request](ctx, l, requestKey(open))
		switch {
		case err != nil:
			return err
		case old.Final():
			return ErrFinal
		}
		to := old
		to.Kept = slices.Clone(old.Kept)
		to.Report("joined")
		changes := append(to.follow(old, there, at),
			Change{Key: o.key(), Data: encode(sent{open, o.Body}), Expires: o.Until}, Change{Key: requestKey(joins), If: version})
		if err := l.store.Write(ctx, changes...); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on one request; try again", tries)
}
