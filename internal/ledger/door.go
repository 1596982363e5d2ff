package ledger

import (
	"context"
	"errors"
	"fmt"
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

// counter is how often something happened until a time.
type counter struct {
	Count int       `json:"count"`
	Until time.Time `json:"until"`
}

// Spent tells whether something happened limit times already, as Allow counts; it counts nothing.
func (l *Ledger) Spent(ctx context.Context, what string, limit int, now time.Time) (bool, error) {
	c, _, err := read[counter](ctx, l, limitKey(what))
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return c.Until.After(now) && c.Count >= limit, err
}

func limitKey(what string) Key { return Key{"limit/" + what, "count"} }

// Allow counts one more of something unless it happened limit times already since the first of them. The count is
// forgotten window after that first one. What is not allowed is not counted and writes nothing.
func (l *Ledger) Allow(ctx context.Context, what string, limit int, window time.Duration, now time.Time) (bool, error) {
	k := limitKey(what)
	for range tries {
		c, version, err := read[counter](ctx, l, k)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, err
		}
		if !c.Until.After(now) {
			c = counter{Until: now.Add(window)}
		}
		if c.Count >= limit {
			return false, nil
		}
		c.Count++
		err = l.store.Write(ctx, Change{Key: k, Data: encode(c), If: version, Expires: c.Until})
		if !errors.Is(err, ErrConflict) {
			return err == nil, err
		}
	}
	return false, fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on one count; try again", tries)
}

// Keep gives the value that is kept under a name, and makes it when there is none. Of several makers one wins.
func (l *Ledger) Keep(ctx context.Context, name string, make func() ([]byte, error)) ([]byte, error) {
	k := Key{"kept/" + name, "value"}
	for range tries {
		there, _, err := read[[]byte](ctx, l, k)
		if !errors.Is(err, ErrNotFound) {
			return there, err
		}
		made, err := make()
		if err != nil {
			return nil, err
		}
		err = l.store.Write(ctx, Change{Key: k, Data: encode(made)})
		if !errors.Is(err, ErrConflict) {
			return made, err
		}
	}
	return nil, fault.New(fault.LedgerBusy, "ledger: %s is being made by somebody else; try again", name)
}

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
	return l.clear(ctx, "preview/"+job, "")
}

// Sweep is the last sweep that began.
type Sweep struct {
	Began time.Time `json:"began"`
	Jobs  []string  `json:"jobs"` // that it started; nil while it is starting them
}

func sweepKey() Key { return Key{"sweep", "last"} }

// LastSweep reads the last sweep; the zero value when there was none.
func (l *Ledger) LastSweep(ctx context.Context) (Sweep, error) {
	s, _, err := read[Sweep](ctx, l, sweepKey())
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return s, err
}

// ChangeSweep lets change work on the record of the last sweep. An error of change ends it with nothing written.
func (l *Ledger) ChangeSweep(ctx context.Context, change func(*Sweep) error) (Sweep, error) {
	return update(ctx, l, sweepKey(), true, change)
}
