package rules

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// with is the template as CloudFormation sees it when the parameter RestoredTableStream has a value: what depends on nothing
// else is worked out, in both branches of an Fn::If, before one is chosen.
func (d deployed) with(t *testing.T, stream string) deployed {
	t.Helper()
	var work func(v any) any
	work = func(v any) any {
		if list, ok := v.([]any); ok {
			out := make([]any, len(list))
			for n, item := range list {
				out[n] = work(item)
			}
			return out
		}
		m, ok := v.(object)
		if !ok {
			return v
		}
		out := object{}
		for k, inner := range m {
			out[k] = work(inner)
		}
		if out["Ref"] == "RestoredTableStream" {
			return stream
		}
		if text, ok := out["Fn::Sub"].(string); ok {
			if text = strings.ReplaceAll(text, "${RestoredTableStream}", stream); !strings.Contains(text, "${") {
				return text
			}
		}
		if sub := many(out["Fn::Sub"]); len(sub) == 2 {
			if own, ok := at(sub[1], "Table").(string); ok {
				return object{"Fn::Sub": strings.ReplaceAll(sub[0].(string), "${Table}", own)}
			}
		}
		if list := many(out["Fn::Split"]); len(list) == 2 {
			if text, ok := list[1].(string); ok {
				parts := []any{}
				for _, p := range strings.Split(text, list[0].(string)) {
					parts = append(parts, p)
				}
				return parts
			}
		}
		if list := many(out["Fn::Select"]); len(list) == 2 {
			if parts, ok := list[1].([]any); ok {
				if list[0].(int) >= len(parts) {
					t.Errorf("Fn::Select is to choose number %v of %q", list[0], parts)
					return ""
				}
				return parts[list[0].(int)]
			}
		}
		if list := many(out["Fn::If"]); len(list) == 3 && list[0] == "OwnTable" {
			if stream == "" {
				return list[1]
			}
			return list[2]
		}
		return out
	}
	all := func(part map[string]object) map[string]object {
		out := map[string]object{}
		for k, v := range part {
			out[k] = work(v).(object)
		}
		return out
	}
	return deployed{d.Parameters, d.Conditions, all(d.Resources), all(d.Outputs), work(d.Globals).(object)}
}

// Everything that knows the table follows the parameter: functions, roles, stream, alarms, dashboard, output.
func TestARestoredTableTakesTheOwnOnesPlace(t *testing.T) {
	t.Parallel()
	const table = "arn:aws-us-gov:dynamodb:us-gov-west-1:111122223333:table/lethe-restored"
	const stream = table + "/stream/2026-11-22T03:00:00.000"
	d := template(t)
	for value, want := range map[string]bool{"": true, stream: true, table: false, "lethe-restored": false, "*": false, table + "/stream/*": false} {
		if got := regexp.MustCompile(d.Parameters["RestoredTableStream"]["AllowedPattern"].(string)).MatchString(value); got != want {
			t.Errorf("RestoredTableStream takes %q: %t, want %t", value, got, want)
		}
	}
	if got := fmt.Sprintln(d.Conditions["OwnTable"], d.Resources["Ledger"]["Condition"]); got != "map[Fn::Equals:[map[Ref:RestoredTableStream] ]] OwnTable\n" {
		t.Errorf("the stack's own table is there by %s", got)
	}
	for name, wants := range map[string][3]string{
		"":     {"map[Ref:Ledger]", "map[Fn::GetAtt:[Ledger Arn]]", "map[Fn::GetAtt:[Ledger StreamArn]]"},
		stream: {"lethe-restored", table, stream},
	} {
		d := d.with(t, name)
		got := map[string]string{
			"the functions":  fmt.Sprint(at(d.Globals, "Function", "Environment", "Variables", "LETHE_TABLE")),
			"the output":     fmt.Sprint(d.Outputs["LedgerTable"]["Value"]),
			"the policy":     fmt.Sprint(statements("", d.Resources["LedgerPolicy"]["Properties"])[0].resources[0]),
			"the new events": fmt.Sprint(at(d.Resources["TellOfNewMessages"], "Properties", "EventSourceArn")),
		}
		want := map[string]string{"the functions": wants[0], "the output": wants[0], "the policy": wants[1], "the new events": wants[2]}
		for _, m := range many(at(d.Resources["LedgerThrottledAlarm"], "Properties", "Metrics")) {
			for _, dimension := range many(at(m, "MetricStat", "Metric", "Dimensions")) {
				id := "the alarm's " + at(m, "Id").(string)
				got[id], want[id] = fmt.Sprint(at(dimension, "Value")), wants[0]
			}
		}
		for _, s := range d.role("TellFunction") {
			if slices.Contains(s.actions, "dynamodb:GetRecords") {
				got["the reader"], want["the reader"] = fmt.Sprint(s.resources[0]), wants[2]
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("with %q the table is %q, want %q", name, got, want)
		}
		if name != "" {
			look := func(where string, v any) {
				if slices.Contains(refers(v), "Ledger") {
					t.Errorf("%s needs the stack's own table, which is not there with a restored one", where)
				}
			}
			look("Globals", d.Globals)
			for name, r := range d.Resources {
				look(name, r)
			}
			for name, o := range d.Outputs {
				look(name, o)
			}
			if n := strings.Count(d.Resources["Dashboard"]["Properties"].(object)["DashboardBody"].(object)["Fn::Sub"].(string), `"TableName", "lethe-restored"`); n != 4 {
				t.Errorf("the dashboard shows %d metrics of the restored table", n)
			}
		}
	}
}
