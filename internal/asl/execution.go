package asl

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// errWaiting ends a run whose execution is saved as waiting.
var errWaiting = errors.New("waits for its token")

// execution is one execution while a call of the Runner runs it.
type execution struct {
	*Runner
	name  string
	done  chan struct{} // closed when the call has ended
	input any           // of the execution, for $$.Execution.Input

	mu      sync.Mutex // guards the fields below; answers come from other goroutines
	rec     record
	refused bool // the call ends without having run it, so that no answer may be left with it
}

func (e *execution) release() {
	e.Runner.mu.Lock()
	delete(e.active, e.name)
	e.Runner.mu.Unlock()
	close(e.done)
}

func (e *execution) load(ctx context.Context) error {
	b, err := e.store.Load(ctx, e.name)
	if err == nil {
		e.rec, err = decodeRecord(b)
	}
	if err != nil {
		e.rec = record{}
		return fmt.Errorf("execution %s: %w", e.name, err)
	}
	return nil
}

// save writes the record; e.mu is held.
func (e *execution) save(ctx context.Context) error {
	// Not json.Marshal: it would rewrite the < of an input, and Start would no longer see the same input.
	if err := e.store.Save(ctx, e.name, encode(e.rec)); err != nil {
		return fmt.Errorf("save execution %s: %w", e.name, err)
	}
	return nil
}

// waitsFor tells whether the execution waits for a token and there is time left for it: ErrToken, ErrTimedOut; e.mu is held.
func (e *execution) waitsFor(token string) error {
	switch {
	case token == "" || e.rec.Token != token || e.rec.Answer != nil || e.rec.Status != Running && e.rec.Status != Waiting:
		return fmt.Errorf("execution %s: %w", e.name, ErrToken)
	case e.rec.overdue(e.now()) != "" || e.over():
		return fmt.Errorf("execution %s: %w", e.name, ErrTimedOut)
	}
	return nil
}

// enter makes a state the current one; e.mu is held.
func (e *execution) enter(state string, input any) {
	e.rec.Status, e.rec.State, e.rec.StateInput, e.rec.Entered = Running, state, encode(input), e.now()
	e.rec.Token, e.rec.Answer, e.rec.Deadline, e.rec.Retries = "", nil, time.Time{}, nil
	e.rec.Beat = time.Time{}
}

// run goes on from the record, which is saved, until the execution ends, waits or is interrupted.
func (e *execution) run(ctx context.Context) (Result, error) {
	if e.rec.Status == Succeeded || e.rec.Status == Failed {
		return e.rec.result(), nil
	}
	input, err := decode(e.rec.StateInput)
	if err == nil {
		e.input, err = decode(e.rec.Input)
	}
	if err != nil {
		return Result{Status: e.rec.Status}, fmt.Errorf("execution %s: an input in its record is %w", e.name, err)
	}
	inTime := ctx
	if limit := e.machine.timeout; limit > 0 {
		var cancel context.CancelFunc
		inTime, cancel = context.WithTimeout(ctx, e.rec.Started.Add(limit).Sub(e.now()))
		defer cancel()
	}
	for {
		if err := ctx.Err(); err != nil {
			return Result{Status: e.rec.Status}, err
		}
		s := e.machine.states[e.rec.State]
		if s == nil {
			return Result{Status: e.rec.Status}, fmt.Errorf("execution %s stands at state %q, which the definition no longer has; run it with the definition that it was started with", e.name, e.rec.State)
		}
		output, next, err := any(nil), "", error(nil)
		if !e.late(inTime) {
			output, next, err = e.step(inTime, s, input, scope{top: true, entered: e.rec.Entered})
		}
		var f *failure
		switch {
		case err == errWaiting:
			return e.rec.result(), nil
		case ctx.Err() != nil:
			return Result{Status: Running}, ctx.Err()
		case e.late(inTime):
			return e.end(ctx, nil, &failure{Timeout, "the execution took longer than the state machine's TimeoutSeconds"})
		case errors.As(err, &f):
			return e.end(ctx, nil, f)
		case err != nil:
			return Result{Status: Running}, err
		case next == "":
			return e.end(ctx, output, nil)
		}
		e.mu.Lock()
		e.enter(next, output)
		err = e.save(ctx)
		e.mu.Unlock()
		if err != nil {
			return Result{Status: Running}, err
		}
		input = output
	}
}

// late tells whether the machine's TimeoutSeconds are over; inTime is the context that ends then.
func (e *execution) late(inTime context.Context) bool {
	return e.machine.timeout > 0 && inTime.Err() == context.DeadlineExceeded || e.over()
}

// over tells the same by the clock; e.mu is held, or nobody else has the execution.
func (e *execution) over() bool {
	limit := e.machine.timeout
	return limit > 0 && !e.now().Before(e.rec.Started.Add(limit))
}

// end saves the last record, which keeps the outcome and nothing of the way there.
func (e *execution) end(ctx context.Context, output any, f *failure) (Result, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.rec
	e.rec = record{Status: Succeeded, Input: before.Input, Started: before.Started, State: before.State, Ended: e.now()}
	if f == nil {
		e.rec.Output = encode(output)
	} else {
		e.rec.Status, e.rec.Error, e.rec.Cause = Failed, f.name, f.cause
	}
	if err := e.save(ctx); err != nil {
		e.rec = before
		return Result{Status: Running}, err
	}
	return e.rec.result(), nil
}

func (e *execution) observe(kind EventKind, s *state, sc scope, ev Event) {
	if e.opts.Observe == nil {
		return
	}
	ev.At, ev.Execution, ev.Kind, ev.State = e.now(), e.name, kind, s.name
	if sc.item != nil {
		index := sc.item.index
		ev.Item = &index
	}
	e.observing.Lock()
	defer e.observing.Unlock()
	e.opts.Observe(ev)
}
