package asl

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const asking = `{"TimeoutSeconds": 7200, "StartAt": "Ask", "States": {
  "Ask": {"Type": "Task", "Resource": "arn:${Partition}:states:::lambda:invoke.waitForTaskToken", "TimeoutSeconds": 3600,
    "Parameters": {"FunctionName": "${AFunctionArn}", "Payload": {"token.$": "$$.Task.Token"}}, "ResultPath": "$.answer",
    "Retry": [{"ErrorEquals": ["Again"], "MaxAttempts": 1}],
    "Catch": [{"ErrorEquals": ["Rejected", "States.Timeout"], "ResultPath": "$.error", "Next": "No"}], "Next": "Yes"},
  "Yes": {"Type": "Succeed"}, "No": {"Type": "Fail", "Error": "No"}}}`

// start begins an execution of asking and gives the token that its task got.
func start(t *testing.T, r *Runner) string {
	t.Helper()
	res, err := r.Start(t.Context(), "job", nil)
	if err != nil || res.Status != Waiting || len(res.Token) < 20 {
		t.Fatalf("got %+v, %v; want it to wait", res, err)
	}
	return res.Token
}

func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(r *Runner, token string) (Result, error)
		want   Result
	}{
		"success": {func(r *Runner, token string) (Result, error) {
			return r.Succeed(t.Context(), "job", token, []byte(`{"ok": true}`))
		}, Result{Status: Succeeded, Output: []byte(`{"answer":{"ok":true}}`)}},
		"nothing": {func(r *Runner, token string) (Result, error) {
			return r.Succeed(t.Context(), "job", token, nil)
		}, Result{Status: Succeeded, Output: []byte(`{"answer":null}`)}},
		"caught": {func(r *Runner, token string) (Result, error) {
			return r.Fail(t.Context(), "job", token, "Rejected", "not this one")
		}, Result{Status: Failed, Error: "No"}},
		"not caught": {func(r *Runner, token string) (Result, error) {
			return r.Fail(t.Context(), "job", token, "Other", "why")
		}, Result{Status: Failed, Error: "Other", Cause: "why"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &memory{}
			r := newRunner(t, load(t, asking), newScript(t, "A -> 1").tasks(), store, Options{})
			token := start(t, r)
			other := newRunner(t, load(t, asking), nil, store, Options{}) // another process answers
			got, err := c.answer(other, token)
			if err != nil || got.Status != c.want.Status || string(got.Output) != string(c.want.Output) || got.Error != c.want.Error || got.Cause != c.want.Cause {
				t.Errorf("got %+v %s, %v\nwant %+v %s", got, got.Output, err, c.want, c.want.Output)
			}
			if got, err := c.answer(other, token); !errors.Is(err, ErrToken) || got.Status != c.want.Status {
				t.Errorf("answered twice: got %+v, %v; want ErrToken", got, err)
			}
		})
	}
}

// An accepted answer is stored, and nothing follows from it before somebody resumes the execution.
func TestAnAcceptedAnswerWaitsForResume(t *testing.T) {
	t.Parallel()
	store := &memory{}
	r := newRunner(t, load(t, asking), newScript(t, "A -> 1").tasks(), store, Options{})
	token := start(t, r)
	if err := r.Accept(t.Context(), "job", "x", nil); !errors.Is(err, ErrToken) {
		t.Errorf("another token: got %v, want ErrToken", err)
	}
	if err := r.Accept(t.Context(), "job", token, []byte(`{"ok": true}`)); err != nil {
		t.Fatal(err)
	}
	if stands, _, err := r.Look(t.Context(), "job"); err != nil || stands.Status != Running {
		t.Errorf("got %+v, %v; want it to be as after a kill", stands, err)
	}
	if err := r.Accept(t.Context(), "job", token, nil); !errors.Is(err, ErrToken) {
		t.Errorf("answered twice: got %v, want ErrToken", err)
	}
	got, err := newRunner(t, load(t, asking), nil, store, Options{}).Resume(t.Context(), "job") // another process
	if err != nil || got.Status != Succeeded || string(got.Output) != `{"answer":{"ok":true}}` {
		t.Errorf("got %+v %s, %v", got, got.Output, err)
	}
}

