package local_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/batch"
	"github.com/lethe-dsr/lethe/internal/batch/batchtest"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// The sizes of BenchmarkSweep, changed by LETHE_BENCH_PEOPLE and LETHE_BENCH_DEVICES.
const (
	benchPeople  = 10_000
	benchDevices = 1_000_000

	benchAudiences     = 60  // one in three names a person
	benchNotifications = 500 // one in ten names a person
)

// BenchmarkSweep files people, each with a device, and erases them all by one sweep: from one app at App Center and by
// two keys at Batch, in mode erase. One device in a hundred is somebody's, so the limit on the share of all devices is
// opened; with the documented 1 % the sweep of the full size would be at the edge of it. The App Center target has no
// requests_per_minute, which the real service would not allow. The simulators run in a process of their own, so that
// memory is Lethe's alone.
func BenchmarkSweep(b *testing.B) {
	if os.Getenv(benchSimulator) != "" {
		if err := serveSweep(os.Stdin, os.Stdout, benchSize(b, "LETHE_BENCH_PEOPLE", benchPeople), benchSize(b, "LETHE_BENCH_DEVICES", benchDevices)); err != nil {
			b.Fatal(err)
		}
		return
	}
	people, devices := benchSize(b, "LETHE_BENCH_PEOPLE", benchPeople), benchSize(b, "LETHE_BENCH_DEVICES", benchDevices)
	if devices < people {
		b.Fatal("LETHE_BENCH_DEVICES must be at least LETHE_BENCH_PEOPLE")
	}
	for b.Loop() {
		b.StopTimer()
		sweepOnce(b, people, devices)
		b.StartTimer()
	}
}

func benchSize(b *testing.B, name string, size int) int {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return size
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 100 {
		b.Fatalf("%s is a number, at least 100", name)
	}
	return n
}

func sweepOnce(b *testing.B, people, devices int) {
	sims := startSimulators(b)
	cfg, err := configfile.Parse([]byte(sims.Config), func(string) (string, bool) { return "", false })
	if err != nil {
		b.Fatal(err)
	}
	m := newMeter()
	dir := b.TempDir()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	h, err := local.Open(dir, true, local.Options{Transport: transport, Observe: m.observe})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	if err := h.Configure(cfg); err != nil {
		b.Fatal(err)
	}

	subjects := make([]subject.Subject, people)
	for n := range subjects {
		for t, v := range map[subject.Type]string{subject.Email: benchMail(n), subject.UserID: benchUser(n)} {
			id, err := subject.New(t, "", v, phone.In("DE"))
			if err != nil {
				b.Fatal(err)
			}
			subjects[n].Add(id)
		}
	}
	debug.FreeOSMemory()
	before := resident()
	start := time.Now()
	if _, err := erase.File(b.Context(), h.Base, "cli", false, subjects); err != nil {
		b.Fatal(err)
	}
	filed := time.Since(start)
	ledgerFile := filepath.Join(dir, "ledger.db")
	full := fileSize(b, ledgerFile)
	b.StartTimer()
	start, idle := time.Now(), cpuTime()
	run, err := h.Erase(b.Context(), nil, config.Erase)
	took, used := time.Since(start), cpuTime()-idle
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	m.end()
	most := slices.Max(slices.Collect(maps.Values(m.most)))
	debug.FreeOSMemory()
	after := resident()

	erased := 0
	for _, id := range run.Requests {
		r, err := h.Base.Ledger.Request(context.Background(), id)
		if err != nil {
			b.Fatal(err)
		}
		if r.Status == ledger.Erased {
			erased++
		}
	}
	seen := sims.seen(b)
	if erased != people || seen.People != 0 || seen.Others != devices-people {
		b.Fatalf("%d of %d people are erased; the app holds %d of their devices and %d of the %d others", erased, people, seen.People, seen.Others, devices-people)
	}
	passes := m.times["Find"]
	if n := seen.Calls[appcentertest.StartExport]; n != passes {
		b.Fatalf("%d exports in %d passes, want one for each", n, passes)
	}
	for key, n := range seen.Batch {
		if want := (people + batch.MaxIDs - 1) / batch.MaxIDs; n != want {
			b.Fatalf("%d calls to Batch for %s, want %d", n, key, want)
		}
	}

	fmt.Printf("\nsweep of %d people against %d devices: %d passes, all erased\n", people, devices, passes)
	fmt.Printf("  exports               %d, one for each pass\n", seen.Calls[appcentertest.StartExport])
	fmt.Printf("  Batch calls           %v for each key\n", seen.Batch)
	for _, line := range []struct {
		what string
		op   appcentertest.Op
	}{
		{"export polls", appcentertest.ExportStatus}, {"installs deleted", appcentertest.DeleteInstall},
		{"audience lists", appcentertest.ListAudiences}, {"audiences deleted", appcentertest.DeleteAudience},
		{"notification lists", appcentertest.ListNotifications}, {"notification reads", appcentertest.GetNotification},
		{"notification deletes", appcentertest.DeleteNotifications}, {"container lists", appcentertest.ListBlobs},
		{"blob reads", appcentertest.GetBlob}, {"blob deletes", appcentertest.DeleteBlob},
	} {
		fmt.Printf("  %-21s %d\n", line.what, seen.Calls[line.op])
	}
	fmt.Printf("  the simulator wrote its exports in %s of the time\n", seen.Exporting.Round(time.Millisecond))
	fmt.Printf("  filed in %s, swept in %s with %s of processor time\n", filed.Round(time.Millisecond), took.Round(time.Millisecond), used)
	for _, state := range benchStates {
		fmt.Printf("    %-19s %s, %d MiB resident at most\n", state, m.spent[state].Round(time.Millisecond), m.most[state]>>10)
	}
	fmt.Printf("  ledger %d MiB when filed, %d MiB at the end\n", full>>20, fileSize(b, ledgerFile)>>20)
	fmt.Printf("  resident, without the pages of the ledger's file: %d MiB before, %d MiB at most, %d MiB after\n", before>>10, most>>10, after>>10)

	b.ReportMetric(float64(people)/took.Seconds(), "people/s")
	b.ReportMetric(used.Seconds(), "s-cpu")
	b.ReportMetric(m.spent["Find"].Seconds(), "s-find")
	b.ReportMetric(m.spent["Forget"].Seconds(), "s-forget")
	b.ReportMetric(m.spent["CloseJob"].Seconds(), "s-close")
	b.ReportMetric(float64(fileSize(b, ledgerFile))/(1<<20), "MiB-ledger")
	b.ReportMetric(float64(max(0, most-before))/1024, "MiB-grown")
}

