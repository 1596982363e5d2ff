package asl

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	randv2 "math/rand/v2"
	"regexp"
	"sync"
	"time"
)

// Task is what a Task state calls: JSON in, JSON out. An error whose own type, not one that it wraps, has a method
// ErrorName() string goes by that name, any other by "Error", as Lambda goes by the outermost type; its text is the
// Cause, which is stored and shown. A Task stops soon after its context has ended: after a grace of two seconds it is
// left behind.
type Task func(ctx context.Context, input []byte) (output []byte, err error)

// Options of a Runner; the zero value is what a program wants.
type Options struct {
	Now     func() time.Time                                 // default time.Now
	Sleep   func(ctx context.Context, d time.Duration) error // default waits for d or the context's end
	Jitter  func() float64                                   // in [0, 1); default random
	Observe func(Event)                                      // called one at a time; must not call the Runner
	Beats   bool                                             // whoever keeps the Store is alive as long as it can be read: only TimeoutSeconds counts for a token
}

// Errors of a Runner that callers branch on.
var (
	// ErrExists: there is an execution of this name, with another input.
	ErrExists = errors.New("an execution of this name exists with another input; choose another name")
	// ErrToken: the execution waits for another token, or for none any more.
	ErrToken = errors.New("the execution does not wait for this token; it was answered, or replaced by a later one")
	// ErrTimedOut: the answer came too late. Resume takes the execution to what follows from that.
	ErrTimedOut = errors.New("the time to answer this token is over; resume the execution to go on")
)

// Runner runs executions of one machine. Its methods may be called at the same time, also from within a Task.
type Runner struct {
	machine *Machine
	tasks   map[string]Task
	store   Store
	opts    Options

	observing sync.Mutex
	mu        sync.Mutex
	active    map[string]*execution // those that a call of Start, Resume, Succeed or Fail is running
}

