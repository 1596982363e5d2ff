package dynamotest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// attribute is an attribute's value as the protocol writes it, as far as the ledger's table has it.
type attribute struct {
	S, N *string `json:",omitempty"`
	B    *[]byte `json:",omitempty"`
}

func (a attribute) size() int {
	switch {
	case a.S != nil:
		return len(*a.S)
	case a.N != nil:
		return len(*a.N)/2 + 2
	case a.B != nil:
		return len(*a.B)
	}
	return 0
}

// action is one Put or Delete of a transaction. Others the ledger does not use, and they are refused.
type action struct {
	TableName                 string
	Item                      map[string]attribute `json:",omitempty"`
	Key                       map[string]attribute `json:",omitempty"`
	ConditionExpression       *string              `json:",omitempty"`
	ExpressionAttributeValues map[string]attribute `json:",omitempty"`
}

func (a action) attributes() map[string]attribute {
	if a.Item != nil {
		return a.Item
	}
	return a.Key
}

// id names the item.
func (a action) id() string {
	text := func(v attribute) string { return base64.StdEncoding.EncodeToString([]byte(aws.ToString(v.S))) }
	return a.TableName + " " + text(a.attributes()["pk"]) + " " + text(a.attributes()["sk"])
}

func (a action) key() map[string]attribute {
	return map[string]attribute{"pk": a.attributes()["pk"], "sk": a.attributes()["sk"]}
}

type transaction struct {
	TransactItems      []struct{ Put, Delete *action }
	ClientRequestToken *string
}

// The limits of a transaction, https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const (
	maxActions = 100
	maxBytes   = 4 << 20
	maxToken   = 36
)

// transact does a TransactWriteItems by dynalite's own conditional PutItem and DeleteItem while nobody else may call
// dynalite: all of them are tried, so that each condition is judged by dynalite and by what is there; when one does not
// hold, those that were done are undone before anybody looks. A write that meets an item which a running transaction has
// in hand is refused, as DynamoDB refuses it.
func (s *Server) transact(r *http.Request, body []byte) answer {
	var in transaction
	read := json.NewDecoder(bytes.NewReader(body))
	read.DisallowUnknownFields()
	if err := read.Decode(&in); err != nil {
		s.note(Call{Op: "TransactWriteItems"})
		return failure("SerializationException", "dynamotest takes Put and Delete with a condition: "+err.Error(), nil)
	}
	c := Call{Op: "TransactWriteItems", Items: len(in.TransactItems)}
	defer func() { s.note(c) }()
	actions, wrong := in.check()
	if wrong != "" {
		return failure("ValidationException", wrong, nil)
	}
	reasons, free := s.take(*in.ClientRequestToken, actions)
	if !free {
		if reasons == nil {
			return failure("TransactionInProgressException", "a transaction with this token is in progress", nil)
		}
		return cancelled(reasons)
	}
	defer s.release(*in.ClientRequestToken, actions)
	s.world.Lock()
	defer s.world.Unlock()
	asked := string(marshal(in)) // bodies of the same call may differ in the order of their fields
	if done, seen := s.tokens[*in.ClientRequestToken]; seen {
		if done != asked {
			return failure("IdempotentParameterMismatchException", "the token came before with other actions", nil)
		}
		return success(http.StatusOK, map[string]any{})
	}
	var undo []action
	refused := false
	for n, a := range actions {
		old, there := s.old(r, a)
		did := s.do(r, a)
		kind := did.kind()
		switch {
		case did.status == http.StatusOK:
			c.Units += 2 * did.units()
			c.Loads = append(c.Loads, a.load(2*did.units()))
			if there {
				undo = append(undo, action{TableName: a.TableName, Item: old})
			} else {
				undo = append(undo, action{TableName: a.TableName, Key: a.key()})
			}
		case kind == "ConditionalCheckFailedException":
			refused = true
			reasons[n] = "ConditionalCheckFailed"
		default: // such as an item that is too large
			s.undo(r, undo)
			return did
		}
	}
	if refused {
		s.undo(r, undo)
		c.Units, c.Loads = 0, nil
		return cancelled(reasons)
	}
	s.tokens[*in.ClientRequestToken] = asked
	return success(http.StatusOK, map[string]any{})
}

