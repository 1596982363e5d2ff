// Package house is the function that does what the clock says, but for sweeps.
package house

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/executions"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/gauge"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/metric"
	"github.com/lethe-dsr/lethe/internal/service"
	"github.com/lethe-dsr/lethe/internal/step"
	"github.com/lethe-dsr/lethe/internal/steps"
)

const (
	// redriveTime is how long a failed execution is left for somebody who redrives it. After it its job is closed: what it
	// did is written down, and its requests are free for the next.
	redriveTime = time.Hour
	// removeTime is how long after an execution's end its exported files are tried to be removed, before its job is closed
	// without that.
	removeTime = 24 * time.Hour
	// untaken is how long it takes at most until a job has taken an urgent request that just came in.
	untaken = 2 * time.Minute
)

// Function makes the function. What is in its input does not matter. What fails stops nothing else, and is done again the
// next time. openContainer is container.Open.
func Function[C erase.Container](ctx context.Context, c *boot.Cloud, openContainer func(sas string, transport http.RoundTripper) (C, error)) (step.Step, error) {
	desk, err := service.Open(c)
	if err != nil {
		return step.Step{}, err
	}
	signer, err := c.Signer(ctx)
	if err != nil {
		return step.Step{}, err
	}
	e := executions.NewEngine(c)
	desk.Engine = e
	h := house{
		desk: desk, engine: e, metrics: c.Journal.Metrics, closeJob: erase.CloseJob(c.Base, signer, steps.Version),
		removeExport: steps.RemoveExport(c.Base, steps.Containers(c.Link, openContainer)),
	}
	return step.New("KeepHouse", func(ctx context.Context, _ struct{}) (struct{}, error) {
		return struct{}{}, h.keep(ctx)
	}), nil
}

type house struct {
	desk         intake.Desk
	engine       executions.Engine
	closeJob     func(context.Context, erase.CloseJobIn) (erase.CloseJobOut, error)
	removeExport step.Step
	metrics      *metric.Set
}

func (h house) keep(ctx context.Context) error {
	var failed error
	for _, do := range []func(context.Context) error{
		h.neverOpened,
		h.desk.FinishSweep,
		func(ctx context.Context) error { return h.desk.StartUrgent(ctx, untaken, nil) },
		h.warn,
		h.measure,
		func(ctx context.Context) error {
			return erase.Tidy(ctx, h.desk.Base, h.desk.Now().Add(-erase.PreviewTime))
		},
		h.jobs, // at the end, because it takes what time is left
	} {
		if err := do(ctx); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// neverOpened takes their places from the jobs of the last sweep and preview whose execution ended before it had opened
// them: the next sweep would wait for them for a day. A step that still runs may open one; after redriveTime none does.
func (h house) neverOpened(ctx context.Context) error {
	last, err := h.desk.Ledger.LastSweep(ctx)
	if err != nil {
		return err
	}
	for _, id := range slices.Concat(last.Jobs, last.Look.Jobs) {
		_, err := h.desk.Ledger.Job(ctx, id)
		if err == nil {
			continue
		}
		if !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
		at, ended, err := h.engine.Stopped(ctx, id)
		if err == nil && ended && !at.IsZero() && h.desk.Now().Sub(at) >= redriveTime {
			err = h.desk.Ledger.Uninvite(ctx, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// measure sets the gauges that the alarms look at.
func (h house) measure(ctx context.Context) error {
	s, err := gauge.Measure(ctx, h.desk.Ledger, h.desk.Now())
	if err == nil {
		s.Put(h.metrics)
	}
	return err
}

func (h house) warn(ctx context.Context) error {
	return h.desk.Warn(ctx, func(request string, s duty.State, due time.Time) {
		slog.WarnContext(ctx, "a request is "+map[duty.State]string{duty.DueSoon: "due soon", duty.Overdue: "overdue"}[s], "request", request, "due", due)
	})
}

// jobs looks after the jobs that are not closed: it beats for those that wait, answers for those whose answer got lost,
// and closes those whose execution has ended without doing so.
func (h house) jobs(ctx context.Context) error {
	ids, err := h.desk.Ledger.Working(ctx)
	if err != nil {
		return err
	}
	// From another one on each time: where there is no time for all, no job is always left out.
	if n := len(ids); n > 0 {
		n = rand.IntN(n)
		ids = slices.Concat(ids[n:], ids[:n])
	}
	var failed error
	for _, id := range ids {
		if !service.TimeLeft(ctx) {
			break
		}
		if err := h.job(ctx, id); err != nil {
			slog.ErrorContext(ctx, "a job could not be looked after; it is tried again in a few minutes", "job", id, "error", err.Error())
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func (h house) job(ctx context.Context, id string) error {
	l := h.desk.Ledger
	job, err := l.Job(ctx, id)
	missing := errors.Is(err, ledger.ErrNotFound)
	switch {
	case err != nil && !missing:
		return err
	case !job.Closed.IsZero():
		return l.NotWorking(ctx, id)
	}
	at, ended, err := h.engine.Stopped(ctx, id)
	if err != nil {
		return err
	}
	if !ended {
		return h.wait(ctx, job)
	}
	if at.IsZero() {
		at = job.Opened
	}
	switch {
	case at.IsZero(), h.desk.Now().Sub(at) < redriveTime: // it may be beginning just now
		return nil
	case missing:
		return l.NotWorking(ctx, id)
	}
	if err := h.removeExports(ctx, job, h.desk.Now().Sub(at) < removeTime); err != nil {
		return err
	}
	for done := false; !done; {
		if !service.TimeLeft(ctx) {
			return nil
		}
		out, err := h.closeJob(ctx, erase.CloseJobIn{Job: id, Pass: job.Pass, Final: true})
		if err != nil {
			return err
		}
		done = out.Done
	}
	slog.WarnContext(ctx, "a job was closed whose execution had ended without doing so; its requests are free for the next", "job", id)
	return nil
}

// removeExports deletes what a job has left in the containers of its targets: everybody's data, which the machine removes
// unless it was stopped before. Where that fails for a reason that passes, patient asks for an error, and for another try.
// Otherwise what cannot be deleted keeps no job from being closed: its outcomes say so, and the next export into that
// container deletes it.
func (h house) removeExports(ctx context.Context, job ledger.Job, patient bool) error {
	var again error
	for _, target := range job.Search { // each for itself: what one container fails with keeps no other from being cleared
		in, err := json.Marshal(erase.On{Job: job.ID, Target: target, Pass: job.Pass})
		if err != nil {
			return err
		}
		_, err = h.removeExport.Invoke(ctx, in)
		var left messages.InvokeResponse_Error
		if !errors.As(err, &left) {
			continue
		}
		slog.ErrorContext(ctx, "exported files may be left in a container", "job", job.ID, "target", target, "error", left.Message)
		if patient && fault.Name(left.Type).Transient() {
			again = left
			continue
		}
		_, err = h.desk.Ledger.ChangeLane(ctx, job.ID, target, erase.Devices, func(l *ledger.Lane) { l.Left = left.Type })
		if err != nil {
			return err
		}
	}
	return again
}

// wait looks after a plan that waits, if one does.
func (h house) wait(ctx context.Context, job ledger.Job) (err error) {
	switch {
	case job.Token == "":
	case job.Decided(): // whoever took the answer may have died before it was told
		err = h.engine.Answer(ctx, job.Token)
	default:
		_, err = h.engine.Beat(ctx, job.Token)
	}
	return err
}
