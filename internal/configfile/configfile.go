// Package configfile reads configurations as people write them, in YAML or JSON.
package configfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/lethe-dsr/lethe/internal/config"
)

// Parse is config.Parse for YAML as well as JSON.
func Parse(b []byte, lookup func(string) (string, bool)) (config.Config, error) {
	return config.ParseAs(b, lookup, read)
}

// JSON writes a document that Parse takes as the JSON that config.Parse takes. Texts stay as they are, with their ${NAME}.
func JSON(b []byte) ([]byte, error) {
	if b = bytes.TrimPrefix(b, []byte("\ufeff")); json.Valid(b) {
		return b, nil
	}
	var wrong error
	root := read(b, func(line int, format string, args ...any) {
		wrong = errors.Join(wrong, fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...)))
	})
	if wrong != nil {
		return nil, wrong
	}
	var compact, out bytes.Buffer
	if err := write(&compact, root); err != nil {
		return nil, err
	}
	err := json.Indent(&out, compact.Bytes(), "", "  ")
	out.WriteByte('\n')
	return out.Bytes(), err
}

func write(out *bytes.Buffer, n *config.Node) error {
	switch n.Kind {
	case config.Mapping:
		return list(out, n, '{', '}', func(k int) byte {
			if k%2 == 1 {
				return ':'
			}
			return ','
		})
	case config.Sequence:
		return list(out, n, '[', ']', func(int) byte { return ',' })
	}
	switch n.Tag {
	case "!!bool":
		out.WriteString(strings.ToLower(n.Value))
	case "!!int", "!!float":
		v, err := strconv.ParseFloat(n.Value, 64)
		if err != nil {
			return fmt.Errorf("line %d: a number that JSON has not", n.Line)
		}
		out.WriteString(strconv.FormatFloat(v, 'f', -1, 64))
	case "!!null":
		out.WriteString("null")
	default:
		return text(out, n.Value)
	}
	return nil
}

// text writes a text without the \u003c of HTML, which nobody could read in a secret.
func text(out *bytes.Buffer, v string) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(v) // and a line's end, which Indent takes away
}

func list(out *bytes.Buffer, n *config.Node, open, end byte, between func(k int) byte) error {
	out.WriteByte(open)
	for k, c := range n.Content {
		if k > 0 {
			out.WriteByte(between(k))
		}
		if err := write(out, c); err != nil {
			return err
		}
	}
	out.WriteByte(end)
	return nil
}

// read makes a tree of one YAML document. What YAML has and JSON has not is refused: a reader must see where a value comes
// from.
func read(b []byte, wrong func(line int, format string, args ...any)) *config.Node {
	d := yaml.NewDecoder(bytes.NewReader(b))
	var doc, next yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		wrong(1, "the document is empty")
		return nil
	} else if err != nil {
		wrong(syntaxLine(err), "is neither YAML nor JSON: %s", syntax(err))
		return nil
	}
	if err := d.Decode(&next); !errors.Is(err, io.EOF) {
		wrong(max(1, next.Line), "a second document begins here; give one document only")
	}
	return node(doc.Content[0], wrong)
}

func node(n *yaml.Node, wrong func(line int, format string, args ...any)) *config.Node {
	out := &config.Node{Line: n.Line, Value: n.Value}
	switch n.Kind {
	case yaml.MappingNode:
		out.Kind = config.Mapping
	case yaml.SequenceNode:
		out.Kind = config.Sequence
	case yaml.ScalarNode:
		out.Tag = n.ShortTag()
	}
	switch {
	case n.Kind == yaml.AliasNode:
		wrong(n.Line, "an alias (*) is not allowed; write the value out")
		out.Kind = config.Refused
		return out // what it points to may hold it
	case n.Anchor != "":
		wrong(n.Line, "an anchor (&) is not allowed")
	case n.Style&yaml.TaggedStyle != 0:
		wrong(n.Line, "a tag (!) is not allowed")
		if n.Kind == yaml.ScalarNode {
			out.Kind = config.Refused
		}
	}
	for _, c := range n.Content {
		out.Content = append(out.Content, node(c, wrong))
	}
	return out
}

var lineNumber = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`line (\d+)`) })

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
