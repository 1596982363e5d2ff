// Package ledgertest holds the contract test of ledger.Store, which every driver has to pass, so that bbolt and
// DynamoDB cannot drift apart.
package ledgertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// Contract runs the contract as parallel subtests of t. Each calls open once; open may give the same Store every time,
// because each test keeps to partitions of its own.
func Contract(t *testing.T, open func(t *testing.T) ledger.Store) {
	for name, claim := range map[string]func(*box){
		"a created item is read back":                    createdIsReadBack,
		"an item that is there is not created again":     createOnly,
		"a replacement needs the version that is there":  compareAndSwap,
		"a deletion with a version needs that version":   deleteVersion,
		"a deletion without a version asks nothing":      deleteAny,
		"a write is done whole or not at all":            allOrNothing,
		"a write without changes does nothing":           emptyWrite,
		"limits are kept, to the byte":                   limits,
		"one write changes no item twice":                sameKeyTwice,
		"changes for themselves are done or named":       eachForItself,
		"changes for themselves are of any number":       eachOfMany,
		"one of many creators of each item wins":         concurrentEach,
		"get answers in the order of the keys":           getOrder,
		"a query answers in bytewise order":              queryOrder,
		"a query keeps to its prefix":                    queryPrefix,
		"a query goes on after the last item seen":       queryPaging,
		"a query of nothing is empty":                    queryEmpty,
		"keys may be any text":                           oddKeys,
		"partition and sort do not run into each other":  keyBorders,
		"unusable keys are refused":                      badKeys,
		"data comes back byte for byte":                  anyData,
		"an expired item is gone":                        expired,
		"a query counts only what it answers":            expiredPaging,
		"a cancelled call does nothing":                  cancelled,
		"concurrent increments are all counted":          concurrentCounters,
		"one of many creators wins":                      concurrentCreators,
		"concurrent writes of several items stay whole":  concurrentTransfers,
		"a lease has one holder, until its time is over": leases,
		"one of many holders wins":                       concurrentHolders,
		"concurrent calls of a target are all counted":   concurrentCalls,
		"any sequence of calls does what a map would do": likeModel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim(&box{T: t, s: open(t), partition: rand.Text()})
		})
	}
}

// box is one claim's test: a Store, and a partition that nobody else uses.
type box struct {
	*testing.T
	s         ledger.Store
	partition string
}

func (b *box) key(sort string) ledger.Key { return ledger.Key{Partition: b.partition, Sort: sort} }

// put is a change that creates (version 0) or replaces the item.
func (b *box) put(sort string, version int64, data string) ledger.Change {
	return ledger.Change{Key: b.key(sort), If: version, Data: []byte(data)}
}

func (b *box) write(changes ...ledger.Change) {
	b.Helper()
	if err := b.s.Write(b.Context(), changes...); err != nil {
		b.Fatalf("Write: %v", err)
	}
}

// conflict expects that the write is turned down because of a condition.
func (b *box) conflict(changes ...ledger.Change) {
	b.Helper()
	if err := b.s.Write(b.Context(), changes...); !errors.Is(err, ledger.ErrConflict) {
		b.Errorf("Write: got error %v, want ErrConflict", err)
	}
}

// refused expects that the write is turned down for itself, whatever is there.
func (b *box) refused(what string, changes ...ledger.Change) {
	b.Helper()
	refusal(b.T, what, b.s.Write(b.Context(), changes...))
}

func refusal(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || errors.Is(err, ledger.ErrConflict) || errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("%s: got error %v, want one of its own", what, err)
	}
}

func (b *box) get(keys ...ledger.Key) []ledger.Item {
	b.Helper()
	items, err := b.s.Get(b.Context(), keys...)
	if err != nil {
		b.Fatalf("Get: %v", err)
	}
	return items
}

func (b *box) query(prefix, after string, limit int) []ledger.Item {
	b.Helper()
	items, err := b.s.Query(b.Context(), b.partition, prefix, after, limit)
	if err != nil {
		b.Fatalf("Query: %v", err)
	}
	return items
}

// holds expects these items in the partition and no others, each given as text by show.
func (b *box) holds(want ...string) {
	b.Helper()
	same(b.T, b.query("", "", 1000), want...)
}

func same(t *testing.T, items []ledger.Item, want ...string) {
	t.Helper()
	if got, want := fmt.Sprintf("%q", show(items)), fmt.Sprintf("%q", append([]string{}, want...)); got != want {
		t.Errorf("items: got %s, want %s", got, want)
	}
}

// show writes an item as "sort@version=data".
func show(items []ledger.Item) []string {
	out := make([]string, len(items))
	for n, i := range items {
		out[n] = fmt.Sprintf("%s@%d=%s", i.Sort, i.Version, i.Data)
	}
	return out
}

func cancelledContext(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
