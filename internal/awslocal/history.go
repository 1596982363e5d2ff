package awslocal

import (
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
)

// event is one of an execution's history, as far as a reader needs it to see which states it went through and how they
// failed: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
type event struct {
	kind   string
	at     time.Time
	about  string            // what its details are called, without "EventDetails"
	detail map[string]string // what is always there
	data   map[string]string // and what is left out without includeExecutionData
}

func (e event) document(id int, data bool) map[string]any {
	out := map[string]any{"id": id, "previousEventId": id - 1, "timestamp": seconds(e.at), "type": e.kind}
	if e.about != "" {
		details := map[string]string{}
		maps.Copy(details, e.detail)
		if data {
			maps.Copy(details, e.data)
		}
		out[e.about+"EventDetails"] = details
	}
	return out
}

// note adds an event.
func (m *Machine) note(name string, e event) {
	m.noting.Lock()
	defer m.noting.Unlock()
	m.events[name] = append(m.events[name], e)
}

// ended is the last event of an execution.
func ended(r asl.Result, at time.Time) event {
	if r.Status == asl.Failed {
		return event{kind: "ExecutionFailed", at: at, about: "executionFailed", detail: map[string]string{"error": r.Error, "cause": r.Cause}}
	}
	return event{kind: "ExecutionSucceeded", at: at, about: "executionSucceeded", data: map[string]string{"output": string(r.Output)}}
}

// observe notes what the runner says.
func (m *Machine) observe(e asl.Event) {
	kind := m.kinds[e.State]
	named := map[string]string{"name": e.State}
	failed := map[string]string{"error": e.Error}
	switch {
	case e.Kind == asl.Entered:
		m.note(e.Execution, event{kind: kind + "StateEntered", at: e.At, about: "stateEntered", detail: named})
	case e.Kind == asl.Left:
		m.note(e.Execution, event{kind: kind + "StateExited", at: e.At, about: "stateExited", detail: named})
	case e.Kind == asl.Waits:
		m.note(e.Execution, event{kind: "TaskSubmitted", at: e.At, about: "taskSubmitted", detail: map[string]string{"resourceType": "lambda", "resource": "invoke.waitForTaskToken"}})
	case kind == "Task":
		kind, about := "LambdaFunction", "lambdaFunction"
		if m.asks[e.State] {
			kind, about = "Task", "task"
		}
		how := "Failed"
		if e.Error == asl.Timeout || e.Error == asl.HeartbeatTimeout {
			how = "TimedOut"
		}
		m.note(e.Execution, event{kind: kind + how, at: e.At, about: about + how, detail: failed})
	}
}

// learn reads the types of a definition's states, those within others included.
func (m *Machine) learn(definition []byte) error {
	type state struct {
		Type          string
		Resource      string
		Branches      []json.RawMessage
		ItemProcessor json.RawMessage
	}
	var flow struct{ States map[string]state }
	if err := json.Unmarshal(definition, &flow); err != nil {
		return err
	}
	for name, s := range flow.States {
		m.kinds[name] = s.Type
		m.asks[name] = strings.HasSuffix(s.Resource, ".waitForTaskToken")
		inner := s.Branches
		if s.ItemProcessor != nil {
			inner = append(inner, s.ItemProcessor)
		}
		for _, d := range inner {
			if err := m.learn(d); err != nil {
				return err
			}
		}
	}
	return nil
}
