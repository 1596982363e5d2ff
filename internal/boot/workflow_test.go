package boot_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/demo"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/internal/runtimeapi"
	"github.com/lethe-dsr/lethe/internal/seal"
)

// world is the demo's: the same for every run.
func world(t testing.TB) (*demo.World, config.Config) {
	t.Helper()
	w, err := demo.Start(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	c, err := configfile.Parse(w.Config(), func(string) (string, bool) { return "", false })
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
		certificate, err := l.Certificate(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(certificate, ".")
		payload, _, _ := strings.Cut(rest, ".")
		says, err := base64.RawURLEncoding.DecodeString(payload)
		if err != nil {
			t.Fatal(err)
		}
		for n := range outcomes {
			outcomes[n].At = time.Time{}
			outcomes[n].Tokens = make([]string, len(outcomes[n].Tokens))
		}
		b, err := json.Marshal(outcomes)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s, identifiers left: %t, outcomes %s, certificate %s",
			r.Status, len(r.Subject) > 0 || len(r.Keys) > 0, b, chance.ReplaceAll(says, []byte("*"))))
	}
	return out
}

// noted is a store that remembers which keys it was given.
type noted struct {
	ledger.Store
	mu   sync.Mutex
	keys map[ledger.Key]bool
}

func (s *noted) note(changes []ledger.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		s.keys[c.Key] = true
	}
}

func (s *noted) Write(ctx context.Context, changes ...ledger.Change) error {
	s.note(changes)
	return s.Store.Write(ctx, changes...)
}

func (s *noted) WriteEach(ctx context.Context, changes ...ledger.Change) ([]int, error) {
	s.note(changes)
	return s.Store.WriteEach(ctx, changes...)
}

// chance is what differs from run to run where the ids are the same: times, months in keys, hashes and digests under a
// run's own key, and the providers' tokens.
var chance = regexp.MustCompile(`"[0-9]{4}-[0-9]{2}-[0-9]{2}T[^"]*"|\b[0-3][0-9]T[0-9:.]{12}\b|\b20[0-9]{2}-[0-9]{2}\b|\b[0-9a-f]{64}\b|\b[a-z2-7]{26}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)

// holds is all that a ledger holds of these keys, without what is chance, its keys at KMS, and the calls to providers of the
// last minute.
func holds(t *testing.T, s ledger.Store, keys []ledger.Key) (out []string) {
	t.Helper()
	for chunk := range slices.Chunk(keys, ledger.MaxChanges) {
		items, err := s.Get(t.Context(), chunk...)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range items {
			data := string(i.Data)
			if !json.Valid(i.Data) { // outcomes and a certificate, which became compares
				data = "compressed"
			}
			if i.Partition != "calls" && !strings.HasPrefix(i.Partition, "kept/") {
				out = append(out, chance.ReplaceAllString(fmt.Sprintf("%s | %s | %s", i.Partition, i.Sort, data), "*"))
			}
		}
	}
	slices.Sort(out)
	return out
}

// named gives requests and their job the same ids in every run.
func named() func() string {
	var n atomic.Int64
	return func() string { return []string{"request-1", "request-2", "request-3", "job-1"}[n.Add(1)-1] }
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
			if !slices.Equal(got.ledger, here.ledger) {
				t.Errorf("the ledger holds\n%s\nwant, as on one machine,\n%s", strings.Join(got.ledger, "\n"), strings.Join(here.ledger, "\n"))
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
	ledger   []string       // all that it holds
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
	return end{became(t, c.base().Ledger, requests), holds(t, c.Store(), allKeys(t, c)), w.Counts(), w.Calls()}
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
	b.Config, b.NewID = cfg, named()
	filed, err := erase.File(c.t.Context(), b, "cli", false, peopleOf(c.t, w))
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

// allKeys reads all keys of the table.
func allKeys(t *testing.T, c *cloud) (keys []ledger.Key) {
	t.Helper()
	pages := dynamodb.NewScanPaginator(c.Dynamo.Client(), &dynamodb.ScanInput{TableName: aws.String(awslocal.Table)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page.Items {
			keys = append(keys, ledger.Key{Partition: i["pk"].(*types.AttributeValueMemberS).Value, Sort: i["sk"].(*types.AttributeValueMemberS).Value})
		}
	}
	return keys
}

// onOneMachine runs the same on bbolt.
func onOneMachine(t *testing.T) end {
	t.Helper()
	w, cfg := world(t)
	dir := t.TempDir()
	bolt, err := boltstore.Open(filepath.Join(dir, "ledger.db"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer bolt.Close()
	key, err := seal.OpenKey(filepath.Join(dir, "lethe.key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	store := &noted{Store: bolt, keys: map[ledger.Key]bool{}}
	h := local.OpenOn(local.Drivers{Store: store, Seal: key, Key: key}, local.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	defer h.Close()
	h.Base.NewID = named()
	if err := h.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	run, err := h.Erase(t.Context(), peopleOf(t, w), config.Approve)
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
	return end{became(t, h.Base.Ledger, run.Requests), holds(t, bolt, slices.Collect(maps.Keys(store.keys))), w.Counts(), w.Calls()}
}
