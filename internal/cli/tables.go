package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
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

// byID names requests by their ids, of which narrow terminals get the end: the beginning is the time.
func byID(io IO) naming {
	return func(id string) string {
		if len(id) > 8 && io.Width > 0 && io.Width < 120 {
			return "…" + id[len(id)-7:]
		}
		return id
	}
}

// indent goes before what stands under a heading in the same column.
const indent = "  "

// showPlan prints what would be deleted, for whom, and why it waits.
func showPlan(io IO, p erase.Plan, who naming) {
	for _, f := range p.Failed {
		fmt.Fprintf(io.Out, "%s: %s could not be %s: %s\n  %s.\n", f.Target, f.Area, map[string]string{"search": "searched", "read": "read whole", "delete": "deleted"}[f.Doing], f.Fault, fault.Name(f.Fault).Meaning())
	}
	if len(p.Entries) == 0 {
		fmt.Fprintln(io.Out, "Nothing was found.")
		return
	}
	fmt.Fprintln(io.Out)
	var rows [][3]string
	heading, hidden := "", false
	for n, e := range toBeJudged(p.Entries, who) {
		if n == maxRows {
			break
		}
		if h := e.Target + ", " + e.Area; h != heading {
			heading = h
			rows = append(rows, [3]string{h})
		}
		name := e.Name
		if name == "" {
			name, hidden = "#"+e.Digest, true
		}
		var whom []string
		for _, id := range e.Requests {
			whom = append(whom, who(id))
		}
		why := strings.Join(e.Rules, ", ")
		for _, w := range e.Waits {
			why += "\nWAITS: " + w
		}
		rows = append(rows, [3]string{indent + clean(name), short(whom), why})
	}
	widths := fit(rows, io.Width)
	t := newTable(io, "Object", "For", "Matched by")
	for _, r := range rows {
		if rest, ok := strings.CutPrefix(r[0], indent); ok {
			r[0] = indent + strings.ReplaceAll(wrap(rest, widths[0]-len(indent)), "\n", "\n"+indent)
		}
		t.AppendRow(table.Row{r[0], wrap(r[1], widths[1]), wrap(r[2], widths[2])})
	}
	t.Render()
	if more := len(p.Entries) - maxRows; more > 0 {
		fmt.Fprintf(io.Out, "… and %d more; --json lists all\n", more)
	}
	if hidden {
		fmt.Fprintln(io.Out, "\nA # stands for a name; --reveal shows it.")
	}
	fmt.Fprintf(io.Out, "\nPlan %s: %s\n", p.Hash, count(len(p.Entries), "object"))
}

// toBeJudged puts in each area first what waits, and then together what is the same person's.
func toBeJudged(entries []erase.Entry, who naming) []erase.Entry {
	place := map[[2]string]int{}
	for n, e := range entries {
		if k := [2]string{e.Target, e.Area}; place[k] == 0 {
			place[k] = n + 1
		}
	}
	waits := func(e erase.Entry) int { return -min(len(e.Waits), 1) }
	whom := func(e erase.Entry) string {
		if len(e.Requests) == 0 {
			return ""
		}
		return who(e.Requests[0])
	}
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b erase.Entry) int {
		return cmp.Or(
			cmp.Compare(place[[2]string{a.Target, a.Area}], place[[2]string{b.Target, b.Area}]),
			cmp.Compare(waits(a), waits(b)), cmp.Compare(whom(a), whom(b)), cmp.Compare(a.Name, b.Name))
	})
	return entries
}

// fit gives the widths of a plan's columns on a terminal of that many columns, 0 for any: an install id stays in one
// line where it can, and what else there is goes to the object and the reason.
func fit(rows [][3]string, width int) (widths [3]int) {
	for _, r := range rows {
		for n, cell := range r {
			widths[n] = max(widths[n], text.LongestLineLen(cell))
		}
	}
	if width == 0 {
		return widths
	}
	const gaps, installID = 6, 36 + len(indent)
	widths[1] = max(len("For"), min(widths[1], width/3))
	room := width - gaps - widths[1]
	if widths[0]+widths[2] > room {
		widths[0] = min(widths[0], max(installID, room/2, room-widths[2]))
		widths[2] = max(room-widths[0], 16)
	}
	return widths
}

