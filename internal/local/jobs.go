package local

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// Run is what became of a command that worked on people.
type Run struct {
	Job      string     // the job that this command ran last
	Jobs     []string   // all jobs it ran or took up, oldest first
	Requests []string   // of the people it was given, in their order, or of everybody a sweep took
	Named    bool       // it was given people, whose places are the requests'
	Joined   int        // how many of them had asked before and are still open
	Plan     erase.Plan // of a preview
	Stuck    error      // interrupted jobs that could not be taken up; the others went on
	Mode     config.Mode
}

// Preview finds what would be deleted for people, and leaves no request behind.
func (h *House) Preview(ctx context.Context, people []subject.Subject) (Run, error) {
	run := Run{Mode: config.Preview}
	var err error
	if _, run.Stuck, err = h.takeUp(ctx, true); err != nil {
		return run, err
	}
	filing, err := erase.File(ctx, h.Base, "cli", true, people)
	if err != nil {
		return run, err
	}
	run.Requests, run.Named = filing.Requests, true
	result, err := h.start(ctx, &run, erase.Input{Mode: config.Preview}, filing.Requests)
	if err != nil {
		return run, err
	}
	if result.Status != asl.Succeeded {
		return run, failed(run.Job, result)
	}
	if run.Plan, err = erase.PreviewPlan(ctx, h.Base, run.Job, true); err != nil {
		return run, err
	}
	if err := h.Base.Ledger.DropPreview(ctx, run.Job); err != nil {
		return run, err
	}
	return run, h.compact()
}

// Erase erases people; none at all means a sweep over everybody whose request is open. Executions that were interrupted
// are taken up before a new job starts. Somebody whose job was taken up is not started again in the same run.
func (h *House) Erase(ctx context.Context, people []subject.Subject, mode config.Mode) (Run, error) {
	run := Run{Mode: mode}
	underWay, err := h.executions(ctx)
	if err != nil {
		return run, err
	}
	filing, err := erase.File(ctx, h.Base, "cli", false, people, underWay...)
	if err != nil {
		return run, err
	}
	run.Requests, run.Joined, run.Named = filing.Requests, filing.Joined, len(people) > 0
	if run.Jobs, run.Stuck, err = h.takeUp(ctx, false); err != nil {
		return run, err
	}
	sweep := len(people) == 0
	if sweep {
		if run.Requests, err = h.swept(ctx, run.Jobs); err != nil {
			return run, err
		}
	}
	free := map[config.Mode][]string{}
	all := run.Requests
	run.Requests = nil
	for _, id := range all {
		r, err := h.Base.Ledger.Request(ctx, id)
		if errors.Is(err, ledger.ErrNotFound) { // an entry of a list that outlived its request
			continue
		}
		if err != nil {
			return run, err
		}
		run.Requests = append(run.Requests, id)
		switch {
		case r.Job == "" && !r.Final() && !slices.Contains(run.Jobs, r.LastJob):
			if m := erase.ModeFor(r, mode, h.Base.Config.Mode); !sweep || erase.Ready(r, h.Base.Now()) {
				free[m] = append(free[m], id)
			}
		case run.Job == "":
			run.Job = cmp.Or(r.Job, r.LastJob) // held now, or closed by it
		}
	}
	// Those that ask for a mode of their own get a job for it; the command's own comes last, and is what it tells of.
	modes := slices.DeleteFunc(slices.Sorted(maps.Keys(free)), func(m config.Mode) bool { return m == mode })
	if len(free[mode]) > 0 {
		modes = append(modes, mode)
	}
	for _, m := range modes {
		result, err := h.start(ctx, &run, erase.Input{Mode: m}, free[m])
		if err == nil {
			err = machineFailed(run.Job, result)
		}
		if err != nil {
			return run, err
		}
	}
	return run, nil
}

