package asl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// longWay passes through every kind of state that the record has to survive.
const longWay = `{"TimeoutSeconds": 86400, "StartAt": "Open", "States": {
  "Open": {"Type": "Task", "Resource": "${AFunctionArn}", "Parameters": {"step": "open"}, "ResultPath": "$.open", "Next": "Both"},
  "Both": {"Type": "Parallel", "ResultPath": "$.both", "Next": "Pause", "Branches": [
    {"StartAt": "L", "States": {"L": {"Type": "Task", "Resource": "${AFunctionArn}", "Parameters": {"step": "left"}, "End": true}}},
    {"StartAt": "R", "States": {"R": {"Type": "Pass", "Result": "<right>", "End": true}}}]},
  "Pause": {"Type": "Wait", "Seconds": 5, "Next": "Each"},
  "Each": {"Type": "Map", "ItemsPath": "$.items", "ResultPath": "$.each", "Next": "Ask",
    "ItemProcessor": {"StartAt": "In", "States": {"In": {"Type": "Task", "Resource": "${AFunctionArn}", "Parameters": {"step.$": "$"}, "End": true}}}},
  "Ask": {"Type": "Task", "Resource": "arn:${Partition}:states:::lambda:invoke.waitForTaskToken", "ResultPath": "$.asked", "Next": "More?",
    "Parameters": {"FunctionName": "${BFunctionArn}", "Payload": {"token.$": "$$.Task.Token"}}},
  "More?": {"Type": "Choice", "Choices": [{"Variable": "$.asked", "StringEquals": "yes", "Next": "Break"}]},
  "Break": {"Type": "Task", "Resource": "${CFunctionArn}", "Catch": [{"ErrorEquals": ["E"], "ResultPath": "$.error", "Next": "Close"}], "End": true},
  "Close": {"Type": "Succeed"}}}`

const longInput = `{"items": ["x<y", "z"]}`

// longTasks answers the token from within the call when sync is set; otherwise finish has to.
func longTasks(sync *atomic.Pointer[Runner]) map[string]Task {
	return map[string]Task{
		"AFunctionArn": func(_ context.Context, in []byte) ([]byte, error) { return in, nil },
		"BFunctionArn": func(ctx context.Context, in []byte) ([]byte, error) {
			if r := sync.Load(); r != nil {
				v, _ := decode(in)
				res, err := r.Succeed(ctx, "job", v.(map[string]any)["token"].(string), []byte(`"yes"`))
				if err != nil && !errors.Is(err, ErrToken) {
					return nil, err // as a task would: its answer is not known to be kept
				}
				if err == nil && res.Status != Running {
					return nil, fmt.Errorf("the answer from within the task got %s", res.Status)
				}
			}
			return nil, nil
		},
		"CFunctionArn": func(context.Context, []byte) ([]byte, error) { return nil, namedError{"E", "broken"} },
	}
}

// finish takes an execution to its end, as somebody would who starts the same job again and answers what it asks.
func finish(t *testing.T, r *Runner) Result {
	t.Helper()
	for range 3 {
		res, err := r.Start(t.Context(), "job", []byte(longInput))
		if err != nil {
			t.Fatal(err)
		}
		if res.Status == Waiting {
			if res, err = r.Succeed(t.Context(), "job", res.Token, []byte(`"yes"`)); err != nil {
				t.Fatal(err)
			}
		}
		if res.Status != Running {
			return res
		}
	}
	t.Fatal("does not end")
	return Result{}
}

func quick() Options {
	return Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
}