// wrap breaks lines that are too long between words, and keeps those that there are.
func wrap(s string, width int) string {
	lines := strings.Split(s, "\n")
	for n, l := range lines {
		lines[n] = text.WrapSoft(l, max(width, 1))
		if text.LongestLineLen(lines[n]) > width { // half of a wide character stands out
			lines[n] = text.WrapSoft(l, max(width-1, 1))
		}
	}
	return strings.Join(lines, "\n")
}

// short lists a few, and counts the others.
func short(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}

// showOutcomes prints what became of people, one line each target and area, under their requests where there are several.
func showOutcomes(io IO, outcomes []outcome, several bool, who naming) {
	if len(outcomes) == 0 {
		return
	}
	total := len(outcomes)
	if total > maxRows { // then those who need somebody come first
		outcomes = slices.Clone(outcomes)
		slices.SortStableFunc(outcomes, func(a, b outcome) int { return urgency(b.Status) - urgency(a.Status) })
		outcomes = outcomes[:maxRows]
	}
	fmt.Fprintln(io.Out)
	first, before := "Target", ""
	if several {
		first, before = "Request, target", indent
	}
	t := newTable(io, first, "Area", "Found", "Deleted", "Outcome")
	last := ""
	for _, o := range outcomes {
		if several && o.Request != last {
			name := who(o.Request)
			if name == o.Request {
				name = ""
			}
			t.AppendRow(table.Row{o.Request, plainStatus(o.Status), "", "", name})
		}
		last = o.Request
		word := strings.ReplaceAll(string(o.Word), "_", " ")
		if o.Reason != "" {
			word += ": " + o.Reason
		}
		t.AppendRow(table.Row{before + o.Target, o.Area, found(o.Outcome), deleted(o.Outcome), word})
	}
	width := 60
	if io.Width > 0 {
		width = max(16, min(io.Width-60, 60))
	}
	t.SetColumnConfigs([]table.ColumnConfig{rightAligned(3), rightAligned(4), {Number: 5, WidthMax: width, WidthMaxEnforcer: text.WrapSoft}})
	t.Render()
	if more := total - maxRows; more > 0 {
		fmt.Fprintf(io.Out, "… and %d more lines; `lethe show REQUEST` has each request's, and `lethe requests --from FILE` tells whose it is\n", more)
	}
	explain(io, outcomes)
	skipped := int64(0)
	for _, o := range outcomes {
		skipped = max(skipped, o.Skipped)
	}
	if skipped > 0 {
		fmt.Fprintf(io.Out, "%s of an export could not be read. Where the outcome is not failed, they hold no identifier of that person.\n", count(int(skipped), "line"))
	}
}

// found and deleted leave blank what nobody can know: a provider that takes orders does not say what it had.
func found(o ledger.Outcome) string {
	if o.Area == erase.Profile {
		return ""
	}
	return strconv.Itoa(o.Found)
}

func deleted(o ledger.Outcome) string {
	if o.Area == erase.Profile {
		if o.Ordered == 0 {
			return ""
		}
		return fmt.Sprintf("%d ordered", o.Ordered)
	}
	return strconv.Itoa(o.Deleted + o.Already)
}

// explain says once what each fault in the table means, and what to do.
func explain(io IO, outcomes []outcome) {
	said := map[string]bool{}
	for _, o := range outcomes {
		if o.Word == ledger.NotDone && !said[o.Reason] {
			said[o.Reason] = true
			fmt.Fprintf(io.Out, "\n%s: %s.\n", o.Reason, fault.Name(o.Reason).Meaning())
		}
	}
}

// urgency orders statuses by how much somebody has to look at them.
func urgency(s ledger.Status) int {
	switch s {
	case ledger.Failed:
		return 2
	case ledger.Partial:
		return 1
	}
	return 0
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
