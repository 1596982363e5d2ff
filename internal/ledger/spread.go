package ledger

import (
	"context"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// DynamoDB gives one partition key 1,000 write units and 3,000 read units a second. What grows with requests, or with the
// people of a job, is spread over 16 keys.
const spreads = "0123456789abcdef"

// spread names one of 16 partitions for a key. By a sum, because characters of ids and digests are not even: the last of a
// digest in base64 has only 4 of its 6 bits.
func spread(key string) string {
	return string(spreads[crc32.ChecksumIEEE([]byte(key))%uint32(len(spreads))])
}

// narrow is the most people that a job may begin with whose members, marks and findings have one partition for each kind:
// a query then reads all of a kind, and some hundred writes are no load for a key. The number of partitions never
// changes in a job, because they are part of keys.
const narrow = 100

// breadth is the partitions of a job's kinds of records: "0", or all of spreads.
type breadth string

func (b breadth) of(key string) string {
	if len(b) == 1 {
		return string(b)
	}
	return spread(key)
}

func breadthKey(job string) Key { return Key{"job/" + job, "breadth"} }

// breadth reads a job's; that of a job without people is narrow.
func (l *Ledger) breadth(ctx context.Context, job string) (breadth, error) {
	b, _, err := read[breadth](ctx, l, breadthKey(job))
	if errors.Is(err, ErrNotFound) {
		return "0", nil
	}
	return b, err
}

// spreadOut fixes the breadth of a job by the people that it begins with, unless it is fixed already.
// The record goes at until, unless the job's end says otherwise.
func (l *Ledger) spreadOut(ctx context.Context, job string, people int, until time.Time) (breadth, error) {
	b := breadth("0")
	if people > narrow {
		b = spreads
	}
	for range tries {
		there, _, err := read[breadth](ctx, l, breadthKey(job))
		if !errors.Is(err, ErrNotFound) {
			return there, err
		}
		err = l.store.Write(ctx, Change{Key: breadthKey(job), Data: encode(b), Expires: until})
		if !errors.Is(err, ErrConflict) {
			return b, err
		}
	}
	return "", fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on one record; run the step again", tries)
}

// memberPartition and its like are the partitions of one kind of a job's records.
func memberPartition(job, s string) string  { return "member/" + job + "/" + s }
func troublePartition(job, s string) string { return "trouble/" + job + "/" + s }
func findingPartition(job, target, area, s string) string {
	return "finding/" + job + "/" + target + "/" + area + "/" + s
}

// partitions lists those of a kind.
func (b breadth) partitions(name func(s string) string) []string {
	out := make([]string, len(b))
	for n, s := range strings.Split(string(b), "") {
		out[n] = name(s)
	}
	return out
}

// clear deletes partitions' items below prefix, whatever is in them, some of each partition in turn.
func (l *Ledger) clear(ctx context.Context, prefix string, partitions ...string) error {
	for rest := slices.Clone(partitions); len(rest) > 0; {
		var changes []Change
		more := rest[:0]
		for _, p := range rest {
			items, err := l.store.Query(ctx, p, prefix, "", MaxChanges)
			if err != nil {
				return err
			}
			for _, i := range items {
				changes = append(changes, Change{Key: i.Key})
			}
			if len(items) == MaxChanges {
				more = append(more, p)
			}
		}
		if _, err := l.store.WriteEach(ctx, changes...); err != nil {
			return err
		}
		rest = more
	}
	return nil
}
