package cli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	bars "github.com/jedib0t/go-pretty/v6/progress"

	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/local"
)

// quiet is how long a line about the same work is held back, where progress is lines.
const quiet = 5 * time.Second

// progress shows what a job is doing, on standard error: bars on a terminal, one line per event elsewhere, JSON lines
// for machines.
type progress struct {
	io   IO
	json bool

	mu    sync.Mutex
	bars  bars.Writer
	done  chan struct{} // closed when the bars have been drawn for the last time
	track map[string]*bars.Tracker
	said  map[string]time.Time
}

func newProgress(io IO, json bool) *progress {
	p := &progress{io: io, json: json, said: map[string]time.Time{}}
	p.start()
	return p
}

func (p *progress) options() local.Options { return local.Options{Report: p.report} }

// start begins to draw bars, where there is a terminal.
func (p *progress) start() {
	if !p.io.Terminal || p.json {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := bars.NewWriter()
	w.SetOutputWriter(p.io.Err)
	w.SetAutoStop(false)
	w.SetUpdateFrequency(80 * time.Millisecond)
	w.SetMessageLength(52)
	w.SetTrackerLength(24)
	w.SetTrackerPosition(bars.PositionRight)
	style := bars.StyleBlocks
	style.Visibility = bars.StyleVisibility{Percentage: true, Tracker: true, TrackerOverall: false, Value: true}
	w.SetStyle(style)
	p.bars, p.done, p.track = w, make(chan struct{}), map[string]*bars.Tracker{}
	go func() {
		defer close(p.done)
		w.Render()
	}()
}

// stop ends the bars, and waits until the last picture is drawn.
func (p *progress) stop() {
	p.mu.Lock()
	w, done := p.bars, p.done
	for _, t := range p.track {
		t.MarkAsDone()
	}
	p.bars = nil
	p.mu.Unlock()
	if w == nil {
		return
	}
	for !w.IsRenderInProgress() { // a job that ended before the first picture
		select {
		case <-done:
			return
		case <-time.After(time.Millisecond):
		}
	}
	w.Stop()
	<-done
}

// draw moves the bar of an event's work.
func (p *progress) draw(key string, e erase.Event) {
	t := p.track[key]
	if t == nil {
		t = &bars.Tracker{Message: message(e), Total: e.Total, Units: bars.Units{Formatter: func(n int64) string {
			if e.Doing == "exporting" {
				return "–" // nobody knows how much there is
			}
			return strconv.FormatInt(n, 10)
		}}}
		p.track[key] = t
		p.bars.AppendTracker(t)
	}
	if e.Doing == "matching" {
		t.Increment(e.Done) // of one piece; several workers read at the same time
	} else {
		t.UpdateTotal(e.Total)
		t.SetValue(e.Done)
	}
	if e.End {
		t.MarkAsDone()
	}
	if e.Doing == "listing" { // the texts come when the devices are done
		e.Doing, e.Area = "matching", erase.Devices
		if devices := p.track[workOf(e)]; devices != nil {
			devices.MarkAsDone()
		}
	}
}

// workOf names the work that an event is about.
func workOf(e erase.Event) string {
	return fmt.Sprintf("%s %s %s %d", e.Target, e.Doing, e.Area, e.Pass)
}

func message(e erase.Event) string {
	return fmt.Sprintf("%s: %s %s, search %d", e.Target, e.Doing, e.Area, e.Pass)
}

func (p *progress) report(e erase.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := workOf(e)
	if p.bars != nil {
		p.draw(key, e)
		return
	}
	now := time.Now()
	if !e.End && now.Sub(p.said[key]) < quiet {
		return
	}
	p.said[key] = now
	if p.json {
		b, err := json.Marshal(e)
		if err == nil {
			fmt.Fprintf(p.io.Err, "%s\n", b)
		}
		return
	}
	line := message(e)
	if e.Total > 0 {
		line += fmt.Sprintf(": %d of %d", e.Done, e.Total)
	} else if e.Done > 0 {
		line += fmt.Sprintf(": %d", e.Done)
	}
	fmt.Fprintln(p.io.Err, line)
}
