package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamotest"
)

// fails expects an error of a name that says nothing of what was sent.
func (b box) fails(what string, err error, want fault.Name) {
	b.Helper()
	if !fault.Is(err, want) || errors.Is(err, ledger.ErrConflict) {
		b.Errorf("%s: got error %v, want %s", what, err, want)
	}
	if err != nil && (strings.Contains(err.Error(), dynamotest.Echo) || strings.Contains(err.Error(), "secret")) {
		b.Errorf("%s: the error says too much: %v", what, err)
	}
}

func (b box) conflicts(what string, err error) {
	b.Helper()
	if !errors.Is(err, ledger.ErrConflict) {
		b.Errorf("%s: got error %v, want ErrConflict", what, err)
	}
}

// everyCall is a call of each kind.
func (b box) everyCall() map[string]func() error {
	return map[string]func() error{
		"BatchGetItem":       func() error { _, err := b.Get(b.Context(), key("secret")); return err },
		"Query":              func() error { _, err := b.Query(b.Context(), "p", "secret", "", 1); return err },
		"PutItem":            func() error { return b.Write(b.Context(), put("secret", 0, "secret")) },
		"DeleteItem":         func() error { return b.Write(b.Context(), ledger.Change{Key: key("secret")}) },
		"TransactWriteItems": func() error { return b.Write(b.Context(), put("secret", 0, "secret"), put("secret2", 0, "x")) },
	}
}

// Two failures per call: it failed and nothing happened; it failed but it did happen.
func TestFailedCallsAreRepeated(t *testing.T) {
	claims := map[string]func(box){}
	for _, f := range []dynamotest.Fault{{Close: true}, {Kind: "InternalServerError", Status: 500}, {Kind: "ThrottlingException"}, {Kind: "ProvisionedThroughputExceededException"}} {
		claims[fmt.Sprint("nothing happened: ", f.Kind)] = func(b box) {
			for op, call := range b.everyCall() {
				b.server.Forget()
				b.server.Fail(dynamotest.Fault{Op: op, Times: 2, Close: f.Close, Kind: f.Kind, Status: f.Status})
				if err := call(); err != nil {
					b.Errorf("%s: %v", op, err)
				}
				if got, want := b.ops(), strings.TrimSpace(strings.Repeat(op+" ", 3)); got != want {
					b.Errorf("%s: calls: got %s, want %s", op, got, want)
				}
				b.write(ledger.Change{Key: key("secret")}, ledger.Change{Key: key("secret2")})
			}
		}
		claims[fmt.Sprint("for long: ", f.Kind)] = func(b box) {
			b.server.Fail(f)
			for op, call := range b.everyCall() {
				b.fails(op, call(), fault.LedgerBusy)
			}
			b.server.Heal()
			b.holds("")
		}
	}
	claims["done, the answer lost: put"] = func(b box) {
		b.server.Fail(dynamotest.Fault{Op: "PutItem", Times: 1, After: true, Close: true})
		b.fails("create", b.Write(b.Context(), put("a", 0, "one")), fault.LedgerBusy)
		b.server.Fail(dynamotest.Fault{Op: "PutItem", Times: 1, After: true, Kind: "InternalServerError", Status: 500})
		b.fails("replace", b.Write(b.Context(), put("a", 1, "two")), fault.LedgerBusy)
		b.holds("a@2=two")
		b.conflicts("a write that really is late", b.Write(b.Context(), put("a", 1, "three")))
	}
	claims["done, the answer lost: delete"] = func(b box) {
		b.write(put("a", 0, "one"), put("b", 0, "one"))
		b.server.Fail(dynamotest.Fault{Op: "DeleteItem", Times: 1, After: true, Close: true})
		b.fails("delete", b.Write(b.Context(), ledger.Change{Key: key("a"), If: 1}), fault.LedgerBusy)
		b.server.Fail(dynamotest.Fault{Op: "DeleteItem", Times: 1, After: true, Close: true})
		b.write(ledger.Change{Key: key("b")}) // asks nothing: twice is once
		b.holds("")
	}
	claims["done, the answer lost: transaction"] = func(b box) {
		b.server.Fail(dynamotest.Fault{Op: "TransactWriteItems", Times: 2, After: true, Close: true})
		b.write(put("a", 0, "one"), put("b", 0, "one"))
		b.server.Fail(dynamotest.Fault{Op: "TransactWriteItems", Times: 2, After: true, Kind: "InternalServerError", Status: 500})
		b.write(put("a", 1, "two"), ledger.Change{Key: key("b"), If: 1})
		b.holds("a@2=two")
	}
	claims["done, the answer lost: each for itself"] = func(b box) {
		b.write(put("c", 0, "there"))
		each := func(what string, want int, lost dynamotest.Fault, changes ...ledger.Change) {
			b.Helper()
			lost.Times, lost.After = 1, true
			b.server.Fail(lost)
			// What cannot be told is named, and has been done.
			if again, err := b.WriteEach(b.Context(), changes...); err != nil || len(again) != want {
				b.Errorf("%s: got %v and error %v, want %d", what, again, err, want)
			}
		}
		each("one of two", 1, dynamotest.Fault{Op: "PutItem", Close: true}, put("a", 0, "one"), put("b", 0, "one"))
		each("a deletion that asks", 1, dynamotest.Fault{Op: "DeleteItem", Kind: "InternalServerError", Status: 500}, ledger.Change{Key: key("c"), If: 1})
		each("a deletion that asks nothing", 0, dynamotest.Fault{Op: "DeleteItem", Close: true}, ledger.Change{Key: key("d")})
		b.holds("a@1=one b@1=one")
	}
	claims["each for itself, for long"] = func(b box) {
		b.server.Fail(dynamotest.Fault{Kind: "ThrottlingException"})
		var many []ledger.Change
		for n := range 500 {
			many = append(many, put(fmt.Sprint("secret", n), 0, "secret"))
		}
		_, err := b.WriteEach(b.Context(), many...)
		b.fails("WriteEach", err, fault.LedgerBusy)
		if n := len(b.server.Calls()); n > 2*3*writers {
			b.Errorf("%d calls: it does not stop at the first that fails", n)
		}
		// For all calls: one that was given up may still arrive, and would take a single fault away.
		b.server.Heal()
		b.server.Fail(dynamotest.Fault{Kind: "AccessDeniedException"})
		_, err = b.WriteEach(b.Context(), many[0])
		b.fails("WriteEach", err, fault.Internal)
	}
	claims["throttled, then late"] = func(b box) {
		b.write(put("a", 0, "one"))
		b.server.Fail(dynamotest.Fault{Op: "PutItem", Times: 1, Kind: "ThrottlingException"})
		b.conflicts("throttled calls did nothing", b.Write(b.Context(), put("a", 0, "two")))
		b.holds("a@1=one")
	}
	each(t, claims)
}

