// Package awsfault is how tests order faults from simulators of AWS: which calls fail, after what, and how.
package awsfault

import (
	"net/http"
	"sync"
)

// Fault says how calls fail. Exactly one of Kind, Close and Hold is needed.
type Fault struct {
	Op    string // meets only calls of this operation; "" for all
	Skip  int    // so many calls go through first
	Times int    // and so many fail then; 0 for all that follow
	After bool   // the call is done before it fails

	Status  int      // of the answer; 400 where it is not given
	Kind    string   // the error's name, such as ThrottlingException
	Reasons []string // of DynamoDB's TransactionCanceledException, one code for each action
	Close   bool     // the connection breaks off without an answer
	Hold    int      // so many keys of DynamoDB's BatchGetItem are left unprocessed
}

// Echo stands in every error text that a Fault makes, as AWS may repeat what it was sent: whoever passes such texts on is
// found out by it.
const Echo = "ann@example.com"

// Text is the text of the errors.
const Text = "as ordered by a test: " + Echo

// List is the faults that a simulator was ordered to have. The zero value is none; its methods may be called from any
// goroutine.
type List struct {
	mu  sync.Mutex
	all []*Fault
}

// Fail adds a fault. A call meets the first one added that applies to it.
func (l *List) Fail(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.Times == 0 {
		f.Times = -1
	}
	l.all = append(l.all, &f)
}

// Heal removes all faults.
func (l *List) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = nil
}

// Meet gives the fault that meets a call of an operation, if any.
func (l *List) Meet(op string) *Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.all {
		switch {
		case f.Op != "" && f.Op != op, f.Times == 0:
		case f.Skip > 0:
			f.Skip--
		default:
			if f.Times > 0 {
				f.Times--
			}
			return f
		}
	}
	return nil
}

// Answer gives the status of the fault's answer. Where there is to be none, it breaks the connection off.
func (f *Fault) Answer() (status int) {
	switch {
	case f.Close:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		return f.Status
	}
	return http.StatusBadRequest
}