// benchStates are the states that the time and memory of a sweep are told by, in their order.
var benchStates = [...]string{"OpenJob", "Find", "ReviewFindings", "Forget", "CloseJob"}

// meter adds up how long the states of the machine took and how much memory the process had in them.
type meter struct {
	stop, stopped chan struct{}

	mu      sync.Mutex
	state   string // of benchStates; the last one entered
	entered time.Time
	spent   map[string]time.Duration
	times   map[string]int
	most    map[string]int // KiB
}

// newMeter looks at this process's own memory many times a second, until it is ended. VmHWM would count the mapped
// ledger, whose pages the kernel may drop at any time.
func newMeter() *meter {
	m := &meter{
		stop: make(chan struct{}), stopped: make(chan struct{}),
		spent: map[string]time.Duration{}, times: map[string]int{}, most: map[string]int{},
	}
	go func() {
		defer close(m.stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				n := resident()
				m.mu.Lock()
				m.most[m.state] = max(m.most[m.state], n)
				m.mu.Unlock()
			case <-m.stop:
				return
			}
		}
	}()
	return m
}

func (m *meter) end() {
	close(m.stop)
	<-m.stopped
}

func (m *meter) observe(e asl.Event) {
	if !slices.Contains(benchStates[:], e.State) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e.Kind {
	case asl.Entered:
		m.state, m.entered = e.State, time.Now()
		m.times[e.State]++
	case asl.Left:
		m.spent[e.State] += time.Since(m.entered)
	}
}

func fileSize(b *testing.B, name string) int64 {
	b.Helper()
	info, err := os.Stat(name)
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}

// resident is this process's own memory in KiB, without the pages of files; 0 where the system has no /proc.
func resident() int {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("RssAnon:")); ok {
			n, _ := strconv.Atoi(string(bytes.Fields(rest)[0]))
			return n
		}
	}
	return 0
}

// cpuTime is what this process has used of the processor; 0 where the system has no /proc.
func cpuTime() time.Duration {
	stat, _ := os.ReadFile("/proc/self/stat")
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // what comes before may hold blanks
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11]) // utime and stime of proc(5), in hundredths of a second
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// benchSimulator in the environment makes BenchmarkSweep serve the simulators, until its standard input ends.
const benchSimulator = "LETHE_BENCH_SIMULATOR"

// simulators is what the serving process says of itself.
type simulators struct {
	Config string // of Lethe, for these simulators
	Seen   string // URL that answers a sight
}

// sight is what the simulators have seen and hold.
type sight struct {
	Calls          map[appcentertest.Op]int
	Batch          map[string]int // calls by API key
	People, Others int            // devices that the app still has
	Exporting      time.Duration  // spent in answering StartExport
}

const helloPrefix = "simulators: "

