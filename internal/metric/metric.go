// Package metric collects numbers during an invocation of a function, and writes them at its end in CloudWatch's embedded
// metric format: JSON lines in the log, of which CloudWatch makes metrics without any call.
//
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package metric

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxLines of one Flush. Each combination of dimension values has a line of its own, and a price: CloudWatch bills a
// metric for each. What comes on top counts for the stack as a whole only.
const maxLines = 200

// plain is what CloudWatch takes as a dimension's value: printable ASCII, not beginning with a colon. It allows 1,024
// characters; nothing that is meant to stand here has as many as 200.
// Without a regular expression, as every invocation asks: the first would wait for it to be compiled.
func plain(v string) bool {
	return v != "" && len(v) <= 200 && v[0] != ' ' && v[0] != ':' && !strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' })
}

// Of is what a number is of: values for the dimensions of its metric, the others empty.
type Of struct {
	Status, Target, Area, Step, Fault, Channel, Receiver string
}

func (o Of) value(d Dimension) string {
	switch d {
	case Status:
		return o.Status
	case Target:
		return o.Target
	case Area:
		return o.Area
	case Step:
		return o.Step
	case Fault:
		return o.Fault
	case Channel:
		return o.Channel
	case Receiver:
		return o.Receiver
	}
	return ""
}

// fits tells whether o has a usable value for every dimension of a metric.
func (o Of) fits(n Name) bool {
	for _, d := range By(n) {
		if !plain(o.value(d)) {
			return false
		}
	}
	return true
}

// Set collects numbers. It may be used by several goroutines.
type Set struct {
	stack string
	to    io.Writer
	now   func() time.Time

	mu    sync.Mutex
	lines map[Of]map[Name]float64
}

// New makes a Set for a stack, which must be a name that CloudWatch takes. Each line goes to the writer in one call.
func New(stack string, to io.Writer, now func() time.Time) *Set {
	return &Set{stack: stack, to: to, now: now, lines: map[Of]map[Name]float64{}}
}

// Add adds to a counter. It counts for the stack as a whole and, where the metric has further dimensions, for those of o;
// where o lacks one of them, or there are too many combinations, for the whole only.
func (s *Set) Add(n Name, by int, of Of) {
	if by == 0 {
		return // a line that says nothing has a price, too
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if line := s.line(n, of); line != nil {
		line[n] += float64(by)
	}
}

// Message counts an attempt to tell a receiver of an event, by the receiver and the result as outbox.Delivery has them.
func (s *Set) Message(receiver, result string) {
	name, ok := map[string]Name{"told": MessagesTold, "failed": MessagesFailed, "given_up": MessagesGivenUp}[result]
	if ok {
		s.Add(name, 1, Of{Receiver: receiver})
	}
}

// Gauge sets a gauge; the last value before Flush counts. A value that is no number is left out.
func (s *Set) Gauge(n Name, value float64, of Of) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if line := s.line(n, of); line != nil {
		line[n] = value
	}
}

// line gives the line of a metric; nil when it cannot have one.
func (s *Set) line(n Name, of Of) map[Name]float64 {
	full := len(s.lines) >= maxLines && s.lines[of] == nil
	if !of.fits(n) || full {
		if of = (Of{}); !Whole(n) {
			return nil
		}
	}
	if s.lines[of] == nil {
		s.lines[of] = map[Name]float64{}
	}
	return s.lines[of]
}

// definition and directive are the format's: what CloudWatch shall make of a line.
type definition struct {
	Name Name
	Unit string
}

type directive struct {
	Namespace  string
	Dimensions [][]Dimension
	Metrics    []definition
}

// Flush writes what was collected and begins anew. The numbers of a write that fails are lost: the log is where they go,
// and there is no other place to say so.
func (s *Set) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range slices.SortedFunc(maps.Keys(s.lines), compare) {
		if _, err := s.to.Write(s.encode(of, s.lines[of])); err != nil {
			break
		}
	}
	s.lines = map[Of]map[Name]float64{}
}

func compare(a, b Of) int {
	return cmp.Or(
		strings.Compare(a.Status, b.Status), strings.Compare(a.Target, b.Target), strings.Compare(a.Area, b.Area), strings.Compare(a.Step, b.Step),
		strings.Compare(a.Fault, b.Fault), strings.Compare(a.Channel, b.Channel), strings.Compare(a.Receiver, b.Receiver),
	)
}

// encode makes a line: its metrics, those of the same dimensions in one directive. They are fewer than the hundred that a
// directive may have.
func (s *Set) encode(of Of, values map[Name]float64) []byte {
	root := map[string]any{string(Stack): s.stack}
	var all []directive
	for _, n := range slices.Sorted(maps.Keys(values)) {
		root[string(n)] = values[n]
		dimensions := s.dimensions(n, of)
		for _, set := range dimensions {
			for _, d := range set[1:] {
				root[string(d)] = of.value(d)
			}
		}
		at := slices.IndexFunc(all, func(d directive) bool { return slices.EqualFunc(d.Dimensions, dimensions, slices.Equal) })
		if at < 0 {
			at = len(all)
			all = append(all, directive{Namespace: Namespace, Dimensions: dimensions})
		}
		all[at].Metrics = append(all[at].Metrics, definition{n, unit(n)})
	}
	root["_aws"] = struct {
		Timestamp         int64 // milliseconds
		CloudWatchMetrics []directive
	}{s.now().UnixMilli(), all}
	b, err := json.Marshal(root)
	if err != nil {
		panic(fmt.Sprintf("metric: texts and finite numbers always marshal: %v", err))
	}
	return append(b, '\n')
}

// dimensions are the sets of dimensions that a number counts for.
func (s *Set) dimensions(n Name, of Of) (sets [][]Dimension) {
	by := By(n)
	if Whole(n) || len(by) == 0 {
		sets = append(sets, []Dimension{Stack})
	}
	if len(by) > 0 && of != (Of{}) {
		sets = append(sets, append([]Dimension{Stack}, by...))
	}
	return sets
}
