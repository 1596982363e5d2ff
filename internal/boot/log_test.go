package boot_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/demo"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/metric/metrictest"
	"github.com/lethe-dsr/lethe/internal/runtimeapi"
	"github.com/lethe-dsr/lethe/internal/step"
)

// journal is what functions wrote: log lines, and what CloudWatch makes of the metrics.
type journal struct {
	lines []map[string]any
	sums  map[string]float64
}

func readJournal(t *testing.T, log string) (j journal) {
	t.Helper()
	var metrics strings.Builder
	for line := range strings.Lines(log) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("no JSON: %v: %s", err, line)
		}
		if l["_aws"] != nil {
			metrics.WriteString(line)
			continue
		}
		if _, err := time.Parse(time.RFC3339, fmt.Sprint(l["timestamp"])); err != nil || l["level"] == nil || l["message"] == nil {
			t.Errorf("Lambda does not find time, level and message: %s", line)
		}
		j.lines = append(j.lines, l)
	}
	j.sums = metrictest.Extract(t, []byte(metrics.String()), time.Now())
	return j
}

// wantClean looks for values in some text, in the guises that software gives them.
func wantClean(t *testing.T, text string, values []string) {
	t.Helper()
	text = strings.ToLower(text)
	for _, v := range values {
		if len(v) < 8 { // 1234 may be anything
			continue
		}
		quoted, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		guises := []string{v, url.QueryEscape(v), url.PathEscape(v), string(quoted[1 : len(quoted)-1]), fmt.Sprintf("%x", v)}
		for skip := range 3 {
			b := base64.RawStdEncoding.EncodeToString(append(make([]byte, skip), v...))
			guises = append(guises, b[(skip*8+5)/6:(skip+len(v))*8/6])
		}
		for _, g := range guises {
			if strings.Contains(text, strings.ToLower(g)) {
				t.Errorf("what was logged holds %q as %s", v, g)
			}
		}
	}
}

// private is what must stand in no log: people, objects, credentials.
func private(w *demo.World, cfg config.Config) []string {
	values := strings.FieldsFunc(string(w.PeopleCSV()), func(r rune) bool { return r == ',' || r == '\n' })
	values = slices.DeleteFunc(values, func(v string) bool { return v == "user_id" })
	values = append(values, "VIP / Ann Meyer", "Your receipt", "A surprise for Ann", "group-booking", "Is this still you?", "surprise upgrade")
	for _, t := range cfg.Targets {
		values = append(values, t.Token.Reveal(), t.APIKey.Reveal(), t.RESTKey.Reveal(), t.ExportContainer.Reveal())
	}
	return values
}