// swept lists the requests that a sweep is about: those of the jobs that it took up, most of which they have ended, and
// all that are open.
func (h *House) swept(ctx context.Context, jobs []string) ([]string, error) {
	var ids []string
	seen := map[string]bool{}
	add := func(id string) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, job := range jobs {
		err := h.Base.Ledger.Members(ctx, job, func(id string, _ ledger.Member) error { add(id); return nil })
		if err != nil {
			return nil, err
		}
	}
	err := h.Base.Ledger.OpenRequests(ctx, func(id string) error { add(id); return nil })
	return ids, err
}

// Decide gives a person's word on the plan that waits in a job, and runs the job on.
func (h *House) Decide(ctx context.Context, job string, word erase.Word) error {
	token, err := h.accept(ctx, job, word)
	if err != nil || token == "" {
		return err
	}
	result, err := h.work(ctx, job, func() (asl.Result, error) { return h.answer(ctx, job, token) })
	if err != nil {
		return err
	}
	return machineFailed(job, result)
}

// accept writes down a person's word on the plan that waits in a job, and gives the token that lets the job go on: none
// when the same was said before, and the job has gone on since.
func (h *House) accept(ctx context.Context, job string, word erase.Word) (token string, err error) {
	// An execution that waited for too long goes on without an answer, before one is written down. One that was killed
	// after the answer goes on with it.
	waits, err := h.work(ctx, job, func() (asl.Result, error) { return h.runner.Resume(ctx, job) })
	said := err == nil || errors.Is(err, asl.ErrNoExecution)
	switch {
	case said && waits.Status != asl.Waiting && h.decided(ctx, job, word):
		return "", machineFailed(job, waits)
	case said && waits.Status != asl.Waiting:
		return "", nothingWaits(job)
	case err != nil:
		return "", err
	}
	return erase.Decide(ctx, h.Base, job, word)
}

func nothingWaits(job string) error {
	return fault.New(fault.WrongPlan, "job %s: nothing waits for approval, or its time is over; `lethe show %s` tells how it stands", job, job)
}

// answer runs a job on whose plan was decided.
func (h *House) answer(ctx context.Context, job, token string) (asl.Result, error) {
	r, err := h.runner.Succeed(ctx, job, token, []byte(`{}`))
	if errors.Is(err, asl.ErrToken) || errors.Is(err, asl.ErrTimedOut) { // answered before a crash, or too late
		return h.runner.Resume(ctx, job)
	}
	return r, err
}

// goOn takes an execution up that was left, also one whose plan was decided just before that.
func (h *House) goOn(ctx context.Context, name string) (asl.Result, error) {
	r, err := h.runner.Resume(ctx, name)
	if err != nil || r.Status != asl.Waiting {
		return r, err
	}
	token, err := h.untold(ctx, name)
	if err != nil || token == "" {
		return r, err
	}
	return h.answer(ctx, name, token)
}

// untold gives the token of a plan that was decided, for an execution that waits and was not told; "" for none.
func (h *House) untold(ctx context.Context, name string) (token string, err error) {
	job, err := h.Base.Ledger.Job(ctx, name)
	if err != nil || !job.Decided() {
		return "", err
	}
	return job.Token, nil
}

// decided tells whether this very word on a plan was given before.
func (h *House) decided(ctx context.Context, id string, w erase.Word) bool {
	job, err := h.Base.Ledger.Job(ctx, id)
	return err == nil && slices.ContainsFunc(job.Approvals, func(a ledger.Approval) bool { return w.Same(a) })
}

// start runs a new job over requests.
func (h *House) start(ctx context.Context, run *Run, in erase.Input, requests []string) (asl.Result, error) {
	job := h.Base.NewID()
	run.Job, run.Jobs = job, append(run.Jobs, job)
	if err := h.Base.Ledger.Invite(ctx, job, requests, h.Base.Now().Add(ledger.Retention)); err != nil {
		return asl.Result{}, err
	}
	input, err := json.Marshal(in)
	if err != nil {
		return asl.Result{}, err
	}
	return h.work(ctx, job, func() (asl.Result, error) { return h.runner.Start(ctx, job, input) })
}

