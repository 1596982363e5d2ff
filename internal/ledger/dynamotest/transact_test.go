package dynamotest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func keyOf(sk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": text("p"), "sk": text(sk)}
}

// put and del are actions that need the item's version to be n, or none to be there for 0.
func put(sk string, n int) types.TransactWriteItem {
	item := keyOf(sk)
	item["version"] = &types.AttributeValueMemberN{Value: fmt.Sprint(n + 1)}
	p := &types.Put{TableName: aws.String("ledger"), Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)")}
	if n > 0 {
		p.ConditionExpression = aws.String("version = :v")
		p.ExpressionAttributeValues = map[string]types.AttributeValue{":v": &types.AttributeValueMemberN{Value: fmt.Sprint(n)}}
	}
	return types.TransactWriteItem{Put: p}
}

func del(sk string, n int) types.TransactWriteItem {
	d := &types.Delete{TableName: aws.String("ledger"), Key: keyOf(sk)}
	if n > 0 {
		d.ConditionExpression = aws.String("version = :v")
		d.ExpressionAttributeValues = map[string]types.AttributeValue{":v": &types.AttributeValueMemberN{Value: fmt.Sprint(n)}}
	}
	return types.TransactWriteItem{Delete: d}
}

func transact(client *dynamodb.Client, token string, items ...types.TransactWriteItem) error {
	in := &dynamodb.TransactWriteItemsInput{TransactItems: items}
	if token != "" {
		in.ClientRequestToken = &token
	}
	_, err := client.TransactWriteItems(context.Background(), in)
	return err
}

func holds(t *testing.T, client *dynamodb.Client, want string) {
	t.Helper()
	out, err := client.Query(t.Context(), &dynamodb.QueryInput{TableName: aws.String("ledger"), KeyConditionExpression: aws.String("pk = :p"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": text("p")}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range out.Items {
		got = append(got, i["sk"].(*types.AttributeValueMemberS).Value+"@"+i["version"].(*types.AttributeValueMemberN).Value)
	}
	if got := strings.Join(got, " "); got != want {
		t.Errorf("items: got %q, want %q", got, want)
	}
}

func refused(t *testing.T, what string, err error, want string) {
	t.Helper()
	var named smithy.APIError
	if !errors.As(err, &named) || named.ErrorCode() != want {
		t.Errorf("%s: got error %v, want %s", what, err, want)
	}
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	s := Start(t)
	s.Table(t, "ledger")
	client := s.Client()
	if err := transact(client, "first", put("a", 0), put("b", 0), del("never there", 0)); err != nil {
		t.Fatal(err)
	}
	holds(t, client, "a@1 b@1")

	err := transact(client, "", put("a", 1), del("b", 1), put("c", 0), put("a2", 3), del("a3", 1), put("d", 0))
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		t.Fatalf("got error %v, want TransactionCanceledException", err)
	}
	var codes []string
	for _, r := range cancelled.CancellationReasons {
		codes = append(codes, aws.ToString(r.Code))
	}
	if got, want := strings.Join(codes, " "), "None None None ConditionalCheckFailed ConditionalCheckFailed None"; got != want {
		t.Errorf("reasons: got %s, want %s", got, want)
	}
	holds(t, client, "a@1 b@1")

	if err := transact(client, "first", put("a", 0), put("b", 0), del("never there", 0)); err != nil {
		t.Errorf("the same transaction again: %v", err)
	}
	refused(t, "another one by the same token", transact(client, "first", put("a", 1)), "IdempotentParameterMismatchException")
	holds(t, client, "a@1 b@1")

	large := put("large", 0)
	large.Put.Item["data"] = &types.AttributeValueMemberB{Value: make([]byte, 400<<10)}
	refused(t, "too large an item", transact(client, "", put("a", 1), large), "ValidationException")
	var many []types.TransactWriteItem
	for n := range 101 {
		many = append(many, put(fmt.Sprint(n), 0))
	}
	refused(t, "101 actions", transact(client, "", many...), "ValidationException")
	for n := range 13 {
		many[n].Put.Item["data"] = &types.AttributeValueMemberB{Value: make([]byte, 399<<10)}
	}
	refused(t, "more than 4 MB", transact(client, "", many[:13]...), "ValidationException")
	refused(t, "an item twice", transact(client, "", put("a", 1), del("a", 1)), "ValidationException")
	refused(t, "two actions in one", transact(client, "", types.TransactWriteItem{Put: put("x", 0).Put, Delete: del("y", 0).Delete}), "ValidationException")
	refused(t, "no key", transact(client, "", types.TransactWriteItem{Put: &types.Put{TableName: aws.String("ledger"), Item: map[string]types.AttributeValue{"pk": text("p")}}}), "ValidationException")
	refused(t, "too long a token", transact(client, strings.Repeat("x", 37), put("x", 0)), "ValidationException")
	refused(t, "what it cannot do", transact(client, "", types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: aws.String("ledger"), Key: keyOf("a"), ConditionExpression: aws.String("version = version")}}), "SerializationException")
	holds(t, client, "a@1 b@1")
}

func TestWhatATransactionHasInHandIsRefusedToOthers(t *testing.T) {
	t.Parallel()
	s := Start(t)
	s.Table(t, "ledger")
	client := s.Client()
	running := []action{{TableName: "ledger", Key: map[string]attribute{"pk": {S: aws.String("p")}, "sk": {S: aws.String("a")}}}}
	if _, free := s.take("running", running); !free {
		t.Fatal("an item is in hand at the start")
	}
	err := transact(client, "", put("b", 0), put("a", 0))
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) || aws.ToString(cancelled.CancellationReasons[1].Code) != "TransactionConflict" || aws.ToString(cancelled.CancellationReasons[0].Code) != "None" {
		t.Errorf("transaction: got error %v, want TransactionConflict for the second item", err)
	}
	_, err = client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("ledger"), Item: put("a", 0).Put.Item})
	refused(t, "put", err, "TransactionConflictException")
	_, err = client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("ledger"), Key: keyOf("a")})
	refused(t, "delete", err, "TransactionConflictException")
	refused(t, "the same token", transact(client, "running", put("c", 0)), "TransactionInProgressException")
	if err := transact(client, "", put("d", 0), put("e", 0)); err != nil {
		t.Errorf("other items: %v", err)
	}
	s.release("running", running)
	if err := transact(client, "running", put("a", 0), put("b", 0)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	holds(t, client, "a@1 b@1 d@1 e@1")
}

// Nobody sees a transaction that is not done, or is undone.
func TestTransactionsAreSeenWhole(t *testing.T) {
	t.Parallel()
	s := Start(t)
	s.Table(t, "ledger")
	client := s.Client()
	if err := transact(client, "", put("a", 0), put("b", 0)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := range 8 {
				refused(t, "a condition that does not hold, or another such transaction", transact(client, "", put("a", 1), del("b", 1), put("c", 0), put("d", n+9)), "TransactionCanceledException")
			}
		})
	}
	for range 20 {
		holds(t, client, "a@1 b@1")
	}
	wg.Wait()
}