// wantJournal checks what the functions wrote over a whole job: whose lines they are, nothing personal, and numbers that
// agree with the providers'.
func wantJournal(t *testing.T, log, job string, requests int, before []demo.Count, w *demo.World, cfg config.Config) {
	t.Helper()
	wantClean(t, log, private(w, cfg))
	j := readJournal(t, log)
	ended := map[string]int{}
	for _, l := range j.lines {
		if l["function"] == "" || l["request_id"] == nil || l["job"] != job {
			t.Errorf("a line does not say whose it is: %v", l)
		}
		if l["message"] != "ended" || l["duration_ms"] == nil {
			t.Errorf("a job that ends well has the line %v", l)
		}
		name := fmt.Sprint(l["step"])
		ended[name]++
		if on := name != "OpenJob" && name != "ReviewFindings" && name != "RequestApproval" && name != "CloseJob"; on != (l["target"] != nil) {
			t.Errorf("%s works on the target %v", name, l["target"])
		}
		if sliced := !slices.Contains([]string{"OpenJob", "ReviewFindings", "RequestApproval"}, name); sliced != (l["done"] != nil) {
			t.Errorf("%s is done: %v", name, l["done"])
		}
	}
	for _, name := range awslocal.Resources() {
		if ended[strings.TrimSuffix(name, "FunctionArn")] == 0 {
			t.Errorf("%s logged nothing", name)
		}
	}
	calls := 0
	for op, n := range w.Calls() {
		if !strings.Contains(op, "Blob") { // the export container is no provider's
			calls += n
		}
	}
	if got := j.sums["ProviderCalls Stack=lethe"]; got != float64(calls) {
		t.Errorf("%v calls are counted, and the providers got %d", got, calls)
	}
	closed := 0.0
	for k, v := range j.sums {
		if strings.HasPrefix(k, "ClosedRequests Stack=lethe Status=") {
			closed += v
		}
		if strings.HasPrefix(k, "StepFaults") || strings.HasPrefix(k, "SweepsBegun") || strings.HasPrefix(k, "ProviderFailures") {
			t.Errorf("%s is %v", k, v)
		}
	}
	if closed != float64(requests) || j.sums["ClosedRequests Stack=lethe"] != closed {
		t.Errorf("%v requests are counted as closed, and %v in all, of %d", closed, j.sums["ClosedRequests Stack=lethe"], requests)
	}
	for n, after := range w.Counts() {
		of := fmt.Sprintf(" Stack=lethe Target=%s Area=%s", after.Target, after.Area)
		found, deleted := j.sums["Findings"+of], j.sums["Deletions"+of]
		if went := before[n].Objects - after.Objects; after.Area != "profile" && deleted != float64(went) || found < deleted || deleted == 0 && went > 0 {
			t.Errorf("in%s %v findings and %v deletions are counted, and %d objects went", of, found, deleted, went)
		}
	}
}

// Whoever is called at night sees which target refuses, in the log and in the metrics.
func TestARefusalIsLoggedAndCounted(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs all functions")
	}
	t.Parallel()
	c := newCloud(t)
	w, cfg := world(t)
	token := cfg.Targets[0].Token.Reveal()
	c.Configure(strings.ReplaceAll(string(w.Config()), token, "expired-token"))
	b := c.base()
	b.Config = cfg
	filed, err := erase.File(t.Context(), b, "api", false, peopleOf(t, w))
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(map[string]any{"job": "job-1", "input": erase.Input{Sweep: true, Requests: filed.Requests}})
	if err != nil {
		t.Fatal(err)
	}
	open, list := c.function("open-job", c.Environment()), c.function("list-audiences", c.Environment())
	if _, err := open.Invoke(t.Context(), input); err != nil {
		t.Fatal(err)
	}
	_, err = list.Invoke(t.Context(), []byte(`{"job":"job-1","target":"acme-ios","pass":1}`))
	var e *runtimeapi.Error
	if !errors.As(err, &e) || e.Type != string(fault.Unauthorized) {
		t.Errorf("got %v", err)
	}
	open.Close()
	list.Close()
	wantClean(t, c.Printed(), append(private(w, cfg), "expired-token"))
	j := readJournal(t, c.Printed())
	if len(j.lines) != 3 {
		t.Fatalf("%d lines, want one for each invocation, and that of Lambda's library about the error", len(j.lines))
	}
	for n, level := range []string{"INFO", "ERROR", "INFO"} {
		if l := j.lines[n]; l["level"] != level || l["job"] != "job-1" || l["request_id"] == nil || n > 0 && l["target"] != "acme-ios" {
			t.Errorf("line %d is %v", n, l)
		}
	}
	if l := j.lines[1]; l["fault"] != "Unauthorized" || l["step"] != "ListAudiences" || l["error"] == nil {
		t.Errorf("the failure is logged as %v", l)
	}
	metrictest.Want(t, j.sums, map[string]float64{
		"SweepsBegun Stack=lethe":   1,
		"ProviderCalls Stack=lethe": 1, "ProviderCalls Stack=lethe Target=acme-ios": 1,
		"ProviderRefusals Stack=lethe": 1, "ProviderRefusals Stack=lethe Target=acme-ios": 1,
		"StepFaults Stack=lethe": 1, "StepFaults Stack=lethe Step=ListAudiences Fault=Unauthorized": 1,
	})
}

