package batchtest

import (
	"fmt"
	"io"
	"net/http"
)

// Fault says how calls fail. Exactly one of Status, Body, Close and Hang is needed; Code, Header and After add to it.
type Fault struct {
	App   string // meets only calls to the app with this key; "" for all calls
	Skip  int    // so many calls go through first
	Times int    // and so many fail then; 0 for all that follow
	After bool   // the order is taken (where the call is a good one) before the call fails

	Status int         // the answer's status; 200 where only Body is given
	Code   int         // one of the eight documented codes, with its documented body; 0 for an empty body
	Header http.Header // of the answer, such as Retry-After
	Body   string      // in the place of the documented body
	Close  bool        // the connection breaks off without an answer
	Hang   bool        // no answer until the client gives up
}

// deliberate marks an answer that a fault made, for checks against the contract: the fault may break it.
const deliberate = "X-Deliberate-Fault"

// Fail adds a fault. A call meets the first one added that applies to it.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = -1
	}
	s.faults = append(s.faults, &f)
}

// Heal removes all faults; poisoned ids stay.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// meets counts a call to app and tells whether it fails. The caller holds the lock.
func (f *Fault) meets(app string) bool {
	switch {
	case f.App != "" && f.App != app, f.Times == 0:
		return false
	case f.Skip > 0:
		f.Skip--
		return false
	}
	if f.Times > 0 {
		f.Times--
	}
	return true
}

// send fails a call and gives the status that the client sees.
func (f *Fault) send(w http.ResponseWriter, r *http.Request) int {
	switch {
	case f.Hang:
		<-r.Context().Done()
		return 0
	case f.Close:
		panic(http.ErrAbortHandler)
	}
	w.Header().Set(deliberate, "yes")
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	if f.Body == "" && f.Code != 0 {
		answer(w, status, body(f.Code, "as ordered by a test"))
		return status
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, f.Body)
	return status
}

// refusal is an error that the API's page documents.
type refusal struct {
	status, code int
	why          string
}

func refuse(code int, format string, args ...any) *refusal {
	status := map[int]int{1: 500, 2: 503, 10: 401, 12: 403, 20: 404, 30: 400, 31: 400, 32: 400}[code]
	return &refusal{status, code, fmt.Sprintf(format, args...)}
}

func (b *refusal) send(w http.ResponseWriter) { answer(w, b.status, body(b.code, b.why)) }

// body is an error body. The page gives names and codes; the shape is that of Batch's other pages.
func body(code int, why string) any {
	name := map[int]string{
		1: "SERVER_ERROR", 2: "MAINTENANCE_ERROR", 10: "AUTHENTICATION_INVALID", 12: "API_MISUSE", 20: "ROUTE_NOT_FOUND",
		30: "MISSING_PARAMETER", 31: "MALFORMED_PARAMETER", 32: "MALFORMED_JSON_BODY",
	}[code]
	return map[string]any{"code": code, "message": name + ": " + why}
}
