package cli_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/cli"
)

// screen collects what a terminal shows; bars are drawn from a goroutine of their own.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// terminal is a person at a terminal, with providers of their own.
type terminal struct {
	*providers
	t        *testing.T
	dir      string
	width    int
	out, err screen
}

func newTerminal(t *testing.T, mode string) *terminal {
	t.Helper()
	x := &terminal{providers: newProviders(), t: t, dir: t.TempDir(), width: 100}
	t.Cleanup(x.close)
	if err := os.WriteFile(filepath.Join(x.dir, "config.yaml"), []byte(x.config(mode)), 0o600); err != nil {
		t.Fatal(err)
	}
	return x
}

// lethe runs a command whose questions get these answers, and gives its exit code and what stands on the screen.
func (x *terminal) lethe(ctx context.Context, in io.Reader, args ...string) (code int, shown string) {
	x.t.Helper()
	x.out, x.err = screen{}, screen{}
	env := func(name string) (string, bool) { return appToken, name == "ACME_TOKEN" }
	args = append(args, "--data", filepath.Join(x.dir, "data"))
	if !slices.Contains([]string{"show", "requests"}, args[0]) {
		args = append(args, "--config", filepath.Join(x.dir, "config.yaml"))
	}
	code = cli.Run(ctx, args, cli.IO{Name: "lethe", In: in, Out: &x.out, Err: &x.err, Env: env, Now: time.Now, Terminal: true, Width: x.width})
	return code, x.out.String()
}

func TestYesAtTheTerminalErases(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, "approve")
	code, shown := x.lethe(t.Context(), strings.NewReader("y\n"), "erase", "--email", annMail, "--user-id", annUser)
	if code != cli.Done {
		t.Errorf("got exit code %d, want %d; on the screen:\n%s%s", code, cli.Done, shown, x.err.String())
	}
	for _, want := range []string{"Trip of Ann", "only-ann", annPhone, "Delete all of this? [y]es, [n]o and keep it, or [l]ater:", "1 person: 1 erased"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the screen lacks %q:\n%s", want, shown)
		}
	}
	if held := x.held("notifications"); slices.Contains(held, "n-ann") {
		t.Errorf("notifications still hold %v", held)
	}
	if bars := x.err.String(); !strings.Contains(bars, "acme-ios, search 2: searching notifications") || !strings.Contains(bars, "done") {
		t.Errorf("no bars were drawn: %q", bars)
	}
}

func TestNoAtTheTerminalKeeps(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, "approve")
	code, shown := x.lethe(t.Context(), strings.NewReader("N\n"), "erase", "--email", annMail, "--user-id", annUser)
	if code != cli.NotAllErased || !strings.Contains(shown, "kept: rejected in review") {
		t.Errorf("got exit code %d, want %d, and on the screen:\n%s", code, cli.NotAllErased, shown)
	}
	if held := x.held("notifications"); !slices.Contains(held, "n-ann") {
		t.Errorf("only %v are left", held)
	}
}

// TestLaterAtTheTerminalWaits: later, an answer that is none, and an end of the input are all no approval. The plan is
// shown once, with how to approve it, and the next command asks again.
func TestLaterAtTheTerminalWaits(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, "approve")
	for _, answer := range []string{"l\n", "perhaps\n", "\n", ""} {
		code, shown := x.lethe(t.Context(), strings.NewReader(answer), "erase", "--email", annMail, "--user-id", annUser)
		if code != cli.WaitsApproval {
			t.Errorf("%q: got exit code %d, want %d", answer, code, cli.WaitsApproval)
		}
		if n := strings.Count(shown, "Trip of Ann"); n != 1 {
			t.Errorf("%q: the plan was shown %d times, want once", answer, n)
		}
		if !regexp.MustCompile(`lethe approve [0-9A-Z]{26} --plan [0-9a-f]{64} --config `).MatchString(shown) {
			t.Errorf("%q: it does not say how to approve:\n%s", answer, shown)
		}
	}
	if held := x.held("notifications"); !slices.Contains(held, "n-ann") {
		t.Errorf("only %v are left", held)
	}
	if code, shown := x.lethe(t.Context(), strings.NewReader("yes\n"), "erase"); code != cli.Done {
		t.Errorf("the sweep that was approved ended with %d:\n%s", code, shown)
	}
}

// TestInterruptAtTheQuestion: nothing reads the terminal any more, and the command must still end.
func TestInterruptAtTheQuestion(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, "approve")
	ctx, cancel := context.WithCancel(t.Context())
	silent, w := io.Pipe()
	defer w.Close()
	asked := questioned{silent, cancel}
	code, _ := x.lethe(ctx, asked, "erase", "--email", annMail)
	if code != cli.OtherError || !strings.Contains(x.err.String(), "interrupted; run the same command again") {
		t.Errorf("got exit code %d and %q", code, x.err.String())
	}
	if code, _ := x.lethe(t.Context(), strings.NewReader("l\n"), "erase", "--email", annMail); code != cli.WaitsApproval {
		t.Errorf("the next command ended with %d, want %d", code, cli.WaitsApproval)
	}
}

// questioned interrupts when it is read, and then never answers.
type questioned struct {
	io.Reader
	interrupt func()
}

func (q questioned) Read(p []byte) (int, error) {
	q.interrupt()
	return q.Reader.Read(p)
}

func TestNamesAreForTerminals(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, "approve")
	_, shown := x.lethe(t.Context(), strings.NewReader(""), "preview", "--email", annMail, "--json")
	if strings.Contains(shown, "Trip of Ann") || strings.Contains(shown, annPhone) {
		t.Errorf("a document for machines names objects: %s", shown)
	}
	if _, shown = x.lethe(t.Context(), strings.NewReader(""), "preview", "--email", annMail); !strings.Contains(shown, "Trip of Ann") {
		t.Errorf("the terminal does not show the name:\n%s", shown)
	}
}

func TestTablesFitTheTerminal(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, "approve")
	for _, width := range []int{80, 100, 140} {
		x.width = width
		for _, args := range [][]string{
			{"preview", "--email", annMail, "--user-id", annUser},
			{"erase", "--email", annMail, "--user-id", annUser},
			{"requests"},
		} {
			_, shown := x.lethe(t.Context(), strings.NewReader("l\n"), args...)
			for line := range strings.Lines(shown) {
				line = strings.TrimRight(line, "\n")
				if strings.HasPrefix(line, "  lethe approve ") { // to be copied whole
					continue
				}
				if n := len([]rune(line)); n > width {
					t.Errorf("%v at %d columns: a line has %d: %q", args, width, n, line)
				}
			}
			if strings.Contains(shown, "devices") && args[0] != "requests" && !regexp.MustCompile(`(?m)^  `+annPhone+` `).MatchString(shown) {
				t.Errorf("%v at %d columns: the install id is not in one line:\n%s", args, width, shown)
			}
		}
	}
}
