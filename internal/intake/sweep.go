package intake

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// ErrSweeping answers a sweep while the last one still searches or deletes. One that waits for a person does not count.
var ErrSweeping = errors.New("a sweep is running; it takes what comes in now with the next one")

// Sweep begins a job over everything that is open and ready (erase.Ready), one for each mode (erase.ModeFor). It gives the
// jobs: none when there is nothing to do. mode is for requests that ask for none, empty for the configuration's; preview is
// for all. ErrSweeping while the last sweep is working.
//
// It does not stop when its caller hangs up. One that dies leaves a record without jobs, and may be done again a minute
// later (ledger.Sweep.Died).
func (d Desk) Sweep(ctx context.Context, mode config.Mode) (jobs []string, err error) {
	now := d.Now()
	_, err = d.Ledger.ChangeSweep(ctx, func(s *ledger.Sweep) error {
		sweeping, err := erase.Sweeping(ctx, d.Base, *s)
		if err == nil && sweeping {
			err = ErrSweeping
		}
		if err == nil {
			next := ledger.Sweep{Began: now, Mode: string(mode), Whole: true}
			if mode == config.Preview { // does nothing of what the last one has left to do
				next.Late, next.LateMode = s.Left(now)
			}
			*s = next
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // the record says now that a sweep begins
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
		job, err := d.Engine.Start(ctx, byMode[m], m)
		if err != nil {
			return jobs, err
		}
		jobs = append(jobs, job)
	}
	if mode != config.Preview {
		d.Tally(erase.Count{What: erase.Sweeps, N: 1})
	}
	return jobs, d.noteSweep(ctx, now, func(s *ledger.Sweep) { s.Jobs = jobs })
}

// noteSweep changes the record of the sweep that began at a time. Another one that began since is left as it is.
func (d Desk) noteSweep(ctx context.Context, began time.Time, change func(*ledger.Sweep)) error {
	_, err := d.Ledger.ChangeSweep(ctx, func(s *ledger.Sweep) error {
		if s.Began.Equal(began) {
			change(s)
		}
		return nil
	})
	return err
}

// FinishSweep does what the last sweep leaves to do on AWS, where its execution may be started with {"sweep": true} alone,
// by the schedule or a person. It begins jobs over the requests that ask for another mode than that execution's. It does a
// sweep again that died before it had started its jobs, and begins the one that was due while the last one worked.
// Done twice at the same time it starts a job that finds nothing left.
func (d Desk) FinishSweep(ctx context.Context) error {
	last, err := d.Ledger.LastSweep(ctx)
	if err == nil && !last.Whole && len(last.Jobs) > 0 && last.Mode != string(config.Preview) {
		err = d.sweepOtherModes(ctx, last)
	}
	if err != nil {
		return err
	}
	switch {
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
			err = d.noteSweep(ctx, last.Began, func(s *ledger.Sweep) { s.Jobs = append(s.Jobs, job) })
		}
		if err != nil {
			return err
		}
	}
	return d.noteSweep(ctx, last.Began, func(s *ledger.Sweep) { s.Whole = true }) // at the end: whoever dies before it does not leave them to the next sweep
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
