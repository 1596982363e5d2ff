package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const onePass = `{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}`

func TestStartTwice(t *testing.T) {
	t.Parallel()
	m := load(t, `{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${AFunctionArn}", "End": true}}}`)
	s := newScript(t, "A -> 1\nA -> 2")
	store := &memory{}
	for _, input := range []string{`{"a": "<", "b": 1}`, ` {"b":1,"a":"\u003c"}`} {
		res, err := newRunner(t, m, s.tasks(), store, Options{}).Start(t.Context(), "job", []byte(input))
		if err != nil || string(res.Output) != "1" {
			t.Errorf("%s: got %+v, %v", input, res, err)
		}
	}
	if _, err := newRunner(t, m, s.tasks(), store, Options{}).Start(t.Context(), "job", []byte(`{"a": 2}`)); !errors.Is(err, ErrExists) {
		t.Errorf("another input: got %v, want ErrExists", err)
	}
	if got := len(s.called()); got != 1 {
		t.Errorf("the task ran %d times", got)
	}
}

// While one call runs an execution, others for it change nothing; whoever comes after the end gets its result.
func TestStartAtTheSameTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := load(t, `{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${AFunctionArn}", "End": true}}}`)
		s := newScript(t, "A after 1h 1")
		r := newRunner(t, m, s.tasks(), &memory{}, Options{})
		var wg sync.WaitGroup
		var succeeded, running atomic.Int32
		for range 10 {
			wg.Go(func() {
				res, err := r.Start(t.Context(), "job", []byte(`{}`))
				switch {
				case err != nil:
					t.Error(err)
				case res.Status == Succeeded:
					succeeded.Add(1)
				case res.Status == Running:
					running.Add(1)
				}
			})
		}
		synctest.Wait()
		if _, err := r.Start(t.Context(), "job", []byte(`1`)); !errors.Is(err, ErrExists) {
			t.Errorf("another input while it runs: got %v, want ErrExists", err)
		}
		if res, err := r.Resume(t.Context(), "job"); err != nil || res.Status != Running {
			t.Errorf("Resume while it runs: got %+v, %v", res, err)
		}
		if _, err := r.Succeed(t.Context(), "job", "x", nil); !errors.Is(err, ErrToken) {
			t.Errorf("an answer while it runs: got %v, want ErrToken", err)
		}
		wg.Wait()
		if succeeded.Load() != 1 || running.Load() != 9 || len(s.called()) != 1 {
			t.Errorf("%d succeeded, %d running, %d calls; want 1, 9, 1", succeeded.Load(), running.Load(), len(s.called()))
		}
	})
}

func TestInputsThatAreRefused(t *testing.T) {
	t.Parallel()
	store := &memory{}
	r := newRunner(t, load(t, onePass), nil, store, Options{})
	for _, name := range []string{"", "a b", "a/b", "ü", strings.Repeat("x", 81)} {
		if _, err := r.Start(t.Context(), name, nil); err == nil {
			t.Errorf("the name %q was taken", name)
		}
	}
	for _, input := range []string{"{", `{"a":1}}`, `"` + strings.Repeat("x", maxBytes) + `"`} {
		if _, err := r.Start(t.Context(), "job", []byte(input)); err == nil {
			t.Errorf("an input of %d bytes was taken", len(input))
		}
	}
	if store.saves > 0 {
		t.Error("something was saved")
	}
	if _, err := r.Resume(t.Context(), "job"); !errors.Is(err, ErrNoExecution) {
		t.Errorf("got %v, want ErrNoExecution", err)
	}
}

func TestNewWantsEveryTask(t *testing.T) {
	t.Parallel()
	m := load(t, `{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${BFunctionArn}", "Next": "C"}, "C": {"Type": "Task", "Resource": "${BFunctionArn}", "End": true}}}`)
	if got := fmt.Sprint(m.Resources()); got != "[BFunctionArn]" {
		t.Errorf("resources %s", got)
	}
	if _, err := New(m, map[string]Task{"AFunctionArn": nil}, &memory{}, Options{}); err == nil || !strings.Contains(err.Error(), "BFunctionArn") {
		t.Errorf("got %v; want an error that names the task", err)
	}
}

