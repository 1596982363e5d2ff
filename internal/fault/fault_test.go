package fault

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
)

// names reads the list from the source, so that a new name cannot be forgotten here.
func names(t *testing.T) []Name {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []Name
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if l, ok := v.Values[0].(*ast.BasicLit); ok {
				text, err := strconv.Unquote(l.Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, Name(text))
			}
		}
		return true
	})
	if len(out) < 30 {
		t.Fatalf("only %d names seen", len(out))
	}
	return out
}

func TestEveryNameIsKnownAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	unknown := Name("States.Timeout")
	for _, n := range names(t) {
		if !n.Known() {
			t.Errorf("%s is not known", n)
		}
		if n.Meaning() == unknown.Meaning() {
			t.Errorf("%s has no meaning", n)
		}
	}
	if unknown.Known() || unknown.Transient() {
		t.Error("a platform's name is taken for ours")
	}
}

func TestTheNameIsFoundThroughWrapping(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want Name
	}{
		{nil, ""},
		{fmt.Errorf("a: %w", fmt.Errorf("b: %w", New(Throttled, "x"))), Throttled},
		{errors.Join(errors.New("x"), New(Refused, "y")), Refused},
		{fmt.Errorf("a: %w", context.Canceled), Unavailable},
		{errors.New("x"), Internal},
	} {
		if got := NameOf(c.err); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}
