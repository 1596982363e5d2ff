// Package runtimeapi runs Lambda functions on this machine as Lambda does: each is a process of its own, from its
// bootstrap, which asks a server for invocations and posts its answers there.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. What the page allows and nothing else is
// accepted, so that a bootstrap that works here works there.
package runtimeapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// longest is how long Lambda lets an invocation take at most.
const longest = 15 * time.Minute

// Error is how an invocation failed: what the function reported, or Runtime.ExitError when its process ended.
type Error struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

func (e *Error) Error() string { return e.Message }

// ErrorName is the name by which a state machine catches the error.
func (e *Error) ErrorName() string { return e.Type }

var errClosed = errors.New("the function is closed")

// Function is a function and its processes. As on Lambda, a process does one invocation at a time and then waits for
// another; there are as many as there were invocations at the same time. Its methods may be called from any goroutine.
type Function struct {
	name, bootstrap string
	env             []string
	log             io.Writer

	mu     sync.Mutex
	closed bool
	idle   []*process // the last used at the end
	alive  map[*process]bool
	starts int
}

// New makes a function of its name and its bootstrap; a process is started when the first invocation needs one. env is
// the whole environment, as KEY=value, apart from what Lambda itself sets. log gets what the processes print, from
// several at the same time.
func New(name, bootstrap string, env []string, log io.Writer) *Function {
	return &Function{name: name, bootstrap: bootstrap, env: env, log: log, alive: map[*process]bool{}}
}

// Invoke has a process do an invocation. When the context ends before it is done the process is killed, as Lambda does
// when the time is over. The error is an *Error when the function failed.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if len(payload) > maxInput {
		return nil, &Error{"RequestTooLargeException", fmt.Sprintf("the input has more than %d bytes", maxInput)}
	}
	p, err := f.take()
	if err != nil {
		return nil, err
	}
	out, again, err := p.invoke(ctx, payload)
	f.put(p, again)
	return out, err
}

// put lets a process wait for another invocation, or ends it.
func (f *Function) put(p *process, again bool) {
	f.mu.Lock()
	again = again && !f.closed
	if again {
		f.idle = append(f.idle, p)
	} else {
		delete(f.alive, p)
	}
	f.mu.Unlock()
	if !again {
		p.end()
	}
}

// Warm has a process ask for its first invocation, as Lambda does ahead of calls where that is paid for: it returns when
// the process has come so far. The next Invoke is this process's.
func (f *Function) Warm(ctx context.Context) error {
	p, err := f.take()
	if err != nil {
		return err
	}
	select {
	case <-p.asked:
		f.put(p, true)
		return nil
	case <-p.exited:
		err = p.gone()
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.put(p, false)
	return err
}

// take gives a process that waits, or a new one.
func (f *Function) take() (*process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errClosed
	}
	if n := len(f.idle); n > 0 {
		p := f.idle[n-1]
		f.idle = f.idle[:n-1]
		return p, nil
	}
	p, err := start(f.name, f.bootstrap, f.env, f.log)
	if err != nil {
		return nil, err
	}
	f.alive[p] = true
	f.starts++
	return p, nil
}

// Started is how many processes were started so far.
func (f *Function) Started() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.starts
}

// Close ends all processes. Invocations under way fail.
func (f *Function) Close() {
	f.mu.Lock()
	f.closed = true
	all := slices.Collect(maps.Keys(f.alive))
	f.alive, f.idle = map[*process]bool{}, nil
	f.mu.Unlock()
	for _, p := range all {
		p.end()
	}
}
