package rules

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
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
	for _, s := range steps.All(erase.Base{}, steps.Link{}, nil, nil, nil) {
		got = append(got, s.Name())
	}
	slices.Sort(got)
	if want := slices.Sorted(maps.Keys(inputs())); !slices.Equal(got, want) {
		t.Errorf("the list of steps has %q, want %q", got, want)
	}
}

func TestEveryStepHasItsFile(t *testing.T) {
	t.Parallel()
	for step := range inputs() {
		if _, err := os.Stat("../erase/" + dashed(step, "_") + ".go"); err != nil {
			t.Errorf("%s has no file of its own: %v", step, err)
		}
	}
}

// state is what the rules look at in a state of the definition.
type state struct {
	Type, Comment  string
	TimeoutSeconds int
	MaxConcurrency *int

	HeartbeatSeconds int
	whole            []byte
	Parameters       json.RawMessage
	ResultPath       json.RawMessage
	Retry            []struct {
		ErrorEquals                                   []string
		IntervalSeconds, MaxAttempts, MaxDelaySeconds int
		JitterStrategy                                string
	}
	Catch []struct {
		ErrorEquals      []string
		ResultPath, Next string
	}
	Branches      []flow
	ItemProcessor *flow
}

type flow struct{ States map[string]state }

// UnmarshalJSON keeps the text beside the fields.
func (s *state) UnmarshalJSON(b []byte) error {
	type fields state
	s.whole = slices.Clone(b)
	return json.Unmarshal(b, (*fields)(s))
}

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

// platform are the errors by which Step Functions calls what is no fault of a step's: Lambda was out of reach or busy
// (Step Functions developer guide, "Handle transient Lambda service exceptions"), or the process crashed, ran out of memory
// or out of time, which arrives as Lambda.Unknown, or under the errorType that Lambda gave it. Every step can be run again.
// States.Timeout is not among them: functions end before their states do, so it means that Step Functions lost a call.
func platform() []string {
	return []string{
		"Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
		"Lambda.ClientExecutionTimeoutException", "Lambda.TooManyRequestsException",
		"Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout",
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
		var retried []string
		for _, r := range s.Retry {
			if r.JitterStrategy != "FULL" || r.MaxDelaySeconds == 0 {
				t.Errorf("%s retries without jitter or without a longest delay", name)
			}
			for _, e := range r.ErrorEquals {
				if !fault.Name(e).Transient() && !slices.Contains(platform(), e) {
					t.Errorf("%s retries %s, which does not pass by itself", name, e)
				}
				retried = append(retried, e)
			}
		}
		for _, e := range platform() {
			if !slices.Contains(retried, e) {
				t.Errorf("%s does not retry %s", name, e)
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
	approval := machine.States["RequestApproval"]
	if approval.TimeoutSeconds != 14*24*3600 || approval.HeartbeatSeconds != 3*24*3600 {
		t.Errorf("a plan waits for %d s, and for %d s without a beat", approval.TimeoutSeconds, approval.HeartbeatSeconds)
	}
	if c := approval.Catch[0]; c.Next != "CloseJob" || !slices.Equal(c.ErrorEquals, []string{"States.Timeout", "States.HeartbeatTimeout"}) {
		t.Errorf("a plan that nobody decided goes to %+v", c)
	}
	if bytes.Contains(statemachine.Erasure, []byte("States.Format")) || bytes.Contains(statemachine.Erasure, []byte("JSONata")) {
		t.Error("the definition uses more than JSONPath")
	}
}
