package cli

import (
	"encoding/json"
	"fmt"
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
	w.SetMessageLength(44)
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

func (p *progress) report(e erase.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := fmt.Sprintf("%s %s %s %d", e.Target, e.Doing, e.Area, e.Pass)
	if p.bars != nil {
		t := p.track[key]
		if t == nil {
			t = &bars.Tracker{Message: fmt.Sprintf("%s: %s %s, search %d", e.Target, e.Doing, e.Area, e.Pass), Total: e.Total}
			p.track[key] = t
			p.bars.AppendTracker(t)
		}
		t.UpdateTotal(e.Total)
		t.SetValue(e.Done)
		if e.End {
			t.MarkAsDone()
		}
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
	line := fmt.Sprintf("%s: %s %s, search %d", e.Target, e.Doing, e.Area, e.Pass)
	if e.Total > 0 {
		line += fmt.Sprintf(": %d of %d", e.Done, e.Total)
	} else if e.Done > 0 {
		line += fmt.Sprintf(": %d", e.Done)
	}
	fmt.Fprintln(p.io.Err, line)
}
