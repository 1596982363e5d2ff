package erase

import (
	"context"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// allFindings reads everything the job has found and ordered.
func (b Base) allFindings(ctx context.Context, job ledger.Job) ([]*ledger.Finding, error) {
	var all []*ledger.Finding
	err := b.eachFinding(ctx, job, func(f ledger.Finding) { all = append(all, &f) })
	return all, err
}

// eachFinding calls do for everything the job has found and ordered, target by target and area by area.
func (b Base) eachFinding(ctx context.Context, job ledger.Job, do func(ledger.Finding)) error {
	read := func(targets []string, areas ...string) error {
		for _, t := range targets {
			for _, a := range areas {
				err := b.Ledger.Findings(ctx, job.ID, t, a, func(f ledger.Finding) error {
					do(f)
					return nil
				})
				if err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := read(job.Search, searched[:]...); err != nil {
		return err
	}
	return read(job.Order, Profile)
}

// found writes down what was found in an area, and counts what is new.
func (b Base) found(ctx context.Context, job, target, area string, found []ledger.Finding) error {
	fresh, err := b.Ledger.Found(ctx, job, found)
	b.Tally(Count{What: Findings, N: fresh, Target: target, Area: area})
	return err
}

// went writes down what became of findings of an area, gone of which went for the first time, and counts these.
func (b Base) went(ctx context.Context, on On, area string, findings []ledger.Finding, gone int) error {
	if err := b.Ledger.SetFindings(ctx, on.Job, findings); err != nil {
		return err
	}
	b.Tally(Count{What: Deletions, N: gone, Target: on.Target, Area: area})
	return nil
}

// deleted counts the findings that went, in this pass or an earlier one.
func deleted(findings []ledger.Finding) (n int) {
	for _, f := range findings {
		if !f.Deleted.IsZero() {
			n++
		}
	}
	return n
}

// digests reads the keyed digests of the people of a job's requests, also of those that are closed: a plan must not
// change because somebody's request ended. With them comes what people decided in earlier jobs of the requests.
func (b Base) digests(ctx context.Context, job string) (people map[string]string, decided decisions, err error) {
	people, decided = map[string]string{}, decisions{}
	err = b.Ledger.AllRequestsOf(ctx, job, func(r ledger.Request) error {
		people[r.ID] = r.Person
		decided.add(r)
		return nil
	})
	return people, decided, err
}

func (b Base) save(ctx context.Context, job string, findings []*ledger.Finding) error {
	out := make([]ledger.Finding, len(findings))
	for n, f := range findings {
		out[n] = *f
	}
	return b.Ledger.SetFindings(ctx, job, out)
}
