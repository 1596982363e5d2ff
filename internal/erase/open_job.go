package erase

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// Input is what starts an execution, from the API, the schedule and the console alike.
type Input struct {
	Requests []string `json:"requests,omitempty"` // erase these
	Sweep    bool     `json:"sweep,omitempty"`    // everything that is due
	Subject  *struct {
		Identifiers []struct {
			Type  subject.Type `json:"type"`
			Name  string       `json:"name,omitempty"`
			Value string       `json:"value"`
		} `json:"identifiers"`
	} `json:"subject,omitempty"`
	Mode config.Mode `json:"mode,omitempty"` // default from the configuration
}

// OpenJobIn is OpenJob's input.
type OpenJobIn struct {
	Job   string `json:"job"` // the execution's name
	Input Input  `json:"input"`
}

// OpenJobOut is OpenJob's answer, and the state of the machine from there on.
type OpenJobOut struct {
	Job    string   `json:"job"`
	Pass   int      `json:"pass"`
	Empty  bool     `json:"empty"`
	Search []string `json:"search"` // targets that are searched
	Order  []string `json:"order"`  // targets that take orders
	Forgot []string `json:"forgot"` // results of the last Forget: none yet
	Report Report   `json:"report"`
}

// Report is an execution's output.
type Report struct {
	Job      string                `json:"job"`
	Requests map[ledger.Status]int `json:"requests"`
}

// OpenJob claims the requests that it was given, or all that are due, each for one job only. Those invited to the job
// before it was opened are claimed as well. A job that was closed claims nothing any more: Step Functions gives an
// execution's name away again after 90 days, and an execution that was stopped may be redriven for 14.
func OpenJob(b Base) func(context.Context, OpenJobIn) (OpenJobOut, error) {
	return func(ctx context.Context, in OpenJobIn) (OpenJobOut, error) {
		mode := in.Input.Mode
		switch mode {
		case "":
			mode = b.Config.Mode
		case config.Preview, config.Approve, config.Erase:
		default:
			return OpenJobOut{}, fault.New(fault.BadInput, "mode: not one of preview, approve, erase")
		}
		if !jobForm().MatchString(in.Job) { // nobody could look at its plan
			return OpenJobOut{}, fault.New(fault.BadInput, "the name of an execution: must be 1 to 80 letters, digits, - and _")
		}
		switch before, err := b.Ledger.Job(ctx, in.Job); {
		case errors.Is(err, ledger.ErrNotFound):
		case err != nil:
			return OpenJobOut{}, err
		case !before.Closed.IsZero() && b.Now().Sub(before.Closed) < retryTime:
			return opened(before, 0), nil
		case !before.Closed.IsZero():
			// Whoever keeps house looks after a closed job no more: what it claimed now could stay claimed for good.
			return OpenJobOut{}, fault.New(fault.BadInput, "the name of an execution: a job of this name was closed before; start another execution")
		}
		wanted, err := b.wanted(ctx, in, mode)
		if err != nil {
			return OpenJobOut{}, err
		}
		job, err := b.Ledger.OpenJob(ctx, ledger.Job{
			ID: in.Job, Mode: string(mode), Opened: b.Now(),
			Search: b.targets(config.AppCenter), Order: b.targets(config.Batch),
		})
		if err != nil {
			return OpenJobOut{}, err
		}
		var swept []string
		switch sweep := in.Input.Sweep && in.Input.Mode != config.Preview; {
		case sweep:
			swept, err = b.sweep(ctx, job, in.Input.Mode)
		case mode == config.Preview && (in.Input.Sweep || len(in.Input.Requests) > 0):
			swept, err = b.look(ctx, job, in.Input.Sweep)
		}
		if err != nil {
			return OpenJobOut{}, err
		}
		wanted = append(wanted, swept...)
		wanted = slices.Compact(slices.Sorted(slices.Values(wanted))) // named twice, or named and swept
		if err := b.Ledger.Invite(ctx, in.Job, wanted, b.Now().Add(ledger.Retention)); err != nil {
			return OpenJobOut{}, err
		}
		var invited []string
		err = b.Ledger.Members(ctx, in.Job, func(id string, m ledger.Member) error {
			if m.Status == "" {
				invited = append(invited, id)
			}
			return nil
		})
		if err != nil {
			return OpenJobOut{}, err
		}
		held, err := b.Ledger.Claim(ctx, in.Job, invited, b.Now(), in.Input.Requests...)
		if err != nil {
			return OpenJobOut{}, err
		}
		if len(held) == 0 {
			if err := b.Ledger.EndJob(ctx, in.Job, b.Now()); err != nil {
				return OpenJobOut{}, err
			}
		}
		return opened(job, len(held)), nil
	}
}

// retryTime is how long the step may be run again after it closed a job with nothing to do, and its answer was lost.
const retryTime = time.Hour

