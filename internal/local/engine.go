package local

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/live"
)

const (
	together     = 4                // jobs that run at the same time; each target's pace and container are shared
	housekeeping = time.Minute      // between looks at what has to be done
	compactAfter = 10 * time.Minute // after a job ended: destroyed identifiers leave the file by then
	compactEvery = 24 * time.Hour   // for what was cancelled, or never confirmed
	tidyEvery    = time.Hour
)

// engine works requests off in the background: it is the intake.Engine of one machine. Start, Decide and Tell may be
// called at any time; run does what the clock says.
type engine struct {
	house *House
	board *live.Board
	log   *slog.Logger
	told  chan struct{} // the outbox has news
	slots chan struct{}

	mu     sync.Mutex
	ctx    context.Context // of the background work; nil when no more may begin
	worker sync.WaitGroup
}

func newEngine(ctx context.Context, h *House, b *live.Board, log *slog.Logger) *engine {
	return &engine{
		house: h, board: b, log: log, ctx: ctx,
		told: make(chan struct{}, 1), slots: make(chan struct{}, together),
	}
}

// background runs an execution on as soon as there is a slot. After the engine has stopped nothing begins: the next
// process takes it up.
func (e *engine) background(job string, on func(ctx context.Context) (asl.Result, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ctx := e.ctx
	if ctx == nil {
		return
	}
	e.worker.Go(func() {
		select {
		case <-ctx.Done():
			return
		case e.slots <- struct{}{}:
		}
		defer func() { <-e.slots }()
		result, err := e.house.work(ctx, job, func() (asl.Result, error) { return on(ctx) })
		e.board.End(job)
		e.Tell()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			e.log.Error("a job stopped on the way; it is taken up within the hour, or at the next start", "job", job, "error", err.Error())
		case result.Status == asl.Waiting:
			e.log.Info("a plan waits for approval", "job", job)
		default:
			e.log.Info("a job ended", "job", job, "status", string(result.Status), "error", result.Error)
		}
	})
}

// Start begins a job over requests.
func (e *engine) Start(ctx context.Context, requests []string, mode config.Mode) (string, error) {
	job := e.house.Base.NewID()
	if err := e.house.Base.Ledger.Invite(ctx, job, requests); err != nil {
		return "", err
	}
	input, err := json.Marshal(erase.Input{Mode: mode})
	if err != nil {
		return "", err
	}
	e.log.Info("a job begins", "job", job, "requests", len(requests))
	e.background(job, func(ctx context.Context) (asl.Result, error) { return e.house.runner.Start(ctx, job, input) })
	return job, nil
}

// Decide writes down a person's word on a plan, and lets its job go on.
func (e *engine) Decide(ctx context.Context, job string, word erase.Word) error {
	token, err := e.house.accept(ctx, job, word)
	if err != nil || token == "" {
		return err
	}
	e.log.Info("a plan was decided", "job", job, "approved", word.Approved, "by", word.By)
	e.background(job, func(ctx context.Context) (asl.Result, error) { return e.house.answer(ctx, job, token) })
	return nil
}

// Tell says that something new is in the outbox.
func (e *engine) Tell() {
	select {
	case e.told <- struct{}{}:
	default: // it is said already
	}
}

// run takes up what an earlier process left, and then does what the clock says, until the context ends. It returns when
// all work has stopped.
func (e *engine) run(ctx context.Context, desk intake.Desk) error {
	err := e.takeUp(ctx)
	lastTidy, lastCompact := time.Time{}, desk.Now()
	for err == nil && ctx.Err() == nil {
		now := desk.Now()
		err = e.minute(ctx, desk, now)
		ended := e.house.endedSince()
		if due := !ended.IsZero() && now.Sub(ended) >= compactAfter || now.Sub(lastCompact) >= compactEvery; err == nil && due {
			lastCompact, err = now, e.house.compact()
		}
		if err == nil && now.Sub(lastTidy) >= tidyEvery {
			lastTidy, err = now, e.hour(ctx, desk, now)
		}
		if fault.Is(err, fault.LedgerBusy) {
			err = nil // the next minute does it
		}
		wait(ctx, housekeeping)
	}
	e.mu.Lock()
	e.ctx = nil
	e.mu.Unlock()
	e.worker.Wait()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	return errors.Join(err, e.house.store.Compact())
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// takeUp goes on with the executions that an earlier process left unfinished.
func (e *engine) takeUp(ctx context.Context) error {
	names, err := e.house.executions(ctx)
	for _, name := range names {
		if e.house.alive(ctx, name) {
			continue
		}
		e.background(name, func(ctx context.Context) (asl.Result, error) { return e.house.goOn(ctx, name) })
	}
	return err
}

// minute does what must not wait: sweeps, and urgent requests that no job took.
func (e *engine) minute(ctx context.Context, desk intake.Desk, now time.Time) error {
	if err := e.sweepOnTime(ctx, desk, now); err != nil {
		return err
	}
	var ids []string
	var urgent []ledger.Request
	l := e.house.Base.Ledger
	if err := l.OpenRequests(ctx, func(id string) error { ids = append(ids, id); return nil }); err != nil {
		return err
	}
	err := l.Each(ctx, ids, func(r ledger.Request) error {
		// One that just came in is being started by whoever took it in.
		if r.Urgent && r.Job == "" && r.Status == ledger.Pending && now.Sub(r.Received) > housekeeping {
			urgent = append(urgent, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range urgent {
		if _, err := e.Start(ctx, []string{r.ID}, config.Mode(r.Mode)); err != nil {
			return err
		}
	}
	return nil
}

// sweepOnTime starts the sweep that the schedule asks for; one that was missed while no process ran starts at once.
func (e *engine) sweepOnTime(ctx context.Context, desk intake.Desk, now time.Time) error {
	last, err := e.house.Base.Ledger.LastSweep(ctx)
	if err != nil || desk.Config.Serve.Schedule.Cron == "" {
		return err
	}
	if last.Began.IsZero() { // the schedule counts from the first start on
		_, err := e.house.Base.Ledger.ChangeSweep(ctx, func(s *ledger.Sweep) error {
			s.Began, s.Jobs = now, []string{}
			return nil
		})
		return err
	}
	if next := desk.Config.Serve.Schedule.Next(last.Began); next.IsZero() || next.After(now) {
		return nil
	}
	jobs, err := desk.Sweep(ctx, "")
	if errors.Is(err, intake.ErrSweeping) {
		e.log.Warn("a sweep is due while the last one still works; it starts when that has ended")
		return nil
	}
	if err == nil {
		e.log.Info("a sweep began", "jobs", len(jobs))
	}
	return err
}

// hour warns of due dates, gives up what has been tried for too long, and goes on with executions that wait for an answer
// that comes too late, or that stopped on the way.
func (e *engine) hour(ctx context.Context, desk intake.Desk, now time.Time) error {
	err := desk.Warn(ctx, func(request string, s duty.State, due time.Time) {
		e.log.Warn("a request is "+map[duty.State]string{duty.DueSoon: "due soon", duty.Overdue: "overdue"}[s], "request", request, "due", due)
	})
	if err != nil {
		return err
	}
	if err := e.house.tidy(ctx, now.Add(-24*time.Hour)); err != nil {
		return err
	}
	return e.takeUp(ctx)
}
