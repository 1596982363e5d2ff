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

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/erase"
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
	all, err := steps.All(erase.Base{}, steps.Link{}, nil, nil)
	if err != nil {
		panic("awslocal: steps without targets are always made: " + err.Error())
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Name()+"FunctionArn")
	}
	return names
}

// program is where a function's is, below the directory that `make functions` writes to.
func program(dir, folder string) string { return filepath.Join(dir, folder, "bootstrap") }

// CheckPrograms tells what is wrong with the steps' programs below a directory: those that are missing, and those that
// are built for another machine than this.
func CheckPrograms(dir string) error {
	make := "make functions ARCH=" + runtime.GOARCH
	var missing []string
	for _, r := range Resources() {
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
	if missing != nil {
		return fmt.Errorf("%s has no program of %s; run `%s`, which writes to build/", dir, strings.Join(missing, ", "), make)
	}
	return nil
}

// Functions are the steps' programs, each a Lambda function that runs on this machine. Close them.
type Functions struct {
	byFolder    map[string]*runtimeapi.Function
	invocations atomic.Int64
}

// Functions makes functions of the programs below a directory; CheckPrograms tells whether they are there. What they
// print goes to the Cloud.
func (c *Cloud) Functions(dir string) *Functions {
	f := &Functions{byFolder: map[string]*runtimeapi.Function{}}
	for _, r := range Resources() {
		folder := Folder(r)
		f.byFolder[folder] = runtimeapi.New(folder, program(dir, folder), c.Environment(), c)
	}
	return f
}

// Tasks are the functions as a state machine calls them.
func (f *Functions) Tasks() map[string]asl.Task {
	tasks := map[string]asl.Task{}
	for _, r := range Resources() {
		function := f.byFolder[Folder(r)]
		tasks[r] = func(ctx context.Context, in []byte) ([]byte, error) {
			f.invocations.Add(1)
			return function.Invoke(ctx, in)
		}
	}
	return tasks
}

// Invocations is how many there were.
func (f *Functions) Invocations() int { return int(f.invocations.Load()) }

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
