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
// It does not stop when its caller hangs up. One that dies leaves a record without jobs (ledger.Sweep.Jobs is nil), and may
// be done again a minute later.
func (d Desk) Sweep(ctx context.Context, mode config.Mode) (jobs []string, err error) {
	now := d.Now()
	_, err = d.Ledger.ChangeSweep(ctx, func(s *ledger.Sweep) error {
		if s.Jobs == nil && now.Sub(s.Began) < time.Minute {
			return ErrSweeping
		}
		for _, id := range s.Jobs {
			if j, err := d.Job(ctx, id); err == nil && j.State == Working && now.Sub(s.Began) < stuck {
				return ErrSweeping
			} else if err != nil && !errors.Is(err, ledger.ErrNotFound) {
				return err
			}
		}
		s.Began, s.Mode, s.Jobs, s.Whole = now, string(mode), nil, true
		return nil
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
	_, err = d.Ledger.ChangeSweep(ctx, func(s *ledger.Sweep) error { s.Jobs = jobs; return nil })
	return jobs, err
}

// FinishSweep begins the jobs that a sweep leaves out whose execution was started with {"sweep": true} alone, by a schedule
// on AWS or a person: over the requests that ask for another mode than the execution's. It does so once for each sweep.
func (d Desk) FinishSweep(ctx context.Context) error {
	part := func(s ledger.Sweep) bool { return !s.Whole && len(s.Jobs) > 0 && s.Mode != string(config.Preview) }
	last, err := d.Ledger.LastSweep(ctx)
	if err != nil || !part(last) {
		return err
	}
	last, err = d.Ledger.ChangeSweep(ctx, func(s *ledger.Sweep) error {
		if !part(*s) {
			return ErrSweeping
		}
		s.Whole = true
		return nil
	})
	if errors.Is(err, ErrSweeping) { // somebody else did it a moment ago
		return nil
	}
	if err != nil {
		return err
	}
	byMode := map[config.Mode][]string{}
	own := cmp.Or(config.Mode(last.Mode), d.Config.Mode)
	err = d.each(ctx, true, func(r ledger.Request) {
		m := erase.ModeFor(r, config.Mode(last.Mode), d.Config.Mode)
		if m != own && !r.Received.After(last.Began) && erase.Ready(r, d.Now()) {
			byMode[m] = append(byMode[m], r.ID)
		}
	})
	if err != nil {
		return err
	}
	jobs := last.Jobs
	for _, m := range slices.Sorted(maps.Keys(byMode)) {
		job, err := d.Engine.Start(ctx, byMode[m], m)
		if err != nil {
			return err
		}
		jobs = append(jobs, job)
	}
	_, err = d.Ledger.ChangeSweep(ctx, func(s *ledger.Sweep) error {
		if s.Began.Equal(last.Began) {
			s.Jobs = jobs
		}
		return nil
	})
	return err
}

// stuck is when a job that still works is no reason any more to put the next sweep off: the state machine itself ends
// after 30 days, an export after hours.
const stuck = 24 * time.Hour

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
