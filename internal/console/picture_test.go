package console

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/statemachine"
)

// names finds the states of a definition without the code that draws it.
func names(t *testing.T, v any, of func(state map[string]any) bool) []string {
	t.Helper()
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if all, ok := inner.(map[string]any); ok && key == "States" {
				for name, s := range all {
					if of(s.(map[string]any)) {
						out = append(out, name)
					}
				}
			}
			out = append(out, names(t, inner, of)...)
		}
	case []any:
		for _, inner := range v {
			out = append(out, names(t, inner, of)...)
		}
	}
	slices.Sort(out)
	return out
}

func flat(boxes []box, of func(box) bool) []string {
	var out []string
	for _, b := range boxes {
		if of(b) {
			out = append(out, b.Name)
		}
		for _, inside := range b.Inside {
			out = append(out, flat(inside, of)...)
		}
	}
	slices.Sort(out)
	return out
}

func TestThePictureHasEveryStateOfTheDefinition(t *testing.T) {
	t.Parallel()
	m, err := readMachine(statemachine.Erasure)
	if err != nil {
		t.Fatal(err)
	}
	var definition any
	if err := json.Unmarshal(statemachine.Erasure, &definition); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"Task", "Choice", "Map", "Parallel", "Pass", "Wait", "Succeed", "Fail"} {
		want := names(t, definition, func(s map[string]any) bool { return s["Type"] == kind })
		got := flat(m.boxes(nil), func(b box) bool { return b.Kind == strings.ToLower(kind) })
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", kind, got, want)
		}
	}
	if got := m.waiting(); !slices.Equal(got, []string{"RequestApproval"}) {
		t.Errorf("these wait for a person: %v", got)
	}
}

func TestThePictureLightsTheGivenStates(t *testing.T) {
	t.Parallel()
	m, err := readMachine(statemachine.Erasure)
	if err != nil {
		t.Fatal(err)
	}
	lit := []string{"Find", "ListAudiences", "MatchSubject"}
	if got := flat(m.boxes(append(lit, "NoSuchState")), func(b box) bool { return b.Lit }); !slices.Equal(got, lit) {
		t.Errorf("lit: %v, want %v", got, lit)
	}
}

func TestThePictureSaysWhereItGoesOn(t *testing.T) {
	t.Parallel()
	m, err := readMachine([]byte(`{"StartAt": "A", "States": {
		"A": {"Type": "Task", "Next": "Q?", "Catch": [{"Next": "Bad"}, {"Next": "Bad"}]},
		"Q?": {"Type": "Choice", "Choices": [
			{"Variable": "$.x.done", "BooleanEquals": true, "Next": "P"}, {"Variable": "$.done", "BooleanEquals": false, "Next": "A"},
			{"Variable": "$.y", "StringEquals": "z", "Next": "P"}, {"Variable": "$.n", "NumericEquals": 1, "Next": "P"}, {"Not": {}, "Next": "P"}], "Default": "A"},
		"P": {"Type": "Pass", "Next": "A"},
		"J": {"Type": "Pass", "Next": "Bad"},
		"E": {"Type": "Pass", "End": true},
		"M": {"Type": "Map", "MaxConcurrency": 3, "Next": "Bad", "ItemProcessor": {"StartAt": "I", "States": {"I": {"Type": "Task", "End": true}}}},
		"Bad": {"Type": "Fail"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range m.boxes(nil) {
		got = append(got, fmt.Sprintf("%s|%s|%s|%s|%v|%v", b.Name, b.Word, b.Then, b.Fails, b.Answers, b.Down))
	}
	want := []string{
		"A|step||Bad|[]|true", // the next box needs no words
		"Q?|question|||[{done P} {not done A} {y is z P} {by its n P} {under a condition of the definition P} {otherwise A}]|true",
		"P|note|back to A||[]|false", "J|note|on to Bad||[]|false", "E|note|the end of this lane||[]|false",
		"M|for each, 3 at a time|||[]|true", "Bad|failed end|||[]|false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestADefinitionThatCannotBeDrawnIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{}", `{"States": []}`, `{"States": {"A": 1}}`, `{"States": {"A": {"Type": 1}}}`} {
		if _, err := readMachine([]byte(text)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func FuzzReadMachine(f *testing.F) {
	f.Add(statemachine.Erasure)
	f.Add([]byte(`{"States": {"A": {"Type": "Choice", "Choices": [{"Variable": 1, "Next": {}}], "Branches": [{}]}}}`))
	f.Fuzz(func(_ *testing.T, definition []byte) {
		if m, err := readMachine(definition); err == nil {
			m.boxes(m.waiting())
		}
	})
}
