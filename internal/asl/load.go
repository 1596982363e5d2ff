package asl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxSeconds     = 99999999 // a Task's default TimeoutSeconds, and the limit of most numbers of seconds
	maxDelayLimit  = 31622399 // MaxDelaySeconds is less than 31,622,400
	maxConcurrency = 40       // iterations of an INLINE Map that Step Functions runs at once
	maxName        = 80       // characters of a state's name
	tokenResource  = "arn:${Partition}:states:::lambda:invoke.waitForTaskToken"
)

// Load reads a definition and checks all of it. resources are the placeholder names that a Task may use, such as
// "OpenJobFunctionArn". The error joins one error for each problem, and each names the field that it is about.
func Load(definition []byte, resources []string) (*Machine, error) {
	l := &loader{resources: resources, names: map[string]string{}}
	m := &Machine{}
	if root := l.readDefinition(definition); root != nil {
		o := l.object("", root)
		o.text("Comment")
		if v, ok := o.get("QueryLanguage"); ok && v != "JSONPath" {
			o.add("QueryLanguage", "is not JSONPath")
		}
		if v, ok := o.get("Version"); ok && v != "1.0" {
			o.add("Version", "is not 1.0")
		}
		m.timeout = seconds(o.integer("TimeoutSeconds", 0, 1, maxSeconds))
		m.flow = l.flow(o, place{}, true)
		o.close("a state machine")
	}
	if len(l.problems) > 0 {
		slices.Sort(l.problems)
		var all []error
		for _, p := range slices.Compact(l.problems) {
			all = append(all, errors.New(p))
		}
		return nil, fmt.Errorf("the state machine's definition cannot be run:\n%w", errors.Join(all...))
	}
	slices.Sort(l.used)
	m.resources = slices.Compact(l.used)
	return m, nil
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// loader collects what is wrong with a definition.
type loader struct {
	resources []string
	problems  []string
	names     map[string]string // of all states, and where each stands
	used      []string          // resources
}

func (l *loader) add(at, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if at != "" {
		text = at + ": " + text
	}
	l.problems = append(l.problems, text)
}

// flow reads StartAt and States; the caller reads the other fields and closes the object.
func (l *loader) flow(o *object, pl place, top bool) flow {
	f := flow{startAt: o.name("StartAt"), states: map[string]*state{}}
	states := o.object("States")
	if o.has("States") && len(states.fields) == 0 {
		o.add("States", "has no states")
	}
	for _, name := range sortedKeys(states.fields) {
		v, _ := states.get(name)
		at := join(states.at, name)
		if n := utf8.RuneCountInString(name); n == 0 || n > maxName {
			l.add(at, "a state's name has 1 to %d characters", maxName)
		}
		if other, taken := l.names[name]; taken {
			l.add(at, "has the name of another state, %s", other)
		}
		l.names[name] = at
		f.states[name] = l.state(name, l.object(at, v), pl, top)
	}
	l.checkTargets(o, states.at, f)
	return f
}

// checkTargets reports targets that do not exist, and states that nothing leads to.
func (l *loader) checkTargets(o *object, at string, f flow) {
	started := f.states[f.startAt] != nil
	if f.startAt != "" && !started {
		o.add("StartAt", "names a state that does not exist here: %s", f.startAt)
	}
	reached := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if s := f.states[name]; s != nil && !reached[name] {
			reached[name] = true
			for _, target := range s.targets() {
				visit(target)
			}
		}
	}
	visit(f.startAt)
	for _, name := range sortedKeys(f.states) {
		for _, target := range f.states[name].targets() {
			if f.states[target] == nil {
				l.add(join(at, name), "leads to a state that does not exist here: %s", target)
			}
		}
		if started && !reached[name] {
			l.add(join(at, name), "cannot be reached")
		}
	}
}

// retry reads Retry and catches Catch; both are missing more often than not.
func (l *loader) retry(o *object) []retrier {
	var out []retrier
	entries := o.objects("Retry")
	for n, e := range entries {
		r := retrier{
			errorEquals: l.errorEquals(e, n == len(entries)-1),
			interval:    float64(e.integer("IntervalSeconds", 1, 1, maxSeconds)),
			maxAttempts: e.integer("MaxAttempts", 3, 0, maxSeconds),
			maxDelay:    float64(e.integer("MaxDelaySeconds", 0, 1, maxDelayLimit)),
			backoffRate: 2,
		}
		if r.maxDelay > 0 && r.maxDelay <= r.interval {
			e.add("MaxDelaySeconds", "is not greater than IntervalSeconds")
		}
		if v, ok := e.get("BackoffRate"); ok {
			if r.backoffRate, ok = number(v); !ok || !(r.backoffRate >= 1) {
				e.add("BackoffRate", "is not a number of 1.0 or more")
			}
		}
		switch e.text("JitterStrategy") {
		case "FULL":
			r.randomDelays = true
		case "NONE":
		default:
			if e.has("JitterStrategy") {
				e.add("JitterStrategy", "is neither FULL nor NONE")
			}
		}
		e.text("Comment")
		e.close("a retrier")
		out = append(out, r)
	}
	return out
}

func (l *loader) catches(o *object) []catcher {
	var out []catcher
	entries := o.objects("Catch")
	for n, e := range entries {
		out = append(out, catcher{
			errorEquals: l.errorEquals(e, n == len(entries)-1),
			resultPath:  e.resultPath(),
			next:        e.name("Next"),
		})
		e.text("Comment")
		e.close("a catcher")
	}
	return out
}

// errorEquals reads the error names of a retrier or catcher.
func (l *loader) errorEquals(o *object, last bool) []string {
	v, _ := o.get("ErrorEquals")
	list, _ := v.([]any)
	var names []string
	for _, item := range list {
		if name, ok := item.(string); ok && name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 || len(names) < len(list) {
		o.add("ErrorEquals", "is not a list of one or more error names")
		return names
	}
	for _, name := range names {
		switch name {
		case All:
			if len(names) > 1 || !last {
				o.add("ErrorEquals", "%s stands alone, and in the last entry", All)
			}
		case Runtime:
			o.add("ErrorEquals", "nothing handles %s; it always ends the execution", Runtime)
		case Timeout, TaskFailed, ParameterPathFailure, ResultPathMatchFailure, NoChoiceMatched, DataLimitExceeded, HeartbeatTimeout:
		default:
			if strings.HasPrefix(name, "States.") {
				o.add("ErrorEquals", "%s is never raised here", name)
			}
		}
	}
	return names
}
