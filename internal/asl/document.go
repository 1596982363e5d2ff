package asl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxBytes is how large the input and output of a state may be, as JSON (Step Functions quotas: 256 KiB of UTF-8).
const maxBytes = 262144

// decode reads one JSON document; numbers keep their digits. Nothing at all counts as null, as with Lambda. The error
// says where, and repeats nothing of the document.
func decode(b []byte) (any, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, nil
	}
	if !json.Valid(b) {
		var syntax *json.SyntaxError
		var v any
		if errors.As(json.Unmarshal(b, &v), &syntax) {
			return nil, fmt.Errorf("not valid JSON at byte %d", syntax.Offset)
		}
		return nil, errors.New("not valid JSON")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("not valid JSON")
	}
	return v, nil
}

// encode writes a document as short as it gets, in a fixed order.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("asl: what was decoded from JSON encodes again: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// within checks the size of a state's input or output; what names it.
func within(v any, what string) error {
	if n := len(encode(v)); n > maxBytes {
		return &failure{DataLimitExceeded, fmt.Sprintf("%s has %d bytes; %d are allowed", what, n, maxBytes)}
	}
	return nil
}

// readDefinition reads a definition and notes duplicate keys and misplaced placeholders. It answers nil when it is no
// JSON object.
func (l *loader) readDefinition(definition []byte) map[string]any {
	switch {
	case len(definition) > 1<<20:
		l.add("", "the definition has more than 1 MiB, the limit of Step Functions")
		return nil
	case !utf8.Valid(definition):
		l.add("", "the definition is not valid UTF-8")
		return nil
	}
	if _, err := decode(definition); err != nil {
		l.add("", "%s; placeholders stand inside strings only", err)
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(definition))
	d.UseNumber()
	root, ok := l.readValue(d, "", "").(map[string]any)
	if !ok {
		l.add("", "the definition is not a JSON object")
		return nil
	}
	return root
}

// readValue reads the next value; encoding/json alone would keep the last of two equal keys and say nothing.
func (l *loader) readValue(d *json.Decoder, path, placeholders string) any {
	token, err := d.Token()
	if err != nil {
		return nil // json.Valid has seen it; an empty definition ends here
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '[' {
			list := []any{}
			for d.More() {
				list = append(list, l.readValue(d, fmt.Sprintf("%s[%d]", path, len(list)), ""))
			}
			d.Token()
			return list
		}
		object := map[string]any{}
		for d.More() {
			token, _ := d.Token()
			key, _ := token.(string)
			at := join(path, key)
			if _, twice := object[key]; twice {
				l.add(at, "stands twice")
			}
			if strings.Contains(key, "${") {
				l.add(at, "a placeholder stands in values only")
			}
			object[key] = l.readValue(d, at, key)
		}
		d.Token()
		return object
	case string:
		// Where CloudFormation would put something in and this package would not, both would run different machines.
		if strings.Contains(t, "${") && placeholders != "Resource" && placeholders != "FunctionName" {
			l.add(path, "a placeholder stands in Resource and FunctionName only")
		}
		return t
	}
	return token
}

func join(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}