func TestConflictsAndRefusalsHaveTheirNames(t *testing.T) {
	two := []ledger.Change{put("a", 0, "secret"), put("b", 0, "secret")}
	cancelled := func(reasons ...string) dynamotest.Fault {
		return dynamotest.Fault{Times: 1, Kind: "TransactionCanceledException", Reasons: reasons}
	}
	each(t, map[string]func(box){
		"conflict": func(b box) {
			for _, f := range []dynamotest.Fault{
				cancelled("None", "TransactionConflict"), cancelled("ConditionalCheckFailed", "None"),
				cancelled("ThrottlingError", "ConditionalCheckFailed"), cancelled("TransactionConflict", "ProvisionedThroughputExceeded"),
			} {
				b.server.Fail(f)
				b.conflicts(fmt.Sprint(f.Reasons), b.Write(b.Context(), two...))
			}
			b.server.Fail(dynamotest.Fault{Times: 1, Kind: "TransactionConflictException"})
			b.conflicts("one item", b.Write(b.Context(), two[0]))
			b.holds("")
			if got, want := len(b.server.Calls()), 6; got != want {
				b.Errorf("calls: got %d, want %d: conflicts are not repeated", got, want)
			}
		},
		"throttled transaction": func(b box) {
			b.server.Fail(cancelled("None", "ThrottlingError"))
			b.server.Fail(cancelled("ProvisionedThroughputExceeded", "None"))
			b.write(two...)
			b.holds("a@1=secret b@1=secret")
			b.server.Fail(dynamotest.Fault{Kind: "TransactionCanceledException", Reasons: []string{"ThrottlingError", "None"}})
			b.fails("for long", b.Write(b.Context(), put("a", 1, ""), put("b", 1, "")), fault.LedgerBusy)
			b.server.Heal()
			b.server.Fail(dynamotest.Fault{Kind: "TransactionInProgressException"})
			b.fails("for long in progress", b.Write(b.Context(), put("a", 1, ""), put("b", 1, "")), fault.LedgerBusy)
		},
		"refused": func(b box) {
			b.server.Fail(dynamotest.Fault{Op: "TransactWriteItems", Times: 1, Kind: "TransactionCanceledException", Reasons: []string{"ValidationError", "None"}})
			b.fails("transaction", b.Write(b.Context(), two...), fault.Internal)
			for _, kind := range []string{"AccessDeniedException", "ValidationException", "ResourceNotFoundException", "a b " + dynamotest.Echo} {
				b.server.Fail(dynamotest.Fault{Kind: kind})
				b.server.Forget()
				for op, call := range b.everyCall() {
					err := call()
					b.fails(op, err, fault.Internal)
					if strings.HasSuffix(kind, "Exception") && !strings.Contains(err.Error(), kind) {
						b.Errorf("%s: got error %v, want one that says %s", op, err, kind)
					}
				}
				if got := len(b.server.Calls()); got != 5 {
					b.Errorf("%s: got %d calls, want 5: it does not pass by itself", kind, got)
				}
				b.server.Heal()
			}
		},
		"no such table": func(b box) {
			b.table = "another"
			for op, call := range b.everyCall() {
				if err := call(); err == nil || !strings.Contains(err.Error(), "ResourceNotFoundException") {
					b.Errorf("%s: got error %v", op, err)
				}
			}
		},
		"cancelled between two tries": func(b box) {
			ctx, cancel := context.WithCancel(b.Context())
			b.client = b.server.Client(func(o *dynamodb.Options) {
				o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
					o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { cancel(); return time.Hour, nil })
				})
			})
			b.server.Fail(dynamotest.Fault{Kind: "ThrottlingException"})
			if err := b.Write(ctx, two...); !errors.Is(err, context.Canceled) {
				b.Errorf("got error %v, want context.Canceled", err)
			}
		},
		"cancelled while it waits": func(b box) {
			ctx, cancel := context.WithCancel(b.Context())
			b.pause = func(int) time.Duration { cancel(); return time.Hour }
			b.server.Fail(dynamotest.Fault{Hold: 1})
			if _, err := b.Get(ctx, key("a")); !errors.Is(err, context.Canceled) {
				b.Errorf("got error %v, want context.Canceled", err)
			}
		},
	})
}
