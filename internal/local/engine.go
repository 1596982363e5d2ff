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
	maxPreviews  = 20               // under way or waiting for a slot
	housekeeping = time.Minute      // between looks at what has to be done
	giveUpAfter  = 30               // rounds of housekeeping that failed in a row
	compactAfter = 10 * time.Minute // after a job ended: destroyed identifiers leave the file by then
	compactEvery = 24 * time.Hour   // for what was cancelled, or never confirmed
)

// engine works requests off in the background: it is the intake.Engine of one machine. Start, Decide and Tell may be
// called at any time; run does what the clock says.
type engine struct {
	house *House
	board *live.Board
	log   *slog.Logger
	told  chan struct{} // the outbox has news
	slots chan struct{}
	late  bool // a sweep is due, and waits for the last one; of run alone

	mu     sync.Mutex
	ctx    context.Context   // of the background work; nil when no more may begin
	queued map[string]*queue // by job: what has a slot or waits for one
	worker sync.WaitGroup
}

// queue is the background work of one job.
type queue struct {
	works    int
	preview  bool
	requests map[string]bool // of a job that begins
}

func newEngine(ctx context.Context, h *House, b *live.Board, log *slog.Logger) *engine {
	return &engine{
		house: h, board: b, log: log, ctx: ctx, queued: map[string]*queue{},
		told: make(chan struct{}, 1), slots: make(chan struct{}, together),
	}
}

// enqueue notes that work of a job waits for a slot; leave takes it back.
func (e *engine) enqueue(job string, preview bool, requests []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := e.queued[job]
	if q == nil {
		q = &queue{preview: preview, requests: map[string]bool{}}
		e.queued[job] = q
	}
	q.works++
	for _, id := range requests {
		q.requests[id] = true
	}
}

func (e *engine) leave(job string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if q := e.queued[job]; q.works > 1 {
		q.works--
	} else {
		delete(e.queued, job)
	}
}

// inHand tells whether work of a job, or of a job that begins with a request, has a slot or waits for one.
func (e *engine) inHand(job, request string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if request == "" {
		return e.queued[job] != nil
	}
	for _, q := range e.queued {
		if q.requests[request] {
			return true
		}
	}
	return false
}

func (e *engine) previews() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, q := range e.queued {
		if q.preview {
			n++
		}
	}
	return n
}

// background runs an execution, which is stored, on as soon as there is a slot. After the engine has stopped nothing
// begins: the next process takes it up.
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
		case ctx.Err() != nil, errors.Is(err, asl.ErrNoExecution): // it ended a moment ago
		case err != nil:
			e.log.Error("a job stopped on the way; it is taken up within the hour, or at the next start", "job", job, "error", err.Error())
		case result.Status == asl.Waiting:
			e.log.Info("a plan waits for approval", "job", job)
		default:
			e.log.Info("a job ended", "job", job, "status", string(result.Status), "error", result.Error)
		}
	})
}

// Start begins a job over requests. A crash from here on loses nothing of it: the execution is stored first.
func (e *engine) Start(ctx context.Context, requests []string, mode config.Mode) (string, error) {
	preview := mode == config.Preview
	if preview && e.previews() >= maxPreviews {
		return "", fault.New(fault.LedgerBusy, "%d previews are under way; ask again when one has ended", maxPreviews)
	}
	job := e.house.Base.NewID()
	input, err := json.Marshal(erase.Input{Mode: mode})
	if err != nil {
		return "", err
	}
	e.enqueue(job, preview, requests)
	err = e.house.runner.Create(ctx, job, input)
	if err == nil {
		err = e.house.Base.Ledger.Invite(ctx, job, requests, e.house.Base.Now().Add(ledger.Retention))
	}
	if err != nil {
		e.leave(job)
		return "", err
	}
	e.log.Info("a job begins", "job", job, "requests", len(requests))
	e.background(job, func(ctx context.Context) (asl.Result, error) {
		defer e.leave(job)
		return e.house.runner.Resume(ctx, job)
	})
	return job, nil
}