// Killed at any save, before or after it took effect, or interrupted there, an execution that is started again ends as
// one that was not.
func TestResumesFromEverySave(t *testing.T) {
	t.Parallel()
	m := load(t, longWay)
	for _, synchronous := range []bool{false, true} {
		var self atomic.Pointer[Runner]
		whole := &memory{}
		r := newRunner(t, m, longTasks(&self), whole, quick())
		if synchronous {
			self.Store(r)
		}
		want := finish(t, r)
		if want.Status != Succeeded || !strings.Contains(string(want.Output), `"both":[{"step":"left"},"<right>"]`) {
			t.Fatalf("got %s %s: %s %s", want.Status, want.Error, want.Cause, want.Output)
		}
		if whole.saves < 10 {
			t.Fatalf("only %d saves: a state runs without a record", whole.saves)
		}
		for n := 1; n <= whole.saves; n++ {
			for _, how := range []string{"lost", "kept", "interrupted"} {
				t.Run(fmt.Sprintf("synchronous=%t/%s at save %d", synchronous, how, n), func(t *testing.T) {
					t.Parallel()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					at := func(save int) error {
						switch {
						case save != n:
							return nil
						case how == "interrupted":
							cancel()
							return nil
						}
						return errLost
					}
					store := &memory{onSave: at}
					if how == "kept" {
						store = &memory{after: at}
					}
					var self atomic.Pointer[Runner]
					r := newRunner(t, m, longTasks(&self), store, quick())
					if synchronous {
						self.Store(r)
					}
					res, err := r.Start(ctx, "job", []byte(longInput))
					if err == nil && res.Status == Waiting {
						_, err = r.Succeed(ctx, "job", res.Token, []byte(`"yes"`))
					}
					ended := strings.Contains(store.record("job"), `"status":"succeeded"`)
					if err == nil && !ended {
						// A task that could not hand in its answer fails by itself, and the state with it.
						if res, _ := r.Resume(t.Context(), "job"); res.Error == "Error" && synchronous {
							return
						}
						t.Fatalf("the break is not reported: %+v", res)
					}
					if res.Status == Failed {
						t.Errorf("a break of the store made it fail: %+v", res)
					}

					other := newRunner(t, m, longTasks(&self), store, quick()) // as after a new start of the program
					if synchronous {
						self.Store(other)
					}
					got := finish(t, other)
					if got.Status != want.Status || string(got.Output) != string(want.Output) {
						t.Errorf("got %+v %s\nwant %+v %s", got, got.Output, want, want.Output)
					}
				})
			}
		}
	}
}

// Interrupted within any call of a task, the execution stands as running and ends well later.
func TestResumesFromEveryCall(t *testing.T) {
	t.Parallel()
	m := load(t, longWay)
	for n := int32(1); n <= 6; n++ {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var calls atomic.Int32
		var self atomic.Pointer[Runner]
		tasks := longTasks(&self)
		for name, task := range tasks {
			tasks[name] = func(inner context.Context, in []byte) ([]byte, error) {
				if calls.Add(1) == n {
					cancel()
					<-inner.Done()
					return nil, inner.Err()
				}
				return task(inner, in)
			}
		}
		store := &memory{}
		r := newRunner(t, m, tasks, store, quick())
		res, err := r.Start(ctx, "job", []byte(longInput))
		if err == nil && res.Status == Waiting { // the last call comes after the answer
			res, err = r.Succeed(ctx, "job", res.Token, []byte(`"yes"`))
		}
		if res.Status != Running || !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: got %+v, %v; want running and context.Canceled", n, res, err)
		}
		if !strings.Contains(store.record("job"), `"status":"running"`) {
			t.Errorf("call %d: the record does not say running: %s", n, store.record("job"))
		}
		if got := finish(t, r); got.Status != Succeeded {
			t.Errorf("call %d: got %+v", n, got)
		}
	}
}

// The record of a finished execution keeps its input and its outcome, and nothing of the states between.
func TestEndedRecordForgetsTheWay(t *testing.T) {
	t.Parallel()
	m := load(t, `{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": "on the way", "ResultPath": "$.way", "Next": "B"}, "B": {"Type": "Succeed", "OutputPath": "$.in"}}}`)
	store := &memory{}
	res, err := newRunner(t, m, nil, store, Options{}).Start(t.Context(), "job", []byte(`{"in": 1}`))
	if err != nil || string(res.Output) != "1" {
		t.Fatalf("got %+v, %v", res, err)
	}
	if strings.Contains(store.record("job"), "on the way") {
		t.Errorf("the record keeps a state's input: %s", store.record("job"))
	}
}

