package erase

import (
	"slices"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// shareFrom is how many devices an export must have before the share of them counts: small apps would be stopped for
// nothing.
const shareFrom = 100

// guard is the blast radius: it adds to the findings that are to be deleted the grounds on which they must wait for a
// person. What the searches say of an object itself (a shared device, other people named) is there already. all has
// everything of the job, because what was deleted in earlier passes counts towards the limits too.
func (b Base) guard(all, open []*ledger.Finding, lanes map[[2]string]ledger.Lane) {
	limits := map[string]int{Devices: b.Config.Limits.Devices, Audiences: b.Config.Limits.Audiences, Notifications: b.Config.Limits.Notifications}
	type count struct{ request, area string }
	perRequest := map[count]int{}
	perTarget := map[string]int{}
	counts := make(map[*ledger.Finding]bool, len(open))
	for _, f := range open {
		counts[f] = true
	}
	for _, f := range all {
		if f.Deleted.IsZero() && !counts[f] {
			continue
		}
		for id := range f.Requests {
			perRequest[count{id, f.Area}]++
		}
		if f.Area == Devices {
			perTarget[f.Target]++
		}
	}
	hold := func(f *ledger.Finding, ground string, when bool) {
		at := slices.Index(f.Grounds, ground)
		switch {
		case when && at < 0:
			f.Grounds = append(f.Grounds, ground)
		case !when && at >= 0: // an earlier pass put it there, with other counts
			f.Grounds = slices.Delete(f.Grounds, at, at+1)
		}
	}
	for _, f := range open {
		limit, ok := limits[f.Area]
		over := false
		for id := range f.Requests {
			over = over || ok && perRequest[count{id, f.Area}] > limit
		}
		hold(f, OverLimit, over)
		lane := lanes[[2]string{f.Target, Devices}]
		exported := lane.First
		hold(f, OverShare, f.Area == Devices && max(lane.First, lane.Seen) >= shareFrom && float64(perTarget[f.Target]) > b.Config.Limits.Share*float64(exported))
		slices.Sort(f.Grounds)
	}
}
