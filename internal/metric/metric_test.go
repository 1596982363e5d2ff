package metric_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/metric"
	"github.com/lethe-dsr/lethe/internal/metric/metrictest"
	"github.com/lethe-dsr/lethe/internal/outbox"
)

var now = time.Date(2026, 5, 2, 8, 0, 0, 123e6, time.UTC)

// oneWrite takes one line with each Write, as a log does that several write to.
type oneWrite struct {
	t *testing.T
	io.Writer
}

func (o oneWrite) Write(b []byte) (int, error) {
	if bytes.Count(b, []byte("\n")) != 1 || b[len(b)-1] != '\n' {
		o.t.Errorf("a write is no line: %.200s", b)
	}
	return o.Writer.Write(b)
}

// collect gives what CloudWatch makes of what do collected, and in how many lines it was written.
func collect(t *testing.T, do func(*metric.Set)) (map[string]float64, int) {
	t.Helper()
	var b bytes.Buffer
	s := metric.New("lethe", oneWrite{t, &b}, func() time.Time { return now })
	do(s)
	s.Flush()
	lines := bytes.Count(b.Bytes(), []byte("\n"))
	written := b.Len()
	if s.Flush(); b.Len() != written {
		t.Error("a second flush writes again")
	}
	return metrictest.Extract(t, b.Bytes(), now), lines
}

// A counter with dimensions is there by them, and for the whole stack, whose sum CloudWatch makes of all lines.
func TestCountersAreSums(t *testing.T) {
	t.Parallel()
	ios, android := metric.Of{Target: "acme-ios"}, metric.Of{Target: "acme-android"}
	got, lines := collect(t, func(s *metric.Set) {
		s.Add(metric.ProviderCalls, 1, ios)
		s.Add(metric.ProviderCalls, 2, ios)
		s.Add(metric.ProviderThrottles, 1, ios)
		s.Add(metric.ProviderCalls, 5, android)
		s.Add(metric.SweepsBegun, 1, metric.Of{})
		s.Add(metric.Findings, 7, metric.Of{Target: "acme-ios", Area: "devices"})
		s.Add(metric.Deletions, 0, metric.Of{Target: "acme-ios", Area: "profile"})
	})
	metrictest.Want(t, got, map[string]float64{
		"ProviderCalls Stack=lethe": 8, "ProviderCalls Stack=lethe Target=acme-ios": 3, "ProviderCalls Stack=lethe Target=acme-android": 5,
		"ProviderThrottles Stack=lethe": 1, "ProviderThrottles Stack=lethe Target=acme-ios": 1, "SweepsBegun Stack=lethe": 1,
		"Findings Stack=lethe": 7, "Findings Stack=lethe Target=acme-ios Area=devices": 7,
	})
	if lines != 4 {
		t.Errorf("%d lines, want one for each combination of values", lines)
	}
}

func TestAGaugeIsItsLastValue(t *testing.T) {
	t.Parallel()
	got, lines := collect(t, func(s *metric.Set) {
		s.Gauge(metric.OpenRequests, 4, metric.Of{})
		s.Gauge(metric.OpenRequests, 0, metric.Of{})
		s.Gauge(metric.DaysToNearestDueDate, -1.5, metric.Of{})
		s.Gauge(metric.HoursSinceSweep, math.NaN(), metric.Of{})
		s.Gauge(metric.WaitingPlans, math.Inf(1), metric.Of{})
		s.Gauge(metric.Requests, 3, metric.Of{Status: "pending"})
		s.Gauge(metric.Requests, 1, metric.Of{Status: "failed"})
	})
	metrictest.Want(t, got, map[string]float64{
		"OpenRequests Stack=lethe": 0, "DaysToNearestDueDate Stack=lethe": -1.5,
		"Requests Stack=lethe Status=pending": 3, "Requests Stack=lethe Status=failed": 1,
	})
	if lines != 3 {
		t.Errorf("%d lines, want 3", lines)
	}
}

// A value that CloudWatch does not take would cost the whole line.
func TestWhatIsNoDimensionCountsForTheWhole(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{
		"none": "", "a colon first": ":x", "not ASCII": "gerät", "a control character": "a\nb", "blank first": " ", "too long": strings.Repeat("a", 201),
	} {
		got, _ := collect(t, func(s *metric.Set) {
			s.Add(metric.Findings, 2, metric.Of{Target: target, Area: "devices"})
			s.Gauge(metric.Requests, 2, metric.Of{Status: target}) // whose sum means nothing
		})
		t.Run(name, func(t *testing.T) { metrictest.Want(t, got, map[string]float64{"Findings Stack=lethe": 2}) })
	}
}

