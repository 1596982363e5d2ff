package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// ErrSweeping answers a sweep while the last one still searches or deletes, or a preview of everything or of requests that
// its execution's input names. One that waits for a person does not count.
var ErrSweeping = errors.New("a sweep is running, or a preview of requests that the next one would take; what comes in now is taken with the next one")

// Sweep begins a job over everything that is open and ready (erase.Ready), one for each mode (erase.ModeFor). It gives the
// jobs: none when there is nothing to do. mode is for requests that ask for none, empty for the configuration's; preview is
// for all, and counts as no sweep.
//
// It does not stop when its caller hangs up. One that dies leaves a record without jobs, and may be done again a minute
// later (ledger.Begun.Died).
func (d Desk) Sweep(ctx context.Context, mode config.Mode) (jobs []string, err error) {
	preview, began := mode == config.Preview, d.Now()
	_, err = d.Ledger.ChangeSweep(ctx, func(s *ledger.Sweep) error {
		sweeping, err := erase.Sweeping(ctx, d.Base, *s)
		switch {
		case err != nil:
			return err
		case sweeping:
			return ErrSweeping
		case !preview:
			*s = ledger.Sweep{Mode: string(mode), Whole: true}
		}
		*s.Last(preview) = ledger.Begun{Began: began}
		return nil
	})
	if err != nil {
		return nil, err
	}
	beat := func(ctx context.Context) error {
		return d.noteSweep(ctx, preview, began, func(s *ledger.Sweep) { s.Last(preview).Beat = d.Now() })
	}
	ctx = context.WithoutCancel(ctx) // the record says now that a sweep begins
	err = keepAlive(ctx, beat, func(ctx context.Context) (err error) {
		jobs, err = d.startAll(ctx, mode, began, beat)
		return err
	})
	if err != nil {
		return jobs, err
	}
	if !preview {
		d.Tally(erase.Count{What: erase.Sweeps, N: 1})
	}
	err = d.noteSweep(ctx, preview, began, func(s *ledger.Sweep) { s.Last(preview).Jobs = jobs })
	if errors.Is(err, ErrSweeping) { // its jobs work, beside those of another one
		err = nil
	}
	return jobs, err
}

// startAll begins the jobs of a sweep that began at now. Before each it beats: another sweep that began since takes the rest.
func (d Desk) startAll(ctx context.Context, mode config.Mode, now time.Time, beat func(context.Context) error) (jobs []string, err error) {
	byMode := map[config.Mode][]string{}
	err = d.each(ctx, true, func(r ledger.Request) {
		if erase.Ready(r, now) {
			m := erase.ModeFor(r, mode, d.Config.Mode)
			byMode[m] = append(byMode[m], r.ID)
		}
	})
	if err != nil {
		return nil, err
	}
	jobs = []string{}
	for _, m := range slices.Sorted(maps.Keys(byMode)) {
		if err := beat(ctx); err != nil {
			return jobs, err
		}
		job, err := d.Engine.Start(ctx, byMode[m], m)
		if err != nil {
			return jobs, err
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

// keepAlive beats while work is done, often enough that nobody takes it for dead (ledger.StartTime). The work's context ends
// with a beat that fails, before anybody may.
func keepAlive(ctx context.Context, beat, work func(context.Context) error) error {
	const every = ledger.StartTime / 3
	ctx, cancel := context.WithCancelCause(ctx)
	var beats sync.WaitGroup
	defer beats.Wait()
	defer cancel(nil)
	beats.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			short, done := context.WithTimeout(ctx, every)
			err := beat(short)
			done()
			if err != nil {
				cancel(fmt.Errorf("a sweep stopped while it started its jobs, because it could not be noted that it still does: %w", err))
				return
			}
		}
	})
	err := work(ctx)
	if lost := context.Cause(ctx); err != nil && lost != nil {
		return lost
	}
	return err
}

// noteSweep changes the record of the sweep or preview that began at a time; ErrSweeping when another one has begun since.
func (d Desk) noteSweep(ctx context.Context, preview bool, began time.Time, change func(*ledger.Sweep)) error {
	_, err := d.Ledger.ChangeSweep(ctx, func(s *ledger.Sweep) error {
		if !s.Last(preview).Began.Equal(began) {
			return ErrSweeping
		}
		change(s)
		return nil
	})
	return err
}

