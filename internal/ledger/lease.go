package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// lease says who holds a name, and until when. Its item stays when nobody does: versions of a new one would begin anew, and
// a holder that is late could meet its own in the next one's. So names have to be few.
type lease struct {
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

func nameKey(name string) Key { return Key{"lease/" + name, "holder"} }

// Hold gives a name to a holder until a time, and tells whether the holder has it now: no when another one does. A lease
// whose time is over at now is free; the one who holds it prolongs it, or shortens it. It is for work that may be done
// twice and should not be done by two at once: nothing stops a holder that goes on after its time.
func (l *Ledger) Hold(ctx context.Context, name, holder string, now, until time.Time) (held bool, err error) {
	for range tries {
		there, version, err := read[lease](ctx, l, nameKey(name))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, err
		}
		if there.Holder != holder && there.Until.After(now) {
			return false, nil
		}
		err = l.store.Write(ctx, Change{Key: nameKey(name), Data: encode(lease{holder, until}), If: version})
		if !errors.Is(err, ErrConflict) {
			return err == nil, err
		}
	}
	return false, fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on one lease; try again", tries)
}

// LetGo ends a holder's lease before its time. It is no error when another holds the name, or nobody.
func (l *Ledger) LetGo(ctx context.Context, name, holder string) error {
	for range tries {
		there, version, err := read[lease](ctx, l, nameKey(name))
		if errors.Is(err, ErrNotFound) || err == nil && there.Holder != holder {
			return nil
		}
		if err != nil {
			return err
		}
		err = l.store.Write(ctx, Change{Key: nameKey(name), Data: encode(lease{}), If: version})
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on one lease; try again", tries)
}
