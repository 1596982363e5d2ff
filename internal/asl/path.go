package asl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// step is one step of a path: into a field, or, with an empty key and isIndex, into an array.
type step struct {
	key     string
	index   int
	isIndex bool
}

// path is a reference path: it names exactly one place in a document.
type path struct {
	text    string
	context bool // begins with $$ and reads the context object
	steps   []step
}

// parsePath reads a reference path. Everything that could name several places, or compute one, is refused.
func parsePath(text string) (path, error) {
	p := path{text: text}
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		if strings.HasPrefix(text, "States.") {
			return p, errors.New("intrinsic functions are not supported; compute it in a task")
		}
		return p, errors.New("a path begins with $")
	}
	rest, p.context = strings.CutPrefix(rest, "$")
	for rest != "" {
		var s step
		var err error
		if rest[0] == '.' {
			s, rest, err = dotted(rest[1:])
		} else {
			s, rest, err = bracketed(rest)
		}
		if err != nil {
			return p, err
		}
		p.steps = append(p.steps, s)
	}
	return p, nil
}

func dotted(rest string) (step, string, error) {
	end := strings.IndexFunc(rest, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if end < 0 {
		end = len(rest)
	}
	if end == 0 {
		return step{}, "", errors.New("a dot is followed by a name of letters, digits and _; no wildcards, no descent")
	}
	if end < len(rest) && rest[end] != '.' && rest[end] != '[' {
		return step{}, "", errors.New("a name after a dot has letters, digits and _ only; write another one as ['name']; no functions")
	}
	return step{key: rest[:end]}, rest[end:], nil
}

func bracketed(rest string) (step, string, error) {
	bad := errors.New("brackets hold one index or one quoted name; no wildcards, filters, slices or lists")
	if len(rest) < 2 || rest[0] != '[' {
		return step{}, "", errors.New("a step begins with . or [")
	}
	if quote := rest[1]; quote == '\'' || quote == '"' {
		name, after, ok := strings.Cut(rest[2:], string(quote))
		if !ok || name == "" || strings.ContainsAny(name, `\`) || !strings.HasPrefix(after, "]") {
			return step{}, "", bad
		}
		return step{key: name}, after[1:], nil
	}
	digits, after, ok := strings.Cut(rest[1:], "]")
	n, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil {
		return step{}, "", bad
	}
	return step{index: int(n), isIndex: true}, after, nil
}

// find gives the value at the path, and whether there is one.
func (p path) find(root any) (any, bool) {
	for _, s := range p.steps {
		if s.isIndex {
			list, ok := root.([]any)
			if !ok || s.index >= len(list) {
				return nil, false
			}
			root = list[s.index]
			continue
		}
		object, ok := root.(map[string]any)
		if !ok {
			return nil, false
		}
		if root, ok = object[s.key]; !ok {
			return nil, false
		}
	}
	return root, true
}

// insert gives root with value at the path, making objects where fields are missing; false when the path does not fit.
// root itself stays as it is, because branches share their input.
func (p path) insert(root, value any) (any, bool) { return insert(root, p.steps, value) }

func insert(root any, steps []step, value any) (any, bool) {
	if len(steps) == 0 {
		return value, true
	}
	s := steps[0]
	if s.isIndex {
		list, ok := root.([]any)
		if !ok || s.index >= len(list) {
			return nil, false
		}
		inner, ok := insert(list[s.index], steps[1:], value)
		if !ok {
			return nil, false
		}
		list = slices.Clone(list)
		list[s.index] = inner
		return list, true
	}
	object, ok := root.(map[string]any)
	if !ok {
		return nil, false
	}
	old, ok := object[s.key]
	if !ok {
		old = map[string]any{}
	}
	inner, ok := insert(old, steps[1:], value)
	if !ok {
		return nil, false
	}
	object = maps.Clone(object)
	object[s.key] = inner
	return object, true
}

// place says what of the context object can be read where a path stands.
type place struct{ inMap, hasToken bool }

// allows tells whether the context path names something that exists here; nil when it does.
func (pl place) allows(p path) error {
	keys := make([]string, len(p.steps))
	for n, s := range p.steps {
		keys[n] = s.key
	}
	is := func(more bool, want ...string) bool {
		return len(keys) >= len(want) && slices.Equal(keys[:len(want)], want) && (more || len(keys) == len(want))
	}
	switch {
	case is(false, "Execution", "Id"), is(false, "Execution", "Name"), is(false, "Execution", "StartTime"),
		is(true, "Execution", "Input"), is(false, "State", "Name"), is(false, "State", "EnteredTime"):
		return nil
	case is(false, "Task", "Token"):
		if !pl.hasToken {
			return errors.New("there is a task token only in the Parameters of a waitForTaskToken task")
		}
		return nil
	case is(false, "Map", "Item", "Index"), is(true, "Map", "Item", "Value"):
		if !pl.inMap {
			return errors.New("there is an item only in a Map")
		}
		return nil
	}
	return fmt.Errorf("%s is not a part of the context object that can be read here", p.text)
}
