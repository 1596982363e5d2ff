package erase

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// planHash pins what would be deleted for whom, and what the guard says of it: SHA-256 over one line a finding. It does
// not depend on the job: a preview and the erasure after it have the same hash when nothing changed.
func planHash(findings []*ledger.Finding, people map[string]string) string {
	lines := make([]string, len(findings))
	for n, f := range findings {
		lines[n] = planLine(f, people)
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}

// planLine is one finding in a plan, made of keyed digests, so that it says nothing about anybody.
func planLine(f *ledger.Finding, people map[string]string) string {
	var persons []string
	for id := range f.Requests {
		persons = append(persons, people[id])
	}
	slices.Sort(persons)
	grounds := slices.Sorted(slices.Values(f.Grounds))
	return strings.Join([]string{f.Target, f.Area, f.Digest, strings.Join(persons, ","), strings.Join(grounds, ",")}, "\t")
}

// Plan is what a job would do, as shown for approval.
type Plan struct {
	Hash     string         `json:"hash"`
	Entries  []Entry        `json:"entries"`
	Requests map[string]int `json:"-"`                // entries of each request of the job
	Failed   []Failure      `json:"failed,omitempty"` // what did not go well so far: the plan may lack something
}

// Entry is one object that would be deleted, or one order that would be placed.
type Entry struct {
	Target   string   `json:"target"`
	Area     string   `json:"area"`
	Digest   string   `json:"digest"`         // stands for the object where its name must not be shown
	Name     string   `json:"name,omitempty"` // only where a person asked for it
	Requests []string `json:"requests"`
	Rules    []string `json:"rules"` // why it matched
	Waits    []string `json:"waits"` // why the guard stops for it; empty when only the mode asks for approval
}

// LoadPlan reads what waits in a job, or what a preview found; reveal adds the objects' names. Entries are in the order
// of targets, areas and digests.
func LoadPlan(ctx context.Context, b Base, jobID string, reveal bool) (Plan, error) {
	job, err := b.Ledger.Job(ctx, jobID)
	if err != nil {
		return Plan{}, err
	}
	all, err := b.allFindings(ctx, job)
	if err != nil {
		return Plan{}, err
	}
	people, _, err := b.digests(ctx, jobID)
	if err != nil {
		return Plan{}, err
	}
	lanes, err := b.Ledger.Lanes(ctx, jobID)
	if err != nil {
		return Plan{}, err
	}
	preview := config.Mode(job.Mode) == config.Preview
	all = slices.DeleteFunc(all, func(f *ledger.Finding) bool { return !f.Held && !(preview && b.toDo(*f, lanes, job.Pass)) })
	p := Plan{Hash: planHash(all, people), Entries: make([]Entry, len(all)), Requests: map[string]int{}}
	for n, f := range all {
		e := Entry{Target: f.Target, Area: f.Area, Digest: f.Digest, Waits: append([]string{}, f.Grounds...)}
		e.Requests = slices.Sorted(maps.Keys(f.Requests))
		rules := map[string]bool{}
		for id, rs := range f.Requests {
			p.Requests[id]++
			for _, r := range rs {
				rules[r] = true
			}
		}
		e.Rules = slices.Sorted(maps.Keys(rules))
		if reveal {
			o, err := b.openObject(ctx, jobID, *f)
			if err != nil {
				return Plan{}, err
			}
			e.Name = cmp.Or(o.Name, o.ID)
		}
		p.Entries[n] = e
	}
	for id := range people {
		p.Requests[id] += 0
	}
	if p.Failed, err = b.failures(ctx, jobID, lanes); err != nil {
		return Plan{}, err
	}
	return p, nil
}

// Failure is what went wrong in an area so far.
type Failure struct {
	Target string `json:"target"`
	Area   string `json:"area"`
	Doing  string `json:"doing"` // search, read or delete
	Fault  string `json:"fault"`
}

func (b Base) failures(ctx context.Context, job string, lanes map[[2]string]ledger.Lane) ([]Failure, error) {
	var out []Failure
	for _, l := range lanes {
		if l.Find != "" {
			out = append(out, Failure{l.Target, l.Area, "search", l.Find})
		}
		if l.Forget != "" {
			out = append(out, Failure{l.Target, l.Area, "delete", l.Forget})
		}
	}
	troubles, err := b.Ledger.Troubles(ctx, job)
	for k, name := range troubles {
		out = append(out, Failure{k[0], k[1], "read", name})
	}
	slices.SortFunc(out, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Area, b.Area), cmp.Compare(a.Doing, b.Doing))
	})
	return slices.Compact(out), err
}
