// Package match holds the people of a job against what a provider keeps about them: exported devices, audience
// definitions and the texts of notifications. All people are looked for at once, and what a byte costs does not depend
// on how many there are. Whole values match, never parts of one: the package would rather delay than erase too much,
// and tells its caller where somebody else may be concerned.
//
// Devices are scanned in two steps. The scanner (scan.go) proves for nearly every line that it is well formed and
// concerns nobody, without allocating. Whatever it cannot prove goes to the reader (decode.go), which alone decides.
package match

import (
	"cmp"
	"slices"

	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// Person is somebody to look for.
type Person struct {
	Ref         string               // the request's id; it comes back in hits
	Identifiers []subject.Identifier // normalised by package subject
	Installs    []string             // install ids of the person's devices of this target, as exported
	UserIDs     []string             // user ids of these devices that may count as the person's, as exported; not searched for on devices
}

// Hit says that a request matched, and by which rule.
type Hit struct {
	Ref  string
	Rule Rule
}

// Matcher looks for a fixed set of people. It does not change, and may be used by several goroutines at once.
type Matcher struct {
	refs    []string
	people  people
	filter  filter
	tokens  tokens
	numbers phone.Reader
}

// New makes a matcher; phones reads numbers as they are written in the country of what is searched.
func New(list []Person, phones phone.Reader) *Matcher {
	m := &Matcher{refs: make([]string, len(list)), people: newPeople(list, phones), numbers: phones}
	for n, p := range list {
		m.refs[n] = p.Ref
	}
	m.filter = newFilter(&m.people)
	m.tokens = newTokens(&m.people)
	return m
}

// found is one match: who, by what kind of identifier, where.
type found struct {
	person int32
	kind   kind
	place  place
}

// finds collects matches, each once.
type finds map[found]struct{}

func (f finds) add(who []int32, k kind, p place) {
	for _, person := range who {
		f[found{person, k, p}] = struct{}{}
	}
}

// hits lists what was found in the order of people and rules.
func (m *Matcher) hits(f finds) []Hit {
	if len(f) == 0 {
		return nil
	}
	all := make([]found, 0, len(f))
	for x := range f {
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.person, b.person), cmp.Compare(a.place, b.place), cmp.Compare(a.kind, b.kind))
	})
	var out []Hit
	seen := make(map[Hit]bool, len(all))
	for _, x := range all {
		if h := (Hit{m.refs[x.person], ruleOf(x.kind, x.place)}); !seen[h] {
			seen[h] = true
			out = append(out, h)
		}
	}
	return out
}
