package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// retryer is the client's, for one write.
type retryer struct {
	aws.Retryer
	unsure bool // an attempt that is repeated may have been done
}

// IsErrorRetryable adds to the client's a transaction that was cancelled by nothing but throttling, which the SDK takes
// for an error of the caller's.
func (r *retryer) IsErrorRetryable(err error) bool {
	return throttledTransaction(err) || r.Retryer.IsErrorRetryable(err)
}

// RetryDelay is called before each repetition.
func (r *retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	var answer interface{ HTTPStatusCode() int }
	if !errors.As(err, &answer) || answer.HTTPStatusCode() < 400 || answer.HTTPStatusCode() >= 500 {
		r.unsure = true
	}
	return r.Retryer.RetryDelay(attempt, err)
}

// conflict tells whether a condition did not hold, or another write had an item in hand.
func conflict(err error) bool {
	var condition *types.ConditionalCheckFailedException
	var other *types.TransactionConflictException
	return errors.As(err, &condition) || errors.As(err, &other) || cancelledBy(err, "ConditionalCheckFailed", "TransactionConflict")
}

func throttledTransaction(err error) bool {
	return !conflict(err) && cancelledBy(err, "ThrottlingError", "ProvisionedThroughputExceeded")
}

// cancelledBy tells whether one of these was a reason why a transaction was cancelled.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html lists them.
func cancelledBy(err error, codes ...string) bool {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return false
	}
	for _, reason := range cancelled.CancellationReasons {
		for _, code := range codes {
			if aws.ToString(reason.Code) == code {
				return true
			}
		}
	}
	return false
}

// failed names what went wrong. DynamoDB's own text stays outside: it may repeat what it was sent.
func (s *Store) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	code := fault.Code(err)
	switch {
	case conflict(err):
		return ledger.ErrConflict
	case throttledTransaction(err), s.client.Options().Retryer.IsErrorRetryable(err):
		return fault.New(fault.LedgerBusy, "DynamoDB did not do a call after several tries (%s): it is throttled, fails or cannot be reached; run the step again", code)
	}
	return fmt.Errorf("DynamoDB refused a call (%s); check the table's name, the region, and what the role may do", code)
}
