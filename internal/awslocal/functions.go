package awslocal

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamotest"
	"github.com/lethe-dsr/lethe/internal/runtimeapi"
	"github.com/lethe-dsr/lethe/internal/steps"
)

// Folder is a function's, of its resource in the definition: delete-install of DeleteInstallFunctionArn.
func Folder(resource string) string {
	var b strings.Builder
	for n, r := range strings.TrimSuffix(resource, "FunctionArn") {
		if n > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// Resources are those of the definition: one for each step.
func Resources() []string {
	var names []string
	for _, s := range steps.All(erase.Base{}, steps.Link{}, nil, nil, nil) { // nothing of which is called
		names = append(names, s.Name()+"FunctionArn")
	}
	return names
}

// ForThisMachine is where `make functions` puts the programs for this machine, below the directory that it writes to: in
// one of the architecture's name, but for arm64, which Lambda runs.
func ForThisMachine(dir string) string {
	own := filepath.Join(dir, runtime.GOARCH)
	if at, err := os.Stat(own); err == nil && at.IsDir() {
		return own
	}
	return dir
}

// program is where a function's is, below the directory that `make functions` writes to.
func program(dir, folder string) string { return filepath.Join(dir, folder, "bootstrap") }

// Check tells what is missing for the functions to run here: their programs, below the directory that `make functions`
// writes to and built for this machine, dynalite in its directory, Node.js.
func Check(programs, dynalite string) error {
	return errors.Join(checkPrograms(programs), dynamotest.Check(dynalite))
}

func checkPrograms(dir string) error {
	make := "make functions ARCH=" + runtime.GOARCH
	var missing []string
	all := Resources()
	for _, r := range all {
		path := program(dir, Folder(r))
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			missing = append(missing, Folder(r))
			continue
		}
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return fmt.Errorf("%s cannot be read as a Go program; run `%s`", path, make)
		}
		set := map[string]string{}
		for _, s := range info.Settings {
			set[s.Key] = s.Value
		}
		if set["GOOS"] != runtime.GOOS {
			return fmt.Errorf("%s is for %s, and this machine runs %s; the functions run on Linux only", path, set["GOOS"], runtime.GOOS)
		}
		if set["GOARCH"] != runtime.GOARCH {
			return fmt.Errorf("%s is for %s, and this machine is %s; run `%s`", path, set["GOARCH"], runtime.GOARCH, make)
		}
	}
	if len(missing) == len(all) {
		return fmt.Errorf("%s holds none of the functions' programs; run `%s` and name the directory build", dir, make)
	}
	if missing != nil {
		return fmt.Errorf("%s has no program of %s; run `%s` and name the directory build", dir, strings.Join(missing, ", "), make)
	}
	return nil
}

// Functions are the steps' programs, each a Lambda function that runs on this machine. Close them.
type Functions struct {
	byFolder    map[string]*runtimeapi.Function
	invocations atomic.Int64
	spent       atomic.Int64 // nanoseconds
}

// Function makes a function of a folder's program below a directory, whose environment is the Cloud's and more. What it
// prints goes to the Cloud. Close it.
func (c *Cloud) Function(dir, folder string, more ...string) *runtimeapi.Function {
	return runtimeapi.New(folder, program(dir, folder), append(c.Environment(), more...), c)
}

// Functions makes a Function of each step; Check tells whether their programs are there.
func (c *Cloud) Functions(dir string) *Functions {
	f := &Functions{byFolder: map[string]*runtimeapi.Function{}}
	for _, r := range Resources() {
		folder := Folder(r)
		f.byFolder[folder] = c.Function(dir, folder)
	}
	return f
}

// Tasks are the functions as a state machine calls them.
func (f *Functions) Tasks() map[string]asl.Task {
	tasks := map[string]asl.Task{}
	for _, r := range Resources() {
		function := f.byFolder[Folder(r)]
		tasks[r] = func(ctx context.Context, in []byte) ([]byte, error) {
			began := time.Now()
			defer func() {
				f.invocations.Add(1)
				f.spent.Add(int64(time.Since(began)))
			}()
			return function.Invoke(ctx, in)
		}
	}
	return tasks
}

// Invocations is how many there were, and how long they took together, starts of processes included.
func (f *Functions) Invocations() (n int, took time.Duration) {
	return int(f.invocations.Load()), time.Duration(f.spent.Load())
}

// Processes is how many were started.
func (f *Functions) Processes() (n int) {
	for _, one := range f.byFolder {
		n += one.Started()
	}
	return n
}

// Close ends the processes, and returns when all have ended. Invocations under way fail.
func (f *Functions) Close() {
	for _, one := range f.byFolder {
		one.Close()
	}
}