func TestWrongTokensChangeNothing(t *testing.T) {
	t.Parallel()
	store := &memory{}
	r := newRunner(t, load(t, asking), newScript(t, "A -> 1").tasks(), store, Options{})
	if _, err := r.Succeed(t.Context(), "job", "x", nil); !errors.Is(err, ErrNoExecution) {
		t.Errorf("before the start: got %v, want ErrNoExecution", err)
	}
	token := start(t, r)
	before := store.record("job")
	for _, wrong := range []string{"", "x", token + "x", token[1:]} {
		if res, err := r.Succeed(t.Context(), "job", wrong, nil); !errors.Is(err, ErrToken) || res.Status != Waiting {
			t.Errorf("%q: got %+v, %v; want ErrToken", wrong, res, err)
		}
	}
	if _, err := r.Succeed(t.Context(), "job", token, []byte("{")); err == nil {
		t.Error("an answer that is no JSON was taken")
	}
	if _, err := r.Succeed(t.Context(), "job", token, []byte(`"`+strings.Repeat("x", maxBytes)+`"`)); err == nil {
		t.Error("an answer beyond the limit was taken")
	}
	if after := store.record("job"); after != before {
		t.Errorf("the record changed:\n%s\n%s", before, after)
	}
	if res, err := r.Resume(t.Context(), "job"); err != nil || res.Status != Waiting || res.Token != token {
		t.Errorf("got %+v, %v; want it to wait for the same token", res, err)
	}
}

// Retry asks again, with a new token; the old one is of no use any more, and the attempts count across processes.
func TestRetryMakesANewToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		s := newScript(t, "A -> 1")
		r := newRunner(t, load(t, asking), s.tasks(), store, Options{})
		first := start(t, r)
		res, err := r.Fail(t.Context(), "job", first, "Again", "")
		if err != nil || res.Status != Waiting || res.Token == first {
			t.Fatalf("got %+v, %v; want it to wait for another token", res, err)
		}
		if _, err := r.Succeed(t.Context(), "job", first, nil); !errors.Is(err, ErrToken) {
			t.Errorf("the old token: got %v, want ErrToken", err)
		}
		r = newRunner(t, load(t, asking), s.tasks(), store, Options{})
		res, err = r.Fail(t.Context(), "job", res.Token, "Again", "")
		if err != nil || res.Status != Failed || res.Error != "Again" || len(s.called()) != 2 {
			t.Errorf("got %+v, %v after %d calls; want it to fail after 2", res, err, len(s.called()))
		}
	})
}

// A call that fails takes its token with it: the next attempt has another.
func TestRetryOfTheCallMakesANewToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, "A ! Again\nA -> 1")
		r := newRunner(t, load(t, asking), s.tasks(), &memory{}, Options{})
		token := start(t, r)
		calls := s.called()
		if len(calls) != 2 || calls[0] == calls[1] || !strings.Contains(calls[1], token) {
			t.Errorf("calls %v, token %s", calls, token)
		}
	})
}

// An answer that was taken is stored at once: it survives a crash before the next state.
func TestAnswerSurvivesACrash(t *testing.T) {
	t.Parallel()
	store := &memory{}
	r := newRunner(t, load(t, asking), newScript(t, "A -> 1").tasks(), store, Options{})
	token := start(t, r)
	answered := store.saves + 1
	store.onSave = func(n int) error {
		if n > answered {
			return errLost
		}
		return nil
	}
	if res, err := r.Succeed(t.Context(), "job", token, []byte("true")); !errors.Is(err, errLost) || res.Status != Running {
		t.Fatalf("got %+v, %v", res, err)
	}
	store.onSave = nil
	res, err := newRunner(t, load(t, asking), nil, store, Options{}).Resume(t.Context(), "job")
	if err != nil || string(res.Output) != `{"answer":true}` {
		t.Errorf("got %+v, %v; want the answer to be there", res, err)
	}
}

