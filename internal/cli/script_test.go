package cli_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lethe-dsr/lethe/internal/cli"
)

// TestMain makes this binary a lethe for the scripts, and lets several scripts run at a time: each waits for its own
// disk and servers most of the time.
func TestMain(m *testing.M) {
	testscript.Main(parallel{m}, map[string]func(){"lethe": func() { os.Exit(cli.Main()) }})
}

type parallel struct{ *testing.M }

func (p parallel) Run() int {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return p.M.Run()
}

// TestScripts runs lethe as processes, each script against providers of its own. See commands for what scripts can do
// beside testscript's own commands.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                commands(),
		Setup: func(env *testscript.Env) error {
			p := newProviders()
			env.Defer(p.close)
			env.Values[providersKey{}] = p
			env.Setenv("ACME_TOKEN", appToken)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector lets every process sleep for a second at its end
			return os.WriteFile(env.WorkDir+"/config.yaml", []byte(p.config("erase")), 0o600)
		},
	})
}
