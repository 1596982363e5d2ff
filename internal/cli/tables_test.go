package cli

import (
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/lethe-dsr/lethe/internal/erase"
)

// TestColumnsLineUp: names of objects are in any script, and may hold what moves a terminal's cursor.
func TestColumnsLineUp(t *testing.T) {
	t.Parallel()
	names := []string{"plain", "東京のお客様", "Ängström & Çelik", "👋 hello", "a\tb\x1b[2Jc\r\nd", strings.Repeat("long ", 40), strings.Repeat("東", 80)}
	var plan erase.Plan
	for _, n := range names {
		plan.Entries = append(plan.Entries, erase.Entry{Target: "t", Area: "audiences", Name: n, Requests: []string{"r"}, Rules: []string{"e-mail in a text"}, Waits: []string{"names other people"}})
	}
	for _, width := range []int{0, 80, 100, 140} {
		var out strings.Builder
		showPlan(IO{Out: &out, Width: width}, plan, func(string) string { return "WHOM" })
		if strings.ContainsAny(out.String(), "\x1b\t\r") {
			t.Errorf("at %d columns control characters come through: %q", width, out.String())
		}
		column := -1
		for line := range strings.Lines(out.String()) {
			line = strings.TrimRight(line, "\n")
			if n := text.StringWidth(line); width > 0 && n > width {
				t.Errorf("a line has %d of %d columns: %q", n, width, line)
			}
			before, _, found := strings.Cut(line, "WHOM")
			if !found {
				continue
			}
			if at := text.StringWidth(before); column >= 0 && at != column {
				t.Errorf("at %d columns, a cell stands at %d and not under the others at %d: %q", width, at, column, line)
			} else {
				column = at
			}
		}
		if n := strings.Count(out.String(), "WHOM"); n != len(names) {
			t.Errorf("at %d columns, %d of %d objects are shown", width, n, len(names))
		}
	}
}

// TestWhatWaitsComesFirst in its area, and areas keep their order.
func TestWhatWaitsComesFirst(t *testing.T) {
	t.Parallel()
	entry := func(area, name, request string, waits ...string) erase.Entry {
		return erase.Entry{Target: "t", Area: area, Name: name, Requests: []string{request}, Waits: waits}
	}
	got := toBeJudged([]erase.Entry{
		entry("devices", "c", "2"), entry("devices", "b", "1"), entry("devices", "a", "2", "shared"),
		entry("audiences", "e", "1"), entry("audiences", "d", "1"),
	}, func(id string) string { return id })
	var order string
	for _, e := range got {
		order += e.Name
	}
	if order != "abcde" {
		t.Errorf("got the order %s, want abcde", order)
	}
}

func TestQuotedPathsAreTakenWholeByAShell(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"config.yaml": "config.yaml", "/etc/lethe/a-b_c.yaml": "/etc/lethe/a-b_c.yaml",
		"my file.yaml": "'my file.yaml'", "it's": `'it'\''s'`, "$HOME/x": "'$HOME/x'", "": "''",
	} {
		if got := quoted(path); got != want {
			t.Errorf("quoted(%q) = %s, want %s", path, got, want)
		}
	}
}
