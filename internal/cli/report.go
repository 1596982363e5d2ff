package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
)

// document is what --json prints.
type document struct {
	Job      string         `json:"job"`
	Jobs     []string       `json:"jobs,omitempty"` // when the command also took up interrupted ones
	Mode     config.Mode    `json:"mode,omitempty"` // none for a preview
	Requests map[string]int `json:"requests"`
	People   []string       `json:"people,omitempty"` // the request of each person that was named, in their order
	Outcomes []outcome      `json:"outcomes,omitzero"`
	Plan     *erase.Plan    `json:"plan,omitempty"`    // of the job, or of the one that waits
	Waiting  []waitingJob   `json:"waiting,omitempty"` // when plans of other jobs wait
}

// waitingJob is a job with what waits in it.
type waitingJob struct {
	Job  string     `json:"job"`
	Plan erase.Plan `json:"plan"`
}

// outcome is one request's outcome in one target and area.
type outcome struct {
	Request string        `json:"request"`
	Status  ledger.Status `json:"status"`
	ledger.Outcome
}

// noteStuck says which interrupted jobs could not be taken up, though the others went on.
func noteStuck(io IO, asJSON bool, run local.Run) {
	if run.Stuck != nil {
		note(io, asJSON, "%s", run.Stuck)
	}
}

// note says something beside the result, on standard error.
func note(io IO, asJSON bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !asJSON {
		fmt.Fprintln(io.Err, text)
		return
	}
	if b, err := json.Marshal(map[string]string{"note": text}); err == nil {
		fmt.Fprintf(io.Err, "%s\n", b)
	}
}

func printJSON(io IO, v any) error {
	e := json.NewEncoder(io.Out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// showPreview prints a preview's plan.
func showPreview(io IO, c common, run local.Run) error {
	counts := map[string]int{"to_erase": 0, "nothing_found": 0}
	for _, entries := range run.Plan.Requests {
		switch {
		case entries > 0:
			counts["to_erase"]++
		case len(run.Plan.Failed) > 0:
			counts["failed"]++ // nothing was found, but not everything was searched
		default:
			counts["nothing_found"]++
		}
	}
	if !c.names(io) {
		for n := range run.Plan.Entries {
			run.Plan.Entries[n].Name = ""
		}
	}
	if c.json {
		if err := printJSON(io, document{Job: run.Job, Requests: counts, Plan: &run.Plan}); err != nil {
			return err
		}
	} else {
		showPlan(io, run.Plan, byPlace(run.Requests))
		fmt.Fprintf(io.Out, "\n%s: %d to erase, %d not found anywhere", count(len(run.Plan.Requests), "person"), counts["to_erase"], counts["nothing_found"])
		if counts["failed"] > 0 {
			fmt.Fprintf(io.Out, ", %d not known, because not everything could be searched", counts["failed"])
		}
		fmt.Fprintln(io.Out, ". Nothing was deleted.")
	}
	if len(run.Plan.Failed) > 0 {
		return exit{code: NotAllErased}
	}
	return nil
}

// report prints what became of a run's requests, and gives the exit code as an error.
// The plan with the hash shown is on the screen already.
func report(ctx context.Context, io IO, c common, h *local.House, run local.Run, who naming, shown string) error {
	doc := document{Job: run.Job, Mode: run.Mode, Requests: map[string]int{}, Outcomes: []outcome{}}
	for _, s := range []ledger.Status{ledger.Erased, ledger.NothingFound, ledger.Partial, ledger.Failed} {
		doc.Requests[string(s)] = 0
	}
	if len(run.Jobs) > 1 {
		doc.Jobs = run.Jobs
	}
	if run.Named {
		doc.People = run.Requests
	}
	var requests []ledger.Request
	var waiting []string // jobs
	for _, id := range unique(run.Requests) {
		r, err := h.Base.Ledger.Request(ctx, id)
		if err != nil {
			return err
		}
		requests = append(requests, r)
		doc.Requests[string(r.Status)]++
		outcomes, err := h.Base.Ledger.Outcomes(ctx, id)
		if err != nil {
			return err
		}
		if r.Status == ledger.InReview && !slices.Contains(waiting, r.Job) {
			waiting = append(waiting, r.Job)
		}
		if r.Status == ledger.InReview || r.Status == ledger.Running || r.Status == ledger.Pending {
			continue // an earlier job's outcomes, if any
		}
		for _, o := range outcomes {
			doc.Outcomes = append(doc.Outcomes, outcome{r.ID, r.Status, o})
		}
	}
	code := Done
	if doc.Requests[string(ledger.Running)]+doc.Requests[string(ledger.Pending)] > 0 {
		code = OtherError // a job that cannot be taken up holds them
	}
	if doc.Requests[string(ledger.InReview)] > 0 {
		code = WaitsApproval
	}
	if doc.Requests[string(ledger.Partial)]+doc.Requests[string(ledger.Failed)]+doc.Requests[string(ledger.Abandoned)] > 0 {
		code = NotAllErased
	}
	var waits []waitingJob
	for _, id := range waiting {
		plan, err := erase.LoadPlan(ctx, h.Base, id, c.names(io))
		if err != nil {
			return err
		}
		waits = append(waits, waitingJob{id, plan})
		if id == run.Job || doc.Plan == nil {
			doc.Plan = &plan
		}
	}
	if len(waits) > 1 || len(waits) == 1 && waits[0].Job != run.Job {
		doc.Waiting = waits
	}
	if c.json {
		if err := printJSON(io, doc); err != nil {
			return err
		}
	} else {
		if len(requests) == 0 {
			fmt.Fprintln(io.Out, "No request is open; there is nothing to do.")
		}
		showOutcomes(io, doc.Outcomes, len(requests) > 1, who)
		for _, j := range waits {
			if j.Plan.Hash != shown {
				showPlan(io, j.Plan, who)
			}
			howToApprove(io, c, j.Job, j.Plan.Hash)
		}
		if len(requests) > 0 {
			fmt.Fprintf(io.Out, "\n%s: %s\n", count(len(requests), "person"), summary(doc.Requests))
		}
	}
	if code == Done {
		return nil
	}
	return exit{code: code}
}

// howToApprove says what to do about a plan that waits.
func howToApprove(io IO, c common, job, hash string) {
	file := "FILE"
	if c.config != "" {
		file = quoted(c.config)
	}
	fmt.Fprintf(io.Out, "\nThis waits for approval. To delete it, and nothing else (--reject keeps it):\n  %s approve %s --plan %s --config %s%s\n", io.Name, job, hash, file, c.dataFlag())
}

// summary lists the statuses that occur, the good ones first.
func summary(counts map[string]int) string {
	var parts []string
	for _, s := range []ledger.Status{ledger.Erased, ledger.NothingFound, ledger.InReview, ledger.Partial, ledger.Failed, ledger.Pending, ledger.Running, ledger.Abandoned} {
		if n := counts[string(s)]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, plainStatus(s)))
		}
	}
	return strings.Join(parts, ", ")
}

func plainStatus(s ledger.Status) string { return strings.ReplaceAll(string(s), "_", " ") }

func unique(ids []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		was := seen[id]
		seen[id] = true
		return was
	})
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if what == "person" {
		return fmt.Sprintf("%d people", n)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
