package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/live"
)

// Limits of live streams.
const (
	maxStreams = 50               // at the same time
	streamTime = time.Hour        // of one, unless Options say otherwise; a browser comes back by itself, and its session is looked at again
	gap        = time.Second / 5  // between two pictures of a job
	heartbeat  = 15 * time.Second // of a stream without news: proxies end silent connections
	look       = 5 * time.Second  // between looks into the ledger, for a job that the board says nothing new of
	writeTime  = 30 * time.Second // that a client has to take what is written
)

// events streams a job's progress as server-sent events: progress with a live.Progress, and end when the job has ended or
// waits for a person.
func (c *Console) events(w http.ResponseWriter, r *http.Request, _ string) error {
	id := r.PathValue("id")
	if _, err := c.Desk.Job(r.Context(), id); err != nil {
		return err
	}
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		w.Header().Set("Retry-After", "60")
		http.Error(w, "Too many pages are live already. Reload this one to see how the job stands.", http.StatusServiceUnavailable)
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), c.StreamTime)
	defer cancel()
	defer context.AfterFunc(c.closed, cancel)()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // or nginx would hold the events back
	c.stream(ctx, &eventWriter{w: w, rc: http.NewResponseController(w)}, id)
	return nil
}

// stream writes until the job ends or waits, the context ends, or nobody reads any more.
func (c *Console) stream(ctx context.Context, e *eventWriter, job string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	news := make(chan live.Progress)
	watched := make(chan struct{})
	defer func() { <-watched }() // after cancel
	defer cancel()
	go func() {
		defer close(watched)
		c.watch(ctx, job, news)
	}()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	again := time.NewTimer(0)
	defer again.Stop()
	e.write(": live\n\n")
	for e.err == nil {
		select {
		case <-ctx.Done():
			return
		case p := <-news:
			e.send("progress", p)
			beat.Reset(heartbeat)
			if p.Ended { // the ledger says whether the job did
				again.Reset(0)
			}
		case <-beat.C:
			e.write(": still here\n\n")
		case <-again.C:
			j, err := c.Desk.Job(ctx, job)
			switch {
			case err == nil && j.State != intake.Working:
				e.send("end", map[string]intake.JobState{"state": j.State})
				return
			case errors.Is(err, ledger.ErrNotFound): // a preview, whose job goes whole
				e.send("end", map[string]intake.JobState{"state": intake.Closed})
				return
			}
			again.Reset(look)
		}
	}
}

// watch hands on what the board says of a job, also when the job comes to the board later.
func (c *Console) watch(ctx context.Context, job string, news chan<- live.Progress) {
	for ctx.Err() == nil {
		c.Board.Watch(ctx, job, gap, func(p live.Progress) bool {
			select {
			case <-ctx.Done():
				return false
			case news <- p:
				return true
			}
		})
		select { // it has not begun: other jobs have all slots
		case <-ctx.Done():
		case <-time.After(gap):
		}
	}
}

// eventWriter writes server-sent events. The first error ends it.
type eventWriter struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	err error
}

func (e *eventWriter) send(name string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		e.err = err
		return
	}
	e.write(fmt.Sprintf("event: %s\ndata: %s\n\n", name, data))
}

func (e *eventWriter) write(text string) {
	if e.err != nil {
		return
	}
	// The server's own deadline is for pages. Where none can be set there is none.
	_ = e.rc.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := e.w.Write([]byte(text))
	e.err = errors.Join(err, e.rc.Flush())
}
