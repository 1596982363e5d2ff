package erase

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// maxKept is how many rejected objects a request remembers; with its sealed identifiers they are one ledger item. What is
// over it is asked again in the next job.
const maxKept = 1_000

// decision is a person's word, for one request, that an object stays.
type decision struct{ request, target, area, digest string }

// decisions are those of earlier jobs, with their grounds.
type decisions map[decision]string

func (d decisions) add(r ledger.Request) {
	for _, k := range r.Kept {
		d[decision{r.ID, k.Target, k.Area, k.Digest}] = k.Ground
	}
}

// keepAgain rejects what earlier jobs were told to keep, for each of an object's requests, so that nobody is asked twice.
// It gives the rest.
func (b Base) keepAgain(ctx context.Context, job string, open []*ledger.Finding, decided decisions) (rest []*ledger.Finding, err error) {
	var kept []*ledger.Finding
	for _, f := range open {
		all, grounds := true, []string{}
		for id := range f.Requests {
			ground, ok := decided[decision{id, f.Target, f.Area, f.Digest}]
			all, grounds = all && ok, append(grounds, ground)
		}
		if !all {
			rest = append(rest, f)
			continue
		}
		f.Rejected, f.Ground = true, slices.Max(grounds) // one of them; a named one before none
		kept = append(kept, f)
	}
	return rest, b.save(ctx, job, kept)
}

// keptFor adds what was rejected in a job to what a request remembers.
func keptFor(r ledger.Request, found map[[2]string][]*ledger.Finding) []ledger.KeptObject {
	known := decisions{}
	known.add(r)
	kept := slices.Clone(r.Kept)
	lanes := slices.SortedFunc(maps.Keys(found), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for _, lane := range lanes {
		for _, f := range found[lane] {
			_, again := known[decision{r.ID, f.Target, f.Area, f.Digest}]
			if f.Rejected && !again && len(kept) < maxKept {
				kept = append(kept, ledger.KeptObject{Target: f.Target, Area: f.Area, Digest: f.Digest, Ground: f.Ground})
			}
		}
	}
	return kept
}

// keptWhy collects why objects of an area are kept.
type keptWhy struct {
	unapproved, rejected bool
	grounds              []string
}

func (k *keptWhy) add(f *ledger.Finding) {
	k.unapproved, k.rejected = k.unapproved || !f.Rejected, k.rejected || f.Rejected
	if f.Ground != "" && !slices.Contains(k.grounds, f.Ground) {
		k.grounds = append(k.grounds, f.Ground)
	}
}

// reason is empty where nothing is kept. What nobody approved counts more than what was rejected: it can still go.
func (k keptWhy) reason() string {
	slices.Sort(k.grounds)
	switch {
	case k.unapproved:
		return NotApproved
	case len(k.grounds) > 0:
		return RejectedBy + ": " + strings.Join(k.grounds, ", ")
	case k.rejected:
		return RejectedBy
	}
	return ""
}

// settled tells whether all that is left of a request was kept by a person's decision: another job would come to the same
// end.
func settled(outcomes []ledger.Outcome) bool {
	kept := false
	for _, o := range outcomes {
		if o.Word == ledger.NotDone || o.Reason == NotApproved {
			return false
		}
		kept = kept || o.Word == ledger.Kept
	}
	return kept
}