func TestLinesAreBounded(t *testing.T) {
	t.Parallel()
	got, lines := collect(t, func(s *metric.Set) {
		for n := range 1_000 {
			s.Add(metric.FiledRequests, 1, metric.Of{Channel: fmt.Sprint("channel-", n)})
		}
	})
	if lines > 201 || lines < 50 {
		t.Errorf("%d lines", lines)
	}
	if whole := got["FiledRequests Stack=lethe"]; whole != 1_000 {
		t.Errorf("%v counted for the whole, want all 1,000", whole)
	}
}

func TestManyCountAtATime(t *testing.T) {
	t.Parallel()
	got, _ := collect(t, func(s *metric.Set) {
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 100 {
					s.Add(metric.ProviderCalls, 1, metric.Of{Target: "acme"})
				}
			})
		}
		group.Wait()
	})
	metrictest.Want(t, got, map[string]float64{"ProviderCalls Stack=lethe": 800, "ProviderCalls Stack=lethe Target=acme": 800})
}

// A message's receiver and result are what the outbox says of it.
func TestMessagesAreCountedByWhatBecameOfThem(t *testing.T) {
	t.Parallel()
	got, _ := collect(t, func(s *metric.Set) {
		s.Message("mail", string(outbox.Told))
		s.Message("webhook/crm", string(outbox.Failed))
		s.Message("callback", string(outbox.GivenUp))
		s.Message("callback", "something else")
	})
	metrictest.Want(t, got, map[string]float64{
		"MessagesTold Stack=lethe": 1, "MessagesTold Stack=lethe Receiver=mail": 1,
		"MessagesFailed Stack=lethe": 1, "MessagesFailed Stack=lethe Receiver=webhook/crm": 1,
		"MessagesGivenUp Stack=lethe": 1, "MessagesGivenUp Stack=lethe Receiver=callback": 1,
	})
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestALogThatFailsStopsNobody(t *testing.T) {
	t.Parallel()
	s := metric.New("lethe", broken{}, time.Now)
	s.Add(metric.SweepsBegun, 1, metric.Of{})
	s.Flush()
}

// names reads the names out of the source: what is written there as a constant is what template.yaml is held to.
func names(t *testing.T) (all []metric.Name) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "name.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == "Name" {
				name := strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`)
				if v.Names[0].Name != name {
					t.Errorf("the constant %s is %q", v.Names[0].Name, name)
				}
				all = append(all, metric.Name(name))
			}
		}
		return true
	})
	return all
}

func TestEveryMetricIsWrittenByItsDimensions(t *testing.T) {
	t.Parallel()
	of := metric.Of{Status: "s", Target: "t", Area: "a", Step: "p", Fault: "f", Channel: "c", Receiver: "r"}
	by := map[metric.Name]string{
		metric.Requests: "Status=s", metric.ClosedRequests: "Status=s",
		metric.ProviderCalls: "Target=t", metric.ProviderThrottles: "Target=t", metric.ProviderRefusals: "Target=t", metric.ProviderFailures: "Target=t",
		metric.Findings: "Target=t Area=a", metric.Deletions: "Target=t Area=a", metric.StepFaults: "Step=p Fault=f", metric.FiledRequests: "Channel=c",
		metric.MessagesTold: "Receiver=r", metric.MessagesFailed: "Receiver=r", metric.MessagesGivenUp: "Receiver=r",
	}
	all := names(t)
	if len(all) != 26 {
		t.Errorf("%d metrics are seen", len(all))
	}
	for _, n := range all {
		want := map[string]float64{string(n) + " Stack=lethe": 1}
		if by[n] != "" {
			want[string(n)+" Stack=lethe "+by[n]] = 1
		}
		if n == metric.Requests { // a gauge, whose sum means nothing
			delete(want, "Requests Stack=lethe")
		}
		got, _ := collect(t, func(s *metric.Set) { s.Gauge(n, 1, of) })
		metrictest.Want(t, got, want)
	}
}
