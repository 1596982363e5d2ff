package ledgertest

import (
	"strconv"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// concurrentCalls has many change what is kept of a target's calls, as each of them finds it.
func concurrentCalls(b *box) {
	calls := ledger.New(b.s).Calls(b.partition)
	add := func(n int) func([]byte) ([]byte, error) {
		return func(old []byte) ([]byte, error) {
			sum, err := strconv.Atoi("0" + string(old))
			return []byte(strconv.Itoa(sum + n)), err
		}
	}
	together(b, func(int) error {
		for range rounds {
			if err := calls(b.Context(), add(1)); err != nil {
				return err
			}
		}
		return nil
	})
	err := calls(b.Context(), func(old []byte) ([]byte, error) {
		if want := strconv.Itoa(writers * rounds); string(old) != want {
			b.Errorf("%s were counted, want %s", old, want)
		}
		return nil, nil // which writes nothing
	})
	if err != nil {
		b.Fatal(err)
	}
	if version := b.get(ledger.Key{Partition: "calls", Sort: b.partition})[0].Version; version != writers*rounds {
		b.Errorf("written %d times, want %d", version, writers*rounds)
	}
}