// FinishSweep does what the last sweep leaves to do on AWS, where its execution may be started with {"sweep": true} alone,
// by the schedule or a person. It begins jobs over the requests that ask for another mode than that execution's. It does a
// sweep again that died before it had started its jobs, and begins the one that was due while the last one or a preview
// worked. All of that waits for a preview that holds requests. Done twice at the same time it starts a job that finds
// nothing left.
func (d Desk) FinishSweep(ctx context.Context) error {
	last, err := d.Ledger.LastSweep(ctx)
	if err != nil {
		return err
	}
	if looking, err := erase.Looking(ctx, d.Base, last); err != nil || looking {
		return err
	}
	if !last.Whole && len(last.Jobs) > 0 {
		err = d.sweepOtherModes(ctx, last)
	}
	switch {
	case err != nil:
	case last.Died(d.Now()):
		_, err = d.Sweep(ctx, config.Mode(last.Mode))
	case last.Late:
		_, err = d.Sweep(ctx, config.Mode(last.LateMode))
	}
	if errors.Is(err, ErrSweeping) { // the next time
		err = nil
	}
	return err
}

// sweepOtherModes begins a job for each mode that requests ask for and the sweep's own job does not take.
func (d Desk) sweepOtherModes(ctx context.Context, last ledger.Sweep) error {
	byMode := map[config.Mode][]string{}
	own := cmp.Or(config.Mode(last.Mode), d.Config.Mode)
	err := d.each(ctx, true, func(r ledger.Request) {
		m := erase.ModeFor(r, config.Mode(last.Mode), d.Config.Mode)
		if m != own && !r.Received.After(last.Began) && erase.Ready(r, d.Now()) {
			byMode[m] = append(byMode[m], r.ID)
		}
	})
	if err != nil {
		return err
	}
	for _, m := range slices.Sorted(maps.Keys(byMode)) {
		job, err := d.Engine.Start(ctx, byMode[m], m)
		if err == nil {
			err = d.noteSweep(ctx, false, last.Began, func(s *ledger.Sweep) { s.Jobs = append(s.Jobs, job) })
		}
		if err != nil {
			return err
		}
	}
	return d.noteSweep(ctx, false, last.Began, func(s *ledger.Sweep) { s.Whole = true }) // at the end: whoever dies before it does not leave them to the next sweep
}

// StartUrgent begins jobs over the urgent requests that nobody began one for, one for each mode: whoever took them in died,
// or a job let them go. after is how long that takes at most for one that just came in; inHand tells of requests whose job
// is about to begin, nil for none.
func (d Desk) StartUrgent(ctx context.Context, after time.Duration, inHand func(request string) bool) error {
	urgent, now := map[config.Mode][]string{}, d.Now()
	err := d.each(ctx, true, func(r ledger.Request) {
		if !r.Urgent || r.Job != "" || r.Status != ledger.Pending || now.Sub(r.Received) <= after || inHand != nil && inHand(r.ID) {
			return
		}
		if m := erase.ModeFor(r, "", d.Config.Mode); m != config.Preview { // which would leave it pending
			urgent[m] = append(urgent[m], r.ID)
		}
	})
	if err != nil {
		return err
	}
	for _, m := range slices.Sorted(maps.Keys(urgent)) {
		if _, err := d.Engine.Start(ctx, urgent[m], m); err != nil {
			return err
		}
	}
	return nil
}

// Warn finds the open requests that are due soon or overdue, and makes it known, once for each: by an event for whoever
// is told of the request, and to warn for every one.
func (d Desk) Warn(ctx context.Context, warn func(request string, s duty.State, due time.Time)) error {
	var late []string
	now := d.Now()
	state := func(r ledger.Request) (duty.State, bool) {
		s := duty.At(r.Due, time.Time{}, now)
		return s, (s == duty.DueSoon || s == duty.Overdue) && r.Told != string(s)
	}
	err := d.each(ctx, true, func(r ledger.Request) {
		if _, news := state(r); news && !r.Final() {
			late = append(late, r.ID)
		}
	})
	if err != nil {
		return err
	}
	for _, id := range late {
		var told duty.State
		r, err := d.Ledger.ChangeRequest(ctx, id, now, func(r *ledger.Request) error {
			s, news := state(*r)
			if told = ""; news {
				told, r.Told = s, string(s)
				r.Report(string(s))
			}
			return nil
		})
		switch {
		case errors.Is(err, ledger.ErrFinal), errors.Is(err, ledger.ErrNotFound):
		case err != nil:
			return err
		case told != "":
			warn(id, told, r.Due)
		}
	}
	if len(late) > 0 {
		d.Engine.Tell()
	}
	return nil
}
