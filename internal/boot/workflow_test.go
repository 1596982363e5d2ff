package boot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/demo"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/statemachine"
)

// folder is the function's of a resource: delete-install of DeleteInstallFunctionArn.
func folder(resource string) string {
	var b strings.Builder
	for n, r := range strings.TrimSuffix(resource, "FunctionArn") {
		if n > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

func resources() (names []string) {
	for _, step := range []string{
		"OpenJob", "ExportDevices", "MatchSubject", "RemoveExport", "ListAudiences", "ListNotifications", "ReviewFindings",
		"RequestApproval", "DeleteInstall", "DeleteAudiences", "DeleteNotifications", "BatchDelete", "CloseJob",
	} {
		names = append(names, step+"FunctionArn")
	}
	return names
}

// world is the demo's: the same for every run.
func world(t *testing.T) (*demo.World, config.Config) {
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
// bbolt and a key file.
func TestTheFunctionsEndAsTheLocalRunDoes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs all functions")
	}
	t.Parallel()
	c := newCloud(t)
	w, cfg := world(t)
	c.configure(string(w.Config()))

	var mu sync.Mutex
	called := map[string]bool{}
	tasks := map[string]asl.Task{}
	for _, name := range resources() {
		f := c.function(folder(name), c.environment())
		tasks[name] = func(ctx context.Context, in []byte) ([]byte, error) {
			mu.Lock()
			called[name] = true
			mu.Unlock()
			return f.Invoke(ctx, in)
		}
	}
	m, err := asl.Load(statemachine.Erasure, resources())
	if err != nil {
		t.Fatal(err)
	}
	runner, err := asl.New(m, tasks, &records{}, asl.Options{
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Observe: func(e asl.Event) {
			if e.Kind == asl.Caught || e.Kind == asl.Retried || e.Kind == asl.Broken {
				t.Errorf("%s: %s %s", e.State, e.Kind, e.Error)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := c.base()
	b.Config = cfg
	filed, err := erase.File(t.Context(), b, "api", false, w.People())
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(erase.Input{Requests: filed.Requests, Mode: config.Approve})
	if err != nil {
		t.Fatal(err)
	}
	waits, err := runner.Start(t.Context(), "job-1", input)
	if err != nil || waits.Status != asl.Waiting {
		t.Fatalf("%+v, %v; the log: %s", waits, err, c.logged())
	}
	plan, err := erase.LoadPlan(t.Context(), b, "job-1", false)
	if err != nil {
		t.Fatal(err)
	}
	token, err := erase.Decide(t.Context(), b, "job-1", erase.Word{Plan: plan.Hash, By: "test", Approved: true})
	if err != nil {
		t.Fatal(err)
	}
	end, err := runner.Succeed(t.Context(), "job-1", token, []byte(`{}`))
	if err != nil || end.Status != asl.Succeeded {
		t.Fatalf("%+v, %v; the log: %s", end, err, c.logged())
	}
	if got := slices.Sorted(maps.Keys(called)); len(got) != len(resources()) {
		t.Errorf("only %q were called", got)
	}
	if log := c.logged(); log != "" {
		t.Errorf("the functions logged: %s", log)
	}

	here, wanted, counts := onOneMachine(t)
	if got := became(t, b.Ledger, filed.Requests); !slices.Equal(got, wanted) {
		t.Errorf("the requests became\n%s\nwant, as on one machine,\n%s", strings.Join(got, "\n"), strings.Join(wanted, "\n"))
	}
	if !slices.Equal(w.Counts(), counts) {
		t.Errorf("the providers hold %v, and %v after the run on one machine", w.Counts(), counts)
	}
	for op, n := range here.Calls() {
		if got := w.Calls()[op]; got != n {
			t.Errorf("%d calls of %s, and %d on one machine", got, op, n)
		}
	}
}

// onOneMachine runs the same on bbolt.
func onOneMachine(t *testing.T) (w *demo.World, wanted []string, counts []demo.Count) {
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
	return w, became(t, h.Base.Ledger, run.Requests), w.Counts()
}
