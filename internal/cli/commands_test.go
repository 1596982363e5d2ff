package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
)

// patience bounds every wait of a script.
const patience = time.Minute

type script = *testscript.TestScript

// commands are what scripts can do beside testscript's own:
//
//	run CODE ARGS…         runs lethe, which must end with this exit code and print nothing private
//	start ARGS…            runs lethe in the background
//	end SIGNAL CODE        sends INT or KILL to it, waits for its end, and keeps its output in the files out and err
//	await PATTERN          waits for a call to App Center since the start, METHOD and path, that matches
//	fault OP hang|STATUS   makes an operation of App Center fail
//	heal                   ends all faults
//	[!] holds AREA ID…     checks what the providers hold: devices, audiences, notifications, users
//	untouched              checks that no provider got any call
//	json PATH WANT         checks a value of the JSON document on the last standard output; * is anything that is there
//	keys PATH NAME…        checks an object's keys, all of them
//	keep VAR PATH          puts a value of that document into a variable
//	lines                  checks that the last standard error is JSON lines
//	tamper FILE            changes one character of a certificate's content
func commands() map[string]func(script, bool, []string) {
	return map[string]func(script, bool, []string){
		"run": run, "start": start, "end": end, "await": await, "fault": breakIt, "heal": heal, "holds": holds,
		"untouched": untouched, "json": checkJSON, "keys": checkKeys, "keep": keep, "lines": checkLines, "tamper": tamper,
	}
}

func world(ts script) *providers { return ts.Value(providersKey{}).(*providers) }

func run(ts script, _ bool, args []string) {
	err := ts.Exec("lethe", args[1:]...)
	got := 0
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		got = ended.ExitCode()
	} else if err != nil {
		ts.Fatalf("lethe did not run: %v", err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || got != want {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
	discreet(ts, args[1:], ts.ReadFile("stdout")+ts.ReadFile("stderr"))
}

// discreet checks that an output holds nothing private. Names of objects may be there when they were asked for.
func discreet(ts script, args []string, output string) {
	if slices.Contains(args, "--reveal") {
		return
	}
	for _, p := range private() {
		if strings.Contains(strings.ToLower(output), strings.ToLower(p)) {
			ts.Fatalf("the output holds %q", p)
		}
	}
}

// background is the lethe that start started.
type background struct {
	cmd      *exec.Cmd
	args     []string
	out, err bytes.Buffer
}

func start(ts script, _ bool, args []string) {
	path, err := exec.LookPath("lethe")
	ts.Check(err)
	p := world(ts)
	for len(p.seen) > 0 { // of the commands before
		<-p.seen
	}
	b := &background{cmd: exec.Command(path, args...), args: args}
	b.cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "HOME", "ACME_TOKEN", "GORACE"} {
		b.cmd.Env = append(b.cmd.Env, name+"="+ts.Getenv(name))
	}
	b.cmd.Stdout, b.cmd.Stderr = &b.out, &b.err
	ts.Check(b.cmd.Start())
	p.background = b
	ts.Defer(func() { // when the script fails before its end
		if p.background != nil {
			p.background.cmd.Process.Kill()
			p.background.cmd.Wait()
		}
	})
}

func end(ts script, _ bool, args []string) {
	p := world(ts)
	b := p.background
	p.background = nil
	if b == nil {
		ts.Fatalf("nothing was started")
	}
	ts.Check(b.cmd.Process.Signal(map[string]os.Signal{"INT": syscall.SIGINT, "KILL": syscall.SIGKILL}[args[0]]))
	timer := time.AfterFunc(patience, func() { b.cmd.Process.Kill() })
	b.cmd.Wait()
	timer.Stop()
	ts.Logf("[out]\n%s[err]\n%s", b.out.String(), b.err.String())
	if got := strconv.Itoa(b.cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("exit code %s, want %s", got, args[1])
	}
	discreet(ts, b.args, b.out.String()+b.err.String())
	ts.Check(os.WriteFile(ts.MkAbs("out"), b.out.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("err"), b.err.Bytes(), 0o600))
}

func await(ts script, _ bool, args []string) {
	pattern := regexp.MustCompile(args[0])
	late := time.After(patience)
	for {
		select {
		case call := <-world(ts).seen:
			if pattern.MatchString(call) {
				return
			}
		case <-late:
			ts.Fatalf("no call matched %s", args[0])
		}
	}
}

func breakIt(ts script, _ bool, args []string) {
	f := appcentertest.Fault{Op: appcentertest.Op(args[0]), Hang: args[1] == "hang"}
	if !f.Hang {
		var err error
		f.Status, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	world(ts).push.Fail(f)
}

func heal(ts script, _ bool, _ []string) { world(ts).push.Heal() }

func holds(ts script, neg bool, args []string) {
	held := world(ts).held(args[0])
	for _, id := range args[1:] {
		if slices.Contains(held, id) == neg {
			ts.Fatalf("%s hold %v", args[0], held)
		}
	}
}

func untouched(ts script, _ bool, _ []string) {
	if n := world(ts).calls(); n > 0 {
		ts.Fatalf("the providers got %d calls", n)
	}
}

// at follows a path such as .outcomes.0.word into the JSON document on the last standard output.
func at(ts script, path string) any {
	var v any
	text := ts.ReadFile("stdout")
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil || d.More() {
		ts.Fatalf("standard output is not one JSON document: %v", err)
	}
	for _, name := range strings.Split(strings.Trim(path, "."), ".") {
		switch in := v.(type) {
		case map[string]any:
			if name != "" {
				v = in[name]
			}
		case []any:
			n, err := strconv.Atoi(name)
			if err != nil || n >= len(in) {
				ts.Fatalf("%s: there are %d elements", path, len(in))
			}
			v = in[n]
		default:
			ts.Fatalf("%s is not there", path)
		}
	}
	return v
}

func checkJSON(ts script, _ bool, args []string) {
	got := at(ts, args[0])
	if args[1] == "*" {
		if got == nil || got == "" {
			ts.Fatalf("%s is not there", args[0])
		}
		return
	}
	if fmt.Sprint(got) != args[1] {
		ts.Fatalf("%s is %v, want %s", args[0], got, args[1])
	}
}

func checkKeys(ts script, _ bool, args []string) {
	object, ok := at(ts, args[0]).(map[string]any)
	if !ok {
		ts.Fatalf("%s is no object", args[0])
	}
	got, want := slices.Sorted(maps.Keys(object)), slices.Sorted(slices.Values(args[1:]))
	if !slices.Equal(got, want) {
		ts.Fatalf("the keys of %s are %v, want %v", args[0], got, want)
	}
}

func keep(ts script, _ bool, args []string) {
	value, ok := at(ts, args[1]).(string)
	if !ok || value == "" {
		ts.Fatalf("%s is no text", args[1])
	}
	ts.Setenv(args[0], value)
}

func checkLines(ts script, _ bool, _ []string) {
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("a line of standard error is no JSON: %q", line)
		}
	}
}

func tamper(ts script, _ bool, args []string) {
	b := []byte(ts.ReadFile(args[0]))
	n := bytes.IndexByte(b, '.') + 40
	if b[n] == 'A' {
		b[n] = 'B'
	} else {
		b[n] = 'A'
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}
