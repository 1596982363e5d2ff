package people

import (
	"fmt"
	"strings"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// Problems is what is wrong with a people file or with the flags, one text each. As an error it is a fault.BadInput.
type Problems []string

// Error lists all problems, one a line.
func (p Problems) Error() string { return strings.Join(p, "\n") }

// Unwrap gives the fault's name to errors.As.
func (p Problems) Unwrap() error { return fault.New(fault.BadInput, "%s", p.Error()) }

// maxProblems is how many are listed: a file with a wrong column has one on every line.
const maxProblems = 50

type collector struct {
	first Problems
	n     int
}

// add notes a problem. Arguments must not come from the input.
func (c *collector) add(format string, args ...any) {
	if c.n++; c.n <= maxProblems {
		c.first = append(c.first, fmt.Sprintf(format, args...))
	}
}

// problems is nil or a Problems.
func (c *collector) problems() error {
	switch {
	case c.n == 0:
		return nil
	case c.n > maxProblems:
		return append(c.first, fmt.Sprintf("and %d more", c.n-maxProblems))
	}
	return c.first
}