// An answer that could not be stored was not given: it can be given again.
func TestAnswerThatWasNotStored(t *testing.T) {
	t.Parallel()
	store := &memory{}
	r := newRunner(t, load(t, asking), newScript(t, "A -> 1").tasks(), store, Options{})
	token := start(t, r)
	store.onSave = func(int) error { return errLost }
	if res, err := r.Succeed(t.Context(), "job", token, nil); !errors.Is(err, errLost) || res.Status != Waiting {
		t.Errorf("got %+v, %v; want the store's error", res, err)
	}
	store.onSave = nil
	if res, err := r.Succeed(t.Context(), "job", token, nil); err != nil || res.Status != Succeeded {
		t.Errorf("the second time: got %+v, %v", res, err)
	}
}

// An answer that comes while another call looks at the execution and leaves it alone carries it on all the same.
func TestAnswerBesideARefusedStart(t *testing.T) {
	t.Parallel()
	store := &memory{}
	r := newRunner(t, load(t, asking), newScript(t, "A -> 1").tasks(), store, Options{})
	token := start(t, r)
	store.records["job"] = []byte(strings.Replace(store.record("job"), `"waiting"`, `"running"`, 1)) // as if killed
	answered := make(chan Result, 1)
	var once sync.Once
	store.onLoad = func() {
		once.Do(func() {
			go func() {
				res, err := r.Succeed(t.Context(), "job", token, []byte("true"))
				if err != nil {
					t.Error(err)
				}
				answered <- res
			}()
			for range 1000 {
				runtime.Gosched() // until it waits for the lock of the execution; a mutex cannot be asked
			}
		})
	}
	if _, err := r.Start(t.Context(), "job", []byte("1")); !errors.Is(err, ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
	if res := <-answered; res.Status != Succeeded {
		t.Errorf("got %+v; want it carried on", res)
	}
}

func TestTokenTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(t, load(t, asking), newScript(t, "A -> 1").tasks(), &memory{}, Options{})
		token := start(t, r)
		time.Sleep(3599 * time.Second)
		if res, err := r.Resume(t.Context(), "job"); err != nil || res.Status != Waiting {
			t.Errorf("a second before: got %+v, %v", res, err)
		}
		time.Sleep(time.Second)
		if res, err := r.Succeed(t.Context(), "job", token, nil); !errors.Is(err, ErrTimedOut) || res.Status != Waiting {
			t.Errorf("a late answer: got %+v, %v; want ErrTimedOut", res, err)
		}
		if res, err := r.Resume(t.Context(), "job"); err != nil || res.Status != Failed || res.Error != "No" {
			t.Errorf("got %+v, %v; want the way of the Catch", res, err)
		}
	})
}

func TestHeartbeatTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := load(t, strings.Replace(asking, `"TimeoutSeconds": 3600`, `"TimeoutSeconds": 3600, "HeartbeatSeconds": 60`, 1))
		var heard events
		r := newRunner(t, m, newScript(t, "A -> 1").tasks(), &memory{}, Options{Observe: heard.observe})
		start(t, r)
		time.Sleep(time.Minute)
		res, err := r.Resume(t.Context(), "job")
		if err != nil || res.Error != "No" || !strings.Contains(lines(heard.lines), "Ask caught States.HeartbeatTimeout -> No") {
			t.Errorf("got %+v, %v, %v", res, err, heard.lines)
		}
	})
}

