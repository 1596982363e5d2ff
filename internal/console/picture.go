package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// machine is a state machine in Amazon States Language, as far as it is drawn.
type machine struct {
	States states
}

// states are in the order of the definition, which tells the story.
type states []state

type state struct {
	Name           string `json:"-"`
	Type           string
	Comment        string
	Resource       string
	Next           string
	End            bool
	Choices        []map[string]json.RawMessage
	Default        string
	Catch          []struct{ Next string }
	Branches       []machine
	ItemProcessor  *machine
	MaxConcurrency int
}

func readMachine(definition []byte) (machine, error) {
	var m machine
	if err := json.Unmarshal(definition, &m); err != nil {
		return m, err
	}
	if len(m.States) == 0 {
		return m, errors.New("it has no states")
	}
	return m, nil
}

func (s *states) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return errors.New("its States are no object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		one := state{Name: fmt.Sprint(name)}
		if err := d.Decode(&one); err != nil {
			return err
		}
		*s = append(*s, one)
	}
	return nil
}

// box is a state as it is drawn: a box with what is in it, in a column of boxes.
type box struct {
	Name, Kind, Word, Text string
	Lit                    bool
	Now                    string   // what it says when it is lit
	Answers                []answer // of a question
	Then                   string   // where it goes on, unless that is the next box
	Fails                  string   // where it goes on after a failure
	Down                   bool     // a way leads to the next box
	Inside                 [][]box
}

// answer is one way on from a question.
type answer struct{ If, Next string }

// boxes draws the machine with some states lit.
func (m machine) boxes(lit []string) []box {
	out := make([]box, len(m.States))
	for n, s := range m.States {
		b := box{Name: s.Name, Kind: strings.ToLower(s.Type), Word: s.word(), Text: s.Comment, Lit: slices.Contains(lit, s.Name), Now: "at work now"}
		if s.waits() {
			b.Now = "waits now"
		}
		last := n == len(m.States)-1
		switch at := slices.IndexFunc(m.States, func(o state) bool { return o.Name == s.Next }); {
		case s.Next != "" && at >= 0 && at <= n:
			b.Then = "back to " + s.Next
		case s.Next != "" && at != n+1:
			b.Then = "on to " + s.Next
		case s.End && !last:
			b.Then = "the end of this lane"
		}
		for _, c := range s.Choices {
			var next string
			_ = json.Unmarshal(c["Next"], &next)
			b.Answers = append(b.Answers, answer{condition(c), next})
		}
		if s.Default != "" {
			b.Answers = append(b.Answers, answer{"otherwise", s.Default})
		}
		var fails []string
		for _, c := range s.Catch {
			if !slices.Contains(fails, c.Next) {
				fails = append(fails, c.Next)
			}
		}
		b.Fails = strings.Join(fails, " or ")
		if !last {
			below := m.States[n+1].Name
			b.Down = s.Next == below || slices.Contains(fails, below) || slices.ContainsFunc(b.Answers, func(a answer) bool { return a.Next == below })
		}
		for _, branch := range s.Branches {
			b.Inside = append(b.Inside, branch.boxes(lit))
		}
		if s.ItemProcessor != nil {
			b.Inside = append(b.Inside, s.ItemProcessor.boxes(lit))
		}
		out[n] = b
	}
	return out
}

// flow are the boxes of the top level that do the work when nothing fails: those from which a good end can be reached.
func (m machine) flow(lit []string) []box {
	good := map[string]bool{}
	for grown := true; grown; {
		grown = false
		for _, s := range m.States {
			if !good[s.Name] && (s.Type == "Succeed" || s.End || slices.ContainsFunc(s.next(), func(next string) bool { return good[next] })) {
				good[s.Name], grown = true, true
			}
		}
	}
	return slices.DeleteFunc(m.boxes(lit), func(b box) bool {
		return !good[b.Name] || b.Kind != "task" && b.Kind != "map" && b.Kind != "parallel"
	})
}

// next are the states that a state may lead to without a failure.
func (s state) next() []string {
	all := []string{s.Next, s.Default}
	for _, c := range s.Choices {
		var next string
		_ = json.Unmarshal(c["Next"], &next)
		all = append(all, next)
	}
	return all
}

// word says what kind of a state it is.
func (s state) word() string {
	switch s.Type {
	case "Task":
		if s.waits() {
			return "step, waits for a person"
		}
		return "step"
	case "Choice":
		return "question"
	case "Map":
		if s.MaxConcurrency > 0 {
			return fmt.Sprintf("for each, %d at a time", s.MaxConcurrency)
		}
		return "for each"
	case "Parallel":
		return "at the same time"
	case "Wait":
		return "pause"
	case "Succeed":
		return "end"
	case "Fail":
		return "failed end"
	}
	return "note"
}

// waits tells whether the state hands out a task token and waits until somebody brings it back.
func (s state) waits() bool { return strings.HasSuffix(s.Resource, ".waitForTaskToken") }

// waiting are the states that wait for a person.
func (m machine) waiting() []string {
	var out []string
	for _, s := range m.States {
		if s.waits() {
			out = append(out, s.Name)
		}
		for _, b := range s.Branches {
			out = append(out, b.waiting()...)
		}
		if s.ItemProcessor != nil {
			out = append(out, s.ItemProcessor.waiting()...)
		}
	}
	return out
}

// condition says when a choice is taken: "done", "not done", "decision is forget".
func condition(choice map[string]json.RawMessage) string {
	var variable string
	_ = json.Unmarshal(choice["Variable"], &variable)
	name := strings.TrimPrefix(path.Ext(variable), ".")
	if name == "" {
		return "under a condition of the definition"
	}
	for key, value := range choice {
		var yes bool
		var is string
		switch {
		case key == "BooleanEquals" && json.Unmarshal(value, &yes) == nil && yes:
			return name
		case key == "BooleanEquals":
			return "not " + name
		case key == "StringEquals" && json.Unmarshal(value, &is) == nil:
			return name + " is " + is
		}
	}
	return "by its " + name
}
