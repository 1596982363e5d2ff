package ledgertest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// leases are a matter of the ledger's, but what they promise hangs on the driver: one holder among many, and an end by
// time.
func leases(b *box) {
	l, start := ledger.New(b.s), time.Now()
	hold := func(holder string, after, until time.Duration, want bool) {
		b.Helper()
		if got, err := l.Hold(b.Context(), b.partition, holder, start.Add(after), start.Add(until)); err != nil || got != want {
			b.Errorf("%s after %v: got %t and error %v, want %t", holder, after, got, err, want)
		}
	}
	letGo := func(holder string) {
		b.Helper()
		if err := l.LetGo(b.Context(), b.partition, holder); err != nil {
			b.Errorf("%s: %v", holder, err)
		}
	}
	letGo("ann") // nobody holds it
	hold("ann", 0, time.Hour, true)
	hold("bob", 59*time.Minute, 2*time.Hour, false)
	hold("ann", 30*time.Minute, 2*time.Hour, true) // prolonged
	hold("bob", time.Hour, 3*time.Hour, false)
	letGo("bob") // not the holder
	hold("bob", time.Hour, 3*time.Hour, false)
	hold("bob", 2*time.Hour, 3*time.Hour, true) // its time is over
	hold("ann", 2*time.Hour, 4*time.Hour, false)
	letGo("bob")
	hold("ann", 2*time.Hour, 4*time.Hour, true)
	letGo("ann")

	hold("ann", -2*time.Hour, -time.Hour, true) // over for the driver's clock, too
	hold("bob", 0, time.Hour, true)
	hold("ann", 0, time.Hour, false)
}

func concurrentHolders(b *box) {
	l, now := ledger.New(b.s), time.Now()
	var won atomic.Int32
	together(b, func(writer int) error {
		held, err := l.Hold(b.Context(), b.partition, fmt.Sprint(writer), now, now.Add(time.Hour))
		if held {
			won.Add(1)
		}
		if fault.Is(err, fault.LedgerBusy) {
			return nil
		}
		return err
	})
	if n := won.Load(); n != 1 {
		b.Errorf("%d hold it, want 1", n)
	}
}
