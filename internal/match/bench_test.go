package match

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// BenchmarkExport matches one generated export for 10,000 people on one core, with this package and with ripgrep,
// which looks for the same e-mail addresses and user ids as fixed strings. Run it with -benchtime=1x. LETHE_BENCH_MB
// is the size of the export (1024). MB/s is by the clock and worth little on a busy machine; cpu-MB/s is by the time that
// the processor spent on it, in both cases.
func BenchmarkExport(b *testing.B) {
	size := 1024
	if s := os.Getenv("LETHE_BENCH_MB"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 4 {
			b.Fatal("LETHE_BENCH_MB is a number of megabytes, at least 4")
		}
		size = n
	}
	crowd := newCrowd(10_000)
	dir := b.TempDir()
	names := filepath.Join(dir, "people")
	if err := os.WriteFile(names, []byte(strings.Join(crowd.words, "\n")+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	m := New(crowd.people, phone.In("DE"))
	for _, escaped := range []bool{false, true} {
		shape := "objects"
		if escaped {
			shape = "strings" // properties as a JSON text in a string
		}
		for _, mb := range []int{size / 4, size} {
			file := filepath.Join(dir, "export")
			planted := crowd.export(b, file, mb<<20, escaped)
			b.Run(fmt.Sprintf("lethe/%s/%dMB", shape, mb), func(b *testing.B) { benchLethe(b, m, file, planted) })
			if mb == size {
				b.Run(fmt.Sprintf("rg/%s/%dMB", shape, mb), func(b *testing.B) { benchRipgrep(b, names, file) })
			}
			if err := os.Remove(file); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func benchLethe(b *testing.B, m *Matcher, file string, planted map[string]string) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	debug.FreeOSMemory()
	before := memory("VmRSS")
	resetPeak()
	b.SetBytes(length(b, file))
	start, rounds := cpuTime(), 0
	for b.Loop() {
		rounds++
		f, err := os.Open(file)
		if err != nil {
			b.Fatal(err)
		}
		hits, wrong := 0, 0
		tally, err := m.Devices(context.Background(), f, Span{}, nil, func(d Device) error {
			hits++
			if len(d.Hits) == 0 || planted[d.InstallID] != d.Hits[0].Ref {
				wrong++
			}
			return nil
		}, func([]string) error { return nil })
		f.Close()
		switch {
		case err != nil:
			b.Fatal(err)
		case wrong > 0 || hits != len(planted) || tally.Unreadable > 0:
			b.Fatalf("%d hits (%d false), %d unreadable lines; %d devices are somebody's", hits, wrong, tally.Unreadable, len(planted))
		}
		b.ReportMetric(float64(hits), "hits")
		b.ReportMetric(float64(wrong), "false-hits")
		b.ReportMetric(float64(tally.Devices), "devices")
	}
	reportCPU(b, rounds, length(b, file), cpuTime()-start)
	b.ReportMetric(float64(max(0, memory("VmHWM")-before))/1024, "MiB-grown")
}

// benchRipgrep runs one thread of ripgrep (-j1), as benchLethe has one of Go; neither is bound to a certain core, so that
// what else the machine does hits both alike.
func benchRipgrep(b *testing.B, names, file string) {
	rg, err := exec.LookPath("rg")
	if err != nil {
		b.Skip("ripgrep (rg) is not installed, so there is nothing to compare with")
	}
	args := []string{rg, "-F", "-c", "-j1", "-f", names, file}
	b.SetBytes(length(b, file))
	rounds, spent := 0, time.Duration(0)
	for b.Loop() {
		cmd := exec.Command(args[0], args[1:]...)
		out, err := cmd.Output()
		rounds++
		spent += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			b.Fatal(err)
		}
		lines, _ := strconv.Atoi(strings.TrimSpace(string(out)))
		b.ReportMetric(float64(lines), "lines")
	}
	reportCPU(b, rounds, length(b, file), spent)
}

func reportCPU(b *testing.B, rounds int, size int64, spent time.Duration) {
	if spent > 0 {
		b.ReportMetric(float64(rounds)*float64(size)/1e6/spent.Seconds(), "cpu-MB/s")
	}
}

// cpuTime is the user and system time of this process, in ticks of 10 ms; 0 where the system has no /proc.
func cpuTime() time.Duration {
	stat, _ := os.ReadFile("/proc/self/stat")
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from the third field on: proc(5)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(string(fields[11]))
	system, _ := strconv.Atoi(string(fields[12]))
	return time.Duration(user+system) * 10 * time.Millisecond
}

func length(b *testing.B, file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}

// memory reads a figure of this process in KiB; 0 where the system has no /proc.
func memory(field string) int {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(field+":")); ok {
			n, _ := strconv.Atoi(string(bytes.Fields(rest)[0]))
			return n
		}
	}
	return 0
}

// resetPeak makes VmHWM start again from what is resident now (Linux).
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// crowd is a number of people, and what a plain search for them would look for.
type crowd struct {
	people []Person
	words  []string
	random *rand.Rand
}

func newCrowd(n int) *crowd {
	c := &crowd{random: rand.New(rand.NewPCG(1, 2))}
	for i := range n {
		var s subject.Subject
		add := func(t subject.Type, v string) {
			id, err := subject.New(t, "", v, phone.In("DE"))
			if err != nil {
				panic(err)
			}
			s.Add(id)
		}
		email := c.email("person")
		add(subject.Email, email)
		c.words = append(c.words, email)
		if i%2 == 0 {
			user := fmt.Sprintf("u-%010d", 2*c.random.IntN(5e9)) // strangers have odd ones
			add(subject.UserID, user)
			c.words = append(c.words, user)
		}
		if i%3 == 0 {
			add(subject.Phone, fmt.Sprintf("+49171%07d", c.random.IntN(1e7)))
		}
		c.people = append(c.people, Person{Ref: fmt.Sprintf("r%d", i), Identifiers: s.Identifiers})
	}
	return c
}

func (c *crowd) email(stem string) string {
	return fmt.Sprintf("%s.%x@mail%d.example", stem, c.random.IntN(1<<40), c.random.IntN(40))
}

// export writes an export of that size and tells which install ids are whose. One device in 2,000 is somebody's; one
// in 500 has an address that contains somebody's.
func (c *crowd) export(b *testing.B, file string, size int, escaped bool) map[string]string {
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	planted := map[string]string{}
	for written := 0; written < size; {
		r := c.random
		install := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.IntN(1<<48))
		email, user := c.email("someone"), fmt.Sprintf("u-%010d", 2*r.IntN(5e9)+1)
		properties := ""
		switch who := r.IntN(len(c.people)); {
		case r.IntN(2000) == 0:
			id := c.people[who].Identifiers[r.IntN(len(c.people[who].Identifiers))]
			switch planted[install] = c.people[who].Ref; id.Type {
			case subject.Email:
				email = strings.ToUpper(id.Value()[:1]) + id.Value()[1:]
			case subject.UserID:
				user = id.Value()
			case subject.Phone:
				properties = `"mobile":"0` + id.Value()[3:] + `",`
			}
		case r.IntN(500) == 0:
			email = "x" + c.people[who].Identifiers[0].Value()
		}
		if r.IntN(3) > 0 || strings.Contains(properties, "mobile") || planted[install] != "" {
			properties = fmt.Sprintf(`{%s"email":"%s","plan":"gold","vip":%t,"visits":%d,"since":"2020-01-02T03:04:05Z"}`, properties, email, r.IntN(2) == 0, r.IntN(1e6))
		} else {
			properties = "{}"
		}
		if escaped {
			properties = strconv.Quote(properties)
		}
		n, _ := fmt.Fprintf(w, `{"installId":"%s","pushToken":"%016x%016x%016x%016x","platform":"Android","userId":"%s","customProperties":%s,"device":{"sdkName":"appcenter.android","model":"Pixel 2 XL","osName":"Android","osVersion":"9","osBuild":"PQ3A.190801.002","locale":"de-DE","timeZoneOffset":%d,"carrierCountry":"DE","appVersion":"1.2.3"}}`+"\n",
			install, r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), user, properties, r.IntN(1440)-720)
		written += n
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		b.Fatal(err)
	}
	return planted
}

