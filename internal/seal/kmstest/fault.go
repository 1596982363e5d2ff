package kmstest

import "net/http"

// Fault says how calls fail. One of Kind and Close is needed.
type Fault struct {
	Op    string // meets only calls of this operation; "" for all
	Skip  int    // so many calls go through first
	Times int    // and so many fail then; 0 for all that follow
	After bool   // the call is done before it fails

	Status int    // of the answer; 400 where it is not given
	Kind   string // the error's name, such as ThrottlingException
	Close  bool   // the connection breaks off without an answer
}

// Echo stands in every error text that a Fault makes: whoever passes such texts on is found out by it.
const Echo = "ann@example.com"

// Fail adds a fault. A call meets the first one added that applies to it.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = -1
	}
	s.faults = append(s.faults, &f)
}

// Heal removes all faults; disabled keys stay.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// arrive notes a call and gives the fault that meets it, if any.
func (s *Server) arrive(c Call) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
	for _, f := range s.faults {
		switch {
		case f.Op != "" && f.Op != c.Op, f.Times == 0:
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
	bad := refuse(f.Kind, "as ordered by a test: "+Echo)
	if f.Status != 0 {
		bad.status = f.Status
	}
	bad.send(w)
}