// The limit counts bytes of compact JSON: one more than 262,144 is too much, for every way into and out of a state.
func TestDataLimit(t *testing.T) {
	t.Parallel()
	text := func(bytes int) string { return `"` + strings.Repeat("x", bytes-2) + `"` }
	const taskState = `"Type": "Task", "Resource": "${AFunctionArn}", "Next": "S", "Catch": [{"ErrorEquals": ["%s"], "ResultPath": null, "Next": "Seen"}]`
	machine := func(first string) string {
		return `{"StartAt": "T", "States": {"T": {` + first + `}, "S": {"Type": "Succeed"}, "Seen": {"Type": "Fail", "Error": "Seen"}}}`
	}
	for name, c := range map[string]struct {
		definition, input, output string
		want                      string // error, or "" for success
	}{
		"output at the limit":   {machine(fmt.Sprintf(taskState, All)), "{}", text(maxBytes), ""},
		"output beyond it":      {machine(fmt.Sprintf(taskState, All)), "{}", text(maxBytes + 1), DataLimitExceeded},
		"not by TaskFailed":     {machine(fmt.Sprintf(taskState, TaskFailed)), "{}", text(maxBytes + 1), DataLimitExceeded},
		"caught by its name":    {machine(fmt.Sprintf(taskState, DataLimitExceeded)), "{}", text(maxBytes + 1), "Seen"},
		"dropped output":        {machine(fmt.Sprintf(taskState, All) + `, "ResultPath": null`), "{}", text(maxBytes + 1), DataLimitExceeded},
		"input and output":      {machine(fmt.Sprintf(taskState, All) + `, "ResultPath": "$.r"`), `{"i":` + text(maxBytes/2) + `}`, text(maxBytes / 2), DataLimitExceeded},
		"parameters":            {machine(fmt.Sprintf(taskState, All) + `, "Parameters": {"a.$": "$", "b.$": "$"}`), text(maxBytes / 2), "1", DataLimitExceeded},
		"outputs of branches":   {machine(`"Type": "Parallel", "Branches": [{"StartAt": "L", "States": {"L": {"Type": "Pass", "End": true}}}, {"StartAt": "R", "States": {"R": {"Type": "Pass", "End": true}}}], "Next": "S", "Catch": [{"ErrorEquals": ["E"], "Next": "Seen"}]`), text(maxBytes / 2), "", DataLimitExceeded},
		"a Map's item":          {machine(`"Type": "Map", "ItemsPath": "$.l", "ItemSelector": {"a.$": "$.i", "b.$": "$.i"}, "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Pass", "OutputPath": null, "End": true}}}, "Next": "S", "Catch": [{"ErrorEquals": ["E"], "Next": "Seen"}]`), `{"l":[1],"i":` + text(maxBytes/2) + `}`, "", DataLimitExceeded},
		"characters are not it": {machine(fmt.Sprintf(taskState, All)), "{}", `"` + strings.Repeat("ü", maxBytes/2) + `"`, DataLimitExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, load(t, c.definition), map[string]Task{"AFunctionArn": func(context.Context, []byte) ([]byte, error) { return []byte(c.output), nil }}, &memory{}, Options{})
			res, err := r.Start(t.Context(), "job", []byte(c.input))
			if err != nil || res.Error != c.want {
				t.Errorf("got %s %q: %s, %v; want %q", res.Status, res.Error, res.Cause, err, c.want)
			}
		})
	}
}

// A resumed Wait waits for what is left of it.
func TestWaitGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := load(t, `{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 100, "End": true}}}`)
		store := &memory{}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if res, err := newRunner(t, m, nil, store, Options{}).Start(ctx, "job", nil); !errors.Is(err, context.DeadlineExceeded) || res.Status != Running {
			t.Fatalf("got %+v, %v", res, err)
		}
		begin := time.Now()
		if res, err := newRunner(t, m, nil, store, Options{}).Resume(t.Context(), "job"); err != nil || res.Status != Succeeded {
			t.Fatalf("got %+v, %v", res, err)
		}
		if got := time.Since(begin); got != 70*time.Second {
			t.Errorf("waited %s more, want 1m10s", got)
		}
	})
}

// The machine's time is counted from the start of the execution, not of the process.
func TestMachineTimeoutAcrossProcesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := load(t, `{"TimeoutSeconds": 60, "StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${AFunctionArn}", "End": true}}}`)
		s := newScript(t, "A after 1h 1")
		store := &memory{}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
		defer cancel()
		if res, err := newRunner(t, m, s.tasks(), store, Options{}).Start(ctx, "job", nil); res.Status != Running || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %+v, %v; the caller's deadline is not the machine's", res, err)
		}
		begin := time.Now()
		res, err := newRunner(t, m, s.tasks(), store, Options{}).Resume(t.Context(), "job")
		if err != nil || res.Error != Timeout || time.Since(begin) != 10*time.Second {
			t.Errorf("got %+v, %v after %s; want %s after 10s", res, err, time.Since(begin), Timeout)
		}
	})
}

func TestTasksThatMisbehave(t *testing.T) {
	t.Parallel()
	const secret = "ann@example.com"
	for name, task := range map[string]Task{
		"panic with a value": func(context.Context, []byte) ([]byte, error) { panic(secret) },
		"panic of the runtime": func(_ context.Context, in []byte) ([]byte, error) {
			return in[len(in):][:1:1], errors.New(string(in[len(in)]))
		},
		"no return": func(context.Context, []byte) ([]byte, error) { runtime.Goexit(); return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := load(t, `{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${AFunctionArn}", "End": true}}}`)
			res, err := newRunner(t, m, map[string]Task{"AFunctionArn": task}, &memory{}, Options{}).Start(t.Context(), "job", nil)
			if err != nil || res.Status != Failed || res.Error != "Error" || res.Cause == "" || strings.Contains(res.Cause, secret) {
				t.Errorf("got %+v, %v", res, err)
			}
			if strings.HasPrefix(name, "panic") && !strings.Contains(res.Cause, "TestTasksThatMisbehave") {
				t.Errorf("does not say where: %s", res.Cause)
			}
		})
	}
}

// Events are for logs: they carry names and numbers, never what a state works on.
func TestEventsCarryNoPayload(t *testing.T) {
	t.Parallel()
	m := load(t, longWay)
	var self atomic.Pointer[Runner]
	var all []Event
	opts := quick()
	opts.Observe = func(e Event) { all = append(all, e) }
	const secret = "ann@example.com"
	r := newRunner(t, m, longTasks(&self), &memory{}, opts)
	self.Store(r)
	if res, err := r.Start(t.Context(), "job", []byte(`{"items": ["`+secret+`"]}`)); err != nil || !strings.Contains(string(res.Output), secret) {
		t.Fatalf("got %+v, %v", res, err)
	}
	b, err := json.Marshal(all)
	if err != nil || len(all) < 15 || strings.Contains(string(b), secret) {
		t.Errorf("%d events, %v: %s", len(all), err, b)
	}
	for _, e := range all {
		if e.Kind == Left && e.State == "Open" && e.Next == "Both" && e.Execution == "job" && !e.At.IsZero() {
			return
		}
	}
	t.Errorf("no event says that Open led to Both: %s", b)
}