// Each beat begins HeartbeatSeconds anew, also from another process, and TimeoutSeconds end the task all the same.
func TestABeatMovesTheHeartbeat(t *testing.T) {
	t.Parallel()
	m := load(t, strings.Replace(asking, `"TimeoutSeconds": 3600`, `"TimeoutSeconds": 3600, "HeartbeatSeconds": 60`, 1))
	for name, c := range map[string]struct {
		beats int
		rest  time.Duration
		want  string
	}{
		"none":             {0, time.Minute, "Ask caught States.HeartbeatTimeout -> No"},
		"one":              {1, time.Minute, "Ask caught States.HeartbeatTimeout -> No"},
		"many":             {50, time.Minute, "Ask caught States.HeartbeatTimeout -> No"},
		"until its end":    {61, time.Second, "Ask caught States.Timeout -> No"},
		"and not any more": {61, time.Hour, "Ask caught States.Timeout -> No"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var heard events
				store := &memory{}
				r := newRunner(t, m, newScript(t, "A -> 1").tasks(), store, Options{Observe: heard.observe})
				token := start(t, r)
				if err := r.Beat(t.Context(), "job", "x"); !errors.Is(err, ErrToken) {
					t.Errorf("another token: got %v, want ErrToken", err)
				}
				for range c.beats {
					time.Sleep(59 * time.Second)
					if err := newRunner(t, m, nil, store, Options{}).Beat(t.Context(), "job", token); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(c.rest - time.Nanosecond)
				if stands, late, err := r.Look(t.Context(), "job"); c.rest <= time.Minute && (err != nil || late || stands.Status != Waiting) {
					t.Errorf("too early: %+v, late %t, %v", stands, late, err)
				}
				time.Sleep(time.Nanosecond)
				if err := r.Beat(t.Context(), "job", token); !errors.Is(err, ErrTimedOut) {
					t.Errorf("a late beat: got %v, want ErrTimedOut", err)
				}
				res, err := r.Resume(t.Context(), "job")
				if err != nil || res.Error != "No" || !strings.Contains(lines(heard.lines), c.want) {
					t.Errorf("got %+v, %v, %v", res, err, heard.lines)
				}
				if err := r.Beat(t.Context(), "job", token); !errors.Is(err, ErrToken) {
					t.Errorf("a beat after its end: got %v, want ErrToken", err)
				}
			})
		})
	}
}

// A beat that could not be stored moved nothing.
func TestABeatThatWasNotStored(t *testing.T) {
	t.Parallel()
	m := load(t, strings.Replace(asking, `"TimeoutSeconds": 3600`, `"TimeoutSeconds": 3600, "HeartbeatSeconds": 60`, 1))
	store := &memory{}
	r := newRunner(t, m, newScript(t, "A -> 1").tasks(), store, Options{})
	token := start(t, r)
	before := store.record("job")
	store.onSave = func(int) error { return errLost }
	if err := r.Beat(t.Context(), "job", token); !errors.Is(err, errLost) {
		t.Errorf("got %v, want the store's error", err)
	}
	if after := store.record("job"); after != before {
		t.Errorf("the record changed:\n%s\n%s", before, after)
	}
}

// Where the keeper of the records beats, a token that is answered after more than HeartbeatSeconds is in time, and
// TimeoutSeconds still end it.
func TestBeatsLeaveTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := load(t, strings.Replace(asking, `"TimeoutSeconds": 3600`, `"TimeoutSeconds": 3600, "HeartbeatSeconds": 60`, 1))
		for wait, want := range map[time.Duration]Status{59 * time.Minute: Succeeded, time.Hour: Failed} {
			var heard events
			r := newRunner(t, m, newScript(t, "A -> 1").tasks(), &memory{}, Options{Observe: heard.observe, Beats: true})
			token := start(t, r)
			time.Sleep(wait)
			res, err := r.Succeed(t.Context(), "job", token, nil)
			if want == Failed {
				if !errors.Is(err, ErrTimedOut) {
					t.Errorf("after %s: got %v, want ErrTimedOut", wait, err)
				}
				res, err = r.Resume(t.Context(), "job")
				if !strings.Contains(lines(heard.lines), "Ask caught States.Timeout -> No") {
					t.Errorf("after %s: heard %v", wait, heard.lines)
				}
			}
			if err != nil || res.Status != want {
				t.Errorf("after %s: got %+v, %v; want %v", wait, res, err, want)
			}
		}
	})
}

