// Package dynamostore keeps the ledger in one DynamoDB table.
//
// The table has the partition key pk and the sort key sk, both strings, no index, and its time to live on the attribute
// expires. An item has besides them version (a number), data (binary; left out where empty) and expires (Unix seconds;
// left out for never). DynamoDB orders strings by their UTF-8 bytes, as the ledger does, and deletes expired items within
// days: until then they are there, and this package does not see them.
//
// What calls cost, in DynamoDB's units (a write unit is 1 KB, a read unit 4 KB, both begun ones count, keys and names
// included): a Write of one change is a PutItem or DeleteItem and costs the larger of the old and the new item once;
// several changes are one TransactWriteItems and cost the same twice. WriteEach is a PutItem or DeleteItem for each. A
// refused write costs as much. Get costs every item for itself, one that is missing a unit; Query costs the sum of what
// it passes, expired items included. All reads are strongly consistent, which is twice the price of others: steps decide
// by what they read.
//
// DynamoDB gives one partition key 1,000 write units and 3,000 read units a second. What the ledger's keys have to bear
// (<s> is one of 16, or of a job with at most 100 people the only one), as the sweep in internal/boot counts it:
//
//	member/<job>/<s>                    3/16 write units a person
//	trouble/<job>/<s>                   1/16 a person in whose lines something could not be read
//	finding/<job>/<target>/<area>/<s>   4/16 a finding
//	open/<s>, requests/<s>              2/16 a request when it is filed, 2/16 when it ends
//	outbox/<s>                          2/16 an event when it is written, 1/16 for each try to tell it, 1/16 or 2/16 at its end
//	request/<id>                        one person's
//	identifier/<digest>                 one person's: 2 a request when it is filed, 2 when it ends
//	idempotency/<digest>                one submission's
//	job/<job>                           a few a slice of a step, 1 a piece of an export; one read of its breadth a call
//	limit/<what>                        1 for each that is allowed; limit/form is the form's, at most form.all an hour. One
//	                                    that is turned away costs a read
//	container/<digest>, lease/<name>    2 to 4 a job or holder
//	jobs/<month>, sweep/last            1 to 3 a job
//	previews, preview/<job>             2 a preview, and its pieces
//	kept/<name>, ledger/key             read when a process starts; the data key of a day by each that seals, once an hour
//	calls                               1 or 2, and one read, a block of calls: a tenth of a target's limit
//	execution/<name>, executions        only of the runner on one machine
//
// So the busiest key of a sweep of 10,000 people takes some 3,000 write units in all, and 8,000 requests a second could be
// filed. k submissions of the form in the same moment cost the one count k*k/2 units, because each writer that was faster
// makes the others try again.
//
// Writes without a condition are deletes whose end is the same whatever is there: what a job found and where its steps
// stood, when it ends or begins anew; the index entries of a request, in one transaction with its record, whose version is
// asked for; the place in a job of a request that the job could not claim; what a preview left; an event that was told.
package dynamostore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

const (
	batchKeys  = 100 // keys of one BatchGetItem
	batchTries = 8   // BatchGetItem calls in a row that bring nothing

	// writers is how many calls of one WriteEach are under way: as many connections as the SDK keeps open to one host,
	// and at some 5 ms a call half of the 4,000 write units a second that a new on-demand table takes.
	writers = 10
)

// errUnsure says that the answer to a write was lost, and that nobody can tell whether it was done.
var errUnsure = fault.New(fault.LedgerBusy, "the answer to a write was lost, and whether it was done cannot be told; run the step again")

// Store is the DynamoDB driver of ledger.Store. New makes it; its methods may be called from any number of goroutines.
//
// Beyond the contract, a fault.LedgerBusy means that DynamoDB was throttled, failed or could not be reached, several
// times in a row: the same step may succeed later.
type Store struct {
	client *dynamodb.Client
	table  string
	now    func() time.Time
	pause  func(round int) time.Duration
}

var _ ledger.Store = (*Store)(nil)

