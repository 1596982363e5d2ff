package asl

import (
	"bytes"
	"fmt"
	"testing"
)

func TestPathFinds(t *testing.T) {
	t.Parallel()
	const document = `{"a": {"b": [10, {"c": null}], "ü_1": 1, "x y": {"z.w": "deep"}}, "": 0}`
	root, err := decode([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"$.a.b[0]":            `10`,
		"$.a.b[1].c":          `null`,
		"$['a'][\"b\"][1]":    `{"c":null}`,
		"$.a.ü_1":             `1`,
		"$.a['x y']['z.w']":   `"deep"`,
		"$.a.b[2]":            `nothing`,
		"$.a.b.c":             `nothing`,
		"$.a[0]":              `nothing`,
		"$.a.b[1].c.d":        `nothing`,
		"$.b":                 `nothing`,
		"$[0]":                `nothing`,
		"$.a.b[0].c":          `nothing`,
		"$.a.b[00000000001]":  `{"c":null}`,
		"$.a.b[1]['c'].d.e.f": `nothing`,
	} {
		p, err := parsePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		got := "nothing"
		if v, ok := p.find(root); ok {
			got = string(encode(v))
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// What is inserted at a path is found there, and the document that it is inserted into stays as it was.
func FuzzPath(f *testing.F) {
	for _, path := range []string{"$", "$$", "$.a.b", "$['a']", "$[0].x", "$.a.b[1][2]", "$.a.b[1].x", "$..a", "$.*", "$[", "$['", "$.a['b\\'c']", "$.ü", "States.Array(1)", "$[?(@.a)]"} {
		f.Add(path, []byte(`{"a": {"b": [1, [2, 3, 4]]}, "ü": 1}`))
	}
	f.Fuzz(func(t *testing.T, text string, document []byte) {
		p, err := parsePath(text)
		if err != nil {
			return
		}
		if p.text != text || len(p.steps) > len(text) {
			t.Fatalf("read as %+v", p)
		}
		root, err := decode(document)
		if err != nil {
			return
		}
		before := encode(root)
		changed, ok := p.insert(root, "inserted")
		if got, found := p.find(changed); ok && (!found || got != "inserted") {
			t.Errorf("inserted, and found %v there", got)
		}
		if _, found := p.find(root); found && !ok {
			t.Error("what can be found cannot be replaced")
		}
		if !bytes.Equal(before, encode(root)) {
			t.Error("insert changed the document that it was given")
		}
	})
}

func TestChoiceOperators(t *testing.T) {
	t.Parallel()
	const input = `{"s": "text", "n": 2.5, "big": 1e999, "t": true, "f": false, "null": null, "o": {"i": [7]}}`
	for rule, want := range map[string]bool{
		`"Variable": "$.s", "StringEquals": "text"`:                                                   true,
		`"Variable": "$.s", "StringEquals": "Text"`:                                                   false,
		`"Variable": "$.n", "StringEquals": "2.5"`:                                                    false,
		`"Variable": "$.t", "BooleanEquals": true`:                                                    true,
		`"Variable": "$.f", "BooleanEquals": true`:                                                    false,
		`"Variable": "$.f", "BooleanEquals": false`:                                                   true,
		`"Variable": "$.s", "BooleanEquals": false`:                                                   false,
		`"Variable": "$.n", "NumericEquals": 2.50`:                                                    true,
		`"Variable": "$.n", "NumericEquals": 2`:                                                       false,
		`"Variable": "$.s", "NumericEquals": 0`:                                                       false,
		`"Variable": "$.n", "NumericLessThan": 2.5`:                                                   false,
		`"Variable": "$.n", "NumericLessThan": 3`:                                                     true,
		`"Variable": "$.n", "NumericLessThanEquals": 2.5`:                                             true,
		`"Variable": "$.n", "NumericLessThanEquals": 2.4`:                                             false,
		`"Variable": "$.n", "NumericGreaterThan": 2.5`:                                                false,
		`"Variable": "$.n", "NumericGreaterThan": 2`:                                                  true,
		`"Variable": "$.n", "NumericGreaterThanEquals": 2.5`:                                          true,
		`"Variable": "$.n", "NumericGreaterThanEquals": 2.6`:                                          false,
		`"Variable": "$.big", "NumericGreaterThan": 1e300`:                                            true,
		`"Variable": "$.o.i[0]", "NumericEquals": 7`:                                                  true,
		`"Variable": "$.null", "IsNull": true`:                                                        true,
		`"Variable": "$.null", "IsNull": false`:                                                       false,
		`"Variable": "$.s", "IsNull": true`:                                                           false,
		`"Variable": "$.s", "IsNull": false`:                                                          true,
		`"Variable": "$.null", "IsPresent": true`:                                                     true,
		`"Variable": "$.x.y[0]", "IsPresent": true`:                                                   false,
		`"Variable": "$.x", "IsPresent": false`:                                                       true,
		`"Not": {"Variable": "$.t", "BooleanEquals": true}`:                                           false,
		`"Not": {"Variable": "$.f", "BooleanEquals": true}`:                                           true,
		`"And": [{"Variable": "$.x", "IsPresent": true}, {"Variable": "$.x", "NumericEquals": 1}]`:    false,
		`"And": [{"Variable": "$.s", "IsPresent": true}, {"Variable": "$.s", "StringEquals": "no"}]`:  false,
		`"And": [{"Variable": "$.s", "IsPresent": true}, {"Variable": "$.t", "BooleanEquals": true}]`: true,
		`"Or": [{"Variable": "$.x", "IsPresent": false}, {"Variable": "$.x", "NumericEquals": 1}]`:    true,
		`"Or": [{"Variable": "$.f", "BooleanEquals": true}, {"Variable": "$.null", "IsNull": false}]`: false,
		`"Or": [{"Variable": "$.f", "BooleanEquals": true}, {"Variable": "$.null", "IsNull": true}]`:  true,
		`"Not": {"And": [{"Or": [{"Variable": "$.f", "BooleanEquals": true}]}]}`:                      true,
	} {
		m := load(t, fmt.Sprintf(`{"StartAt": "C", "States": {"C": {"Type": "Choice", "Choices": [{%s, "Next": "Yes"}], "Default": "No"},
			"Yes": {"Type": "Pass", "Result": true, "End": true}, "No": {"Type": "Pass", "Result": false, "End": true}}}`, rule))
		res, err := newRunner(t, m, nil, &memory{}, Options{}).Start(t.Context(), "job", []byte(input))
		if err != nil || string(res.Output) != fmt.Sprint(want) {
			t.Errorf("%s: got %s %s %s, %v; want %t", rule, res.Output, res.Error, res.Cause, err, want)
		}
	}
}