// BenchmarkLongLines reads lines of the greatest length, in the shapes that need most memory.
func BenchmarkLongLines(b *testing.B) {
	id, err := subject.New(subject.Email, "", "ann@x.com", phone.In(""))
	if err != nil {
		b.Fatal(err)
	}
	m := New([]Person{{Ref: "ann", Identifiers: []subject.Identifier{id}}}, phone.In(""))
	for shape, line := range map[string]longLine{
		"string":     {head: `{"installId":"i","p":"ann@x.com","x":"`, repeat: `y`, tail: `"}`},
		"container":  {head: `{"installId":"i","properties":"{\"p\":\"ann@x.com\",\"x\":\"`, repeat: `y`, tail: `\"}"}`},
		"objects":    {head: `{"installId":"i","p":"ann@x.com","x":[`, repeat: `{},`, tail: `1]}`},
		"addresses":  {head: `{"installId":"i","p":"ann@x.com","x":[`, repeat: `"a@b",`, tail: `1]}`},
		"unreadable": {head: `{"installId":"i","p":"ann@x.com","x":"`, repeat: `\u00e9@1 `},
	} {
		b.Run(shape, func(b *testing.B) {
			debug.FreeOSMemory()
			before := memory("VmRSS")
			resetPeak()
			b.SetBytes(4 * maxLine)
			for b.Loop() {
				tally, err := m.Devices(context.Background(), io.MultiReader(line.reader(), line.reader(), line.reader(), line.reader()),
					Span{}, nil, func(Device) error { return nil }, func([]string) error { return nil })
				if err != nil || tally.Devices+tally.Unreadable != 4 {
					b.Fatal(tally, err)
				}
			}
			b.ReportMetric(float64(max(0, memory("VmHWM")-before))/1024, "MiB-grown")
		})
	}
}

// longLine is a line of nearly maxLine bytes that is never in memory as a whole.
type longLine struct{ head, repeat, tail string }

func (l longLine) reader() io.Reader {
	n := (maxLine - len(l.head) - len(l.tail)) / len(l.repeat) * len(l.repeat)
	return io.MultiReader(strings.NewReader(l.head), io.LimitReader(&repeater{text: l.repeat}, int64(n)), strings.NewReader(l.tail+"\n"))
}

type repeater struct {
	text string
	at   int
}

func (r *repeater) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = r.text[r.at]
		r.at = (r.at + 1) % len(r.text)
	}
	return len(b), nil
}
