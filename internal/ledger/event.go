package ledger

import (
	"context"
	"fmt"
	"time"
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

func (e Event) change(expires time.Time) Change {
	return Change{Key: e.key(), Data: encode(e), Expires: expires}
}

// event makes the next event of a request that somebody wants to know about.
func (r *Request) event(kind string, at time.Time) (Event, bool) {
	if !r.Tell || r.Preview {
		return Event{}, false
	}
	r.Events++
	return Event{Request: r.ID, Number: r.Events, Kind: kind, Status: r.Status, Settled: r.Settled, At: at}, true
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

// ChangeEvent lets change work on an event that is still in the outbox; ErrNotFound when it is not.
func (l *Ledger) ChangeEvent(ctx context.Context, e Event, change func(*Event)) (Event, error) {
	return update(ctx, l, e.key(), false, func(e *Event) error { change(e); return nil })
}

// DropEvent takes an event out of the outbox. It is no error when it is gone.
func (l *Ledger) DropEvent(ctx context.Context, e Event) error {
	return l.store.Write(ctx, Change{Key: e.key()})
}
