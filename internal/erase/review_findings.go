package erase

import (
	"context"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// Decision is what comes after a review.
type Decision string

// The decisions.
const (
	ShowPreview Decision = "preview" // report, delete nothing
	AskApproval Decision = "approve" // wait for a person
	Forget      Decision = "forget"
	SearchAgain Decision = "search" // the approval took so long that the world may have changed
	Clean       Decision = "clean"  // nothing more to do in this job
)

// ReviewFindingsIn is ReviewFindings' input.
type ReviewFindingsIn struct {
	Job    string  `json:"job"`
	Pass   int     `json:"pass"`
	Found  Results `json:"found"`
	Forgot Results `json:"forgot"` // of the pass before
}

// ReviewFindingsOut is ReviewFindings' answer.
type ReviewFindingsOut struct {
	Decision Decision `json:"decision"`
	NextPass int      `json:"next_pass"`
	Plan     string   `json:"plan"` // hash of what waits or was previewed
	Waiting  int      `json:"waiting"`
}

// ReviewFindings writes down how the lanes ended, makes the orders for providers that cannot be searched, and decides by
// mode, approvals and the blast-radius guard which findings may be deleted, which wait and which are kept. Only what
// tripped the guard waits.
func ReviewFindings(b Base) func(context.Context, ReviewFindingsIn) (ReviewFindingsOut, error) {
	return func(ctx context.Context, in ReviewFindingsIn) (ReviewFindingsOut, error) {
		job, err := b.Ledger.ChangeJob(ctx, in.Job, func(j *ledger.Job) error {
			if j.Pass != in.Pass || j.Searched.IsZero() {
				j.Searched = b.Now()
			}
			j.Pass, j.Plan, j.Token = in.Pass, "", "" // what waited was decided
			return nil
		})
		if err != nil {
			return ReviewFindingsOut{}, err
		}
		lanes, err := b.noteLanes(ctx, in)
		if err != nil {
			return ReviewFindingsOut{}, err
		}
		if err := b.noteOrders(ctx, job, in.Pass); err != nil {
			return ReviewFindingsOut{}, err
		}
		all, err := b.allFindings(ctx, job)
		if err != nil {
			return ReviewFindingsOut{}, err
		}
		open := slices.Clone(all)
		open = slices.DeleteFunc(open, func(f *ledger.Finding) bool { return !b.toDo(*f, lanes, in.Pass) })
		people, decided, err := b.digests(ctx, in.Job)
		if err != nil {
			return ReviewFindingsOut{}, err
		}
		if open, err = b.keepAgain(ctx, in.Job, open, decided); err != nil {
			return ReviewFindingsOut{}, err
		}
		b.guard(all, open, lanes)
		return b.decide(ctx, job, in.Pass, all, open, people)
	}
}

// noteLanes writes how the lanes ended. A review that is run again writes the same.
func (b Base) noteLanes(ctx context.Context, in ReviewFindingsIn) (map[[2]string]ledger.Lane, error) {
	for _, r := range in.Forgot {
		if _, err := b.Ledger.ChangeLane(ctx, in.Job, r.Target, r.Area, func(l *ledger.Lane) { l.Forget = r.Fault }); err != nil {
			return nil, err
		}
	}
	for _, r := range in.Found {
		if r.Area == "export" {
			_, err := b.Ledger.ChangeLane(ctx, in.Job, r.Target, Devices, func(l *ledger.Lane) { l.Left = r.Fault })
			if err != nil {
				return nil, err
			}
			continue
		}
		prefix := "list/" + r.Target + "/" + r.Area
		if r.Area == Devices {
			prefix = "shard/" + r.Target + "/"
		}
		again := int64(1) // how often the same devices may be in the export, when nobody knows how many ran
		if r.Area == Devices {
			e, err := b.Ledger.Export(ctx, in.Job, r.Target)
			if err != nil {
				return nil, err
			}
			again += int64(max(0, e.Starts-e.Ended))
		}
		cursors, err := b.Ledger.Cursors(ctx, in.Job, prefix, in.Pass)
		if err != nil {
			return nil, err
		}
		_, err = b.Ledger.ChangeLane(ctx, in.Job, r.Target, r.Area, func(l *ledger.Lane) {
			l.Find = r.Fault
			if r.Fault != "" || l.Searched == in.Pass {
				return
			}
			l.Searched, l.Times, l.Seen, l.Skipped = in.Pass, l.Times+1, 0, 0
			for _, c := range cursors {
				l.Seen, l.Skipped = l.Seen+c.Seen, l.Skipped+c.Skipped
			}
			if l.First == 0 {
				l.First = l.Seen / again
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return b.Ledger.Lanes(ctx, in.Job)
}

// toDo tells whether a finding is still to be deleted: the whole search of this pass saw it, and its lane can be
// expected to work. Orders are placed once per job.
func (b Base) toDo(f ledger.Finding, lanes map[[2]string]ledger.Lane, pass int) bool {
	l := lanes[[2]string{f.Target, f.Area}]
	if f.Rejected || l.Forget != "" && !passes(fault.Name(l.Forget)) {
		return false
	}
	if f.Area == Profile {
		return f.Deleted.IsZero() && f.Fault == "" && l.Forget == ""
	}
	return f.Seen == pass && l.Searched == pass
}

// fresh is how old a search may be when its plan is approved.
const fresh = time.Hour

// decide sorts what is to do into cleared, waiting and kept, writes it down, and says what comes next.
func (b Base) decide(ctx context.Context, job ledger.Job, pass int, all, open []*ledger.Finding, people map[string]string) (ReviewFindingsOut, error) {
	mode := config.Mode(job.Mode)
	out := ReviewFindingsOut{NextPass: pass + 1}
	if mode == config.Preview {
		out.Decision, out.Plan, out.Waiting = ShowPreview, planHash(open, people), len(open)
		return out, b.save(ctx, job.ID, open)
	}
	held := slices.Clone(open)
	held = slices.DeleteFunc(held, func(f *ledger.Finding) bool {
		return f.Approved == planLine(f, people) || mode == config.Erase && len(f.Grounds) == 0
	})
	if len(held) > 0 {
		out.Plan = planHash(held, people)
		for _, a := range job.Approvals {
			if a.Plan != out.Plan {
				continue
			}
			if a.Approved && a.At.Sub(job.Searched) > fresh {
				// What waited may be somebody else's by now: the same plan must come out of a new search.
				_, err := b.Ledger.ChangeJob(ctx, job.ID, func(j *ledger.Job) error {
					j.Again = max(j.Again, job.Again+1)
					return nil
				})
				out.Decision, out.Plan = SearchAgain, ""
				return out, err
			}
			for _, f := range held {
				if a.Approved && !slices.Contains(a.Kept, f.Digest) {
					f.Approved = planLine(f, people)
				} else {
					f.Rejected, f.Ground = true, a.Ground
				}
			}
			keepWithDevices(held, a)
			held, out.Plan = nil, ""
			break
		}
	}
	waiting := map[*ledger.Finding]bool{}
	for _, f := range held {
		waiting[f] = true
	}
	changed, known := slices.Clone(open), map[*ledger.Finding]bool{}
	for _, f := range open {
		known[f] = true
	}
	for _, f := range all {
		// What waited in an earlier pass and could not be searched for in this one does not wait: its lane failed.
		if f.Held && !known[f] {
			f.Held = false
			changed = append(changed, f)
		}
	}
	rounds := b.Config.Passes + job.Again
	last := pass > rounds // this search was the last one: what it saw stays for the next job
	cleared := 0
	for _, f := range open {
		f.Held = waiting[f] && !last
		if !waiting[f] && !f.Rejected && !last {
			cleared++
		}
	}
	out.Waiting = len(held)
	switch {
	case last || cleared == 0 && len(held) == 0:
		out.Decision = Clean
	case len(held) > 0 && (cleared == 0 || pass == rounds):
		// With no round left after this one, everything that waits must be decided before it.
		out.Decision = AskApproval
	default:
		out.Decision = Forget
	}
	if out.Decision != Clean {
		for _, f := range open {
			if !waiting[f] && !f.Rejected {
				f.Cleared = pass
			}
		}
	}
	return out, b.save(ctx, job.ID, changed)
}

// keepWithDevices keeps of an approved plan what is only known through devices that were kept of it, of the same people:
// no word says which device of several taught it.
func keepWithDevices(held []*ledger.Finding, a ledger.Approval) {
	kept := map[string]bool{}
	for _, f := range held {
		if a.Approved && f.Area == Devices && f.Rejected {
			for id := range f.Requests {
				kept[id] = true
			}
		}
	}
	for _, f := range held {
		if f.Area == Devices || f.Rejected {
			continue
		}
		through := len(kept) > 0
		for id, rules := range f.Requests {
			through = through && kept[id] && !slices.ContainsFunc(rules, byNamed)
		}
		if through {
			f.Approved, f.Rejected, f.Ground = "", true, a.Ground
		}
	}
}