// write makes a journal in memory.
func write(env map[string]string) (*boot.Journal, *bytes.Buffer) {
	var b bytes.Buffer
	return boot.NewJournal("lethe", &b, func(name string) string { return env[name] }), &b
}

func invocation(t *testing.T, request string) context.Context {
	return lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: request})
}

func TestEveryLineSaysWhoseItIs(t *testing.T) {
	t.Parallel()
	j, b := write(map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "lethe-delete-install"})
	j.Log.Warn("before any invocation")
	end := j.Begin(invocation(t, "request-1"), []byte(`{"job":"job-1","target":"acme-ios","pass":1,"token":"secret task token"}`))
	j.Log.Info("on the way", "job", "job-2")
	if out, err := end("DeleteInstall", []byte(`{"done":false}`), nil); err != nil || string(out) != `{"done":false}` {
		t.Errorf("the answer became %s, %v", out, err)
	}
	end = j.Begin(invocation(t, "request-2"), []byte(`{"job":"ann@example.com","target":7}`))
	failed := step.Named("DeleteInstall", fault.New(fault.Unauthorized, "acme-ios: the token is wrong"))
	_, err := end("DeleteInstall", nil, failed)
	wantNamed(t, err, fault.Unauthorized)
	j.Begin(invocation(t, "request-3"), []byte(`no JSON of ann@example.com`))("DeleteInstall", []byte(`{}`), nil)
	j.Begin(invocation(t, "request-4"), nil)("canary", nil, errors.New("ann@example.com broke it"))

	wantClean(t, b.String(), []string{"ann@example.com", "secret task token"})
	got := readJournal(t, b.String())
	var lines []string
	for _, l := range got.lines {
		delete(l, "timestamp")
		if l["message"] != "before any invocation" && l["message"] != "on the way" {
			if _, ok := l["duration_ms"].(float64); !ok {
				t.Errorf("no duration: %v", l)
			}
		}
		delete(l, "duration_ms")
		line, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	const of = `"function":"lethe-delete-install",`
	want := []string{
		`{` + of + `"level":"WARN","message":"before any invocation"}`,
		`{` + of + `"job":"job-2","level":"INFO","message":"on the way","request_id":"request-1","target":"acme-ios"}`,
		`{"done":false,` + of + `"job":"job-1","level":"INFO","message":"ended","request_id":"request-1","step":"DeleteInstall","target":"acme-ios"}`,
		`{"error":"DeleteInstall: acme-ios: the token is wrong","fault":"Unauthorized",` + of + `"level":"ERROR","message":"failed","request_id":"request-2","step":"DeleteInstall"}`,
		`{` + of + `"level":"INFO","message":"ended","request_id":"request-3","step":"DeleteInstall"}`,
		`{` + of + `"level":"ERROR","message":"failed","request_id":"request-4","step":"canary"}`,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("logged\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	metrictest.Want(t, got.sums, map[string]float64{"StepFaults Stack=lethe": 2, "StepFaults Stack=lethe Step=DeleteInstall Fault=Unauthorized": 1})
}

func TestTheFunctionsSettingSaysHowMuchIsLogged(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]int{"TRACE": 4, "DEBUG": 4, "": 3, "INFO": 3, "WARN": 2, "ERROR": 1, "FATAL": 1, "loud": 3} {
		j, b := write(map[string]string{"AWS_LAMBDA_LOG_LEVEL": level})
		j.Log.Debug("1")
		j.Log.Info("2")
		j.Log.Warn("3")
		j.Log.Error("4")
		if got := strings.Count(b.String(), "\n"); got != want {
			t.Errorf("%q: %d lines, want %d", level, got, want)
		}
	}
}