// New makes a Runner. tasks are found by placeholder name, such as "OpenJobFunctionArn"; each that the machine uses
// has to be there.
func New(m *Machine, tasks map[string]Task, store Store, opts Options) (*Runner, error) {
	for _, name := range m.resources {
		if tasks[name] == nil {
			return nil, fmt.Errorf("the state machine calls %s, and there is no such task", name)
		}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Sleep == nil {
		opts.Sleep = sleep
	}
	if opts.Jitter == nil {
		opts.Jitter = randv2.Float64
	}
	return &Runner{machine: m, tasks: tasks, store: store, opts: opts, active: map[string]*execution{}}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// now is in UTC and without a monotonic clock, as times are after they have been stored.
func (r *Runner) now() time.Time { return r.opts.Now().UTC().Round(0) }

// Start runs a new execution until it ends or waits. The name is what Step Functions takes: 1 to 80 letters, digits,
// - . and _. No input at all stands for {}. When the execution exists with the same input, Start does what Resume
// does; with another input it answers ErrExists.
//
// A failed execution is a Result, not an error. An error means that the execution stopped on the way and stands where
// its last record says: the context's error after a cancellation, the Store's when it did not save.
func (r *Runner) Start(ctx context.Context, name string, input []byte) (Result, error) {
	prepare, err := r.starting(ctx, name, input)
	if err != nil {
		return Result{}, err
	}
	return r.with(ctx, name, true, prepare)
}

// Create stores a new execution and runs nothing of it: Resume does. From then on it survives a crash. Errors as with Start.
func (r *Runner) Create(ctx context.Context, name string, input []byte) error {
	prepare, err := r.starting(ctx, name, input)
	if err != nil {
		return err
	}
	_, err = r.with(ctx, name, false, prepare)
	return err
}

// Look tells how an execution stands and runs nothing of it; late tells that it waits for a token, and its time or
// the machine's is over, so that Resume takes it to what follows from that. The error is ErrNoExecution when there is none.
func (r *Runner) Look(ctx context.Context, name string) (res Result, late bool, err error) {
	res.Status = Running
	_, err = r.with(ctx, name, false, func(e *execution, running bool) error {
		if running {
			return nil
		}
		if err := e.load(ctx); err != nil {
			return err
		}
		res, late = e.rec.result(), e.rec.Status == Waiting && (e.rec.overdue(r.now()) != "" || e.over())
		return nil
	})
	return res, late, err
}

// starting checks the name and the input of a new execution, and gives what stores it unless it is there.
func (r *Runner) starting(ctx context.Context, name string, input []byte) (func(*execution, bool) error, error) {
	if !regexp.MustCompile(`^[A-Za-z0-9._-]{1,80}$`).MatchString(name) {
		return nil, errors.New("the name of an execution has 1 to 80 letters, digits, dots, dashes and underscores")
	}
	if len(bytes.TrimSpace(input)) == 0 {
		input = []byte("{}")
	}
	v, err := decode(input)
	if err == nil {
		err = within(v, "it")
	}
	if err != nil {
		return nil, fmt.Errorf("the input of execution %s: %w", name, err)
	}
	input = encode(v)
	return func(e *execution, running bool) error {
		if !running {
			err := e.load(ctx)
			if errors.Is(err, ErrNoExecution) {
				now := r.now()
				e.rec = record{Status: Running, Input: input, Started: now}
				e.enter(r.machine.startAt, v)
				return e.save(ctx)
			}
			if err != nil {
				return err
			}
		}
		if !bytes.Equal(e.rec.Input, input) {
			return fmt.Errorf("execution %s: %w", name, ErrExists)
		}
		return nil
	}, nil
}

// Resume takes up an execution that was killed or interrupted. One that waits goes on waiting, unless its time is over;
// one that has ended gives its result; one that this Runner is running already is left alone and Running. The error is
// ErrNoExecution when there is none, otherwise as with Start.
func (r *Runner) Resume(ctx context.Context, name string) (Result, error) {
	return r.with(ctx, name, true, func(e *execution, running bool) error {
		if running {
			return nil
		}
		return e.load(ctx)
	})
}

// Succeed answers a task token with the task's output, as SendTaskSuccess does, and runs the execution on. The answer
// is stored before anything follows from it. While the execution is running, because its task has not returned yet, the
// answer is stored for it and the Result is Running. Errors: ErrToken, ErrTimedOut, ErrNoExecution, and those of Start.
func (r *Runner) Succeed(ctx context.Context, name, token string, output []byte) (Result, error) {
	return r.succeed(ctx, name, true, token, output)
}

// Accept answers a task token as Succeed does, and runs nothing of the execution: Resume does.
func (r *Runner) Accept(ctx context.Context, name, token string, output []byte) error {
	_, err := r.succeed(ctx, name, false, token, output)
	return err
}

func (r *Runner) succeed(ctx context.Context, name string, run bool, token string, output []byte) (Result, error) {
	v, err := decode(output)
	if err == nil {
		err = within(v, "it")
	}
	if err != nil {
		return Result{}, fmt.Errorf("the answer for execution %s: %w", name, err)
	}
	return r.answer(ctx, name, run, token, answer{Output: encode(v)})
}

// Fail answers a task token with an error, as SendTaskFailure does, and runs the execution on. Otherwise as Succeed.
func (r *Runner) Fail(ctx context.Context, name, token, errorName, cause string) (Result, error) {
	return r.answer(ctx, name, true, token, answer{Failed: true, Error: errorName, Cause: cause})
}

func (r *Runner) answer(ctx context.Context, name string, run bool, token string, a answer) (Result, error) {
	return r.with(ctx, name, run, func(e *execution, running bool) error {
		if !running {
			if err := e.load(ctx); err != nil {
				return err
			}
		}
		if err := e.waitsFor(token); err != nil {
			return err
		}
		before := e.rec.Status
		e.rec.Status, e.rec.Answer = Running, &a
		if err := e.save(ctx); err != nil {
			e.rec.Status, e.rec.Answer = before, nil
			return err
		}
		return nil
	})
}

// Beat says that the work a token stands for goes on, as SendTaskHeartbeat does: HeartbeatSeconds count anew, and
// TimeoutSeconds go on. It runs nothing of the execution. Errors: ErrToken, ErrTimedOut, ErrNoExecution, the Store's.
func (r *Runner) Beat(ctx context.Context, name, token string) error {
	_, err := r.with(ctx, name, false, func(e *execution, running bool) error {
		if !running {
			if err := e.load(ctx); err != nil {
				return err
			}
		}
		if err := e.waitsFor(token); err != nil {
			return err
		}
		before, s := e.rec.Beat, r.machine.states[e.rec.State]
		if before.IsZero() || s == nil {
			return nil
		}
		e.rec.Beat = r.now().Add(s.heartbeat)
		if err := e.save(ctx); err != nil {
			e.rec.Beat = before
			return err
		}
		return nil
	})
	return err
}

// with calls prepare with the execution of this name, locked, and then, if run is set, runs it on unless it is running
// already; running tells prepare which. Of all calls for one name only one runs the execution; those that come when it has ended, waits or
// was not run at all, and that call has not returned yet, wait for that, and then take the execution themselves.
func (r *Runner) with(ctx context.Context, name string, run bool, prepare func(e *execution, running bool) error) (Result, error) {
	for {
		r.mu.Lock()
		e := r.active[name]
		if e == nil {
			e = &execution{Runner: r, name: name, done: make(chan struct{})}
			r.active[name] = e
			e.mu.Lock()
			r.mu.Unlock()
			defer e.release()
			err := prepare(e, false)
			status := e.rec.Status
			e.refused = err != nil || !run
			e.mu.Unlock()
			if e.refused {
				return Result{Status: status}, err
			}
			return e.run(ctx)
		}
		r.mu.Unlock()
		e.mu.Lock()
		if e.rec.Status == Running && !e.refused {
			err := prepare(e, true)
			e.mu.Unlock()
			return Result{Status: Running}, err
		}
		e.mu.Unlock()
		select {
		case <-e.done:
		case <-ctx.Done():
			return Result{}, ctx.Err()
		}
	}
}

// newToken makes a task token that nobody can guess.
func newToken() string { return rand.Text() }
