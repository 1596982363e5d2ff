package awslocal

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
)

// executionARN begins the ARN of every execution; its name follows.
const executionARN = "arn:aws:states:eu-central-1:111122223333:execution:lethe:"

// Executions says who runs executions, when it is no Machine: status gives an execution's status by name, such as
// RUNNING, and "" where there is none.
func (c *Cloud) Executions(status func(name string) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// executions is the machine, or who runs executions in its place.
func (c *Cloud) executions() (*Machine, func(name string) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.machine, c.status
}

// states takes the calls to Step Functions. Source of its answers and errors:
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_Operations.html
func (c *Cloud) states(op string, in *json.Decoder) (any, string) {
	m, status := c.executions()
	if m == nil && op != "DescribeExecution" {
		return nil, "StateMachineDoesNotExist"
	}
	switch op {
	case "DescribeExecution":
		var ask struct{ ExecutionArn, IncludedData string }
		if in.Decode(&ask) != nil {
			return nil, unreadable
		}
		name, ok := strings.CutPrefix(ask.ExecutionArn, executionARN)
		switch {
		case !ok:
			return nil, "InvalidArn"
		case m != nil:
			return m.describe(name, ask.IncludedData != "METADATA_ONLY")
		case status(name) == "":
			return nil, "ExecutionDoesNotExist"
		}
		return map[string]any{"executionArn": ask.ExecutionArn, "stateMachineArn": MachineARN, "name": name, "status": status(name), "startDate": 1.7e9}, ""
	case "StartExecution":
		var ask struct{ StateMachineArn, Name, Input string }
		switch {
		case in.Decode(&ask) != nil:
			return nil, unreadable
		case ask.StateMachineArn != MachineARN:
			return nil, "StateMachineDoesNotExist"
		}
		return m.start(ask.Name, ask.Input)
	case "SendTaskSuccess":
		var ask struct{ TaskToken, Output string }
		if in.Decode(&ask) != nil {
			return nil, unreadable
		}
		if !json.Valid([]byte(ask.Output)) {
			return nil, "InvalidOutput"
		}
		return m.send(ask.TaskToken, func(name string) error {
			err := m.runner.Accept(m.ctx, name, ask.TaskToken, []byte(ask.Output))
			if err == nil {
				m.goOn(name)
			}
			return err
		})
	case "SendTaskHeartbeat":
		var ask struct{ TaskToken string }
		if in.Decode(&ask) != nil {
			return nil, unreadable
		}
		return m.send(ask.TaskToken, func(name string) error { return m.runner.Beat(m.ctx, name, ask.TaskToken) })
	case "GetExecutionHistory":
		var ask struct {
			ExecutionArn, NextToken string
			MaxResults              int
			ReverseOrder            bool
			IncludeExecutionData    *bool
		}
		if in.Decode(&ask) != nil {
			return nil, unreadable
		}
		name, ok := strings.CutPrefix(ask.ExecutionArn, executionARN)
		if !ok {
			return nil, "InvalidArn"
		}
		return m.history(name, ask.NextToken, ask.MaxResults, ask.ReverseOrder, ask.IncludeExecutionData == nil || *ask.IncludeExecutionData)
	}
	return nil, unknownOperation
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// start begins an execution. The same name with the same input, while it runs, is the same execution.
func (m *Machine) start(name, input string) (any, string) {
	if input == "" {
		input = "{}"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.executions[name]
	switch {
	case e == nil:
		switch err := m.runner.Create(m.ctx, name, []byte(input)); {
		case errors.Is(err, asl.ErrExists):
			return nil, "ExecutionAlreadyExists"
		case err != nil && json.Valid([]byte(input)):
			return nil, "InvalidName"
		case err != nil:
			return nil, "InvalidExecutionInput"
		}
		e = &execution{input: input, started: m.now()}
		m.executions[name] = e
		m.note(name, event{kind: "ExecutionStarted", at: e.started, about: "executionStarted", data: map[string]string{"input": input}})
		m.goOn(name)
	case e.status() != "RUNNING" || e.input != input:
		return nil, "ExecutionAlreadyExists"
	}
	return map[string]any{"executionArn": executionARN + name, "startDate": seconds(e.started)}, ""
}

// send gives the execution that waits for a token what is said to it: an answer, or a heartbeat, which moves the time of
// the next one and leaves TimeoutSeconds
// (https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskHeartbeat.html). It is stored when the call
// returns.
func (m *Machine) send(token string, say func(execution string) error) (any, string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, e := range m.executions {
		if e.status() != "RUNNING" {
			continue
		}
		switch err := say(name); {
		case err == nil:
			m.tokens[token] = true
			return struct{}{}, ""
		case errors.Is(err, asl.ErrTimedOut):
			m.goOn(name)
			return nil, "TaskTimedOut"
		}
	}
	if m.tokens[token] {
		return nil, "TaskTimedOut" // answered, or too late
	}
	return nil, "InvalidToken"
}

func (m *Machine) describe(name string, data bool) (any, string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.executions[name]
	if e == nil {
		return nil, "ExecutionDoesNotExist"
	}
	if _, late, err := m.runner.Look(m.ctx, name); err == nil && late {
		m.goOn(name)
	}
	out := map[string]any{
		"executionArn": executionARN + name, "stateMachineArn": MachineARN, "name": name, "status": e.status(), "startDate": seconds(e.started),
	}
	if !e.ended.IsZero() {
		out["stopDate"] = seconds(e.ended)
	}
	if data {
		out["input"] = e.input
	}
	switch {
	case e.result.Status == asl.Succeeded && data:
		out["output"] = string(e.result.Output)
	case e.result.Status == asl.Failed:
		out["error"], out["cause"] = e.result.Error, e.result.Cause
	}
	return out, ""
}

// history gives a page of an execution's events; its token is where the next one begins.
func (m *Machine) history(name, from string, most int, backwards, data bool) (any, string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.executions[name] == nil {
		return nil, "ExecutionDoesNotExist"
	}
	m.noting.Lock()
	events := m.events[name]
	m.noting.Unlock()
	if most == 0 {
		most = 100
	}
	begin, err := strconv.Atoi(from)
	if from != "" && (err != nil || begin < 0 || begin > len(events)) || most < 0 || most > 1000 {
		return nil, "InvalidToken"
	}
	end := min(begin+most, len(events))
	page := []map[string]any{}
	for n := begin; n < end; n++ {
		at := n
		if backwards {
			at = len(events) - 1 - n
		}
		page = append(page, events[at].document(at+1, data))
	}
	out := map[string]any{"events": page}
	if end < len(events) {
		out["nextToken"] = strconv.Itoa(end)
	}
	return out, ""
}
