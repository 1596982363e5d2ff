package asl

import (
	"regexp"
	"slices"
	"strings"
)

// state reads one state. top tells whether it belongs to the machine itself and not to a branch or an item.
func (l *loader) state(name string, o *object, pl place, top bool) *state {
	s := &state{name: name, kind: kind(o.name("Type"))}
	o.text("Comment")
	s.inputPath, s.outputPath, s.resultPath = &path{text: "$"}, &path{text: "$"}, &path{text: "$"}
	if s.kind != fail {
		s.inputPath, s.outputPath = o.path("InputPath", pl), o.path("OutputPath", pl)
	}
	switch s.kind {
	case task:
		l.task(s, o, pl, top)
	case choice:
		l.choice(s, o, pl)
	case parallel:
		s.parameters = o.payload("Parameters", pl)
		for _, branch := range l.required(o, "Branches") {
			branch.text("Comment")
			s.branches = append(s.branches, l.flow(branch, pl, false))
			branch.close("a branch")
		}
	case mapping:
		l.mapping(s, o, pl)
	case wait:
		s.seconds = seconds(o.integer("Seconds", 0, 0, maxSeconds))
		if v, ok := o.get("SecondsPath"); ok {
			s.secondsPath = l.path(join(o.at, "SecondsPath"), v, pl)
		}
		if o.has("Seconds") == o.has("SecondsPath") {
			o.add("Seconds", "either Seconds or SecondsPath has to be there")
		}
	case pass:
		s.result, s.hasResult = o.get("Result")
		s.parameters = o.payload("Parameters", pl)
		s.resultPath = o.resultPath()
	case succeed:
	case fail:
		s.errorName, s.cause = o.text("Error"), o.text("Cause")
	default:
		if s.kind != "" {
			o.add("Type", "is not a type of state that this runner knows")
		}
		s.next = o.text("Next")
		return s // its other fields would only be reported once more
	}
	if s.kind == task || s.kind == parallel || s.kind == mapping {
		s.selector, s.resultPath = o.payload("ResultSelector", pl), o.resultPath()
		s.retry, s.catch = l.retry(o), l.catches(o)
	}
	if s.kind != choice && s.kind != succeed && s.kind != fail {
		l.next(s, o)
	}
	o.close("a " + string(s.kind) + " state")
	return s
}

// next reads the transition of a state that has one: Next or End, and not both.
func (l *loader) next(s *state, o *object) {
	v, isEnd := o.get("End")
	o.get("Next")
	switch {
	case isEnd && v != true:
		o.add("End", "is not true; leave it out")
	case isEnd && o.has("Next"):
		o.add("End", "stands beside Next")
	case !isEnd && !o.has("Next"):
		o.add("Next", "is missing, and so is End")
	case !isEnd:
		s.next = o.name("Next")
	}
}

// required reads a list of objects that has to be there.
func (l *loader) required(o *object, field string) []*object {
	if !o.has(field) {
		o.add(field, "is missing")
	}
	return o.objects(field)
}

func (l *loader) task(s *state, o *object, pl place, top bool) {
	s.timeout = seconds(o.integer("TimeoutSeconds", maxSeconds, 1, maxSeconds))
	switch resource := o.name("Resource"); {
	case resource == tokenResource:
		s.withToken = true
		if !top {
			o.add("Resource", "a task waits for a token outside Map and Parallel only")
		}
		s.heartbeat = seconds(o.integer("HeartbeatSeconds", 0, 1, maxSeconds))
		if s.heartbeat >= s.timeout {
			o.add("HeartbeatSeconds", "is not smaller than TimeoutSeconds")
		}
		l.tokenCall(s, o, pl)
	case resource != "":
		s.function = l.function(o, "Resource", resource)
		s.parameters = o.payload("Parameters", pl)
		if o.has("HeartbeatSeconds") {
			o.add("HeartbeatSeconds", "belongs to a task that waits for a token")
			o.get("HeartbeatSeconds")
		}
	default:
		o.get("Parameters")
	}
}

// tokenCall reads the Parameters of a task that waits for a token; what remains of them is the payload.
func (l *loader) tokenCall(s *state, o *object, pl place) {
	p := o.object("Parameters")
	s.function = l.function(p, "FunctionName", p.name("FunctionName"))
	pl.hasToken = true
	if v, ok := p.get("Payload.$"); ok {
		s.parameters = &template{path: l.path(join(p.at, "Payload.$"), v, pl)}
		if p.has("Payload") {
			p.add("Payload.$", "stands beside Payload")
		}
		p.get("Payload")
	} else {
		s.parameters = p.payload("Payload", pl)
	}
	if s.parameters == nil || !s.parameters.sendsToken() {
		p.add("Payload", "does not send $$.Task.Token, so that nobody could answer")
	}
	p.close("a call of a function")
}

func (t template) sendsToken() bool {
	if t.path != nil {
		return t.path.context && len(t.path.steps) > 0 && t.path.steps[0].key == "Task"
	}
	for _, inner := range t.object {
		if inner.sendsToken() {
			return true
		}
	}
	return slices.ContainsFunc(t.array, template.sendsToken)
}

// function reads the name out of a placeholder and looks whether there is such a function.
func (l *loader) function(o *object, field, text string) string {
	name, ok := strings.CutPrefix(text, "${")
	name, closed := strings.CutSuffix(name, "}")
	switch {
	case text == "":
		return "" // reported as missing
	case !ok || !closed || !regexp.MustCompile(`^[A-Za-z0-9]+FunctionArn$`).MatchString(name):
		o.add(field, `is neither "${SomeFunctionArn}" nor, as Resource, %q`, tokenResource)
	case !slices.Contains(l.resources, name):
		o.add(field, "names a function that does not exist: %s", name)
	default:
		l.used = append(l.used, name)
	}
	return name
}

func (l *loader) mapping(s *state, o *object, pl place) {
	s.itemsPath = path{text: "$"}
	if v, ok := o.get("ItemsPath"); ok {
		s.itemsPath = *l.path(join(o.at, "ItemsPath"), v, pl)
	}
	s.maxConcurrency = o.integer("MaxConcurrency", 0, 0, maxSeconds)
	if s.maxConcurrency == 0 || s.maxConcurrency > maxConcurrency {
		s.maxConcurrency = maxConcurrency
	}
	pl.inMap = true
	for old, current := range map[string]string{"Parameters": "ItemSelector", "Iterator": "ItemProcessor"} {
		if o.has(old) && o.has(current) {
			o.add(old, "is the old name of %s, which stands there as well", current)
		}
	}
	s.itemSelector = o.payload("ItemSelector", pl)
	if old := o.payload("Parameters", pl); old != nil {
		s.itemSelector = old
	}
	field := "ItemProcessor"
	if o.has("Iterator") && !o.has(field) {
		field = "Iterator"
	}
	o.get("Iterator")
	p := o.object(field)
	p.text("Comment")
	if p.has("ProcessorConfig") {
		c := p.object("ProcessorConfig")
		if c.text("Mode") != "INLINE" {
			c.add("Mode", "is not INLINE")
		}
		c.close("a Map's configuration")
	}
	s.branches = []flow{l.flow(p, pl, false)}
	p.close("a Map's processor")
}
