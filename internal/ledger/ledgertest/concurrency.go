package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

const (
	writers = 8
	rounds  = 5
)

// together runs work once per writer, all at the same time, and reports their errors.
func together(b *box, work func(writer int) error) {
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			if err := work(n); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
}

// retry does try until it meets no conflict.
func retry(try func() error) error {
	for {
		if err := try(); !errors.Is(err, ledger.ErrConflict) {
			return err
		}
	}
}

func concurrentCounters(b *box) {
	b.write(b.put("counter", 0, "0"))
	together(b, func(int) error {
		for range rounds {
			if err := retry(func() error { return b.add(map[string]int{"counter": 1}) }); err != nil {
				return err
			}
		}
		return nil
	})
	b.holds(fmt.Sprintf("counter@%d=%d", writers*rounds+1, writers*rounds))
}

func concurrentTransfers(b *box) {
	b.write(b.put("0", 0, "100"), b.put("1", 0, "100"), b.put("2", 0, "100"))
	together(b, func(writer int) error {
		for n := range rounds {
			from, to := strconv.Itoa((writer+n)%3), strconv.Itoa((writer+n+1)%3)
			if err := retry(func() error { return b.add(map[string]int{from: -1, to: 1}) }); err != nil {
				return err
			}
		}
		return nil
	})
	sum, changes := 0, 0
	for _, i := range b.query("", "", 10) {
		n, err := strconv.Atoi(string(i.Data))
		if err != nil {
			b.Fatal(err)
		}
		sum += n
		changes += int(i.Version) - 1
	}
	if sum != 300 || changes != 2*writers*rounds {
		b.Errorf("got a sum of %d after %d changes, want 300 after %d", sum, changes, 2*writers*rounds)
	}
}

// add changes numbers by reading and conditionally writing all of them.
func (b *box) add(amounts map[string]int) error {
	var keys []ledger.Key
	for sort := range amounts {
		keys = append(keys, b.key(sort))
	}
	items, err := b.s.Get(b.Context(), keys...)
	if err != nil {
		return err
	}
	var changes []ledger.Change
	for _, i := range items {
		n, err := strconv.Atoi(string(i.Data))
		if err != nil {
			return err
		}
		changes = append(changes, ledger.Change{Key: i.Key, If: i.Version, Data: []byte(strconv.Itoa(n + amounts[i.Sort]))})
	}
	return b.s.Write(b.Context(), changes...)
}

func concurrentCreators(b *box) {
	for round := range rounds {
		sort := strconv.Itoa(round)
		var mu sync.Mutex
		var won []string
		together(b, func(writer int) error {
			for {
				err := b.s.Write(b.Context(), b.put(sort, 0, strconv.Itoa(writer)))
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					won = append(won, sort+"@1="+strconv.Itoa(writer))
					return nil
				}
				if !errors.Is(err, ledger.ErrConflict) {
					return err
				}
				// A conflict may also mean that two writers met: then it is not decided yet.
				if items, err := b.s.Get(b.Context(), b.key(sort)); err != nil || len(items) > 0 {
					return err
				}
			}
		})
		if len(won) != 1 {
			b.Fatalf("round %d: %d creators won, want 1", round, len(won))
		}
		same(b.T, b.get(b.key(sort)), won...)
	}
}

func concurrentEach(b *box) {
	const items = 20
	var mu sync.Mutex
	won := map[string][]string{}
	together(b, func(writer int) error {
		var changes []ledger.Change
		for n := range items {
			changes = append(changes, b.put(fmt.Sprintf("%02d", n), 0, strconv.Itoa(writer)))
		}
		again, err := b.s.WriteEach(b.Context(), changes...)
		mu.Lock()
		defer mu.Unlock()
		for n, c := range changes {
			if !slices.Contains(again, n) {
				won[c.Sort] = append(won[c.Sort], fmt.Sprintf("%s@1=%d", c.Sort, writer))
			}
		}
		return err
	})
	var want []string
	for n := range items {
		sort := fmt.Sprintf("%02d", n)
		if len(won[sort]) != 1 {
			b.Fatalf("%d creators of one item won, want 1", len(won[sort]))
		}
		want = append(want, won[sort]...)
	}
	b.holds(want...)
}
