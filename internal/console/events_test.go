package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/console"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/live"
	"github.com/lethe-dsr/lethe/statemachine"
)

// listener reads server-sent events.
type listener struct {
	t    *testing.T
	resp *http.Response
	text *bufio.Reader
	stop context.CancelFunc
}

func (w *world) listen(t *testing.T, job string) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+"/console/jobs/"+job+"/events", nil)
	must(t, err)
	resp, err := w.client.Do(r)
	must(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return &listener{t, resp, bufio.NewReader(resp.Body), cancel}
}

// next gives the next event; empty when the stream has ended.
func (l *listener) next() (name, data string) {
	l.t.Helper()
	for {
		line, err := l.text.ReadString('\n')
		if err != nil {
			return "", ""
		}
		if v, ok := strings.CutPrefix(line, "event: "); ok {
			name = strings.TrimSpace(v)
		}
		if v, ok := strings.CutPrefix(line, "data: "); ok {
			return name, strings.TrimSpace(v)
		}
	}
}

// progress gives the next picture that satisfies until.
func (l *listener) progress(until func(live.Progress) bool) live.Progress {
	l.t.Helper()
	for {
		name, data := l.next()
		if name != "progress" {
			l.t.Fatalf("got %q %s, want progress", name, data)
		}
		var p live.Progress
		must(l.t, json.Unmarshal([]byte(data), &p))
		if until(p) {
			return p
		}
	}
}

func TestProgressArrivesUntilTheJobWaits(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	r := w.file(t, 0)
	job := w.job(t, config.Approve, r)
	w.enter(job, "Find", "MatchSubject")
	l := w.listen(t, job)
	if l.resp.StatusCode != http.StatusOK || l.resp.Header.Get("Content-Type") != "text/event-stream" || l.resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", l.resp.StatusCode, l.resp.Header)
	}
	first := l.progress(func(live.Progress) bool { return true })
	if first.Job != job || !slices.Equal(first.States, []string{"Find", "MatchSubject"}) {
		t.Errorf("first: %+v", first)
	}
	w.board.Report(erase.Event{Job: job, Target: "acme-ios", Area: "devices", Doing: "matching", Pass: 1, Done: 7})
	w.board.Observe(asl.Event{Execution: job, Kind: asl.Left, State: "MatchSubject"})
	next := l.progress(func(p live.Progress) bool { return len(p.States) == 1 })
	if len(next.Lanes) != 1 || next.Lanes[0].Done != 7 {
		t.Errorf("next: %+v", next)
	}
	hash := w.review(t, job, 1, nil, device("d", r))
	_, err := erase.RequestApproval(w.base)(t.Context(), erase.RequestApprovalIn{Job: job, Plan: hash, Token: "task-token"})
	must(t, err)
	w.board.End(job)
	l.progress(func(p live.Progress) bool { return p.Ended })
	if name, data := l.next(); name != "end" || data != `{"state":"waiting"}` {
		t.Errorf("then %q %s, want its end", name, data)
	}
	if name, data := l.next(); name != "" {
		t.Errorf("after the end: %q %s", name, data)
	}
}

func TestAStreamOutlivesTheServersWriteDeadline(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	job := w.job(t, config.Approve, w.file(t, 0))
	l := w.listen(t, job)
	until := time.Now().Add(w.server.Config.WriteTimeout * 3 / 2)
	for n := int64(1); time.Now().Before(until); n++ { // each report comes as soon as the one before was seen
		w.board.Report(erase.Event{Job: job, Target: "acme-ios", Done: n})
		l.progress(func(p live.Progress) bool { return p.Lanes[0].Done == n })
	}
}

