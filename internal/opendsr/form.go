package opendsr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/intake"
)

const maxProblems = 20 // that are told at once

// form reads a body whose JSON is valid, and collects what is wrong with it. Nothing that it says repeats anything of the
// body, not even the name of an unknown field, which may be an address.
type form struct{ bad []intake.Field }

func (f *form) add(name, code, text string) {
	if len(f.bad) < maxProblems {
		f.bad = append(f.bad, intake.Field{Name: name, Code: code, Text: text})
	}
}

// members are the members of an object, by turns; none where it is no object.
func members(raw json.RawMessage) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		d := json.NewDecoder(bytes.NewReader(raw))
		if t, _ := d.Token(); t != json.Delim('{') {
			return
		}
		for d.More() {
			t, _ := d.Token()
			name, ok := t.(string)
			var v json.RawMessage
			if !ok || d.Decode(&v) != nil || !yield(name, v) {
				return
			}
		}
	}
}

// object reads an object whose fields are all known, spelled alike, and there once at most; nil when it is none. A field
// that is null counts as not there: some encoders write optional fields so.
func (f *form) object(name string, raw json.RawMessage, known ...string) map[string]json.RawMessage {
	if raw[0] != '{' {
		f.add(name, "not_object", "must be an object")
		return nil
	}
	out := map[string]json.RawMessage{}
	for field, v := range members(raw) {
		switch {
		case !slices.Contains(known, field):
			f.add(name, "unknown_field", "has a field that is not known; known are "+strings.Join(known, ", "))
			return nil
		case out[field] != nil:
			f.add(name, "duplicate_field", "has the field "+field+" more than once")
		case string(v) != "null":
			out[field] = v
		}
	}
	return out
}

// list reads an optional list of at most so many values, none of them null.
func (f *form) list(name string, raw json.RawMessage, most int) []json.RawMessage {
	if raw == nil {
		return nil
	}
	var out []json.RawMessage
	if json.Unmarshal(raw, &out) != nil {
		f.add(name, "not_list", "must be a list")
		return nil
	}
	if len(out) > most {
		f.add(name, "too_many", fmt.Sprintf("must have at most %d elements", most))
		return nil
	}
	return out
}

// text reads a string that has to be there; "" when it is not.
func (f *form) text(name string, raw json.RawMessage) string {
	var v string
	switch {
	case raw == nil:
		f.add(name, "required", "is required")
	case raw[0] != '"' || json.Unmarshal(raw, &v) != nil:
		f.add(name, "not_text", "must be a string")
	case v == "":
		f.add(name, "required", "is empty")
	case strings.ContainsRune(v, utf8.RuneError): // also what half of a surrogate pair (\ud800) becomes: another value
		f.add(name, "bad_value", "holds a character that is none")
	default:
		return v
	}
	return ""
}

// oneOf is text that is one of these values; "" when it is not.
func (f *form) oneOf(name string, raw json.RawMessage, values ...string) string {
	v := f.text(name, raw)
	if v == "" || slices.Contains(values, v) {
		return v
	}
	f.add(name, "unsupported", "must be "+strings.Join(values, " or "))
	return ""
}
