package rules

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// metrics are those of Lethe that alarms and the dashboard show.
func (d deployed) metrics() map[string]bool {
	shown := map[string]bool{}
	for _, name := range d.typed("AWS::CloudWatch::Alarm") {
		within(d.Resources[name]["Properties"], func(v any) {
			if at(v, "Namespace") == "Lethe" {
				shown[at(v, "MetricName").(string)] = true
			}
		})
	}
	for _, m := range regexp.MustCompile(`"Lethe", "(\w+)"|MetricName=\\"(\w+)\\"`).FindAllStringSubmatch(d.board(), -1) {
		shown[m[1]+m[2]] = true
	}
	return shown
}

// board is the dashboard's body, with its references.
func (d deployed) board() string {
	return many(at(d.Resources["Dashboard"], "Properties", "DashboardBody", "Fn::Sub"))[0].(string)
}

// What functions measure somebody sees, and what somebody looks at is measured.
func TestAlarmsAndDashboardShowWhatIsMeasured(t *testing.T) {
	t.Parallel()
	shown, measured := template(t).metrics(), map[string]bool{}
	for _, s := range sources(t) {
		if s.dir != "internal/metric" || strings.HasSuffix(s.name, "_test.go") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for _, e := range spec.Values {
				if l, ok := e.(*ast.BasicLit); ok {
					if name, err := strconv.Unquote(l.Value); err == nil && regexp.MustCompile(`^[A-Z][A-Za-z]{5,}$`).MatchString(name) {
						measured[name] = true
					}
				}
			}
			return true
		})
	}
	if len(measured) == 0 {
		t.Skip("internal/metric is not there")
	}
	for _, dimension := range []string{"Status", "Target", "Channel", "Receiver"} {
		delete(measured, dimension)
	}
	if !maps.Equal(shown, measured) {
		t.Errorf("alarms and dashboard show %q, and functions measure %q", slices.Sorted(maps.Keys(shown)), slices.Sorted(maps.Keys(measured)))
	}
}

// An alarm wakes somebody up: it says what it means, and its heading in the operations guide says what to do.
func TestEveryAlarmSaysWhatToDo(t *testing.T) {
	t.Parallel()
	d := template(t)
	headings := anchors(documents(t)["docs/operations.md"])
	alarms := d.typed("AWS::CloudWatch::Alarm")
	for _, name := range alarms {
		p := d.Resources[name]["Properties"]
		text, _ := at(p, "AlarmDescription").(string)
		m := regexp.MustCompile(`^.{20,}\. See docs/operations\.md#([a-z-]+)$`).FindStringSubmatch(text)
		if m == nil || m[1] != dashed(strings.TrimSuffix(name, "Alarm"), "-") && !strings.HasPrefix(dashed(name, "-"), m[1]) {
			t.Errorf("%s says %q: no sentence, or no place in the guide", name, text)
		} else if !headings[m[1]] {
			t.Errorf("docs/operations.md has no heading for #%s of %s", m[1], name)
		}
		if topic := fmt.Sprint(at(p, "AlarmActions")); topic != "[map[Ref:Alarms]]" {
			t.Errorf("%s tells %s", name, topic)
		}
		// A sum with a metric of which nothing was measured has no value.
		expression := ""
		for _, m := range many(at(p, "Metrics")) {
			if text, ok := at(m, "Expression").(string); ok {
				expression = text
				continue
			}
			if id := at(m, "Id").(string); !strings.Contains(expression, "FILL("+id+", 0)") {
				t.Errorf("%s says nothing while %s is not measured", name, id)
			}
		}
		// FILL makes a 0 of a period whose metrics come late, and that 0 stays the newest: an alarm on every one of its periods
		// could never ring (CloudWatch user guide, "Using metric math", FILL). Where 0 is what rings, it may stay.
		of, few := at(p, "EvaluationPeriods"), at(p, "DatapointsToAlarm")
		if rises := at(p, "ComparisonOperator") == "GreaterThanThreshold"; expression != "" && rises && (few == nil || few.(int) >= of.(int)) {
			t.Errorf("%s asks for all of its %v periods, of which the newest may not be measured yet", name, of)
		}
		if at(p, "TreatMissingData") == nil {
			t.Errorf("%s does not say what no data means", name)
		}
	}
	// Where silence is what is wrong.
	for _, name := range []string{"NoSweepAlarm", "HouseNotKeptAlarm", "DoorClosedAlarm"} {
		if at(d.Resources[name], "Properties", "TreatMissingData") != "breaching" {
			t.Errorf("%s is quiet when nothing is measured", name)
		}
	}
}

func TestTheDashboardIsOne(t *testing.T) {
	t.Parallel()
	d := template(t)
	var board struct {
		Widgets []struct {
			X, Y, Width, Height int
			Properties          struct {
				Title   string
				Metrics [][]any
			}
		}
	}
	body := regexp.MustCompile(`\$\{[^}]+\}`).ReplaceAllString(d.board(), "x")
	if err := json.Unmarshal([]byte(body), &board); err != nil {
		t.Fatal(err)
	}
	taken := map[[2]int]string{}
	for _, w := range board.Widgets {
		if w.Properties.Title == "" || len(w.Properties.Metrics) == 0 || w.X+w.Width > 24 {
			t.Errorf("widget %q shows nothing, or not on the board", w.Properties.Title)
		}
		for x := range w.Width {
			for y := range w.Height {
				if other := taken[[2]int{w.X + x, w.Y + y}]; other != "" {
					t.Errorf("%q lies over %q", w.Properties.Title, other)
				}
				taken[[2]int{w.X + x, w.Y + y}] = w.Properties.Title
			}
		}
	}
	for _, name := range named() {
		if n := strings.Count(d.board(), "${"+name+"Function}"); n < 2 {
			t.Errorf("the dashboard does not show errors and throttles of %s", name)
		}
	}
}
