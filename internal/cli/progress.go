package cli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	bars "github.com/jedib0t/go-pretty/v6/progress"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/erase"
)

// quiet is how long a line about the same work is held back, where progress is lines.
const quiet = 5 * time.Second

// progress shows what a job is doing, on standard error: bars on a terminal, one line per event elsewhere, JSON lines
// for machines.
type progress struct {
	io   IO
	json bool

	mu      sync.Mutex
	bars    bars.Writer
	drawn   chan struct{} // closed when the bars have been drawn for the last time
	track   map[work]*bars.Tracker
	said    map[work]time.Time
	matched map[work]int64 // devices, by their work
}

// work is what an event is about.
type work struct {
	target, doing, area string
	pass                int
}

func newProgress(io IO, json bool) *progress { return &progress{io: io, json: json} }

// during shows the progress of do.
func (p *progress) during(do func() error) error {
	p.start()
	defer p.stop()
	return do()
}

// start begins anew, with bars where there is a terminal.
func (p *progress) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said, p.matched = map[work]time.Time{}, map[work]int64{}
	if !p.io.Terminal || p.json {
		return
	}
	w := bars.NewWriter()
	w.SetOutputWriter(p.io.Err)
	w.SetAutoStop(false)
	w.SetUpdateFrequency(80 * time.Millisecond)
	// A line that does not fit would be drawn over two, and never be erased again.
	message, bar := 50, 24
	if p.io.Width > 0 {
		w.SetTerminalWidth(p.io.Width)
		bar = max(4, min(24, p.io.Width-message-24))
	}
	w.SetMessageLength(message)
	w.SetTrackerLength(bar)
	w.SetTrackerPosition(bars.PositionRight)
	style := bars.StyleBlocks
	style.Visibility = bars.StyleVisibility{Percentage: true, Tracker: true, Value: true}
	style.Options.Separator, style.Options.DoneString, style.Options.ErrorString = "  ", "done", "stopped"
	style.Options.PercentIndeterminate = "  …  "
	style.Chars.Indeterminate = bars.IndeterminateIndicatorMovingBackAndForth("▒█▒", 80*time.Millisecond) // the style's own is shared and moves
	w.SetStyle(style)
	p.bars, p.drawn, p.track = w, make(chan struct{}), map[work]*bars.Tracker{}
	go func(drawn chan struct{}) {
		defer close(drawn)
		w.Render()
	}(p.drawn)
}

// stop ends the bars, and waits until the last picture is drawn.
func (p *progress) stop() {
	p.mu.Lock()
	w, drawn := p.bars, p.drawn
	for k, t := range p.track {
		switch {
		case t.IsDone():
		case k.doing == "matching": // its end is that of the last piece, and no event of its own
			t.MarkAsDone()
		default:
			t.MarkAsErrored()
		}
	}
	p.bars = nil
	p.mu.Unlock()
	if w == nil {
		return
	}
	for { // again, because bars that have not begun to be drawn cannot be stopped
		w.Stop()
		select {
		case <-drawn:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func (p *progress) report(e erase.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := work{e.Target, e.Doing, e.Area, e.Pass}
	switch e.Doing {
	case "waiting": // every caller says so, many times a minute
		p.waits(k, e)
		return
	case "matching": // several workers read pieces at the same time
		p.matched[k] += e.Done
		e.Done = p.matched[k]
	case "listing": // the texts come when the devices are done
		p.allMatched(e)
	}
	p.show(k, e)
}

// observe says that a state is tried again, or the long silence of a provider that does not answer would look like one
// of Lethe's own.
func (p *progress) observe(e asl.Event) {
	if e.Kind != asl.Retried {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say(map[string]any{"retry": e.State, "fault": e.Error, "seconds": e.Delay.Round(100 * time.Millisecond).Seconds()},
		fmt.Sprintf("%s: %s; trying again in %s", e.State, e.Error, e.Delay.Round(100*time.Millisecond)))
}

// waits says that a target's limit of calls is reached, once a while.
func (p *progress) waits(k work, e erase.Event) {
	if now := time.Now(); now.Sub(p.said[k]) >= 30*time.Second {
		p.said[k] = now
		p.say(e, fmt.Sprintf("%s: waiting; %d calls a minute is the limit", e.Target, e.Total))
	}
}

// say prints a line, above the bars where there are any; machines get v instead.
func (p *progress) say(v any, line string) {
	if p.json {
		if b, err := json.Marshal(v); err == nil {
			line = string(b)
		}
	}
	if p.bars != nil {
		p.bars.Log("%s", line)
		return
	}
	fmt.Fprintln(p.io.Err, line)
}

// allMatched ends the matching of a target's devices; e is what came after it.
func (p *progress) allMatched(e erase.Event) {
	k := work{e.Target, "matching", erase.Devices, e.Pass}
	n, ok := p.matched[k]
	if !ok {
		return
	}
	delete(p.matched, k)
	p.show(k, erase.Event{Target: e.Target, Area: erase.Devices, Doing: k.doing, Pass: e.Pass, Done: n, End: true})
}

func (p *progress) show(k work, e erase.Event) {
	if p.bars != nil {
		p.draw(k, e)
		return
	}
	now := time.Now()
	if !e.End && now.Sub(p.said[k]) < quiet {
		return
	}
	p.said[k] = now
	if !p.json {
		fmt.Fprintln(p.io.Err, line(e))
		return
	}
	if b, err := json.Marshal(e); err == nil {
		fmt.Fprintf(p.io.Err, "%s\n", b)
	}
}

// draw moves the bar of an event's work.
func (p *progress) draw(k work, e erase.Event) {
	t := p.track[k]
	if t == nil {
		t = &bars.Tracker{Message: message(e), Total: e.Total, Units: bars.Units{Formatter: func(n int64) string {
			if e.Doing == "exporting" {
				return "to a file" // nobody knows how long it is
			}
			return strconv.FormatInt(n, 10)
		}}}
		p.track[k] = t
		p.bars.AppendTracker(t)
	}
	t.UpdateTotal(e.Total)
	t.SetValue(e.Done)
	if e.End {
		t.MarkAsDone()
	}
}

// message says what work an event is about.
func message(e erase.Event) string {
	what := e.Doing + " " + e.Area
	switch e.Doing {
	case "matching", "listing":
		what = "searching " + e.Area
	case "ordering":
		what = "ordering deletion of profiles"
	}
	if e.Doing == "deleting" || e.Doing == "ordering" {
		return e.Target + ": " + what
	}
	return fmt.Sprintf("%s, search %d: %s", e.Target, e.Pass, what)
}

// line is an event on a line of its own.
func line(e erase.Event) string {
	s := message(e)
	switch {
	case e.Total > 0:
		s += fmt.Sprintf(", %d of %d", e.Done, e.Total)
	case e.Done > 0:
		s += fmt.Sprintf(", %d", e.Done)
	}
	if e.End {
		s += ", done"
	}
	return s
}
