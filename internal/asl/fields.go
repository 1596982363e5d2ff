package asl

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// object reads the fields of one JSON object of the definition. What was not asked for when close is called is unknown
// there, and refused.
type object struct {
	l      *loader
	at     string
	fields map[string]any
	known  map[string]bool
}

func (l *loader) object(at string, v any) *object {
	fields, ok := v.(map[string]any)
	if !ok {
		l.add(at, "is not an object")
	}
	return &object{l: l, at: at, fields: fields, known: map[string]bool{}}
}

func (o *object) add(field, format string, args ...any) { o.l.add(join(o.at, field), format, args...) }

// close reports the fields that nobody asked for.
func (o *object) close(what string) {
	for _, field := range sortedKeys(o.fields) {
		if !o.known[field] {
			o.add(field, "is not a field of %s that this runner knows", what)
		}
	}
}

func (o *object) get(field string) (any, bool) {
	o.known[field] = true
	v, ok := o.fields[field]
	return v, ok
}

func (o *object) has(field string) bool { _, ok := o.fields[field]; return ok }

// text reads a string; "" when it is missing or none.
func (o *object) text(field string) string {
	v, ok := o.get(field)
	s, isText := v.(string)
	if ok && !isText {
		o.add(field, "is not a string")
	}
	return s
}

// name reads a string that has to be there.
func (o *object) name(field string) string {
	s := o.text(field)
	if _, isText := o.fields[field].(string); s == "" && (isText || !o.has(field)) {
		o.add(field, "is missing or empty")
	}
	return s
}

// integer reads a whole number within bounds; otherwise when it is missing.
func (o *object) integer(field string, otherwise, lowest, highest int) int {
	v, ok := o.get(field)
	if !ok {
		return otherwise
	}
	number, _ := v.(json.Number)
	n, err := strconv.Atoi(number.String())
	if err != nil || n < lowest || n > highest {
		o.add(field, "is not a whole number from %d to %d", lowest, highest)
		return otherwise
	}
	return n
}

// object reads an object that has to be there.
func (o *object) object(field string) *object {
	v, ok := o.get(field)
	if !ok {
		o.add(field, "is missing")
		v = map[string]any{}
	}
	return o.l.object(join(o.at, field), v)
}

// objects reads a list of objects; it may be missing, but not be empty.
func (o *object) objects(field string) []*object {
	v, ok := o.get(field)
	if !ok {
		return nil
	}
	list, isList := v.([]any)
	if !isList || len(list) == 0 {
		o.add(field, "is not a list of one or more objects")
	}
	var out []*object
	for n, item := range list {
		out = append(out, o.l.object(fmt.Sprintf("%s[%d]", join(o.at, field), n), item))
	}
	return out
}

// path reads a path that may be null (then nil) or missing (then the whole document).
func (o *object) path(field string, pl place) *path {
	v, ok := o.get(field)
	switch {
	case !ok:
		return &path{text: "$"}
	case v == nil:
		return nil
	}
	return o.l.path(join(o.at, field), v, pl)
}

// resultPath reads a path into the input; there is none into the context.
func (o *object) resultPath() *path {
	p := o.path("ResultPath", place{})
	if p != nil && p.context {
		o.add("ResultPath", "writes into the context object")
	}
	return p
}

// payload reads a payload template, which is an object; nil when it is missing.
func (o *object) payload(field string, pl place) *template {
	v, ok := o.get(field)
	if !ok {
		return nil
	}
	at := join(o.at, field)
	if _, isObject := v.(map[string]any); !isObject {
		o.l.add(at, "is not an object")
	}
	t := o.l.template(at, v, pl)
	return &t
}

// path reads a path that stands at a place of the definition.
func (l *loader) path(at string, v any, pl place) *path {
	text, ok := v.(string)
	if !ok {
		l.add(at, "is not a path in a string")
		return &path{text: "$"}
	}
	p, err := parsePath(text)
	if err == nil && p.context {
		err = pl.allows(p)
	}
	if err != nil {
		l.add(at, "%s", err)
	}
	return &p
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
