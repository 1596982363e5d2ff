package boot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/demo"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/internal/runtimeapi"
)

// world is the demo's: the same for every run.
func world(t testing.TB) (*demo.World, config.Config) {
	t.Helper()
	w, err := demo.Start(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	c, err := config.Parse(w.Config(), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return w, c
}

// became is what a ledger says of requests, in their order, without what differs from run to run: ids, times and the
// providers' tokens.
func became(t *testing.T, l *ledger.Ledger, requests []string) (out []string) {
	t.Helper()
	for _, id := range requests {
		r, err := l.Request(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		outcomes, err := l.Outcomes(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		_, none := l.Certificate(t.Context(), id)
		for n := range outcomes {
			outcomes[n].At = time.Time{}
			outcomes[n].Tokens = make([]string, len(outcomes[n].Tokens))
		}
		b, err := json.Marshal(outcomes)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s, identifiers left: %t, certificate: %t, %s",
			r.Status, len(r.Subject) > 0 || len(r.Keys) > 0, none == nil, b))
	}
	return out
}

// The definition with the functions as processes, on DynamoDB and KMS, comes to the same end as the run in one process on
// bbolt and a key file; also when every call meets a new process, as after a deployment or a pause.
func TestTheFunctionsEndAsTheLocalRunDoes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs all functions")
	}
	t.Parallel()
	here := onOneMachine(t)
	for name, cold := range map[string]bool{"processes that stay": false, "a new process for every call": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := onAWS(t, cold)
			if !slices.Equal(got.requests, here.requests) {
				t.Errorf("the requests became\n%s\nwant, as on one machine,\n%s", strings.Join(got.requests, "\n"), strings.Join(here.requests, "\n"))
			}
			if !slices.Equal(got.left, here.left) {
				t.Errorf("the providers hold %v, and %v after the run on one machine", got.left, here.left)
			}
			if !maps.Equal(got.calls, here.calls) {
				t.Errorf("the providers got the calls %v, and %v from one machine", got.calls, here.calls)
			}
		})
	}
}

// end is what became of a run.
type end struct {
	requests []string
	left     []demo.Count   // at the providers
	calls    map[string]int // that the providers got
}

// onAWS runs the demo's people through the functions, with an approval.
func onAWS(t *testing.T, cold bool) end {
	t.Helper()
	c := newCloud(t)
	w, cfg := world(t)
	c.Configure(string(w.Config()))
	before := w.Counts()

	people := strings.FieldsFunc(string(w.PeopleCSV()), func(r rune) bool { return r == ',' || r == '\n' })
	nobody := func(name string, payload []byte) {
		for _, p := range people {
			if len(p) >= 8 && bytes.Contains(payload, []byte(p)) {
				t.Errorf("an identifier passes through %s", name)
			}
		}
	}
	var called sync.Map
	tasks := map[string]asl.Task{}
	var functions []*runtimeapi.Function
	for _, name := range awslocal.Resources() {
		f := c.function(awslocal.Folder(name), c.Environment())
		functions = append(functions, f)
		tasks[name] = func(ctx context.Context, in []byte) ([]byte, error) {
			called.Store(name, true)
			with := f
			if cold {
				with = c.function(awslocal.Folder(name), c.Environment())
				defer with.Close()
			}
			out, err := with.Invoke(ctx, in)
			nobody(name, in)
			nobody(name, out)
			return out, err
		}
	}
	requests := erased(c, w, cfg, tasks)
	for _, name := range awslocal.Resources() {
		if _, ok := called.Load(name); !ok {
			t.Errorf("%s was not called", name)
		}
	}
	for _, f := range functions {
		f.Close() // what is on its way to the log is there then
	}
	wantJournal(t, c.Printed(), "job-1", len(requests), before, w, cfg)
	return end{became(t, c.base().Ledger, requests), w.Counts(), w.Calls()}
}

// erased deploys the machine with these tasks, runs it for the demo's people, approves the plan, and gives the ids of
// their requests.
func erased(c *cloud, w *demo.World, cfg config.Config, tasks map[string]asl.Task) []string {
	c.t.Helper()
	m, err := c.Deploy(tasks, asl.Options{
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Observe: func(e asl.Event) {
			if e.Kind == asl.Caught || e.Kind == asl.Retried || e.Kind == asl.Broken {
				c.t.Errorf("%s: %s %s", e.State, e.Kind, e.Error)
			}
		},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	defer m.Close()
	states := sfn.NewFromConfig(c.AWS())
	b := c.base()
	b.Config = cfg
	filed, err := erase.File(c.t.Context(), b, "api", false, w.People())
	if err != nil {
		c.t.Fatal(err)
	}
	input, err := json.Marshal(erase.Input{Requests: filed.Requests, Mode: config.Approve})
	if err != nil {
		c.t.Fatal(err)
	}
	machine, job, text := awslocal.MachineARN, "job-1", string(input)
	if _, err := states.StartExecution(c.t.Context(), &sfn.StartExecutionInput{StateMachineArn: &machine, Name: &job, Input: &text}); err != nil {
		c.t.Fatal(err)
	}
	if waits, err := m.Settled(c.t.Context(), job); err != nil || waits.Status != asl.Waiting {
		c.t.Fatalf("%+v, %v; the log: %s", waits, err, c.Printed())
	}
	plan, err := erase.LoadPlan(c.t.Context(), b, job, false)
	if err != nil {
		c.t.Fatal(err)
	}
	token, err := erase.Decide(c.t.Context(), b, job, erase.Word{Plan: plan.Hash, By: "test", Approved: true})
	if err != nil {
		c.t.Fatal(err)
	}
	empty := "{}"
	if _, err := states.SendTaskSuccess(c.t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: &empty}); err != nil {
		c.t.Fatal(err)
	}
	ended, err := m.Settled(c.t.Context(), job)
	if err != nil || ended.Status != asl.Succeeded {
		c.t.Fatalf("%+v, %v; the log: %s", ended, err, c.Printed())
	}
	return filed.Requests
}

// onOneMachine runs the same on bbolt.
func onOneMachine(t *testing.T) end {
	t.Helper()
	w, cfg := world(t)
	h, err := local.Open(t.TempDir(), true, local.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	run, err := h.Erase(t.Context(), w.People(), config.Approve)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := erase.LoadPlan(t.Context(), h.Base, run.Job, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Decide(t.Context(), run.Job, erase.Word{Plan: plan.Hash, By: "test", Approved: true}); err != nil {
		t.Fatal(err)
	}
	return end{became(t, h.Base.Ledger, run.Requests), w.Counts(), w.Calls()}
}
