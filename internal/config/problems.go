package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// Problems is all that is wrong with a document, one text each, in the order of the document. As an error it is a
// fault.BadInput.
type Problems []string

// Error lists all problems, one a line.
func (p Problems) Error() string { return strings.Join(p, "\n") }

// Unwrap gives the fault's name to errors.As.
func (p Problems) Unwrap() error { return fault.New(fault.BadInput, "%s", p.Error()) }

// maxProblems is how many problems are listed; a document of the wrong kind has one on every line.
const maxProblems = 100

// report collects problems during the walk.
type report struct{ found []problem }

type problem struct {
	line int
	text string
}

// add notes what is wrong at a place. Arguments must not come from the document.
func (r *report) add(at place, format string, args ...any) {
	r.found = append(r.found, problem{at.line, at.String() + ": " + fmt.Sprintf(format, args...)})
}

// problems gives what was found, by line; nil for nothing.
func (r *report) problems() Problems {
	slices.SortStableFunc(r.found, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var out Problems
	for n, f := range r.found {
		if n == maxProblems {
			return append(out, fmt.Sprintf("and %d more problems", len(r.found)-n))
		}
		out = append(out, f.text)
	}
	return out
}

// place is where a field stands.
type place struct {
	path string // "" for the document
	line int
}

func (a place) String() string {
	if a.path == "" {
		return fmt.Sprintf("line %d", a.line)
	}
	return fmt.Sprintf("%s (line %d)", a.path, a.line)
}

// field is the place of a field in the mapping at a; line is its own.
func (a place) field(name string, line int) place {
	if a.path != "" {
		name = a.path + "." + name
	}
	return place{name, line}
}

// item is the place of an element in the list at a.
func (a place) item(n, line int) place { return place{fmt.Sprintf("%s[%d]", a.path, n), line} }
