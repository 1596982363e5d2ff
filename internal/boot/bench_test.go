package boot_test

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/awslocal/awstest"
	"github.com/lethe-dsr/lethe/internal/runtimeapi"
)

const (
	coldStarts = 61 // of each function, to its first next call
	coldJobs   = 5  // whole jobs, in which each call is a cold start that is answered
)

// BenchmarkColdStart starts each function as a process, and one that does nothing by turns with them, in random order and
// each as often, so that all meet the same machine and none stays in its caches. It prints medians:
//
//	next      from before the process is started until it asks for its first invocation
//	response  until the first invocation is answered, as it happens in a whole job of the demo's people
//	AWS       calls in that invocation: Secrets Manager and KMS for the start, DynamoDB, KMS and Step Functions for the step
//	waiting   the time in which at least one of these was under way, at servers on this machine; a real one takes longer
//	own       response without waiting: the function's own time, and the provider's simulator's where it calls one
//
// What does nothing calls nothing, so that only next compares like with like. The functions around the state machine have
// no part in a job: of them only next is measured.
func BenchmarkColdStart(b *testing.B) {
	programs := awstest.Programs(b)
	empty(b, programs)
	all := map[string]*started{"empty": {}}
	folders, err := os.ReadDir("../../functions")
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range folders {
		all[f.Name()] = &started{}
	}
	for b.Loop() {
		starts(b, programs, all)
		for range coldJobs {
			answers(b, programs, all)
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%-22s %21s  %32s %6s  %15s\n", "", "next", "response", "", "package")
	fmt.Fprintf(&out, "%-22s %6s %6s %7s  %6s %6s %8s %8s %6s  %7s %7s\n", "function", "ms", "empty", "ratio", "ms", "empty", "own ms", "waiting", "AWS", "MB", "zip MB")
	for _, f := range folders {
		name := f.Name()
		s := all[name]
		next, nothing := median(s.next), median(all["empty"].next)
		raw, zipped := size(b, programs, name)
		fmt.Fprintf(&out, "%-22s %6.2f %6.2f %6.2fx  %6.1f %6.1f %8.1f %8.1f %6d  %7.1f %7.1f\n", name, ms(next), ms(nothing), float64(next)/float64(nothing),
			ms(median(s.response)), ms(median(s.emptyResponse)), ms(median(s.own)), ms(median(s.waiting)), median(s.calls), raw, zipped)
		b.ReportMetric(float64(next)/float64(nothing), name+"-ratio")
	}
	raw, zipped := size(b, programs, "empty")
	fmt.Fprintf(&out, "%-22s %82s  %7.1f %7.1f\n", "empty", "", raw, zipped)
	fmt.Print("\n" + out.String()) // Log cuts it off
}

// empty builds the function that does nothing beside the others, as they are built.
func empty(b *testing.B, programs string) {
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w",
		"-o", filepath.Join(programs, "empty", "bootstrap"), "./testdata/empty")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build the empty function: %v\n%s", err, out)
	}
}

// started is what was measured of a function; emptyResponse is of the empty one, called right before with the same payload.
type started struct {
	next, response, emptyResponse, own, waiting []time.Duration
	calls                                       []int
}

func median[T time.Duration | int](l []T) T {
	if len(l) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(l))[len(l)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// cold starts a function, and has it answer one invocation where there is a payload.
func cold(b *testing.B, programs, name string, env []string, payload []byte) (next, response time.Duration, out []byte, err error) {
	f := runtimeapi.New(name, filepath.Join(programs, name, "bootstrap"), env, io.Discard)
	defer f.Close()
	began := time.Now()
	if err := f.Warm(b.Context()); err != nil {
		b.Fatal(err)
	}
	next = time.Since(began)
	if payload != nil {
		out, err = f.Invoke(b.Context(), payload)
		response = time.Since(began)
	}
	return next, response, out, err
}

func starts(b *testing.B, programs string, all map[string]*started) {
	env := []string{
		"LETHE_TABLE=ledger", "LETHE_SEALING_KEY=key", "LETHE_SIGNING_KEY=key", "LETHE_CONFIG=" + awslocal.SecretARN, "LETHE_STATE_MACHINE=" + awslocal.MachineARN, "LETHE_STACK=lethe",
		"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
	}
	for n := range coldStarts {
		for name, s := range all { // in another order each time
			next, _, _, _ := cold(b, programs, name, env, nil)
			if n > 0 { // the first reads the programs from the disk
				s.next = append(s.next, next)
			}
		}
	}
}

// answers runs one job in which every call is a cold start, one after the other.
func answers(b *testing.B, programs string, all map[string]*started) {
	c := newCloud(b)
	m := &meter{to: c}
	front := httptest.NewServer(m)
	defer front.Close()
	c.URL = front.URL
	w, cfg := world(b)
	c.Configure(string(w.Config()))
	var turn sync.Mutex
	tasks := map[string]asl.Task{}
	for _, resource := range awslocal.Resources() {
		name := awslocal.Folder(resource)
		tasks[resource] = func(_ context.Context, in []byte) ([]byte, error) {
			turn.Lock()
			defer turn.Unlock()
			s := all[name]
			_, nothing, _, err := cold(b, programs, "empty", c.Environment(), in)
			if err != nil {
				b.Error(err)
			}
			m.reset()
			_, response, out, err := cold(b, programs, name, c.Environment(), in)
			calls, waiting := m.reset()
			s.emptyResponse, s.response = append(s.emptyResponse, nothing), append(s.response, response)
			s.calls, s.waiting, s.own = append(s.calls, calls), append(s.waiting, waiting), append(s.own, response-waiting)
			return out, err
		}
	}
	erased(c, w, cfg, tasks)
}

// meter counts calls, and the time in which at least one is under way.
type meter struct {
	to http.Handler

	mu    sync.Mutex
	calls int
	under int
	since time.Time
	busy  time.Duration
}

func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.calls++
	if m.under++; m.under == 1 {
		m.since = time.Now()
	}
	m.mu.Unlock()
	m.to.ServeHTTP(w, r)
	m.mu.Lock()
	if m.under--; m.under == 0 {
		m.busy += time.Since(m.since)
	}
	m.mu.Unlock()
}

// reset gives what was counted, and begins anew.
func (m *meter) reset() (calls int, busy time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	calls, busy = m.calls, m.busy
	m.calls, m.busy = 0, 0
	return calls, busy
}

// size is a program's in MB, as it is and as Lambda takes it.
func size(b *testing.B, programs, name string) (raw, zipped float64) {
	program, err := os.ReadFile(filepath.Join(programs, name, "bootstrap"))
	if err != nil {
		b.Fatal(err)
	}
	var n counter
	z := zip.NewWriter(&n)
	w, err := z.Create("bootstrap")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.Write(program); err != nil {
		b.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	return float64(len(program)) / 1e6, float64(n) / 1e6
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
