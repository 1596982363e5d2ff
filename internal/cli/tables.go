package cli

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

const (
	maxRows = 60 // of a table; more are counted
	maxName = 44 // columns of an object's name
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
	if io.Width > 0 {
		t.Style().Size.WidthMax = io.Width
	}
	t.AppendHeader(table.Row(head))
	return t
}

// showPlan prints what would be deleted, and why it waits.
func showPlan(io IO, p erase.Plan) {
	for _, f := range p.Failed {
		fmt.Fprintf(io.Out, "%s: %s could not be searched: %s\n", f.Target, f.Area, f.Fault)
	}
	if len(p.Entries) == 0 {
		fmt.Fprintln(io.Out, "Nothing was found.")
		return
	}
	fmt.Fprintln(io.Out)
	t := newTable(io, "Target", "Area", "Object", "For", "Matched by", "Waits because it")
	for n, e := range p.Entries {
		if n == maxRows {
			break
		}
		name := e.Name
		if name == "" {
			name = "#" + e.Digest
		}
		t.AppendRow(table.Row{e.Target, e.Area, clean(name), count(len(e.Requests), "person"), strings.Join(e.Rules, ", "), strings.Join(e.Waits, "; ")})
	}
	t.Render()
	if more := len(p.Entries) - maxRows; more > 0 {
		fmt.Fprintf(io.Out, "… and %d more\n", more)
	}
	fmt.Fprintf(io.Out, "\nPlan %s\n", p.Hash)
}

// showOutcomes prints what became of people, one line each target and area.
func showOutcomes(io IO, outcomes []outcome) {
	if len(outcomes) == 0 {
		return
	}
	fmt.Fprintln(io.Out)
	t := newTable(io, "Request", "Target", "Area", "Outcome", "Found", "Deleted", "Why")
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
		t.AppendRow(table.Row{id, o.Target, o.Area, plainWord(o.Outcome), o.Found, o.Deleted + o.Already, o.Reason})
	}
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 5, Align: text.AlignRight}, {Number: 6, Align: text.AlignRight}})
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

func plainWord(o ledger.Outcome) string { return strings.ReplaceAll(string(o.Word), "_", " ") }

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
