package asl

import (
	"fmt"
	"strings"
)

// view is what paths are evaluated against.
type view struct{ input, context any }

func (v view) get(p path) (any, bool) {
	if p.context {
		return p.find(v.context)
	}
	return p.find(v.input)
}

// must is get for paths outside payload templates, where a missing value ends the execution.
func (v view) must(p path, field string) (any, error) {
	value, ok := v.get(p)
	if !ok {
		return nil, runtimeFailure("%s %s finds nothing in the input", field, p.text)
	}
	return value, nil
}

// template is a payload template: Parameters, ItemSelector, ResultSelector. One of its fields is set.
type template struct {
	path    *path // a field whose name ended in .$
	object  map[string]template
	array   []template
	literal any
}

func (t template) fill(v view) (any, error) {
	switch {
	case t.path != nil:
		value, ok := v.get(*t.path)
		if !ok {
			return nil, &failure{ParameterPathFailure, fmt.Sprintf("%s finds nothing", t.path.text)}
		}
		return value, nil
	case t.object != nil:
		out := make(map[string]any, len(t.object))
		for key, inner := range t.object {
			value, err := inner.fill(v)
			if err != nil {
				return nil, err
			}
			out[key] = value
		}
		return out, nil
	case t.array != nil:
		out := make([]any, len(t.array))
		for n, inner := range t.array {
			value, err := inner.fill(v)
			if err != nil {
				return nil, err
			}
			out[n] = value
		}
		return out, nil
	}
	return t.literal, nil
}

// template compiles a payload template that stands at a path of the definition.
func (l *loader) template(at string, v any, pl place) template {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]template{}
		for _, key := range sortedKeys(v) {
			field := join(at, key)
			name, isPath := strings.CutSuffix(key, ".$")
			if _, both := v[name]; isPath && both {
				l.add(field, "stands with and without .$")
			}
			if isPath {
				out[name] = template{path: l.path(field, v[key], pl)}
			} else {
				out[name] = l.template(field, v[key], pl)
			}
		}
		return template{object: out}
	case []any:
		out := make([]template, len(v))
		for n, item := range v {
			out[n] = l.template(fmt.Sprintf("%s[%d]", at, n), item, pl)
		}
		return template{array: out}
	case string:
		if strings.Contains(v, "${") {
			l.add(at, "a placeholder stands in Resource and FunctionName only")
		}
	}
	return template{literal: v}
}
