package awslocal

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/statemachine"
)

// Machine is the deployed state machine: Step Functions on this machine, whose executions run in the background, as
// StartExecution and SendTaskSuccess ask. The time of a token that nobody answers is looked at when somebody asks for
// its execution. Deploy makes it; its methods may be called from any goroutine.
type Machine struct {
	runner *asl.Runner
	kinds  map[string]string // of states, by name
	asks   map[string]bool   // states whose task waits for a token
	now    func() time.Time
	ctx    context.Context // of the background work
	stop   context.CancelFunc
	work   sync.WaitGroup

	mu         sync.Mutex
	executions map[string]*execution
	tokens     map[string]bool // that an execution waited for

	noting sync.Mutex
	events map[string][]event // by execution
}

// execution is what Step Functions remembers of one.
type execution struct {
	input          string
	started, ended time.Time
	result         asl.Result
	err            error         // why it stopped on the way
	runs           int           // background calls under way
	settled        chan struct{} // closed when there is none
}

func (e *execution) status() string {
	switch e.result.Status {
	case asl.Succeeded:
		return "SUCCEEDED"
	case asl.Failed:
		return "FAILED"
	}
	return "RUNNING"
}

// Deploy makes the account's state machine, of tasks by resource, such as those of Functions. Observe may be nil, and is
// called for each event, as the runner does. Close it before the functions.
func (c *Cloud) Deploy(tasks map[string]asl.Task, o asl.Options) (*Machine, error) {
	definition, err := asl.Load(statemachine.Erasure, Resources())
	if err != nil {
		return nil, err
	}
	m := &Machine{kinds: map[string]string{}, asks: map[string]bool{}, now: o.Now, executions: map[string]*execution{}, tokens: map[string]bool{}, events: map[string][]event{}}
	if m.now == nil {
		m.now = time.Now
	}
	if err := m.learn(statemachine.Erasure); err != nil {
		return nil, fmt.Errorf("the types of the states: %w", err)
	}
	m.ctx, m.stop = context.WithCancel(context.Background())
	observe := o.Observe
	o.Observe = func(e asl.Event) {
		m.observe(e)
		if observe != nil {
			observe(e)
		}
	}
	if m.runner, err = asl.New(definition, tasks, &Records{}, o); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.machine = m
	return m, nil
}

// Close stops the executions where they are, and returns when nothing of them runs any more.
func (m *Machine) Close() {
	m.stop()
	m.work.Wait()
}

// goOn runs an execution in the background until it ends or waits; m.mu is held.
func (m *Machine) goOn(name string) {
	e := m.executions[name]
	if e.runs++; e.runs == 1 {
		e.settled = make(chan struct{})
	}
	m.work.Go(func() {
		result, err := m.runner.Resume(m.ctx, name)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.settle(name, e, result, err)
		if e.runs--; e.runs == 0 {
			close(e.settled)
		}
	})
}

// settle notes what a call of the runner came to. Of several calls the one that runs the execution counts.
func (m *Machine) settle(name string, e *execution, result asl.Result, err error) {
	switch {
	case err != nil:
		e.err = err
	case !e.ended.IsZero(), result.Status == asl.Running:
	case result.Status == asl.Waiting:
		e.result, m.tokens[result.Token] = result, true
	default:
		e.result, e.ended = result, m.now()
		m.note(name, ended(result, e.ended))
	}
}

// Settled waits until an execution has ended or waits for a token, and tells how it stands.
func (m *Machine) Settled(ctx context.Context, name string) (asl.Result, error) {
	for {
		m.mu.Lock()
		e := m.executions[name]
		if e == nil {
			m.mu.Unlock()
			return asl.Result{}, asl.ErrNoExecution
		}
		runs, settled, result, err := e.runs, e.settled, e.result, e.err
		m.mu.Unlock()
		if runs == 0 {
			return result, err
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return asl.Result{}, ctx.Err()
		}
	}
}

// Records keeps the runner's executions.
type Records struct{ m sync.Map }

func (r *Records) Load(_ context.Context, name string) ([]byte, error) {
	if b, ok := r.m.Load(name); ok {
		return b.([]byte), nil
	}
	return nil, asl.ErrNoExecution
}

func (r *Records) Save(_ context.Context, name string, record []byte) error {
	r.m.Store(name, bytes.Clone(record))
	return nil
}