func TestNoRecordNoRun(t *testing.T) {
	t.Parallel()
	m := load(t, `{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${AFunctionArn}", "End": true}}}`)
	s := newScript(t, "A -> 1")
	store := &memory{onSave: func(int) error { return errLost }}
	if _, err := newRunner(t, m, s.tasks(), store, Options{}).Start(t.Context(), "job", nil); !errors.Is(err, errLost) {
		t.Errorf("got %v, want the store's error", err)
	}
	if len(s.called()) > 0 {
		t.Error("a task ran before there was a record")
	}
}

func TestResumeOfAnotherDefinition(t *testing.T) {
	t.Parallel()
	store := &memory{after: func(int) error { return errLost }}
	first := load(t, `{"StartAt": "Old", "States": {"Old": {"Type": "Succeed"}}}`)
	newRunner(t, first, nil, store, Options{}).Start(t.Context(), "job", nil)
	store.after = nil
	second := load(t, `{"StartAt": "New", "States": {"New": {"Type": "Succeed"}}}`)
	res, err := newRunner(t, second, nil, store, Options{}).Resume(t.Context(), "job")
	if err == nil || !strings.Contains(err.Error(), `"Old"`) || res.Status != Running {
		t.Errorf("got %+v, %v; want an error that names the state", res, err)
	}
	if res, err := newRunner(t, first, nil, store, Options{}).Resume(t.Context(), "job"); err != nil || res.Status != Succeeded {
		t.Errorf("with its own definition: got %+v, %v", res, err)
	}
}

func TestBrokenRecord(t *testing.T) {
	t.Parallel()
	m := load(t, `{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}`)
	for _, record := range []string{"", "{", "{}", `{"status":"running","state":"A"}x`, `{"status":"odd","state":"A","input":{}}`} {
		store := &memory{records: map[string][]byte{"job": []byte(record)}}
		if _, err := newRunner(t, m, nil, store, Options{}).Resume(t.Context(), "job"); err == nil || errors.Is(err, ErrNoExecution) {
			t.Errorf("%q: got %v", record, err)
		}
		if store.saves > 0 {
			t.Errorf("%q was written over", record)
		}
	}
}

func TestCreateStoresAndRunsNothing(t *testing.T) {
	t.Parallel()
	store, tasks := &memory{}, newScript(t, "A -> 1")
	r := newRunner(t, load(t, asking), tasks.tasks(), store, Options{})
	if err := r.Create(t.Context(), "job", []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if res, late, err := r.Look(t.Context(), "job"); err != nil || res.Status != Running || late || len(tasks.called()) > 0 {
		t.Errorf("got %+v, late %v, %v; called %v", res, late, err, tasks.called())
	}
	if err := r.Create(t.Context(), "job", []byte(`{"a":2}`)); !errors.Is(err, ErrExists) {
		t.Errorf("another input: %v", err)
	}
	if res, err := newRunner(t, load(t, asking), tasks.tasks(), store, Options{}).Resume(t.Context(), "job"); err != nil || res.Status != Waiting {
		t.Errorf("another process goes on to %+v, %v", res, err)
	}
}

func TestLookRunsNothing(t *testing.T) {
	t.Parallel()
	at := time.Now()
	store := &memory{}
	r := newRunner(t, load(t, asking), newScript(t, "A -> 1").tasks(), store, Options{Now: func() time.Time { return at }})
	if _, _, err := r.Look(t.Context(), "job"); !errors.Is(err, ErrNoExecution) {
		t.Errorf("before the start: %v", err)
	}
	token := start(t, r)
	saves := store.saves
	if res, late, err := r.Look(t.Context(), "job"); err != nil || res.Status != Waiting || res.Token != token || late {
		t.Errorf("got %+v, late %v, %v", res, late, err)
	}
	at = at.Add(100 * 365 * 24 * time.Hour)
	if res, late, err := r.Look(t.Context(), "job"); err != nil || res.Status != Waiting || !late {
		t.Errorf("when its time is over: got %+v, late %v, %v", res, late, err)
	}
	if store.saves != saves {
		t.Errorf("%d records were written", store.saves-saves)
	}
	if res, err := r.Resume(t.Context(), "job"); err != nil || res.Status == Waiting {
		t.Errorf("then Resume gives %+v, %v", res, err)
	}
}
