package cli

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/lethe-dsr/lethe/internal/erase"
)

const (
	maxRows = 60 // of a table; more are counted
	maxName = 72 // columns of an object's name
)

// newTable is a table with lines only under its head: it reads well in a terminal, in a file and aloud.
func newTable(io IO, head ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(io.Out)
	style := table.StyleDefault
	style.Options = table.Options{SeparateHeader: true}
	style.Box = table.BoxStyle{MiddleHorizontal: "─", PaddingLeft: "", PaddingRight: "  "}
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	t.AppendHeader(table.Row(head))
	return t
}

// naming gives a request the name by which a reader knows it, such as the person's place in the people file.
type naming func(request string) string

// byPlace names requests by the order in which their people were given.
func byPlace(requests []string) naming {
	place := map[string]int{}
	for n, id := range requests {
		if place[id] == 0 {
			place[id] = n + 1
		}
	}
	return func(id string) string {
		if n := place[id]; n > 0 {
			return fmt.Sprintf("person %d", n)
		}
		return id
	}
}

func byID(id string) string { return id }

// showPlan prints what would be deleted, for whom, and why it waits.
func showPlan(io IO, p erase.Plan, who naming) {
	for _, f := range p.Failed {
		fmt.Fprintf(io.Out, "%s: %s could not be searched: %s\n", f.Target, f.Area, f.Fault)
	}
	if len(p.Entries) == 0 {
		fmt.Fprintln(io.Out, "Nothing was found.")
		return
	}
	fmt.Fprintln(io.Out)
	t := newTable(io, "Target", "Area", "Object", "For", "Matched by")
	for n, e := range p.Entries {
		if n == maxRows {
			break
		}
		name := e.Name
		if name == "" {
			name = "#" + e.Digest
		}
		var whom []string
		for _, id := range e.Requests {
			whom = append(whom, who(id))
		}
		why := strings.Join(e.Rules, ", ")
		for _, w := range e.Waits {
			why += "; WAITS: " + w
		}
		t.AppendRow(table.Row{e.Target, e.Area, clean(name), short(whom), why})
	}
	// What is left of the line beside target, area and person goes to the object and the reason.
	width := 60
	if io.Width > 0 {
		width = max(16, min((io.Width-50)/2, 60))
	}
	wrapped := func(column int) table.ColumnConfig {
		return table.ColumnConfig{Number: column, WidthMax: width, WidthMaxEnforcer: text.WrapSoft}
	}
	t.SetColumnConfigs([]table.ColumnConfig{wrapped(3), wrapped(5)})
	t.Render()
	if more := len(p.Entries) - maxRows; more > 0 {
		fmt.Fprintf(io.Out, "… and %d more; --json lists all\n", more)
	}
	fmt.Fprintf(io.Out, "\nPlan %s\n", p.Hash)
}

// short lists a few, and counts the others.
func short(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}

// showOutcomes prints what became of people, one line each target and area.
func showOutcomes(io IO, outcomes []outcome) {
	if len(outcomes) == 0 {
		return
	}
	fmt.Fprintln(io.Out)
	t := newTable(io, "Request", "Target", "Area", "Found", "Deleted", "Outcome")
	last, rows := "", 0
	for _, o := range outcomes {
		if rows++; rows > maxRows {
			break
		}
		id := o.Request
		if id == last {
			id = ""
		}
		last = o.Request
		word := strings.ReplaceAll(string(o.Word), "_", " ")
		if o.Reason != "" {
			word += ": " + o.Reason
		}
		t.AppendRow(table.Row{id, o.Target, o.Area, o.Found, o.Deleted + o.Already, word})
	}
	width := 60
	if io.Width > 0 {
		width = max(16, min(io.Width-82, 60))
	}
	t.SetColumnConfigs([]table.ColumnConfig{rightAligned(4), rightAligned(5), {Number: 6, WidthMax: width, WidthMaxEnforcer: text.WrapSoft}})
	t.Render()
	if more := len(outcomes) - maxRows; more > 0 {
		fmt.Fprintf(io.Out, "… and %d more; `lethe show REQUEST` has each\n", more)
	}
	skipped := int64(0)
	for _, o := range outcomes {
		skipped = max(skipped, o.Skipped)
	}
	if skipped > 0 {
		fmt.Fprintf(io.Out, "%s of an export could not be read; nobody's identifier stands in them where the outcome is not failed\n", count(int(skipped), "line"))
	}
}

func rightAligned(column int) table.ColumnConfig {
	return table.ColumnConfig{Number: column, Align: text.AlignRight, AlignHeader: text.AlignRight}
}

// clean makes a provider's text safe and short enough for a line of a terminal: no control or format characters.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, s)
	return text.Snip(s, maxName, "…")
}
