package fault

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

type coded string

func (c coded) Error() string     { return "about somebody" }
func (c coded) ErrorCode() string { return string(c) }

func TestOnlyACodeIsShown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("call: %w", coded("ThrottlingException")), "ThrottlingException"},
		{coded("somebody@example.com"), "no name"},
		{coded("two words"), "no name"},
		{coded(strings.Repeat("a", 60)), strings.Repeat("a", 60)},
		{coded(strings.Repeat("a", 61)), "no name"},
		{coded(""), "no name"},
		{errors.New("x"), "no name"},
	} {
		if got := Code(c.err); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
