package ledger

import (
	"context"
	"errors"
	"time"
)

// Key finds an item: all items of a partition are kept in the order of Sort (bytewise). Both are UTF-8 without NUL,
// neither is empty or longer than MaxPartition or MaxSort bytes, and neither holds anything personal: identifiers and
// object names enter keys as digests only.
type Key struct{ Partition, Sort string }

// Item is one record as it is kept.
type Item struct {
	Key
	Version int64 // 1 when created, one more with every change
	Data    []byte
}

// Change is one conditional write.
type Change struct {
	Key
	Data    []byte    // the new content; nil deletes the item (empty is a content)
	If      int64     // the version that must be there; 0: no item may be there (a delete with 0 asks nothing)
	Expires time.Time // from then on (in seconds) no call sees the item; zero for never, whatever it was before
}

// Expiry gives the second of Unix time from which the item is gone, never before Expires itself, and 0 for never.
func (c Change) Expiry() int64 {
	if c.Expires.IsZero() {
		return 0
	}
	return max(1, c.Expires.Add(time.Second-time.Nanosecond).Unix())
}

// Limits, the same for every driver; over them a call fails with an error of its own and nothing is written. They are
// DynamoDB's, with room for attribute names and keys: 100 actions and 4 MB in a transaction, 400 KB in an item, 2048
// and 1024 bytes in a partition and a sort key.
const (
	MaxChanges   = 100       // changes of one Write
	MaxWrite     = 3 << 20   // bytes of data of all changes of one Write together
	MaxItem      = 350 << 10 // bytes of data of one item
	MaxPartition = 2048      // bytes of Key.Partition
	MaxSort      = 1024      // bytes of Key.Sort
)

// Errors of a Store that callers branch on.
var (
	ErrNotFound = errors.New("ledger: no such item")
	ErrConflict = errors.New("ledger: another version is there")
)

// Store is what a driver provides. Every call may fail with another error than the named ones; then a Write may have
// happened or not, and the caller reads again. Drivers do not retry conflicts.
type Store interface {
	// Get reads the items that exist among keys, in the order of keys; missing ones are left out, and a key given
	// twice is answered twice. Any number of keys. A read sees every Write that returned before it began; of a Write
	// that runs meanwhile it may see a part.
	Get(ctx context.Context, keys ...Key) ([]Item, error)

	// Query reads items of one partition whose Sort begins with prefix and is greater than after, ascending, at most
	// limit (1 or more; the caller chooses it by what fits into memory). Fewer than limit items mean that there are no
	// more. prefix and after are empty or what a Sort can be; after need not be the Sort of an item.
	Query(ctx context.Context, partition, prefix, after string, limit int) ([]Item, error)

	// Write does all changes or none of them; ErrConflict when a condition does not hold, or another Write has the same
	// items in hand (DynamoDB's TransactionConflict): then nothing was written. At most MaxChanges and MaxWrite, no key
	// twice; without changes nothing happens. What Write returned is durable.
	Write(ctx context.Context, changes ...Change) error

	// WriteEach does changes that do not depend on each other, any number of them, each for itself and in no order, which
	// costs DynamoDB half of what Write costs. It answers the indexes of those that it did not do or cannot tell of, in
	// their order: a condition does not hold, another Write has the item in hand, or the answer was lost. The caller reads
	// those again. With an error any of them may have been done. Each change keeps to the limits of one Write.
	WriteEach(ctx context.Context, changes ...Change) (again []int, err error)
}
