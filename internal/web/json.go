package web

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/intake"
)

// Limits of a JSON document.
const (
	MaxDepth  = 16 // lists and objects in each other
	maxFields = 20 // that are told as wrong at once
)

// ReadJSON reads a body of type application/json into v, a pointer to a struct, and gives the body as it came. It is
// strict: one document in UTF-8, not deeper than MaxDepth, every field known (names are case-sensitive) and given once,
// of its type and not null; a json.RawMessage takes any value. Errors: ErrMediaType, ErrMalformed, *http.MaxBytesError,
// and *intake.Invalid, which names the path of a field (subject.identifiers[2].value) and never a value or an unknown name.
// v is to be flat or nested structs with json tags, slices, maps and what unmarshals itself; no embedded structs.
func ReadJSON(r *http.Request, v any) (body []byte, err error) {
	if !isJSON(r.Header) {
		return nil, ErrMediaType
	}
	body, err = io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(body) || !json.Valid(body) { // which also finds anything after the document
		return nil, ErrMalformed
	}
	if wrong := check(body, reflect.TypeOf(v)); len(wrong) > 0 {
		return nil, &intake.Invalid{Fields: wrong}
	}
	if err := json.Unmarshal(body, v); err != nil { // not after check; the error's text may hold values
		return nil, ErrMalformed
	}
	return body, nil
}

// isJSON tells whether the headers promise plain JSON in UTF-8 (RFC 8259, 8.1).
func isJSON(h http.Header) bool {
	types, encodings := h.Values("Content-Type"), h.Values("Content-Encoding")
	if len(types) != 1 || len(encodings) > 0 {
		return false
	}
	name, params, err := mime.ParseMediaType(types[0])
	charset, given := params["charset"]
	return err == nil && name == "application/json" && (!given || strings.EqualFold(charset, "utf-8"))
}

// check finds what encoding/json would let pass: fields given twice or in another case, unknown ones, null, halves of
// characters. It also finds what it would tell with the value. body is one valid document.
func check(body []byte, t reflect.Type) []intake.Field {
	c := checker{dec: json.NewDecoder(bytes.NewReader(body))}
	c.dec.UseNumber()
	c.value("", t, 1)
	return c.wrong
}

type checker struct {
	dec   *json.Decoder
	wrong []intake.Field
	over  bool // nothing more is looked at
}

func (c *checker) add(path, code, text string) {
	if path == "" {
		path = "body"
	}
	c.wrong = append(c.wrong, intake.Field{Name: path, Code: code, Text: text})
	c.over = c.over || len(c.wrong) >= maxFields
}

// value looks at the next value, which should be of a type; nil for any.
func (c *checker) value(path string, t reflect.Type, depth int) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != nil && t.Kind() == reflect.Interface {
		t = nil
	}
	if depth > MaxDepth {
		c.add(path, "too_deep", fmt.Sprintf("has lists and objects more than %d deep", MaxDepth))
		c.over = true
		return
	}
	if t != nil && unmarshalsItself(t) {
		c.raw(path, t, depth)
		return
	}
	token, err := c.dec.Token()
	if err != nil { // not in a valid document
		c.over = true
		return
	}
	if want := wants(t); want != "" && want != kindOf(token) {
		c.add(path, "wrong_type", "must be "+want)
		t = nil
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			c.object(path, t, depth)
		} else {
			c.list(path, t, depth)
		}
	case string:
		c.text(path, token)
	case json.Number:
		if t != nil && json.Unmarshal([]byte(token), reflect.New(t).Interface()) != nil {
			c.add(path, "bad_value", "is not a number that fits here")
		}
	}
}

// raw looks at a value that its type reads by itself.
func (c *checker) raw(path string, t reflect.Type, depth int) {
	var raw json.RawMessage
	if c.dec.Decode(&raw) != nil {
		c.over = true
		return
	}
	inner := checker{dec: json.NewDecoder(bytes.NewReader(raw))}
	inner.dec.UseNumber()
	inner.value(path, nil, depth)
	c.wrong = append(c.wrong, inner.wrong...)
	c.over = inner.over || len(c.wrong) >= maxFields
	switch {
	case c.over || t == reflect.TypeFor[json.RawMessage]():
	case string(raw) == "null":
		c.add(path, "wrong_type", "must not be null")
	case json.Unmarshal(raw, reflect.New(t).Interface()) != nil:
		c.add(path, "bad_value", "has not the form that it should have")
	}
}

func (c *checker) object(path string, t reflect.Type, depth int) {
	fields, names := fieldsOf(t)
	seen := map[string]bool{}
	for !c.over && c.dec.More() {
		token, err := c.dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			c.over = true
			return
		}
		inner, known := fields[name]
		at := strings.TrimPrefix(path+"."+name, ".")
		if !known { // a name that the sender made up is not repeated
			at = strings.TrimPrefix(path+".*", ".")
			c.text(at, name)
		}
		switch {
		case t != nil && t.Kind() == reflect.Struct && !known:
			c.add(path, "unknown_field", "has an unknown field; known are "+strings.Join(names, ", "))
		case seen[name]:
			c.add(at, "duplicate", "is given twice")
		}
		seen[name] = true
		if t != nil && t.Kind() == reflect.Map {
			inner = t.Elem()
		}
		c.value(at, inner, depth+1)
	}
	if !c.over {
		_, _ = c.dec.Token() // the closing brace
	}
}

func (c *checker) list(path string, t reflect.Type, depth int) {
	var inner reflect.Type
	if t != nil {
		inner = t.Elem()
	}
	for n := 0; !c.over && c.dec.More(); n++ {
		c.value(fmt.Sprintf("%s[%d]", path, n), inner, depth+1)
	}
	if !c.over {
		_, _ = c.dec.Token() // the closing bracket
	}
}

// text refuses what encoding/json puts in the place of half a surrogate pair: it would be another text than was sent.
func (c *checker) text(path, v string) {
	if strings.ContainsRune(v, utf8.RuneError) {
		c.add(path, "bad_value", "holds something that is no Unicode character")
	}
}

func unmarshalsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

const (
	object  = "an object"
	list    = "a list"
	text    = "a text"
	number  = "a number"
	boolean = "true or false"
)

// wants says what JSON a type is read from; "" for any.
func wants(t reflect.Type) string {
	if t == nil {
		return ""
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return object
	case reflect.Slice, reflect.Array:
		return list
	case reflect.String:
		return text
	case reflect.Bool:
		return boolean
	}
	return number
}

func kindOf(token json.Token) string {
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return object
		}
		return list
	case string:
		return text
	case json.Number:
		return number
	case bool:
		return boolean
	}
	return "null"
}

// fieldsOf gives the types of a struct's fields by their JSON names, and the names in their order; none for other types.
func fieldsOf(t reflect.Type) (types map[string]reflect.Type, names []string) {
	types = map[string]reflect.Type{}
	if t == nil || t.Kind() != reflect.Struct {
		return types, nil
	}
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" && f.IsExported() {
			types[name], names = f.Type, append(names, name)
		}
	}
	return types, names
}
