package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// Keep gives the value that is kept under a name, and makes it when there is none. Of several makers one wins, and all get
// what it made. What is made is kept until a time, for good where that is zero; then it is made anew.
func (l *Ledger) Keep(ctx context.Context, name string, until time.Time, make func() ([]byte, error)) ([]byte, error) {
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
		err = l.store.Write(ctx, Change{Key: k, Data: encode(made), Expires: until})
		if !errors.Is(err, ErrConflict) {
			return made, err
		}
	}
	return nil, fault.New(fault.LedgerBusy, "ledger: %s is being made by somebody else; try again", name)
}