// New uses a table, by its name or ARN. How often a failed call is repeated, and after which time, is a matter of the
// client's retryer.
func New(client *dynamodb.Client, table string) *Store {
	return &Store{client: client, table: table, now: time.Now, pause: pause}
}

// pause is the time before the next BatchGetItem after so many that brought nothing: 25 ms, doubled each time.
func pause(round int) time.Duration { return 25 * time.Millisecond << round }

// Get is ledger.Store's.
func (s *Store) Get(ctx context.Context, keys ...ledger.Key) ([]ledger.Item, error) {
	if err := ledger.CheckKeys(keys...); err != nil {
		return nil, err
	}
	var distinct []ledger.Key // DynamoDB refuses a key given twice
	there := make(map[ledger.Key]*ledger.Item, len(keys))
	for _, k := range keys {
		if _, again := there[k]; !again {
			distinct, there[k] = append(distinct, k), nil
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	now := s.now().Unix()
	for chunk := range slices.Chunk(distinct, batchKeys) {
		err := s.batch(ctx, chunk, func(r record) {
			if !r.expired(now) {
				there[r.Key] = &r.Item
			}
		})
		if err != nil {
			return nil, fmt.Errorf("read the ledger: %w", err)
		}
	}
	var found []ledger.Item
	for _, k := range keys {
		if i := there[k]; i != nil {
			found = append(found, ledger.Item{Key: k, Version: i.Version, Data: bytes.Clone(i.Data)})
		}
	}
	return found, nil
}

// batch reads up to batchKeys different keys. DynamoDB answers a part when all would be more than 16 MB, or when the
// table is throttled, and leaves the rest to be asked for again.
func (s *Store) batch(ctx context.Context, keys []ledger.Key, found func(record)) error {
	rest := make([]map[string]types.AttributeValue, len(keys))
	for n, k := range keys {
		rest[n] = keyOf(k)
	}
	for idle := 0; idle < batchTries; {
		out, err := s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			s.table: {Keys: rest, ConsistentRead: aws.Bool(true)},
		}})
		if err != nil {
			return s.failed(ctx, err)
		}
		before := len(rest)
		rest = nil
		for _, table := range out.Responses { // one, by its name or ARN
			for _, attributes := range table {
				r, err := decode(attributes)
				if err != nil {
					return err
				}
				found(r)
			}
		}
		for _, table := range out.UnprocessedKeys {
			rest = append(rest, table.Keys...)
		}
		if len(rest) == 0 {
			return nil
		}
		if len(rest) < before {
			idle = 0
		}
		if err := sleep(ctx, s.pause(idle)); err != nil {
			return err
		}
		idle++
	}
	return fault.New(fault.LedgerBusy, "DynamoDB read nothing of a batch %d times in a row; run the step again", batchTries)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Query is ledger.Store's.
func (s *Store) Query(ctx context.Context, partition, prefix, after string, limit int) ([]ledger.Item, error) {
	if err := ledger.CheckQuery(partition, prefix, after, limit); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("query the ledger: %w", err)
	}
	in := &dynamodb.QueryInput{
		TableName:                 &s.table,
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("pk = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": text(partition)},
	}
	if prefix != "" {
		in.KeyConditionExpression = aws.String("pk = :pk AND begins_with(sk, :prefix)")
		in.ExpressionAttributeValues[":prefix"] = text(prefix)
	}
	switch {
	case after == "":
	case strings.HasPrefix(after, prefix):
		// DynamoDB goes on behind this key whether or not an item has it: it may have been deleted since the last page.
		in.ExclusiveStartKey = keyOf(ledger.Key{Partition: partition, Sort: after})
	case after > prefix:
		return nil, nil // everything below the prefix comes before
	}
	var found []ledger.Item
	now, expired := s.now().Unix(), 0
	for {
		// A page ends at Limit, at 1 MB or at the end. Where expired items took the place of others the next page asks
		// for as many more, so that a long row of them does not take a call each.
		in.Limit = aws.Int32(int32(min(limit-len(found)+expired, math.MaxInt32)))
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("query the ledger: %w", s.failed(ctx, err))
		}
		for _, attributes := range out.Items {
			r, err := decode(attributes)
			if err != nil {
				return nil, fmt.Errorf("query the ledger: %w", err)
			}
			if r.expired(now) {
				expired++
				continue
			}
			if found = append(found, r.Item); len(found) == limit {
				return found, nil
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return found, nil
		}
	}
}