// Decide writes down a person's word on a plan, and lets its job go on.
func (e *engine) Decide(ctx context.Context, job string, word erase.Word) error {
	stands, late, err := e.house.runner.Look(ctx, job)
	switch {
	case errors.Is(err, asl.ErrNoExecution), err == nil && (stands.Status == asl.Succeeded || stands.Status == asl.Failed):
		if e.house.decided(ctx, job, word) {
			return nil // it was said before, and the job has ended
		}
		return nothingWaits(job)
	case err != nil:
		return err
	case late:
		e.goOn(job)
		return nothingWaits(job)
	}
	// It may be running still: the plan is there a moment before the execution waits, and takes the answer.
	token, err := erase.Decide(ctx, e.house.Base, job, word)
	if fault.Is(err, fault.WrongPlan) && e.house.decided(ctx, job, word) {
		return nil // it was said before, and the job has gone on since
	}
	if err != nil {
		return err
	}
	e.log.Info("a plan was decided", "job", job, "approved", word.Approved, "by", word.By)
	e.enqueue(job, false, nil)
	e.background(job, func(ctx context.Context) (asl.Result, error) {
		defer e.leave(job)
		return e.house.answer(ctx, job, token)
	})
	return nil
}

// Tell says that something new is in the outbox.
func (e *engine) Tell() {
	select {
	case e.told <- struct{}{}:
	default: // it is said already
	}
}

// run takes up what an earlier process left, and then does what the clock says, until the context ends. What fails is
// tried again the next minute; when it fails for half an hour, run gives up. It returns when all work has stopped.
func (e *engine) run(ctx context.Context, desk intake.Desk) error {
	var err error
	failed := 0
	lastHour, lastCompact := time.Time{}, desk.Now()
	for ctx.Err() == nil {
		now := desk.Now()
		err = e.minute(ctx, desk, now)
		if err == nil && now.Sub(lastHour) >= time.Hour {
			if err = e.hour(ctx, desk, now); err == nil {
				lastHour = now
			}
		}
		ended := e.house.endedSince()
		if due := !ended.IsZero() && now.Sub(ended) >= compactAfter || now.Sub(lastCompact) >= compactEvery; err == nil && due {
			if err = e.house.compact(); err == nil {
				lastCompact = now
			}
		}
		if failed++; err == nil {
			failed = 0
		} else if ctx.Err() == nil {
			e.log.Error("housekeeping failed; it is tried again in a minute", "error", err.Error())
		}
		if failed >= giveUpAfter {
			break
		}
		wait(ctx, housekeeping)
	}
	e.mu.Lock()
	e.ctx = nil
	e.mu.Unlock()
	e.worker.Wait()
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, e.house.compact())
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// takeUp goes on with the executions that nobody works on: those that an earlier process left, that stopped on the way,
// or whose plan was decided or waited for too long.
func (e *engine) takeUp(ctx context.Context) error {
	names, err := e.house.executions(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if e.inHand(name, "") {
			continue
		}
		stands, late, err := e.house.runner.Look(ctx, name)
		if errors.Is(err, asl.ErrNoExecution) { // it ended a moment ago
			continue
		}
		if err != nil {
			e.log.Error("a job cannot be taken up", "job", name, "error", err.Error())
			continue
		}
		if stands.Status == asl.Waiting && !late {
			if token, err := e.house.untold(ctx, name); err != nil || token == "" {
				continue // it waits for a person
			}
		}
		e.goOn(name)
	}
	return nil
}

func (e *engine) goOn(job string) {
	e.enqueue(job, false, nil)
	e.background(job, func(ctx context.Context) (asl.Result, error) {
		defer e.leave(job)
		return e.house.goOn(ctx, job)
	})
}

// minute does what must not wait: sweeps, and urgent requests that no job took.
func (e *engine) minute(ctx context.Context, desk intake.Desk, now time.Time) error {
	if err := e.sweepOnTime(ctx, desk, now); err != nil {
		return err
	}
	return desk.StartUrgent(ctx, housekeeping, func(request string) bool { return e.inHand("", request) })
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
	died := last.Died(now)
	if next := desk.Config.Serve.Schedule.Next(last.Began); !died && (next.IsZero() || next.After(now)) {
		return nil
	}
	mode := config.Mode("")
	if died {
		mode = config.Mode(last.Mode)
	}
	jobs, err := desk.Sweep(ctx, mode)
	late := errors.Is(err, intake.ErrSweeping)
	if late && !e.late {
		e.log.Warn("a sweep is due while the last one or a preview still works; it starts when that has ended")
	}
	if e.late = late; late {
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
	if err := erase.Tidy(ctx, e.house.Base, now.Add(-erase.PreviewTime)); err != nil {
		return err
	}
	return e.takeUp(ctx)
}
