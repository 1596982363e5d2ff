package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const maxDocument = 1 << 20 // bytes

// compiled is for sync.OnceValue, so that an expression is compiled when it is first used, and not whenever a program
// starts: all those of this package take a sixth of what an empty function takes until then.
func compiled(expr string) func() *regexp.Regexp {
	return func() *regexp.Regexp { return regexp.MustCompile(expr) }
}

// read makes a tree of a document, with line numbers. nil means that there is none; then it has reported why.
func read(b []byte, r *report) *yaml.Node {
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
	d := yaml.NewDecoder(bytes.NewReader(b))
	var doc, next yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		r.add(place{line: 1}, "the document is empty")
		return nil
	} else if err != nil {
		r.add(place{line: syntaxLine(err)}, "is neither YAML nor JSON: %s", syntax(err))
		return nil
	}
	if err := d.Decode(&next); !errors.Is(err, io.EOF) {
		r.add(place{line: max(1, next.Line)}, "a second document begins here; give one document only")
	}
	root := doc.Content[0]
	plainOnly(root, r)
	return root
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

// plainOnly reports what YAML has and JSON has not: a reader must see where a value comes from.
func plainOnly(n *yaml.Node, r *report) {
	at := place{line: n.Line}
	switch {
	case n.Kind == yaml.AliasNode:
		r.add(at, "an alias (*) is not allowed; write the value out")
		return // what it points to may hold it
	case n.Anchor != "":
		r.add(at, "an anchor (&) is not allowed")
	case n.Style&yaml.TaggedStyle != 0:
		r.add(at, "a tag (!) is not allowed")
	}
	for _, c := range n.Content {
		plainOnly(c, r)
	}
}

var lineNumber = sync.OnceValue(compiled(`line (\d+)`))

func syntaxLine(err error) int {
	if m := lineNumber().FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return max(1, n)
		}
	}
	return 1
}

// syntax passes on those of the YAML parser's reasons that never quote the document.
func syntax(err error) string {
	for _, known := range []string{
		"mapping values are not allowed in this context", "found character that cannot start any token",
		"found a tab character that violates indentation", "did not find expected key", "did not find expected ',' or '}'",
		"did not find expected ',' or ']'", "did not find expected '-' indicator", "could not find expected ':'",
		"found unexpected end of stream", "found unknown escape character", "control characters are not allowed",
		"did not find expected alphabetic or numeric character", "unknown anchor",
	} {
		if strings.Contains(err.Error(), known) {
			return known
		}
	}
	return "check quotes, brackets and indentation around this line"
}

// readJSON makes the same tree of valid JSON. The YAML parser would not do: it knows neither \/, which PHP writes into
// every URL, nor the \u pairs that Python writes.
func readJSON(b []byte) *yaml.Node {
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

func jsonNode(d *json.Decoder, l *lines) *yaml.Node {
	token, err := d.Token()
	if err != nil {
		panic("config: valid JSON has tokens: " + err.Error())
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: l.to(d.InputOffset())}
	switch v := token.(type) {
	case json.Delim:
		n.Kind = yaml.MappingNode
		if v == '[' {
			n.Kind = yaml.SequenceNode
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
