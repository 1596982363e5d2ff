package dynamotest

import "net/http"

// Fault says how calls fail. Exactly one of Kind, Close and Hold is needed.
type Fault struct {
	Op    string // meets only calls of this operation; "" for all
	Skip  int    // so many calls go through first
	Times int    // and so many fail then; 0 for all that follow
	After bool   // the call is done before it fails

	Status  int      // of the answer; 400 where it is not given
	Kind    string   // the error's name, such as ThrottlingException; its text repeats what was sent
	Reasons []string // of a TransactionCanceledException, one code for each action
	Close   bool     // the connection breaks off without an answer
	Hold    int      // so many keys of a BatchGetItem are left unprocessed
}

// Fail adds a fault. A call meets the first one added that applies to it.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = -1
	}
	s.faults = append(s.faults, &f)
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// meet gives the fault that meets a call, if any.
func (s *Server) meet(op string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
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

func (f *Fault) send(w http.ResponseWriter) {
	if f.Close {
		panic(http.ErrAbortHandler)
	}
	more := map[string]any{}
	if f.Reasons != nil {
		var reasons []map[string]string
		for _, code := range f.Reasons {
			reasons = append(reasons, map[string]string{"Code": code})
		}
		more["CancellationReasons"] = reasons
	}
	a := failure(f.Kind, "as ordered by a test: "+Echo, more)
	if f.Status != 0 {
		a.status = f.Status
	}
	a.send(w)
}

// Echo stands in every error text that a Fault makes, as DynamoDB may repeat what it was sent: whoever passes such
// texts on is found out by it.
const Echo = "ann@example.com"
