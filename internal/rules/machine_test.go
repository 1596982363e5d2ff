package rules

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/steps"
	"github.com/lethe-dsr/lethe/statemachine"
)

// inputs are the steps' inputs: a sample event must be one, with nothing unknown in it.
func inputs() map[string]any {
	return map[string]any{
		"OpenJob": &erase.OpenJobIn{}, "ExportDevices": &erase.On{}, "MatchSubject": &erase.MatchSubjectIn{},
		"RemoveExport": &erase.On{}, "ListAudiences": &erase.On{}, "ListNotifications": &erase.On{},
		"ReviewFindings": &erase.ReviewFindingsIn{}, "RequestApproval": &erase.RequestApprovalIn{},
		"DeleteInstall": &erase.On{}, "DeleteAudiences": &erase.On{}, "DeleteNotifications": &erase.On{},
		"BatchDelete": &erase.On{}, "CloseJob": &erase.CloseJobIn{},
	}
}

func resources(t *testing.T) []string {
	t.Helper()
	var names []string
	for step := range inputs() {
		names = append(names, step+"FunctionArn")
	}
	m, err := asl.Load(statemachine.Erasure, names)
	if err != nil {
		t.Fatal(err)
	}
	return m.Resources()
}

func dashed(step string, by string) string {
	return strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(step, "${1}"+by+"${2}"))
}

func TestTheMachineCallsEveryStepAndNoOther(t *testing.T) {
	t.Parallel()
	got := resources(t)
	for step := range inputs() {
		if !slices.Contains(got, step+"FunctionArn") {
			t.Errorf("no state calls %s", step)
		}
	}
	if len(got) != len(inputs()) {
		t.Errorf("the machine calls %d steps, and there are %d", len(got), len(inputs()))
	}
}

func TestTheStepsAreThoseOfTheMachine(t *testing.T) {
	t.Parallel()
	var got []string
	for _, s := range steps.All(erase.Base{}, steps.Link{}, nil, nil, nil, nil) {
		got = append(got, s.Name())
	}
	slices.Sort(got)
	if want := slices.Sorted(maps.Keys(inputs())); !slices.Equal(got, want) {
		t.Errorf("the list of steps has %q, want %q", got, want)
	}
}

// delete-install starts DeleteInstall: a folder that starts another step would be deployed under a wrong name.
func TestEveryStepIsAFunctionOfItsName(t *testing.T) {
	t.Parallel()
	var folders []string
	entries, err := os.ReadDir("../../functions")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		folders = append(folders, e.Name())
	}
	var want []string
	for name := range inputs() {
		folder := dashed(name, "-")
		want = append(want, folder)
		b, err := os.ReadFile("../../functions/" + folder + "/main.go")
		if err != nil {
			t.Error(err)
			continue
		}
		if lines := bytes.Count(b, []byte("\n")); lines > 30 {
			t.Errorf("functions/%s has %d lines: a main only connects", folder, lines)
		}
		if !bytes.HasPrefix(b, []byte("// Command "+folder+" is the function of the step "+name+":")) {
			t.Errorf("functions/%s does not say which step it is", folder)
		}
		for other := range inputs() {
			if calls := bytes.Contains(b, []byte("return steps."+other+"(")); calls != (other == name) {
				t.Errorf("functions/%s starts %s: %t", folder, other, calls)
			}
		}
	}
	slices.Sort(want)
	if !slices.Equal(folders, want) {
		t.Errorf("the functions are %q, want %q", folders, want)
	}
}

