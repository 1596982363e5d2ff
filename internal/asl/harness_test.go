package asl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// functions are the resources that the definitions in testdata may use.
func functions() []string { return []string{"AFunctionArn", "BFunctionArn", "CFunctionArn"} }

var errLost = errors.New("the store is gone")

// memory is a Store that can break at one of its saves.
type memory struct {
	mu      sync.Mutex
	records map[string][]byte
	saves   int
	onLoad  func()
	onSave  func(n int) error // n counts from 1; its error is Save's, and the record is lost
	after   func(n int) error // the same, but the record is there
}

func (m *memory) Load(_ context.Context, name string) ([]byte, error) {
	if m.onLoad != nil {
		m.onLoad()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.records[name]
	if !ok {
		return nil, ErrNoExecution
	}
	return slices.Clone(b), nil
}

func (m *memory) Save(_ context.Context, name string, record []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.onSave != nil {
		if err := m.onSave(m.saves); err != nil {
			return err
		}
	}
	if m.records == nil {
		m.records = map[string][]byte{}
	}
	m.records[name] = slices.Clone(record)
	if m.after != nil {
		return m.after(m.saves)
	}
	return nil
}

func (m *memory) record(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return string(m.records[name])
}

type namedError struct{ name, text string }

func (e namedError) Error() string     { return e.text }
func (e namedError) ErrorName() string { return e.name }

// script makes tasks from lines such as "A -> {}": one line for each call of a function, the last one for all further
// calls. What follows the function's letter is one of
//
//	-> JSON         answers that
//	! NAME CAUSE    fails under that name
//	wraps NAME      fails with an error that wraps one of that name
//	echo            answers its input
//	after 5s JSON   answers when that time has passed, or fails when its context ends
//	late 5s JSON    the same, but does not look at its context
//	stuck           does not look at its context for an hour
//	panic           panics
type script struct {
	t     *testing.T
	mu    sync.Mutex
	lines map[string][]string
	calls []string
}

func newScript(t *testing.T, text string) *script {
	s := &script{t: t, lines: map[string][]string{}}
	for line := range strings.Lines(text) {
		function, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		s.lines[function+"FunctionArn"] = append(s.lines[function+"FunctionArn"], rest)
	}
	return s
}

func (s *script) tasks() map[string]Task {
	tasks := map[string]Task{}
	for _, name := range functions() {
		tasks[name] = func(ctx context.Context, input []byte) ([]byte, error) { return s.call(ctx, name, input) }
	}
	return tasks
}

func (s *script) call(ctx context.Context, name string, input []byte) ([]byte, error) {
	s.mu.Lock()
	s.calls = append(s.calls, fmt.Sprintf("%s %s", strings.TrimSuffix(name, "FunctionArn"), input))
	lines := s.lines[name]
	if len(lines) == 0 {
		s.mu.Unlock()
		s.t.Errorf("the script has no line for %s", name)
		return nil, nil
	}
	if len(lines) > 1 {
		s.lines[name] = lines[1:]
	}
	s.mu.Unlock()
	verb, rest, _ := strings.Cut(lines[0], " ")
	first, rest2, _ := strings.Cut(rest, " ")
	switch verb {
	case "->":
		return []byte(rest), nil
	case "!":
		return nil, namedError{first, rest2}
	case "wraps":
		return nil, fmt.Errorf("around: %w", namedError{first, "inner"})
	case "echo":
		return input, nil
	case "after":
		d, err := time.ParseDuration(first)
		if err != nil {
			s.t.Errorf("script: %v", err)
		}
		if err := sleep(ctx, d); err != nil {
			return nil, err
		}
		return []byte(rest2), nil
	case "late", "stuck":
		d, err := time.ParseDuration(first)
		if err != nil {
			d = time.Hour
		}
		time.Sleep(d)
		return []byte(rest2), nil
	case "panic":
		panic("ann@example.com")
	}
	s.t.Errorf("script: %q is not known", lines[0])
	return nil, nil
}

// called lists the calls so far; a task that was left behind may still run.
func (s *script) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// events notes what an observer hears, one line each.
type events struct{ lines []string }

func (e *events) observe(ev Event) {
	line := ev.State
	if ev.Item != nil {
		line = fmt.Sprintf("%s[%d]", ev.State, *ev.Item)
	}
	switch ev.Kind {
	case Left:
		return
	case Retried:
		line = fmt.Sprintf("%s retried %s %s", line, ev.Error, ev.Delay)
	case Caught:
		line = fmt.Sprintf("%s caught %s -> %s", line, ev.Error, ev.Next)
	case Broken:
		line = fmt.Sprintf("%s failed %s", line, ev.Error)
	case Waits:
		line += " waiting"
	}
	e.lines = append(e.lines, line)
}

func load(t *testing.T, definition string) *Machine {
	t.Helper()
	m, err := Load([]byte(definition), functions())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newRunner(t *testing.T, m *Machine, tasks map[string]Task, store Store, opts Options) *Runner {
	t.Helper()
	all := map[string]Task{}
	for _, name := range functions() {
		all[name] = func(context.Context, []byte) ([]byte, error) { return nil, errors.New("not expected") }
	}
	maps.Copy(all, tasks)
	r, err := New(m, all, store, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