// work runs an execution on, and tidies up after it when it has ended.
func (h *House) work(ctx context.Context, job string, on func() (asl.Result, error)) (asl.Result, error) {
	h.mu.Lock()
	h.running[job]++
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.running[job]--; h.running[job] == 0 {
			delete(h.running, job)
		}
	}()
	result, err := on()
	if err != nil {
		return result, err
	}
	if result.Status == asl.Succeeded || result.Status == asl.Failed {
		if err := h.endJob(ctx, job); err != nil {
			return result, err // the execution stays, and the next run closes its job
		}
		if err := h.Base.Ledger.DropExecution(ctx, job, h.Base.Now()); err != nil {
			return result, err
		}
		h.mu.Lock()
		if h.ended.IsZero() {
			h.ended = h.Base.Now()
		}
		h.mu.Unlock()
		if h.opts.Serving {
			return result, nil
		}
		return result, h.compact()
	}
	return result, nil
}

// compact writes the ledger of a data directory anew: destroyed identifiers leave sealed bytes in the file's free pages; a
// new file has none.
func (h *House) compact() error {
	h.mu.Lock()
	h.ended = time.Time{}
	h.mu.Unlock()
	if h.store == nil {
		return nil
	}
	return h.store.Compact()
}

// endedSince is when the first job ended after the ledger was compacted; zero when none did.
func (h *House) endedSince() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended
}

// endJob closes the job of an execution that ended without doing so: its closing failed, or a timeout or an error of the
// machine itself came before it. What was deleted must not be lost with what the job found.
func (h *House) endJob(ctx context.Context, id string) error {
	job, err := h.Base.Ledger.Job(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && !job.Closed.IsZero() {
		return nil
	}
	for err == nil {
		var out erase.CloseJobOut
		out, err = h.closeJob(ctx, erase.CloseJobIn{Job: id, Pass: job.Pass, Final: true})
		if out.Done {
			return err
		}
	}
	return err
}

// executions lists the executions that are running, waiting or interrupted, oldest first.
func (h *House) executions(ctx context.Context) (names []string, err error) {
	err = h.Base.Ledger.Executions(ctx, func(name string) error {
		names = append(names, name)
		return nil
	})
	return names, err
}

// takeUp runs the executions that an earlier process left unfinished, and tells which. A preview deletes nothing, so it
// takes up previews only. An execution that cannot go on does not stop the others: it is in stuck.
func (h *House) takeUp(ctx context.Context, previewsOnly bool) (ran []string, stuck, err error) {
	names, err := h.executions(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		job, err := h.Base.Ledger.Job(ctx, name)
		preview := err == nil && job.Mode == string(config.Preview)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return ran, stuck, err
		}
		if previewsOnly && !preview {
			continue
		}
		result, err := h.work(ctx, name, func() (asl.Result, error) { return h.goOn(ctx, name) })
		switch {
		case ctx.Err() != nil:
			return ran, stuck, ctx.Err()
		case err != nil:
			stuck = errors.Join(stuck, fmt.Errorf("job %s could not be taken up: %w", name, err))
		case !preview && result.Status != asl.Waiting:
			ran = append(ran, name)
		}
	}
	return ran, stuck, erase.Tidy(ctx, h.Base, h.Base.Now())
}

// failed tells why a machine could not do its work.
func failed(job string, r asl.Result) error {
	return fmt.Errorf("job %s: the state machine ended as %s: %s", job, r.Error, r.Cause)
}

// machineFailed tells it where the outcomes do not: NothingErased is in them, for every lane.
func machineFailed(job string, r asl.Result) error {
	if r.Status == asl.Failed && r.Error != "NothingErased" {
		return failed(job, r)
	}
	return nil
}
