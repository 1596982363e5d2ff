package asl

import "time"

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	Entered EventKind = "entered" // a state began
	Left    EventKind = "left"    // a state ended well
	Retried EventKind = "retried" // a state reported Error and is tried again after Delay
	Caught  EventKind = "caught"  // a state reported Error, and Catch leads to Next
	Broken  EventKind = "failed"  // a state reported Error, and nothing in it handles that
	Waits   EventKind = "waiting" // a state waits for its token
)

// Event is one step of an execution, for progress and logs. It carries no payload and no cause, so that it is as safe
// to print as the names of states and errors are.
type Event struct {
	At        time.Time     `json:"at"`
	Execution string        `json:"execution"`
	Kind      EventKind     `json:"kind"`
	State     string        `json:"state"`
	Item      *int          `json:"item,omitempty"` // index in the innermost Map around the state; nil outside of Maps
	Next      string        `json:"next,omitempty"`
	Error     string        `json:"error,omitempty"`
	Delay     time.Duration `json:"delay,omitempty"` // nanoseconds
}
