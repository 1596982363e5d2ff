// Package batchtest is a simulator of Batch's Custom Data API 1.0 (delete): stateful, strict, and able to fail in the
// ways that a provider fails. Tests and the demo serve it over HTTP, so that the real client runs against it.
package batchtest

import (
	_ "embed" // for the contract
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
)

//go:embed openapi.yaml
var spec string

// Spec is the contract of the simulated API as an OpenAPI 3.0 document in our own words.
func Spec() []byte { return []byte(spec) }

const maxIDs = 10000 // https://doc.batch.com/developer/api/mep/custom-data-api/delete, "Bulk deletes"

// Call is one call that the simulator got, in the order of arrival.
type Call struct {
	App    string   // the app key in its path; "" where the path is none of the API's
	Bulk   bool     // the form with the ids in the body
	IDs    []string // what it asked to delete; nil where that could not be read
	Status int      // the answer; 0 where none was given
	Token  string   // of the transaction, where one was opened
}

// Server simulates Batch for one company. Its methods may be called at any time, from any goroutine.
type Server struct {
	restKey string

	mu     sync.Mutex
	users  map[string]map[string]bool // per app key
	orders []*order
	delay  int
	faults []*Fault
	poison map[string]bool
	calls  []Call
}

// order is an accepted deletion that is not visible yet.
type order struct {
	app  string
	ids  []string
	left int // calls to come before it is
}

// New makes a simulator with a company's REST key, and the users of each of its apps by app key.
func New(restKey string, apps map[string][]string) *Server {
	s := &Server{restKey: restKey, users: map[string]map[string]bool{}, poison: map[string]bool{}}
	for key, ids := range apps {
		s.users[key] = make(map[string]bool, len(ids))
		for _, id := range ids {
			s.users[key][id] = true
		}
	}
	return s
}

// Delay makes deletions that are ordered from now on visible only after so many further calls, or at Process. Batch
// documents a processing time without a figure.
func (s *Server) Delay(calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = calls
}

// Process makes all ordered deletions visible.
func (s *Server) Process() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.orders {
		s.remove(o)
	}
	s.orders = nil
}

// Poison makes every call that names this id fail with MALFORMED_PARAMETER; nothing of such a call is deleted.
func (s *Server) Poison(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.poison[id] = true
}

// Users gives the users that an app still has, in order.
func (s *Server) Users(app string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.users[app]))
}

// Calls gives every call so far, those that failed included.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *Server) remove(o *order) {
	for _, id := range o.ids {
		delete(s.users[o.app], id)
	}
}

// arrive notes a call, lets time pass for earlier orders and picks the fault that meets this call, if any.
func (s *Server) arrive(c Call) (n int, f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
	s.orders = slices.DeleteFunc(s.orders, func(o *order) bool {
		if o.left--; o.left <= 0 {
			s.remove(o)
		}
		return o.left <= 0
	})
	for _, candidate := range s.faults {
		if candidate.meets(c.App) {
			f = candidate
			break
		}
	}
	return len(s.calls) - 1, f
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The body first: net/http notices that a client has gone only after the body was read, and Hang waits for that.
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	app, ids, bulk, refusal := s.read(r, body)
	n, f := s.arrive(Call{App: app, Bulk: bulk, IDs: ids})
	if f != nil && !f.After {
		s.note(n, f.send(w, r), "")
		return
	}
	if refusal != nil {
		s.note(n, refusal.status, "")
		refusal.send(w)
		return
	}
	token := s.order(app, ids)
	if f != nil {
		s.note(n, 0, token)
		s.note(n, f.send(w, r), token)
		return
	}
	s.note(n, http.StatusOK, token)
	answer(w, http.StatusOK, map[string]string{"token": token})
}

func (s *Server) note(n, status int, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[n].Status, s.calls[n].Token = status, token
}

func (s *Server) order(app string, ids []string) (token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &order{app: app, ids: ids, left: s.delay}
	if o.left <= 0 {
		s.remove(o)
	} else {
		s.orders = append(s.orders, o)
	}
	return uuid.NewString()
}

// read checks a request as strictly as the API's page allows to, and says what it asks for.
func (s *Server) read(r *http.Request, body []byte) (app string, ids []string, bulk bool, bad *refusal) {
	parts := strings.Split(r.URL.EscapedPath(), "/")
	if len(parts) < 5 || len(parts) > 6 || parts[0] != "" || parts[1] != "1.0" || parts[3] != "data" || parts[4] != "users" {
		return "", nil, false, refuse(20, "no such route")
	}
	app, err := url.PathUnescape(parts[2])
	if err != nil || app == "" {
		return "", nil, false, refuse(20, "no such route")
	}
	bulk = len(parts) == 5
	var unreadable *refusal
	if bulk {
		ids, unreadable = readBulk(body)
	} else {
		ids, unreadable = readSingle(parts[5], body)
	}
	// The page's examples of both forms have it.
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if (err != nil || kind != "application/json") && (unreadable == nil || unreadable.code != 20) {
		unreadable = refuse(32, "Content-Type is not application/json")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Method != http.MethodDelete:
		return app, nil, bulk, refuse(20, "%s is not offered here", r.Method)
	case len(r.Header["X-Authorization"]) != 1 || r.Header["X-Authorization"][0] != s.restKey:
		return app, ids, bulk, refuse(10, "X-Authorization is not a valid REST key")
	case s.users[app] == nil:
		return app, ids, bulk, refuse(12, "this company has no such app")
	case unreadable != nil:
		return app, ids, bulk, unreadable
	}
	for n, id := range ids {
		if s.poison[id] {
			// The id stands in the message on purpose: whoever passes messages on is found out by tests.
			return app, ids, bulk, refuse(31, "id %d, %q, is malformed", n, id)
		}
	}
	return app, ids, bulk, nil
}

func readSingle(segment string, body []byte) ([]string, *refusal) {
	id, err := url.PathUnescape(segment)
	switch {
	case err != nil || id == "" || segment == "." || segment == "..":
		return nil, refuse(20, "no such route")
	case len(body) > 0:
		return []string{id}, refuse(31, "a single delete has no payload")
	}
	return []string{id}, nil
}

func readBulk(body []byte) ([]string, *refusal) {
	if len(body) == 0 {
		return nil, refuse(30, "the payload is missing")
	}
	var in []*string // null is no string
	if err := json.Unmarshal(body, &in); err != nil || in == nil {
		return nil, refuse(32, "the payload is not a JSON array of strings")
	}
	ids := make([]string, len(in))
	for n, id := range in {
		if id == nil || *id == "" {
			return nil, refuse(31, "id %d is not a user id", n)
		}
		ids[n] = *id
	}
	switch {
	case len(ids) == 0:
		return ids, refuse(30, "no user id")
	case len(ids) > maxIDs:
		return ids, refuse(31, "more than %d user ids", maxIDs)
	}
	return ids, nil
}

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("batchtest: answers always marshal: %v", err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}