// opened is the answer of a job that holds so many requests.
func opened(job ledger.Job, held int) OpenJobOut {
	return OpenJobOut{
		Job: job.ID, Pass: 1, Empty: held == 0, Search: job.Search, Order: job.Order, Forgot: []string{},
		Report: Report{Job: job.ID, Requests: map[ledger.Status]int{}},
	}
}

// jobForm is the form of a job's id. Step Functions takes more in a name.
var jobForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z_-]{1,80}$`) })

// look writes down that a preview begins which holds requests that a sweep would take. The next one waits for its end, but
// not for ever: previews that overlap have a day in all, and those that begin when a sweep is due have what is left of it.
// One that is still taking requests may find them held, and is noted to be followed by another. whole lists everything for
// the preview.
func (b Base) look(ctx context.Context, job ledger.Job, whole bool) ([]string, error) {
	_, err := b.Ledger.ChangeSweep(ctx, func(s *ledger.Sweep) error {
		now := b.Now()
		if slices.Contains(s.Looks.Jobs, job.ID) { // when the step is run again
			return nil
		}
		working, err := b.working(ctx, s.Looks.Jobs)
		if err != nil {
			return err
		}
		over := len(working) == 0 || now.Sub(s.Looks.Began) >= stuck
		if over && !s.Late || s.Looks.Began.IsZero() {
			s.Looks.Began, working = now, nil
		}
		s.Looks.Jobs = nil
		for _, j := range working {
			s.Looks.Jobs = append(s.Looks.Jobs, j.ID)
		}
		s.Looks.Jobs = append(s.Looks.Jobs, job.ID)
		taking, err := b.taking(ctx, *s)
		if err == nil && taking && !s.Late {
			s.Late, s.LateMode = true, s.Mode
		}
		return err
	})
	if err != nil || !whole {
		return nil, err
	}
	return b.swept(ctx, config.Preview)
}

// sweep lists what a sweep takes that is this job, because the schedule or a person started it by its input, and writes
// down that it began. While the last sweep works, or a preview, it takes nothing: another one is noted to follow, which
// whoever keeps house starts. asked is the mode in the input.
func (b Base) sweep(ctx context.Context, job ledger.Job, asked config.Mode) ([]string, error) {
	begun, fresh := false, false
	_, err := b.Ledger.ChangeSweep(ctx, func(s *ledger.Sweep) error {
		begun, fresh = slices.Contains(s.Jobs, job.ID), false // when the step is run again
		if begun || s.Began.After(job.Opened) {
			return nil
		}
		sweeping, err := Sweeping(ctx, b, *s)
		switch {
		case err != nil:
			return err
		case sweeping:
			s.Late, s.LateMode = true, string(asked)
		default:
			*s = ledger.Sweep{Begun: ledger.Begun{Began: job.Opened, Jobs: []string{job.ID}}, Mode: string(asked)}
			begun, fresh = true, true
		}
		return nil
	})
	if err != nil || !begun {
		return nil, err
	}
	if fresh {
		b.Tally(Count{What: Sweeps, N: 1})
	}
	return b.swept(ctx, asked)
}

// swept lists what a sweep takes that was asked for in a mode: the open requests, urgent or not, that are ready and ask for
// no other mode than that, or than the configuration's. Who asked for an approval must not be erased without one.
func (b Base) swept(ctx context.Context, asked config.Mode) (ids []string, err error) {
	var open []string
	err = b.Ledger.OpenRequests(ctx, func(id string) error {
		open = append(open, id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	mode := cmp.Or(asked, b.Config.Mode)
	err = b.Ledger.Each(ctx, open, func(r ledger.Request) error {
		if Ready(r, b.Now()) && ModeFor(r, asked, b.Config.Mode) == mode {
			ids = append(ids, r.ID)
		}
		return nil
	})
	return ids, err
}

// wanted lists the requests that the input names; a subject is registered first.
func (b Base) wanted(ctx context.Context, in OpenJobIn, mode config.Mode) ([]string, error) {
	ids := slices.Clone(in.Input.Requests)
	for _, id := range in.Input.Requests {
		if _, err := b.Ledger.Request(ctx, id); err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return nil, err
		} else if err != nil {
			return nil, fault.New(fault.BadInput, "requests: one of them is not in the ledger")
		}
	}
	if in.Input.Subject == nil {
		return ids, nil
	}
	var s subject.Subject
	for n, i := range in.Input.Subject.Identifiers {
		id, err := subject.New(i.Type, i.Name, i.Value, phone.In(b.Config.PhoneRegion))
		if err != nil {
			return nil, fmt.Errorf("subject.identifiers[%d]: %w", n, err)
		}
		s.Add(id)
	}
	// A retried or redriven OpenJob must not register the person twice, and a preview's cannot be found by its person:
	// the job's own id names the request.
	preview := mode == config.Preview
	console := b
	console.NewID = func() string { return in.Job }
	r, err := b.Ledger.Request(ctx, in.Job)
	if err == nil {
		return append(ids, r.ID), nil
	}
	if !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	filing, err := File(ctx, console, "console", preview, []subject.Subject{s})
	return append(ids, filing.Requests...), err
}
