package cli_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/awslocal/awstest"
	"github.com/lethe-dsr/lethe/internal/cli"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamotest"
)

// tellStory runs a demo in this process, and gives what it told up to the keys and times of this one run.
func tellStory(t *testing.T, data string, flags ...string) (story, end string) {
	t.Helper()
	var out, err bytes.Buffer
	io := cli.IO{In: strings.NewReader(""), Out: &out, Err: &err, Env: os.LookupEnv, Now: time.Now, Name: "lethe"}
	if code := cli.Run(t.Context(), append([]string{"demo", "--data", data}, flags...), io); code != cli.Done {
		t.Fatalf("exit code %d: %s%s", code, out.String(), err.String())
	}
	story, end, found := strings.Cut(out.String(), "All signed by key ")
	if !found {
		t.Fatalf("the story ends early: %s", out.String())
	}
	for pattern, by := range map[string]string{
		regexp.QuoteMeta(data): "DATA", `Plan [0-9a-f]{64}`: "Plan HASH", `approve \S+ --plan [0-9a-f]{12}`: "approve JOB --plan HASH",
	} {
		story = regexp.MustCompile(pattern).ReplaceAllString(story, by)
	}
	return story, strings.Join(strings.Fields(end), " ")
}

// The plan, what became of each person, what the simulators lost and the certificates read the same, whoever runs the
// steps.
func TestTheDemoTellsTheSameStoryOnTheFunctions(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs all functions")
	}
	t.Parallel()
	dynalite := dynamotest.Installed(t)
	here, _ := tellStory(t, filepath.Join(t.TempDir(), "one"))
	data := filepath.Join(t.TempDir(), "two")
	there, end := tellStory(t, data, "--functions", awstest.Programs(t), "--dynalite", dynalite)
	if here != there {
		t.Errorf("in one process:\n%s\non the functions:\n%s", here, there)
	}
	if !regexp.MustCompile(`Every step ran as a program of \S+, as on Lambda: \d\d processes, \d\d invocations that took \d+\.\d seconds`).MatchString(end) {
		t.Errorf("it does not say what ran: %s", end)
	}
	for _, file := range []string{"ledger.db", "lethe.key"} {
		if _, err := os.Stat(filepath.Join(data, file)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there (%v): the functions have a ledger and keys of their own", file, err)
		}
	}
}

// However the demo ends, none of its processes is left.
func TestNoFunctionOutlivesTheDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs all functions")
	}
	t.Parallel()
	dynalite, programs := dynamotest.Installed(t), awstest.Programs(t)
	for name, c := range map[string]struct {
		end  func(lethe *os.Process, data string) error
		code int
	}{
		"interrupted": {func(p *os.Process, _ string) error { return p.Signal(os.Interrupt) }, 1},
		"failed":      {func(_ *os.Process, data string) error { return os.RemoveAll(data) }, 1},
		"killed":      {func(p *os.Process, _ string) error { return p.Kill() }, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "demo")
			path, err := exec.LookPath("lethe")
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(path, "demo", "--data", data, "--functions", programs, "--dynalite", dynalite)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			// Every process inherits the other end of this pipe: its end is that of the last one.
			left, theirs, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer left.Close()
			cmd.Stderr, cmd.ExtraFiles = theirs, []*os.File{theirs}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			theirs.Close()
			defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)                      // where the test fails
			if err := left.SetReadDeadline(time.Now().Add(4 * patience)); err != nil { // a whole story, with the race detector
				t.Fatal(err)
			}
			lines := bufio.NewReader(left)
			for line := ""; !strings.Contains(line, "exporting devices, done"); {
				if line, err = lines.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.end(cmd.Process, data); err != nil {
				t.Fatal(err)
			}
			said, err := io.ReadAll(lines)
			if err != nil {
				t.Errorf("a process is left: %v", err)
			}
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != c.code {
				t.Errorf("exit code %d, want %d: %s", got, c.code, said)
			}
		})
	}
}
