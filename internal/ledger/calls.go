package ledger

import (
	"context"
	"errors"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// Calls gives the way to what is kept of a target's calls, for all processes that call it: a provider.Book. LedgerBusy when
// 200 writers in a row were faster, or nobody can tell whether it was written.
func (l *Ledger) Calls(target string) func(ctx context.Context, change func(old []byte) ([]byte, error)) error {
	k := Key{"calls", target}
	return func(ctx context.Context, change func(old []byte) ([]byte, error)) error {
		for range rivals {
			items, err := l.store.Get(ctx, k)
			if err != nil {
				return err
			}
			old := Item{}
			if len(items) > 0 {
				old = items[0]
			}
			data, err := change(old.Data)
			if err != nil || data == nil {
				return err
			}
			err = l.store.Write(ctx, Change{Key: k, Data: data, If: old.Version})
			if !errors.Is(err, ErrConflict) {
				return err
			}
		}
		return fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on one target's calls; run the step again", rivals)
	}
}
