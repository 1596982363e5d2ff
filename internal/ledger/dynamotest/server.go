package dynamotest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/lethe-dsr/lethe/internal/awsfault"
)

// Call is one call that the Server got, in the order of arrival.
type Call struct {
	Op    string  // PutItem and so on
	Items int     // keys of a BatchGetItem, actions of a TransactWriteItems; 1 otherwise
	Units float64 // read or write units that it cost; 0 where it was not done
	Loads []Load  // how they fall on partition keys; none where it was not done
}

// Server is dynalite with transactions. Start and Launch make it; its methods may be called from any goroutine.
type Server struct {
	URL string // of the endpoint, for AWS_ENDPOINT_URL_DYNAMODB; whoever serves it sets it

	dynalite string
	end      func() error // dynalite, where this Server has launched it

	// world keeps transactions apart from each other and from all other calls: everybody sees all of one or nothing.
	world sync.RWMutex

	awsfault.List // what it is ordered to fail at

	mu     sync.Mutex
	calls  []Call
	tokens map[string]string // by the ClientRequestToken of a transaction that was done: what it asked
	hand   map[string]bool   // items of running transactions, and their tokens
}

func newServer(dynalite string) *Server {
	return &Server{dynalite: dynalite, end: func() error { return nil }, tokens: map[string]string{}, hand: map[string]bool{}}
}

// Calls gives every call so far, those that failed included.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Forget begins the count of calls anew.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20)) // DynamoDB's limit, and dynalite's
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	f := s.Meet(op)
	if f != nil && !f.After && f.Hold == 0 {
		s.note(Call{Op: op, Items: 1})
		send(w, f)
		return
	}
	var a answer
	switch op {
	case "TransactWriteItems":
		a = s.transact(r, body)
	case "BatchGetItem":
		a = s.batchGet(r, body, f)
	default:
		if s.meetsTransaction(op, body) {
			s.note(Call{Op: op, Items: 1})
			failure("TransactionConflictException", "Transaction is ongoing for the item", nil).send(w)
			return
		}
		s.world.RLock()
		a = s.forward(r, op, body)
		s.world.RUnlock()
		c := Call{Op: op, Items: 1, Units: a.units()}
		if a.status == http.StatusOK {
			c.Loads = loads(op, body, c.Units)
		}
		s.note(c)
	}
	if f != nil && f.After {
		send(w, f)
		return
	}
	a.send(w)
}

func (s *Server) note(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
}

// answer is dynalite's, or one of its form.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) send(w http.ResponseWriter) {
	for _, name := range []string{"Content-Type", "X-Amz-Crc32", "X-Amzn-Requestid"} {
		if v := a.header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(a.status)
	w.Write(a.body)
}

// units is what the answer says about its cost.
func (a answer) units() float64 {
	type cost struct{ CapacityUnits float64 }
	var one struct{ ConsumedCapacity cost }
	var many struct{ ConsumedCapacity []cost }
	switch {
	case json.Unmarshal(a.body, &one) == nil:
		return one.ConsumedCapacity.CapacityUnits
	case json.Unmarshal(a.body, &many) == nil && len(many.ConsumedCapacity) == 1:
		return many.ConsumedCapacity[0].CapacityUnits
	}
	return 0
}

// failure is the answer to a call that DynamoDB refuses.
func failure(kind, message string, more map[string]any) answer {
	document := map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#" + kind, "message": message}
	for name, v := range more {
		document[name] = v
	}
	return success(http.StatusBadRequest, document)
}

func success(status int, document any) answer {
	b, err := json.Marshal(document)
	if err != nil {
		panic(fmt.Sprintf("dynamotest: answers always marshal: %v", err))
	}
	return answer{status, http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, b}
}

// forward has dynalite do a call, signed as r was, and asks for its cost.
func (s *Server) forward(r *http.Request, op string, body []byte) answer {
	switch op {
	case "PutItem", "DeleteItem", "GetItem", "BatchGetItem", "Query":
		var fields map[string]json.RawMessage
		if json.Unmarshal(body, &fields) == nil && fields != nil {
			fields["ReturnConsumedCapacity"] = json.RawMessage(`"TOTAL"`)
			body, _ = json.Marshal(fields)
		}
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, s.dynalite+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for _, name := range []string{"Content-Type", "Authorization", "X-Amz-Date"} {
		out.Header.Set(name, r.Header.Get(name))
	}
	api, _, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	out.Header.Set("X-Amz-Target", api+"."+op)
	in, err := http.DefaultClient.Do(out)
	if err != nil {
		panic(http.ErrAbortHandler) // the test's client sees a broken connection
	}
	defer in.Body.Close()
	b, err := io.ReadAll(in.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return answer{in.StatusCode, in.Header, b}
}

// batchGet holds back keys where a fault says so.
func (s *Server) batchGet(r *http.Request, body []byte, f *Fault) answer {
	s.world.RLock()
	defer s.world.RUnlock()
	type table struct {
		Keys           []json.RawMessage
		ConsistentRead bool
	}
	var in struct{ RequestItems map[string]table }
	if err := json.Unmarshal(body, &in); err != nil {
		return failure("SerializationException", "no BatchGetItem", nil)
	}
	items := 0
	unprocessed := map[string]table{}
	for name, t := range in.RequestItems {
		items += len(t.Keys)
		if f != nil && f.Hold > 0 {
			answered := max(0, len(t.Keys)-f.Hold)
			unprocessed[name] = table{t.Keys[answered:], t.ConsistentRead}
			t.Keys = t.Keys[:answered]
			in.RequestItems[name] = t
		}
		if len(t.Keys) == 0 {
			s.note(Call{Op: "BatchGetItem", Items: items})
			return success(http.StatusOK, map[string]any{"Responses": map[string]any{}, "UnprocessedKeys": unprocessed})
		}
	}
	if len(unprocessed) == 0 {
		a := s.forward(r, "BatchGetItem", body)
		s.note(Call{Op: "BatchGetItem", Items: items, Units: a.units(), Loads: batchLoads(body, a)})
		return a
	}
	part, err := json.Marshal(in)
	if err != nil {
		panic(fmt.Sprintf("dynamotest: what was read always marshals: %v", err))
	}
	a := s.forward(r, "BatchGetItem", part)
	s.note(Call{Op: "BatchGetItem", Items: items, Units: a.units(), Loads: batchLoads(part, a)})
	var document map[string]any
	if a.status != http.StatusOK || json.Unmarshal(a.body, &document) != nil {
		return a
	}
	document["UnprocessedKeys"] = unprocessed
	return success(http.StatusOK, document)
}
