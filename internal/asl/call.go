package asl

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// grace is how long a task may take to return after its context has ended.
const grace = 2 * time.Second

// call runs the task of a state. A timeout is reported under the given name.
func (e *execution) call(ctx context.Context, s *state, input any, timeout time.Duration, timeoutName string) (any, error) {
	inTime, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	output, err := invoke(inTime, e.tasks[s.function], encode(input))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case inTime.Err() != nil: // also when it returned something: Step Functions would have gone on without it
		return nil, &failure{timeoutName, fmt.Sprintf("the task of state %s took longer than %s", s.name, timeout)}
	case err != nil:
		return nil, taskFailure(err)
	}
	result, err := decode(output)
	if err != nil {
		return nil, runtimeFailure("the output of the task of state %s is %s", s.name, err)
	}
	return result, within(result, "the output of the task of state "+s.name)
}

// taskFailure names a task's error by its outermost type alone, because Lambda does: a wrapped error that only works
// here would be a Catch that never matches on AWS.
func taskFailure(err error) *failure {
	if named, ok := err.(interface{ ErrorName() string }); ok {
		return &failure{named.ErrorName(), err.Error()}
	}
	return &failure{"Error", err.Error()}
}

// invoke calls a task in a goroutine of its own, so that neither a panic nor a task that does not listen to its context
// takes the execution with it.
func invoke(ctx context.Context, t Task, input []byte) ([]byte, error) {
	type returned struct {
		output []byte
		err    error
	}
	done := make(chan returned, 1)
	go func() {
		res := returned{err: errors.New("the task ended its goroutine without returning")}
		defer func() {
			if value := recover(); value != nil {
				res = returned{err: panicked(value)}
			}
			done <- res
		}()
		output, err := t(ctx, input)
		res = returned{output, err}
	}()
	select {
	case res := <-done:
		return res.output, res.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case res := <-done:
		return res.output, res.err
	case <-timer.C:
		return nil, ctx.Err()
	}
}

// panicked makes an error of a panic. Its text says where it happened, and what only if the Go runtime says it: any
// other value may hold what the task was working on.
func panicked(value any) error {
	what := fmt.Sprintf("a %T", value)
	if err, ok := value.(runtime.Error); ok {
		what = err.Error()
	}
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)]) // without Callers, this and the deferred function
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") || !more {
			return fmt.Errorf("the task panicked with %s in %s, line %d; this is a defect", what, frame.Function, frame.Line)
		}
	}
}

// callForToken runs a task that is done when its token is answered: before or after the call returns, or in a later
// process. The token is saved before the task gets it, so that an answer is never for a token that nobody knows.
func (e *execution) callForToken(ctx context.Context, s *state, input any, sc scope, used []int) (any, error) {
	timeout, timeoutName := s.timeout, Timeout // of the call itself, during which beats move nothing
	beats := s.heartbeat > 0 && !e.opts.Beats
	if beats {
		timeout, timeoutName = s.heartbeat, HeartbeatTimeout
	}
	e.mu.Lock()
	if e.rec.Answer != nil { // it came while nobody was running the execution, or the run was killed after it
		defer e.mu.Unlock()
		return e.takeAnswer()
	}
	if e.rec.Status == Waiting {
		defer e.mu.Unlock()
		switch e.rec.overdue(e.now()) {
		case "":
			return nil, errWaiting
		case HeartbeatTimeout:
			e.rec.Token, e.rec.Status = "", Running
			return nil, &failure{HeartbeatTimeout, fmt.Sprintf("no heartbeat came for the token of state %s within %s", s.name, s.heartbeat)}
		}
		e.rec.Token, e.rec.Status = "", Running
		return nil, &failure{Timeout, fmt.Sprintf("the token of state %s was not answered within %s", s.name, s.timeout)}
	}
	if e.rec.Token == "" { // otherwise the call was interrupted, and its token may be out already
		e.rec.Token = newToken()
	}
	e.rec.Deadline, e.rec.Beat, e.rec.Retries = e.now().Add(s.timeout), time.Time{}, slices.Clone(used)
	if beats {
		e.rec.Beat = e.now().Add(s.heartbeat)
	}
	sc.token = e.rec.Token
	err := e.save(ctx)
	e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if s.parameters != nil {
		if input, err = s.parameters.fill(e.view(s, sc, input)); err == nil {
			err = within(input, "the input of state "+s.name)
		}
	}
	if err == nil {
		_, err = e.call(ctx, s, input, timeout, timeoutName)
	}

	e.mu.Lock()
	defer e.mu.Unlock()
	var f *failure
	switch {
	case e.rec.Answer != nil:
		return e.takeAnswer()
	case errors.As(err, &f):
		e.rec.Token = ""
		return nil, err
	case err != nil:
		return nil, err
	}
	e.rec.Status = Waiting
	if err := e.save(ctx); err != nil {
		e.rec.Status = Running
		return nil, err
	}
	return nil, errWaiting
}

// takeAnswer makes the answer the task's result; e.mu is held. The stored record keeps the answer until the next
// record replaces it.
func (e *execution) takeAnswer() (any, error) {
	a := e.rec.Answer
	e.rec.Token, e.rec.Answer = "", nil
	if a.Failed {
		return nil, &failure{a.Error, a.Cause}
	}
	return decode(a.Output)
}
