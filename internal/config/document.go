package config

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

const maxDocument = 1 << 20 // bytes

// compiled is for sync.OnceValue, so that an expression is compiled when it is first used, and not whenever a program
// starts: all those of this package take a sixth of what an empty function takes until then.
func compiled(expr string) func() *regexp.Regexp {
	return func() *regexp.Regexp { return regexp.MustCompile(expr) }
}

// Node is a value of a document.
type Node struct {
	Kind    Kind
	Tag     string // of a Scalar, what it is: !!str, !!bool, !!int, !!float, !!null or another of YAML's
	Value   string // of a Scalar, as text
	Line    int
	Content []*Node // of a Sequence its values, of a Mapping names and values by turns
}

// Kind is a kind of nodes. Refused ones were reported by who read the document, and are no value.
type Kind int

// The kinds of nodes.
const (
	Scalar Kind = iota
	Sequence
	Mapping
	Refused
)

// Reader makes the tree of a document that is UTF-8 and no JSON. nil means that there is none; then it has reported why.
// Arguments of what it reports must not come from the document.
type Reader func(b []byte, wrong func(line int, format string, args ...any)) *Node

// read makes a tree of a document, with line numbers. nil means that there is none; then it was reported why.
func read(b []byte, other Reader, r *report) *Node {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	switch {
	case len(b) > maxDocument:
		r.add(place{line: 1}, "the document is larger than %d MiB", maxDocument>>20)
		return nil
	case !utf8.Valid(b):
		r.add(place{line: 1 + bytes.Count(b[:validPrefix(b)], []byte("\n"))}, "is not valid UTF-8; save the document as UTF-8")
		return nil
	case json.Valid(b):
		return readJSON(b)
	}
	return other(b, func(line int, format string, args ...any) { r.add(place{line: line}, format, args...) })
}

func validPrefix(b []byte) int {
	n := 0
	for n < len(b) {
		c, size := utf8.DecodeRune(b[n:])
		if c == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return n
}

// readJSON makes a tree of valid JSON. A YAML parser would not do: it knows neither \/, which PHP writes into every URL, nor
// the \u pairs that Python writes.
func readJSON(b []byte) *Node {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return jsonNode(d, &lines{b: b, line: 1})
}

// lines counts lines up to a growing offset.
type lines struct {
	b    []byte
	at   int
	line int
}

func (l *lines) to(offset int64) int {
	l.line += bytes.Count(l.b[l.at:offset], []byte("\n"))
	l.at = int(offset)
	return l.line
}

func jsonNode(d *json.Decoder, l *lines) *Node {
	token, err := d.Token()
	if err != nil {
		panic("config: valid JSON has tokens: " + err.Error())
	}
	n := &Node{Kind: Scalar, Line: l.to(d.InputOffset())}
	switch v := token.(type) {
	case json.Delim:
		n.Kind = Mapping
		if v == '[' {
			n.Kind = Sequence
		}
		for d.More() {
			n.Content = append(n.Content, jsonNode(d, l)) // in objects: keys and values by turns
		}
		d.Token() // the closing one
	case string:
		n.Tag, n.Value = "!!str", v
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(v)
	case json.Number:
		n.Tag, n.Value = "!!int", v.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case nil:
		n.Tag = "!!null"
	}
	return n
}