// The machine's time runs on while it waits, and between processes.
func TestMachineTimesOutWhileWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := load(t, strings.Replace(asking, "3600", "9000", 1))
		store := &memory{}
		token := start(t, newRunner(t, m, newScript(t, "A -> 1").tasks(), store, Options{}))
		time.Sleep(2 * time.Hour)
		other := newRunner(t, m, nil, store, Options{})
		if err := other.Beat(t.Context(), "job", token); !errors.Is(err, ErrTimedOut) {
			t.Errorf("a beat then: got %v, want ErrTimedOut", err)
		}
		res, err := other.Resume(t.Context(), "job")
		if err != nil || res.Status != Failed || res.Error != Timeout {
			t.Errorf("got %+v, %v; want %s", res, err, Timeout)
		}
	})
}

// The task itself answers, as one does that asks on a terminal: in its own goroutine or in another one. What the call
// returns afterwards does not count.
func TestAnswerWhileTheTaskRuns(t *testing.T) {
	t.Parallel()
	for name, elsewhere := range map[string]bool{"in the task": false, "in another goroutine": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r *Runner
			r = newRunner(t, load(t, asking), map[string]Task{"AFunctionArn": func(ctx context.Context, in []byte) ([]byte, error) {
				v, _ := decode(in)
				token := v.(map[string]any)["token"].(string)
				done := make(chan struct{})
				answer := func() {
					defer close(done)
					if res, err := r.Succeed(ctx, "job", token, []byte(`"yes"`)); err != nil || res.Status != Running {
						t.Errorf("got %+v, %v; want running", res, err)
					}
					if _, err := r.Fail(ctx, "job", token, "Rejected", ""); !errors.Is(err, ErrToken) {
						t.Errorf("a second answer: got %v, want ErrToken", err)
					}
				}
				if elsewhere {
					go answer()
				} else {
					answer()
				}
				<-done
				return nil, namedError{"TooLate", "the answer was given"}
			}}, &memory{}, Options{})
			res, err := r.Start(t.Context(), "job", nil)
			if err != nil || res.Status != Succeeded || string(res.Output) != `{"answer":"yes"}` {
				t.Errorf("got %+v %s, %v", res, res.Output, err)
			}
		})
	}
}

// Answers race with the end of the call that asked: each is either remembered or carries the execution on, never lost.
func TestAnswerAtTheEndOfTheCall(t *testing.T) {
	t.Parallel()
	for range 200 {
		var r *Runner
		answered := make(chan error, 1)
		r = newRunner(t, load(t, asking), map[string]Task{"AFunctionArn": func(_ context.Context, in []byte) ([]byte, error) {
			v, _ := decode(in)
			go func() {
				_, err := r.Succeed(t.Context(), "job", v.(map[string]any)["token"].(string), []byte(`"yes"`))
				answered <- err
			}()
			return nil, nil
		}}, &memory{}, Options{})
		if _, err := r.Start(t.Context(), "job", nil); err != nil {
			t.Fatal(err)
		}
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		if res, err := r.Resume(t.Context(), "job"); err != nil || res.Status != Succeeded {
			t.Fatalf("got %+v, %v", res, err)
		}
	}
}

// A token that is out stays good when the call is interrupted: it can be answered, and asking again sends the same one.
func TestTokenOutlivesAnInterruption(t *testing.T) {
	t.Parallel()
	var tokens []string
	ctx, cancel := context.WithCancel(t.Context())
	tasks := map[string]Task{"AFunctionArn": func(inner context.Context, in []byte) ([]byte, error) {
		v, _ := decode(in)
		tokens = append(tokens, v.(map[string]any)["token"].(string))
		cancel()
		return nil, nil
	}}
	store := &memory{}
	if _, err := newRunner(t, load(t, asking), tasks, store, Options{}).Start(ctx, "job", nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	res, err := newRunner(t, load(t, asking), tasks, store, Options{}).Resume(t.Context(), "job")
	if err != nil || res.Status != Waiting || len(tokens) != 2 || tokens[0] != tokens[1] || res.Token != tokens[0] {
		t.Errorf("got %+v, %v, tokens %v", res, err, tokens)
	}
}