func startSimulators(b *testing.B) simulators {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkSweep$", "-test.benchtime=1x", "-test.timeout=0")
	cmd.Env = append(os.Environ(), benchSimulator+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	b.Cleanup(func() {
		stdin.Close()
		_, copied := io.Copy(io.Discard, lines)
		if err := errors.Join(copied, cmd.Wait()); err != nil {
			b.Errorf("the simulators' process: %v", err)
		}
	})
	for {
		line, err := lines.ReadString('\n')
		if _, hello, ok := strings.Cut(line, helloPrefix); ok {
			var s simulators
			if err := json.Unmarshal([]byte(hello), &s); err != nil {
				b.Fatal(err)
			}
			return s
		}
		if err != nil {
			b.Fatalf("the simulators' process said nothing: %v", err)
		}
	}
}

func (s simulators) seen(b *testing.B) sight {
	b.Helper()
	res, err := http.Get(s.Seen)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	var out sight
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		b.Fatal(err)
	}
	return out
}

// serveSweep serves the world of a sweep until in ends, after it has told out where.
func serveSweep(in io.Reader, out io.Writer, people, devices int) error {
	app := sweepApp(people, devices)
	apps := appcentertest.New(appcentertest.World{Apps: []appcentertest.App{app}})
	users := make([]string, people)
	for n := range users {
		users[n] = benchUser(n)
	}
	profiles := batchtest.New("rest-key", map[string][]string{"live-key": users, "dev-key": users})
	var exporting atomic.Int64 // nanoseconds
	appServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		apps.ServeHTTP(w, r)
		if r.Method == http.MethodPost {
			exporting.Add(int64(time.Since(begin)))
		}
	}))
	defer appServer.Close()
	profileServer := httptest.NewServer(profiles)
	defer profileServer.Close()
	seen := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s := sight{Calls: apps.Counts(), Batch: map[string]int{"live-key": 0, "dev-key": 0}, Exporting: time.Duration(exporting.Load())}
		for _, c := range profiles.Calls() {
			s.Batch[c.App]++
		}
		for _, d := range apps.Devices(app.Key()) {
			if strings.HasPrefix(d.UserID, "customer-") {
				s.People++
			} else {
				s.Others++
			}
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(s); err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	defer seen.Close()
	hello, err := json.Marshal(simulators{Seen: seen.URL, Config: fmt.Sprintf(`
controller: Acme GmbH
mode: erase
limits: {share: 1}
targets:
  - {id: acme-ios, provider: appcenter, owner: acme, app: ios, token: app-token, export_container: %q, base_url: %q, requests_per_minute: 0}
  - {id: acme-live, provider: batch, api_key: live-key, rest_key: rest-key, base_url: %q, custom_id: user_id}
  - {id: acme-dev, provider: batch, api_key: dev-key, rest_key: rest-key, base_url: %[3]q, custom_id: user_id}
`, apps.ContainerSAS(appServer.URL, app.Key(), ""), appServer.URL, profileServer.URL)})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "%s%s\n", helloPrefix, hello); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

func benchMail(n int) string { return fmt.Sprintf("person.%d@customers.example.com", n) }
func benchUser(n int) string { return fmt.Sprintf("customer-%08d", n) }

// sweepApp has a device for each of the people, every second of which is known by its e-mail address too, among those
// of others.
func sweepApp(people, devices int) appcentertest.App {
	random := rand.New(rand.NewPCG(1, 2))
	plans := []map[string]any{nil, {"plan": "gold", "vip": true}, {"plan": "free"}, {"plan": "free", "visits": 17}}
	a := appcentertest.App{
		Owner: "acme", Name: "ios", Token: "app-token", Devices: make([]appcentertest.Device, devices),
		Export: appcentertest.ExportStyle{Blobs: 8},
	}
	every := devices / people
	for n := range a.Devices {
		d := appcentertest.Device{
			InstallID: fmt.Sprintf("%08x-0000-4000-8000-%012x", random.Uint32(), n),
			UserID:    fmt.Sprintf("user-%010d", random.IntN(1e10)),
			PushToken: fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64()),
			Platform:  "iOS", Locale: "de-DE", Props: plans[n%len(plans)],
		}
		if who := n / every; n%every == 0 && who < people {
			d.UserID = benchUser(who)
			if who%2 == 0 {
				d.Props = map[string]any{"email": benchMail(who)}
			}
		}
		a.Devices[n] = d
	}
	for n := range benchAudiences {
		u := appcentertest.Audience{Name: fmt.Sprintf("audience %d", n), Definition: fmt.Sprintf("plan eq 'p%d'", n)}
		if n%3 == 0 {
			u.Definition = "email eq '" + benchMail(n%people) + "'"
		}
		a.Audiences = append(a.Audiences, u)
	}
	for n := range benchNotifications {
		m := appcentertest.Notification{ID: fmt.Sprintf("n-%06d", n), Name: "Sale", Title: "Sale", Body: "Everything must go."}
		if n%10 == 0 {
			m.Body = "Sent to " + benchMail(n%people) + "."
		}
		a.Notifications = append(a.Notifications, m)
	}
	return a
}
