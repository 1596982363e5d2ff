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
	coldStarts = 12 // of each copy of a function, to its first next call and to the answer to an input that it refuses
	coldCopies = 12 // of each function
	coldJobs   = 5  // whole jobs, in which each call is a cold start that is answered

	// refused is an input that no function takes, the empty one neither. Each says so before it connects.
	refused = `[]`
)

// BenchmarkColdStart starts each function as a process, and one that does nothing among them, in random order and each as
// often, so that all meet the same machine and none stays in its caches. Copies of the programs are started, new ones every
// few starts: by how its file happens to lie in memory the same program starts up to 10 % faster or slower until it is
// written again, which no number of starts evens out. It prints medians, of the two that compare like with like beside the
// empty one's:
//
//	next            from before the process is started until it asks for its first invocation
//	first response  until that invocation is answered, whose input both refuse as no JSON object: neither calls anything. In
//	                the empty one aws-lambda-go does so; ours also log it and count it
//
// and of the calls of whole jobs of the demo's people, which have nothing to be compared with; the functions around the
// state machine have no part in these:
//
//	answer   from before the process is started until it has done its step
//	AWS      calls in that invocation: Secrets Manager and KMS for the start, DynamoDB, KMS and Step Functions for the step
//	waiting  the time in which at least one of these was under way, at servers on this machine; a real one takes longer
//	own      answer without waiting: the function's own time, and the provider's simulator's where it calls one
func BenchmarkColdStart(b *testing.B) {
	built := awstest.Programs(b)
	empty(b, built)
	functions := folders(b)
	all := map[string]*started{"empty": {}}
	for _, name := range functions {
		all[name] = &started{}
	}
	for b.Loop() {
		for range coldCopies {
			starts(b, copied(b, built, append(functions, "empty")), all)
		}
		for range coldJobs {
			answers(b, built, all)
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%-22s %21s  %21s  %29s  %15s\n", "", "next", "first response", "in a whole job", "package")
	fmt.Fprintf(&out, "%-22s %6s %6s %7s  %6s %6s %7s  %6s %7s %8s %5s  %7s %7s\n", "function", "ms", "empty", "ratio", "ms", "empty", "ratio", "answer", "own", "waiting", "AWS", "MB", "zip MB")
	nothing := all["empty"]
	for _, name := range functions {
		s := all[name]
		next, response := ratio(s.next, nothing.next), ratio(s.response, nothing.response)
		raw, zipped := size(b, built, name)
		fmt.Fprintf(&out, "%-22s %6.2f %6.2f %6.2fx  %6.2f %6.2f %6.2fx  %6.1f %7.1f %8.1f %5d  %7.1f %7.1f\n", name,
			ms(median(s.next)), ms(median(nothing.next)), next, ms(median(s.response)), ms(median(nothing.response)), response,
			ms(median(s.answer)), ms(median(s.own)), ms(median(s.waiting)), median(s.calls), raw, zipped)
		b.ReportMetric(next, name+"-next-ratio")
		b.ReportMetric(response, name+"-response-ratio")
	}
	raw, zipped := size(b, built, "empty")
	fmt.Fprintf(&out, "%-22s %76s  %7.1f %7.1f\n", "empty", "", raw, zipped)
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

// copied gives a directory with copies of programs.
func copied(b *testing.B, programs string, names []string) (dir string) {
	dir = b.TempDir()
	for _, name := range names {
		program, err := os.ReadFile(filepath.Join(programs, name, "bootstrap"))
		if err == nil {
			err = os.Mkdir(filepath.Join(dir, name), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name, "bootstrap"), program, 0o755)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// started is what was measured of a function.
type started struct {
	next, response       []time.Duration
	answer, own, waiting []time.Duration
	calls                []int
}

func ratio(of, to []time.Duration) float64 { return float64(median(of)) / float64(median(to)) }

func median[T time.Duration | int](l []T) T {
	if len(l) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(l))[len(l)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// cold starts a function, and has it answer one invocation.
func cold(b *testing.B, programs, name string, env []string, payload []byte) (next, response time.Duration, out []byte, err error) {
	f := runtimeapi.New(name, filepath.Join(programs, name, "bootstrap"), env, io.Discard)
	defer f.Close()
	began := time.Now()
	if err := f.Warm(b.Context()); err != nil {
		b.Fatal(err)
	}
	next = time.Since(began)
	out, err = f.Invoke(b.Context(), payload)
	return next, time.Since(began), out, err
}

func starts(b *testing.B, programs string, all map[string]*started) {
	env := []string{
		"LETHE_TABLE=ledger", "LETHE_SEALING_KEY=key", "LETHE_SIGNING_KEY=key", "LETHE_CONFIG=" + awslocal.SecretARN, "LETHE_STATE_MACHINE=" + awslocal.MachineARN, "LETHE_STACK=lethe",
		"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
	}
	defer os.RemoveAll(programs)
	for n := range coldStarts {
		for name, s := range all { // in another order each time
			next, response, _, err := cold(b, programs, name, env, []byte(refused))
			if err == nil {
				b.Fatalf("%s takes %s", name, refused)
			}
			if n > 0 { // the first one fills caches
				s.next, s.response = append(s.next, next), append(s.response, response)
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
			m.reset()
			_, answer, out, err := cold(b, programs, name, c.Environment(), in)
			calls, waiting := m.reset()
			s.calls, s.waiting = append(s.calls, calls), append(s.waiting, waiting)
			s.answer, s.own = append(s.answer, answer), append(s.own, answer-waiting)
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