func cancelled(codes []string) answer {
	reasons := make([]map[string]string, len(codes))
	for n, code := range codes {
		reasons[n] = map[string]string{"Code": code}
	}
	return failure("TransactionCanceledException",
		"Transaction cancelled, please refer cancellation reasons for specific reasons ["+strings.Join(codes, ", ")+"]",
		map[string]any{"CancellationReasons": reasons})
}

// take takes a transaction's items in hand, and not where another one has some of them: the reasons say which. There are
// none where it has the same token.
func (s *Server) take(token string, actions []action) (reasons []string, free bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hand[token] {
		return nil, false
	}
	free = true
	for _, a := range actions {
		reasons = append(reasons, "None")
		if s.hand[a.id()] {
			reasons[len(reasons)-1], free = "TransactionConflict", false
		}
	}
	if free {
		s.hand[token] = true
		for _, a := range actions {
			s.hand[a.id()] = true
		}
	}
	return reasons, free
}

func (s *Server) release(token string, actions []action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hand, token)
	for _, a := range actions {
		delete(s.hand, a.id())
	}
}

// meetsTransaction tells whether a PutItem or DeleteItem wants what a running transaction has in hand.
func (s *Server) meetsTransaction(op string, body []byte) bool {
	var a action
	if op != "PutItem" && op != "DeleteItem" || json.Unmarshal(body, &a) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hand[a.id()]
}

// check gives the actions, or what is wrong with the transaction as a whole.
func (t transaction) check() (actions []action, wrong string) {
	if t.ClientRequestToken == nil || *t.ClientRequestToken == "" || len(*t.ClientRequestToken) > maxToken {
		// DynamoDB takes one without a token; it would not be safe to repeat.
		return nil, "Member must have a clientRequestToken of length between 1 and 36"
	}
	if len(t.TransactItems) < 1 || len(t.TransactItems) > maxActions {
		return nil, "Member must have length less than or equal to 100 and greater than or equal to 1"
	}
	seen := map[string]bool{}
	size := 0
	for _, i := range t.TransactItems {
		if (i.Put == nil) == (i.Delete == nil) {
			return nil, "TransactItems can only contain one of Check, Put, Update or Delete"
		}
		a := i.Put
		if a == nil {
			a = i.Delete
		}
		if (i.Put != nil) != (a.Item != nil) || (i.Delete != nil) != (a.Key != nil) {
			return nil, "a Put has an Item, a Delete has a Key"
		}
		pk, sk := a.attributes()["pk"].S, a.attributes()["sk"].S
		if pk == nil || sk == nil {
			return nil, "The provided key element does not match the schema"
		}
		if seen[a.id()] {
			return nil, "Transaction request cannot include multiple operations on one item"
		}
		seen[a.id()] = true
		for name, v := range a.attributes() {
			size += len(name) + v.size()
		}
		actions = append(actions, *a)
	}
	if size > maxBytes {
		return nil, "the items of a transaction may not be more than 4 MB together"
	}
	return actions, ""
}

func (s *Server) do(r *http.Request, a action) answer {
	op := "PutItem"
	if a.Item == nil {
		op = "DeleteItem"
	}
	return s.forward(r, op, marshal(a))
}

// old is what is there under an action's key.
func (s *Server) old(r *http.Request, a action) (item map[string]attribute, there bool) {
	got := s.forward(r, "GetItem", marshal(map[string]any{"TableName": a.TableName, "Key": a.key(), "ConsistentRead": true}))
	var out struct{ Item map[string]attribute }
	if got.status == http.StatusOK && json.Unmarshal(got.body, &out) != nil {
		panic("dynamotest: an item of the ledger's table has other attributes than the ledger writes")
	}
	return out.Item, out.Item != nil
}

func (s *Server) undo(r *http.Request, done []action) {
	for _, a := range slices.Backward(done) {
		if did := s.do(r, a); did.status != http.StatusOK {
			panic("dynamotest: an action cannot be undone")
		}
	}
}

// kind is the name of the error, if the answer is one.
func (a answer) kind() string {
	var out struct {
		Type string `json:"__type"`
	}
	if json.Unmarshal(a.body, &out) != nil {
		return ""
	}
	_, kind, _ := strings.Cut(out.Type, "#")
	return kind
}

func marshal(v any) []byte { return success(http.StatusOK, v).body }
