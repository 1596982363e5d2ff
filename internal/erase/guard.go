package erase

import (
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// Grounds on which a finding waits for a person, and why something is kept or out of scope.
const (
	SharedDevice   = "carries another person's e-mail or phone"
	NamesOthers    = "names other people"
	OverLimit      = "more than the limit for one person"
	OverShare      = "more than the allowed share of all devices"
	ThroughDevices = "found through devices that wait"
	RejectedBy     = "rejected in review"
	NotApproved    = "not approved"
	NoIdentifier   = "no identifier for this provider"
)

// Grounds on which a person may keep what a plan would delete; none need be named.
const (
	OtherPerson    = "other_person"    // it belongs to somebody else
	LegalDuty      = "legal_duty"      // GDPR art. 17(3)(b)
	LegalClaims    = "legal_claims"    // GDPR art. 17(3)(e)
	FreeSpeech     = "free_expression" // GDPR art. 17(3)(a)
	PublicInterest = "public_interest" // GDPR art. 17(3)(c) and (d): public health, archives, research
)

// Grounds lists them, in the order in which they are shown.
var Grounds = [...]string{OtherPerson, LegalDuty, LegalClaims, FreeSpeech, PublicInterest}

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
	// Devices that wait because there are too many must not let through what was found by their ids.
	tooMany := map[string]bool{}
	for _, f := range open {
		if f.Area == Devices && f.Approved == "" && (slices.Contains(f.Grounds, OverLimit) || slices.Contains(f.Grounds, OverShare)) {
			for id := range f.Requests {
				tooMany[id] = true
			}
		}
	}
	for _, f := range open {
		through := false
		for id, rules := range f.Requests {
			through = through || f.Area != Devices && tooMany[id] && !slices.ContainsFunc(rules, byNamed)
		}
		hold(f, ThroughDevices, through)
		slices.Sort(f.Grounds)
	}
}

// byNamed tells whether a rule rests on an identifier of the request, and cannot come from an id that was learned from a
// device.
func byNamed(rule string) bool {
	return rule != LearnedOrder && !strings.HasPrefix(rule, "install id") && !strings.HasPrefix(rule, "user id")
}
