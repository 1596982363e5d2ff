package asl

import (
	"slices"
	"time"
)

// Machine is a definition that Load has accepted. It is not changed afterwards and may be shared.
type Machine struct {
	flow
	timeout   time.Duration // of the whole execution; 0 for none
	resources []string
}

// Resources lists the placeholder names of the functions that the machine calls, sorted, each once.
func (m *Machine) Resources() []string { return slices.Clone(m.resources) }

// flow is what has StartAt and States: the machine, a branch, or a Map's processor.
type flow struct {
	startAt string
	states  map[string]*state
}

type kind string

const (
	task     kind = "Task"
	choice   kind = "Choice"
	parallel kind = "Parallel"
	mapping  kind = "Map"
	wait     kind = "Wait"
	pass     kind = "Pass"
	succeed  kind = "Succeed"
	fail     kind = "Fail"
)

// state is one state of any type; the fields below the common ones belong to the types named there.
type state struct {
	name                  string
	kind                  kind
	next                  string // "" at an end
	inputPath, outputPath *path  // nil: null, which stands for an empty object
	resultPath            *path  // nil: the result is dropped
	parameters, selector  *template
	retry                 []retrier
	catch                 []catcher

	function           string // Task: placeholder name
	withToken          bool
	timeout, heartbeat time.Duration // heartbeat 0 for none

	rules       []rule // Choice
	defaultNext string

	branches []flow // Parallel; Map has one

	itemsPath      path // Map
	itemSelector   *template
	maxConcurrency int

	seconds     time.Duration // Wait, unless there is a path
	secondsPath *path

	result    any // Pass
	hasResult bool

	errorName, cause string // Fail
}

// targets lists the states that may come next.
func (s *state) targets() []string {
	out := []string{s.next, s.defaultNext}
	for _, r := range s.rules {
		out = append(out, r.next)
	}
	for _, c := range s.catch {
		out = append(out, c.next)
	}
	return slices.DeleteFunc(out, func(name string) bool { return name == "" })
}
