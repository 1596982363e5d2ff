package asl

import (
	"encoding/json"
	"errors"
	"strconv"
)

// rule is one entry of Choices.
type rule struct {
	holds condition
	next  string
}

type condition func(view) (bool, error)

// comparison makes a condition on a value from the field of its name; ok is false when the field has the wrong type.
type comparison func(want any) (holds func(got any) bool, ok bool)

func comparisons() map[string]comparison {
	numeric := func(compare func(got, want float64) bool) comparison {
		return func(want any) (func(any) bool, bool) {
			w, ok := number(want)
			return func(got any) bool { g, ok := number(got); return ok && compare(g, w) }, ok
		}
	}
	return map[string]comparison{
		"StringEquals": func(want any) (func(any) bool, bool) {
			w, ok := want.(string)
			return func(got any) bool { g, ok := got.(string); return ok && g == w }, ok
		},
		"BooleanEquals": func(want any) (func(any) bool, bool) {
			w, ok := want.(bool)
			return func(got any) bool { g, ok := got.(bool); return ok && g == w }, ok
		},
		"IsNull": func(want any) (func(any) bool, bool) {
			w, ok := want.(bool)
			return func(got any) bool { return (got == nil) == w }, ok
		},
		"NumericEquals":            numeric(func(got, want float64) bool { return got == want }),
		"NumericLessThan":          numeric(func(got, want float64) bool { return got < want }),
		"NumericLessThanEquals":    numeric(func(got, want float64) bool { return got <= want }),
		"NumericGreaterThan":       numeric(func(got, want float64) bool { return got > want }),
		"NumericGreaterThanEquals": numeric(func(got, want float64) bool { return got >= want }),
	}
}

// number reads a JSON number; one too large for a float64 counts as infinite.
func number(v any) (float64, bool) {
	text, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseFloat(text.String(), 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

func (l *loader) choice(s *state, o *object, pl place) {
	s.defaultNext = o.text("Default")
	if o.has("Default") && s.defaultNext == "" {
		o.add("Default", "is empty")
	}
	for _, c := range l.required(o, "Choices") {
		c.text("Comment")
		r := rule{next: c.name("Next")}
		r.holds = l.condition(c, pl)
		s.rules = append(s.rules, r)
	}
}

// condition reads the test of a rule: And, Or, Not, or a comparison of one Variable.
func (l *loader) condition(o *object, pl place) condition {
	defer o.close("a choice rule")
	var operators []string
	known := comparisons()
	for _, field := range sortedKeys(o.fields) {
		if _, ok := known[field]; ok || field == "And" || field == "Or" || field == "Not" || field == "IsPresent" {
			operators = append(operators, field)
			o.get(field)
		}
	}
	if len(operators) != 1 {
		o.get("Variable")
		o.add("", "needs exactly one of And, Or, Not and the comparisons that this runner knows")
		return nil
	}
	switch operator := operators[0]; operator {
	case "And", "Or":
		var inner []condition
		for _, part := range o.objects(operator) {
			inner = append(inner, l.condition(part, pl))
		}
		// Evaluation stops at the first part that decides, so that And with IsPresent protects what follows.
		return func(v view) (bool, error) {
			for _, holds := range inner {
				if yes, err := holds(v); err != nil || yes == (operator == "Or") {
					return yes, err
				}
			}
			return operator == "And", nil
		}
	case "Not":
		inner := l.condition(o.object("Not"), pl)
		return func(v view) (bool, error) { yes, err := inner(v); return !yes && err == nil, err }
	case "IsPresent":
		p := l.variable(o, pl)
		want, ok := o.fields["IsPresent"].(bool)
		if !ok {
			o.add("IsPresent", "is neither true nor false")
		}
		return func(v view) (bool, error) { _, there := v.get(p); return there == want, nil }
	default:
		p := l.variable(o, pl)
		holds, ok := known[operator](o.fields[operator])
		if !ok {
			o.add(operator, "compares with a value of the wrong type")
		}
		return func(v view) (bool, error) {
			got, err := v.must(p, "Variable")
			return err == nil && holds(got), err
		}
	}
}

func (l *loader) variable(o *object, pl place) path {
	v, ok := o.get("Variable")
	if !ok {
		o.add("Variable", "is missing")
		return path{}
	}
	return *l.path(join(o.at, "Variable"), v, pl)
}