// Write is ledger.Store's.
func (s *Store) Write(ctx context.Context, changes ...ledger.Change) error {
	if err := ledger.CheckChanges(changes); err != nil {
		return err
	}
	err := ctx.Err()
	switch {
	case err != nil || len(changes) == 0:
	case len(changes) == 1:
		err = s.writeOne(ctx, changes[0])
	default:
		err = s.writeAll(ctx, changes)
	}
	if err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return nil
}

// writeOne costs half of a transaction. But a repeated call has no token by which DynamoDB would know it: where the
// answer to the first was lost, the second meets what the first wrote, and nobody can tell that from somebody else's.
func (s *Store) writeOne(ctx context.Context, c ledger.Change) (err error) {
	var attempts *retryer
	options := func(o *dynamodb.Options) {
		attempts = &retryer{Retryer: o.Retryer}
		o.Retryer = attempts
	}
	if put, del := s.action(c); put != nil {
		_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: put.TableName, Item: put.Item,
			ConditionExpression: put.ConditionExpression, ExpressionAttributeValues: put.ExpressionAttributeValues}, options)
	} else {
		_, err = s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: del.TableName, Key: del.Key,
			ConditionExpression: del.ConditionExpression, ExpressionAttributeValues: del.ExpressionAttributeValues}, options)
	}
	switch {
	case err == nil:
		return nil
	case conflict(err) && attempts.unsure:
		return errUnsure
	}
	return s.failed(ctx, err)
}

// WriteEach is ledger.Store's. Neighbours in changes are often of one partition, so it deals out the partitions in turn:
// none takes all that the writers can do.
func (s *Store) WriteEach(ctx context.Context, changes ...ledger.Change) (again []int, err error) {
	if err := ledger.CheckEach(changes); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("write the ledger: %w", err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	queue := make(chan int)
	var mu sync.Mutex
	var group sync.WaitGroup
	for range min(writers, len(changes)) {
		group.Go(func() {
			for n := range queue {
				switch err := s.writeOne(ctx, changes[n]); {
				case errors.Is(err, ledger.ErrConflict), errors.Is(err, errUnsure):
					mu.Lock()
					again = append(again, n)
					mu.Unlock()
				case err != nil:
					stop(err)
				}
			}
		})
	}
	for _, n := range inTurn(changes) {
		select {
		case queue <- n:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(queue)
	group.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("write the ledger: %w", context.Cause(ctx))
	}
	slices.Sort(again)
	return again, nil
}

// inTurn orders the indexes of changes: the first of each partition, then the second of each, and so on.
func inTurn(changes []ledger.Change) []int {
	round, order := map[string]int{}, make([]int, len(changes))
	rounds := make([]int, len(changes))
	for n, c := range changes {
		order[n], rounds[n] = n, round[c.Partition]
		round[c.Partition]++
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rounds[a], rounds[b]) })
	return order
}

func (s *Store) writeAll(ctx context.Context, changes []ledger.Change) error {
	in := &dynamodb.TransactWriteItemsInput{
		TransactItems: make([]types.TransactWriteItem, len(changes)),
		// By it DynamoDB knows a repeated call, for 10 minutes, and answers as to the first.
		ClientRequestToken: aws.String(rand.Text()),
	}
	for n, c := range changes {
		put, del := s.action(c)
		in.TransactItems[n] = types.TransactWriteItem{Put: put, Delete: del}
	}
	_, err := s.client.TransactWriteItems(ctx, in, func(o *dynamodb.Options) { o.Retryer = &retryer{Retryer: o.Retryer} })
	if err != nil {
		return s.failed(ctx, err)
	}
	return nil
}
