package asl

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Error names that the language defines. The package comment says what raises them.
const (
	All                    = "States.ALL"
	Timeout                = "States.Timeout"
	TaskFailed             = "States.TaskFailed"
	Runtime                = "States.Runtime"
	ParameterPathFailure   = "States.ParameterPathFailure"
	ResultPathMatchFailure = "States.ResultPathMatchFailure"
	NoChoiceMatched        = "States.NoChoiceMatched"
	DataLimitExceeded      = "States.DataLimitExceeded"
	HeartbeatTimeout       = "States.HeartbeatTimeout"
)

// failure is what a state reports: an error that Retry and Catch may handle. Any other error stops the execution where
// it is and leaves it to be resumed.
type failure struct{ name, cause string }

func (f *failure) Error() string { return f.name + ": " + f.cause }

func runtimeFailure(format string, args ...any) error {
	return &failure{Runtime, fmt.Sprintf(format, args...)}
}

// output is the error output that a Catch puts into the next state's input.
func (f *failure) output() any { return map[string]any{"Error": f.name, "Cause": f.cause} }

// matches tells whether a list of ErrorEquals holds this error. By the Step Functions guide, States.ALL matches neither
// Runtime nor DataLimitExceeded, nothing handles Runtime, TaskFailed is all but Timeout, and Timeout is also what a
// missing heartbeat is.
func (f *failure) matches(errorEquals []string) bool {
	return slices.ContainsFunc(errorEquals, func(name string) bool {
		switch {
		case f.name == Runtime:
			return false
		case name == f.name:
			return true
		case f.name == DataLimitExceeded:
			return false
		}
		return name == All ||
			name == TaskFailed && f.name != Timeout ||
			name == Timeout && f.name == HeartbeatTimeout
	})
}

// retrier is one entry of Retry. Its attempts are counted for each visit of its state.
type retrier struct {
	errorEquals  []string
	interval     float64 // seconds before the first retry
	maxAttempts  int
	backoffRate  float64
	maxDelay     float64 // seconds; 0 for none
	randomDelays bool    // JitterStrategy FULL: anything between 0 and the delay
}

// delay is how long to wait before retry number n, counted from 0. random is in [0, 1).
func (r retrier) delay(n int, random float64) time.Duration {
	seconds := r.interval * math.Pow(r.backoffRate, float64(n))
	if r.maxDelay > 0 {
		seconds = min(seconds, r.maxDelay)
	}
	seconds = min(seconds, maxSeconds)
	if r.randomDelays {
		seconds *= random
	}
	return time.Duration(seconds * float64(time.Second))
}

// catcher is one entry of Catch.
type catcher struct {
	errorEquals []string
	resultPath  *path // nil: the error output is dropped
	next        string
}