func TestEveryStepHasItsFileAndItsSampleEvent(t *testing.T) {
	t.Parallel()
	starts := []string{"start-requests.json", "start-sweep.json", "start-subject.json"}
	events, err := filepath.Glob("../../events/*.json")
	if err != nil || len(events) != len(inputs())+len(starts) {
		t.Errorf("%d sample events (%v), want one for each step and %d that start an execution", len(events), err, len(starts))
	}
	strictly := func(file string, into any) {
		b, err := os.ReadFile(filepath.Join("../../events", file))
		if err != nil {
			t.Error(err)
			return
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			t.Errorf("events/%s: %v", file, err)
		}
		if reflect.ValueOf(into).Elem().IsZero() {
			t.Errorf("events/%s says nothing", file)
		}
	}
	for step, in := range inputs() {
		if _, err := os.Stat("../erase/" + dashed(step, "_") + ".go"); err != nil {
			t.Errorf("%s has no file of its own: %v", step, err)
		}
		strictly(dashed(step, "-")+".json", in)
	}
	for _, file := range starts {
		strictly(file, &erase.Input{})
	}
}

// state is what the rules look at in a state of the definition.
type state struct {
	Type, Comment  string
	TimeoutSeconds int
	MaxConcurrency *int
	Parameters     json.RawMessage
	ResultPath     json.RawMessage
	Retry          []struct {
		ErrorEquals                                   []string
		IntervalSeconds, MaxAttempts, MaxDelaySeconds int
		JitterStrategy                                string
	}
	Catch []struct {
		ErrorEquals []string
		ResultPath  string
	}
	Branches      []flow
	ItemProcessor *flow
}

type flow struct{ States map[string]state }

func each(f flow, inMap bool, do func(name string, s state, inMap bool)) {
	for name, s := range f.States {
		do(name, s, inMap)
		for _, b := range s.Branches {
			each(b, inMap, do)
		}
		if s.ItemProcessor != nil {
			each(*s.ItemProcessor, true, do)
		}
	}
}

func TestEveryStateSaysWhyAndEveryTaskCanFail(t *testing.T) {
	t.Parallel()
	var machine struct {
		flow
		TimeoutSeconds int
	}
	if err := json.Unmarshal(statemachine.Erasure, &machine); err != nil {
		t.Fatal(err)
	}
	if machine.TimeoutSeconds == 0 {
		t.Error("the machine has no TimeoutSeconds")
	}
	tasks := 0
	each(machine.flow, false, func(name string, s state, inMap bool) {
		if s.Comment == "" {
			t.Errorf("%s has no comment", name)
		}
		if s.Type == "Map" && (s.MaxConcurrency == nil || *s.MaxConcurrency == 0) {
			t.Errorf("%s has no literal MaxConcurrency", name)
		}
		if s.Type != "Task" {
			return
		}
		tasks++
		if s.TimeoutSeconds == 0 || s.Parameters == nil || s.ResultPath == nil || len(s.Retry) == 0 {
			t.Errorf("%s lacks one of TimeoutSeconds, Parameters, ResultPath, Retry", name)
		}
		for _, r := range s.Retry {
			if r.JitterStrategy != "FULL" || r.MaxDelaySeconds == 0 {
				t.Errorf("%s retries without jitter or without a longest delay", name)
			}
			for _, e := range r.ErrorEquals {
				if !fault.Name(e).Transient() && !strings.HasPrefix(e, "Lambda.") {
					t.Errorf("%s retries %s, which does not pass by itself", name, e)
				}
			}
		}
		// A shard's fault is caught by the Map around it.
		if len(s.Catch) == 0 && name != "MatchSubject" {
			t.Errorf("%s catches nothing", name)
		}
		for _, c := range s.Catch {
			if c.ResultPath != "$.error" {
				t.Errorf("%s catches into %s", name, c.ResultPath)
			}
		}
	})
	if tasks < len(inputs()) {
		t.Errorf("the rules saw %d tasks; they look at the wrong fields", tasks)
	}
	for _, n := range []fault.Name{fault.Throttled, fault.Unavailable, fault.ServerError, fault.Maintenance, fault.LedgerBusy} {
		if !bytes.Contains(statemachine.Erasure, []byte(`"`+string(n)+`"`)) {
			t.Errorf("no state retries %s", n)
		}
	}
	if bytes.Contains(statemachine.Erasure, []byte("States.Format")) || bytes.Contains(statemachine.Erasure, []byte("JSONata")) {
		t.Error("the definition uses more than JSONPath")
	}
}