func TestStreamsAreLimitedAndEndWithTheirReaders(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	job := w.job(t, config.Approve, w.file(t, 0))
	var all []*listener
	for range 50 {
		l := w.listen(t, job)
		if l.resp.StatusCode != http.StatusOK {
			t.Fatalf("%d of 50 streams; %d", len(all), l.resp.StatusCode)
		}
		all = append(all, l)
	}
	if l := w.listen(t, job); l.resp.StatusCode != http.StatusServiceUnavailable || l.resp.Header.Get("Retry-After") == "" {
		t.Errorf("the 51st: %d %v", l.resp.StatusCode, l.resp.Header)
	}
	all[0].stop() // its place comes free, which only happens when its handler has returned
	for {
		if l := w.listen(t, job); l.resp.StatusCode == http.StatusOK {
			break
		}
	}
	w.console.Close()
	for _, l := range all[1:] {
		if name, data := l.next(); name != "" {
			t.Errorf("after Close: %q %s", name, data)
		}
	}
	for l := w.listen(t, job); ; l = w.listen(t, job) { // one that begins later, as soon as there is a place
		if name, data := l.next(); name != "" {
			t.Errorf("begun after Close: %q %s", name, data)
		}
		if l.resp.StatusCode == http.StatusOK {
			break
		}
	}
	if a := w.get(t, "/console"); a.status != http.StatusOK {
		t.Errorf("a page after Close: %d", a.status)
	}
}

// desk has one job, which works until it is closed.
type desk struct {
	console.Desk
	closed atomic.Bool
	asked  atomic.Int32
}

func (d *desk) Job(context.Context, string) (intake.JobView, error) {
	d.asked.Add(1)
	if d.closed.Load() {
		return intake.JobView{State: intake.Closed}, nil
	}
	return intake.JobView{State: intake.Working}, nil
}

// tape is an answer that can be read while it is written.
type tape struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *tape) Header() http.Header { return http.Header{} }
func (t *tape) WriteHeader(int)     {}
func (t *tape) Flush()              {}

func (t *tape) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *tape) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// stream runs a stream in a bubble of time: nobody can wait for heartbeats, and goroutines that are left make it fail.
func stream(t *testing.T, during func(t *testing.T, d *desk, board *live.Board, w *tape)) {
	synctest.Test(t, func(t *testing.T) {
		d, w, board := &desk{}, &tape{}, live.NewBoard(time.Now)
		c, err := console.New(console.Options{Desk: d, Board: board, Machine: statemachine.Erasure, Now: time.Now})
		must(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			console.Events(c, w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		}()
		during(t, d, board, w)
		select {
		case <-done:
		default:
			t.Error("the stream goes on after its job")
		}
		if !strings.HasSuffix(w.String(), "event: end\ndata: {\"state\":\"closed\"}\n\n") {
			t.Errorf("the end: %q", w)
		}
	})
}

func TestASilentStreamBeatsAndLooksIntoTheLedger(t *testing.T) {
	t.Parallel()
	stream(t, func(t *testing.T, d *desk, board *live.Board, w *tape) {
		time.Sleep(46 * time.Second)
		synctest.Wait()
		if n := strings.Count(w.String(), ": still here\n\n"); n != 3 || strings.Contains(w.String(), "event:") {
			t.Errorf("in 46 seconds: %d beats in %q", n, w)
		}
		board.End("J") // an earlier part of the job: the ledger says that it works
		time.Sleep(time.Second)
		synctest.Wait()
		if s := w.String(); !strings.Contains(s, "event: progress") || strings.Contains(s, "event: end") {
			t.Errorf("the stream ended with a job that works: %q", s)
		}
		if n := d.asked.Load(); n > 15 {
			t.Errorf("the ledger was asked %d times in 47 seconds", n)
		}
		d.closed.Store(true) // and nobody said so to the board
		time.Sleep(5 * time.Second)
		synctest.Wait()
	})
}

func TestAStreamEndsAtOnceWithItsJob(t *testing.T) {
	t.Parallel()
	stream(t, func(_ *testing.T, d *desk, board *live.Board, _ *tape) {
		time.Sleep(6 * time.Second)
		d.closed.Store(true)
		board.End("J")
		time.Sleep(time.Second)
		synctest.Wait()
	})
}
