package config

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// parser walks a document and reports as it goes. Its methods give a zero value or a default where something is wrong,
// so that the walk goes on and finds everything.
type parser struct {
	*report
	lookup func(string) (string, bool)
}

// mapping is a mapping whose field names have been checked.
type mapping struct {
	p      *parser
	at     place
	fields map[string]*Node
}

// plainName tells whether a field's name may be shown: a credential that slipped into a name's place has digits or other
// letters, or is long.
var plainName = sync.OnceValue(compiled(`^[A-Za-z_-]{1,32}$`))

// mapping checks that n is a mapping and that each of its fields is known and stands once. foreign, when not nil, tells
// about a field that is known elsewhere.
func (p *parser) mapping(n *Node, at place, known []string, foreign func(name string) string) (mapping, bool) {
	m := mapping{p, at, map[string]*Node{}}
	if n.Kind != Mapping {
		if n.Kind != Refused {
			p.add(at, "must be a mapping of fields to values")
		}
		return m, false
	}
	for k := 0; k+1 < len(n.Content); k += 2 {
		key, value := n.Content[k], n.Content[k+1]
		name := key.Value
		switch {
		case key.Kind != Scalar || !slices.Contains(known, name) && !plainName().MatchString(name):
			p.add(place{at.path, key.Line}, "an unknown field, whose name is not shown; known here: %s", strings.Join(known, ", "))
		case foreign != nil && foreign(name) != "":
			p.add(at.field(name, key.Line), "%s", foreign(name))
		case !slices.Contains(known, name):
			p.add(at.field(name, key.Line), "unknown field; known here: %s", strings.Join(known, ", "))
		case m.fields[name] != nil:
			p.add(at.field(name, key.Line), "stands twice, first on line %d", m.fields[name].Line)
		default:
			m.fields[name] = value
		}
	}
	return m, true
}

// get finds a field. A missing one is reported where it is required.
func (m mapping) get(name string, required bool) (*Node, place) {
	n := m.fields[name]
	if n == nil {
		if required {
			m.p.add(m.at.field(name, m.at.line), "is required")
		}
		return nil, place{}
	}
	return n, m.at.field(name, n.Line)
}

// scalar finds a field that has one of the tags and is not empty; wanted says in words what it must be.
func (m mapping) scalar(name string, required bool, wanted string, tags ...string) (*Node, place) {
	n, at := m.get(name, required)
	switch {
	case n == nil || n.Kind == Refused:
		return nil, place{}
	case n.Kind == Scalar && (n.Tag == "!!null" || strings.TrimSpace(n.Value) == ""):
		advice := "give a value"
		if !required {
			advice = "leave the field out for the default"
		}
		m.p.add(at, "is empty; %s", advice)
		return nil, place{}
	case n.Kind != Scalar || !slices.Contains(tags, n.Tag):
		m.p.add(at, "must be %s", wanted)
		return nil, place{}
	}
	return n, at
}

var variable = sync.OnceValue(compiled(`\$\{[A-Za-z_][A-Za-z0-9_]{0,127}\}`))

// text finds a string and puts environment variables into it. "" means that there is none that could be used.
func (m mapping) text(name string, required bool) (string, place) {
	n, at := m.scalar(name, required, "text; put numbers, dates and true or false in quotes", "!!str")
	if n == nil {
		return "", at
	}
	before := len(m.p.found)
	if strings.Count(n.Value, "${") != len(variable().FindAllString(n.Value, -1)) {
		m.p.add(at, "has a ${ that is not followed by a variable's name and }")
	}
	v := variable().ReplaceAllStringFunc(n.Value, func(ref string) string {
		ref = ref[2 : len(ref)-1]
		v, ok := m.p.lookup(ref)
		if !ok {
			m.p.add(at, "the environment variable %s is not set", ref)
		}
		return v
	})
	switch {
	case len(m.p.found) > before:
		return "", at
	case strings.TrimSpace(v) == "":
		m.p.add(at, "is empty after its environment variables were put in")
		return "", at
	}
	return v, at
}

// choice finds one of a few words; def where the field is missing.
func (m mapping) choice(name string, required bool, def string, words ...string) string {
	v, at := m.text(name, required)
	switch {
	case v == "":
		return def
	case !slices.Contains(words, v):
		m.p.add(at, "must be one of %s", strings.Join(words, ", "))
		return def
	}
	return v
}

func (m mapping) boolean(name string, def bool) bool {
	n, at := m.scalar(name, false, "true or false, without quotes", "!!bool")
	if n == nil {
		return def
	}
	v, err := strconv.ParseBool(strings.ToLower(n.Value))
	if err != nil {
		m.p.add(at, "must be true or false, without quotes")
		return def
	}
	return v
}

var decimal = sync.OnceValue(compiled(`^-?(0|[1-9][0-9]{0,8})$`))

func (m mapping) integer(name string, def, low, high int) int {
	const wanted = "a whole number, without quotes"
	n, at := m.scalar(name, false, wanted, "!!int")
	if n == nil {
		return def
	}
	v, err := strconv.Atoi(n.Value)
	switch {
	case err != nil || !decimal().MatchString(n.Value): // 0x10, 010 and 1_000 are numbers to YAML, and traps
		m.p.add(at, "must be %s, of at most 9 digits", wanted)
		return def
	case v < low || v > high:
		m.p.add(at, "must be from %d to %d", low, high)
		return def
	}
	return v
}

// share finds a number above 0 and at most 1.
func (m mapping) share(name string, def float64) float64 {
	n, at := m.scalar(name, false, "a number above 0 and at most 1, without quotes", "!!int", "!!float")
	if n == nil {
		return def
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || !(v > 0 && v <= 1) { // NaN is neither
		m.p.add(at, "must be above 0 and at most 1")
		return def
	}
	return v
}

// distinct reports a value that an earlier element of a list has, too; first keeps their lines. "" is no value.
func (p *parser) distinct(first map[string]int, v string, at place, what string) {
	if line, taken := first[v]; taken {
		p.add(at, "is the %s on line %d; each needs its own", what, line)
	} else if v != "" {
		first[v] = at.line
	}
}
