package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// Event is something that others are told about a request: one that a person, a webhook or the sender's system waits for.
// Events of a request are numbered from 1, and are told in that order. They are written together with the change that
// they tell of, so that none is lost.
type Event struct {
	Request string    `json:"request"`
	Number  int       `json:"number"`
	Kind    string    `json:"kind"` // status, or what Request.Report was given
	Status  Status    `json:"status"`
	Settled bool      `json:"settled,omitempty"`
	At      time.Time `json:"at"`
	Contact []byte    `json:"contact,omitempty"` // sealed; of the last event of a request, which has no address any more
	Until   time.Time `json:"until,omitzero"`    // of an unverified request: when both are destroyed

	// How far it has got.
	Done  []string  `json:"done,omitempty"`  // whom it has been told to, or given up for
	Tries int       `json:"tries,omitempty"` // of telling
	Next  time.Time `json:"next,omitzero"`   // not before
}

// ID is the event's own id.
func (e Event) ID() string { return fmt.Sprintf("%s-%d", e.Request, e.Number) }

func (e Event) key() Key {
	return Key{"outbox/" + spread(e.Request), fmt.Sprintf("%s/%06d", e.Request, e.Number)}
}

func (e Event) change() Change { return Change{Key: e.key(), Data: encode(e), Expires: e.Until} }

// event makes the next event of a request that somebody wants to know about.
func (r *Request) event(kind string, at time.Time) (Event, bool) {
	if !r.Tell || r.Preview {
		return Event{}, false
	}
	r.Events++
	return Event{Request: r.ID, Number: r.Events, Kind: kind, Status: r.Status, Settled: r.Settled, At: at, Until: r.Until}, true
}

// Outbox calls do for the events that have not been told to everybody, those of one request in their order.
func (l *Ledger) Outbox(ctx context.Context, do func(Event) error) error {
	for _, s := range spreads {
		err := each(ctx, l, "outbox/"+string(s), "", func(_ string, _ int64, e Event) error { return do(e) })
		if err != nil {
			return err
		}
	}
	return nil
}

// Untold tells whether something of a request waits in the outbox.
func (l *Ledger) Untold(ctx context.Context, request string) (bool, error) {
	items, err := l.store.Query(ctx, "outbox/"+spread(request), request+"/", "", 1)
	return len(items) > 0, err
}

// ChangeEvent lets change work on an event that is still in the outbox; ErrNotFound when it is not.
func (l *Ledger) ChangeEvent(ctx context.Context, e Event, change func(*Event)) (Event, error) {
	for range tries {
		there, version, err := read[Event](ctx, l, e.key())
		if err != nil {
			return there, err
		}
		change(&there)
		c := there.change()
		c.If = version
		if err = l.store.Write(ctx, c); !errors.Is(err, ErrConflict) {
			return there, err
		}
	}
	return Event{}, fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on one event; try again", tries)
}

// DropEvent takes an event out of the outbox. With the last event of a request that has ended, its callback addresses are
// destroyed: nobody is called any more. It is no error when the event is gone.
func (l *Ledger) DropEvent(ctx context.Context, e Event) error {
	drop := func() ([]Change, error) {
		changes := []Change{{Key: e.key()}}
		if !e.Status.Final() && !e.Settled {
			return changes, nil
		}
		r, version, err := read[Request](ctx, l, requestKey(e.Request))
		if errors.Is(err, ErrNotFound) {
			return changes, nil
		}
		if err == nil && r.Final() && e.Number == r.Events && r.Callbacks != nil {
			r.Callbacks = nil
			changes = append(changes, Change{Key: requestKey(r.ID), Data: encode(r), If: version, Expires: r.expires()})
		}
		return changes, err
	}
	changes, err := drop()
	if err != nil {
		return err
	}
	return l.one(ctx, changes, drop)
}
