package form

import (
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// badge is a state in a word; Class is one of the style sheet's.
type badge struct{ Class, Text string }

// place is what happened in one target.
type place struct {
	Provider, App string
	Areas         []area
}

type area struct {
	Name  string
	Badge badge
	Text  string
}

// statusKey is the status by which texts are found. A partial request that is settled is another thing to a person than
// one that goes on.
func statusKey(v intake.View) string {
	if v.Settled && v.Status == ledger.Partial {
		return "settled"
	}
	return string(v.Status)
}

func statusClass(key string) string {
	switch key {
	case "erased", "nothing_found":
		return "ok"
	case "in_review", "partial", "settled":
		return "wait"
	case "failed", "denied", "abandoned":
		return "bad"
	}
	return ""
}

// mayComplain tells whether the answer must say that the person may complain: where something was not done, or not in
// time (GDPR art. 12(4)).
func mayComplain(v intake.View) bool {
	return v.Duty == duty.Overdue || v.Duty == duty.Missed || len(leftOut(v)) > 0 ||
		slices.Contains([]ledger.Status{ledger.Denied, ledger.Partial, ledger.Failed, ledger.Abandoned}, v.Status) ||
		slices.ContainsFunc(v.Outcomes, func(o ledger.Outcome) bool { return o.Word == ledger.Kept || o.Word == ledger.NotDone })
}

// checked tells whether a request waits for a person's word on what was typed beside the address and nobody verified.
// Like leftOut, it looks at nothing that a search found: who typed somebody else's details must not learn whether there
// is somebody.
func checked(v intake.View) bool {
	return len(v.Claimed) > 0 && v.Vouched == nil && v.Status == ledger.Pending
}

// leftOut gives the types of identifiers that a request was worked on without, or will be, because nobody verified them.
func leftOut(v intake.View) []string {
	switch {
	case v.Status == ledger.Cancelled, v.Status == ledger.Denied, checked(v):
		return nil
	case v.Vouched == nil:
		return v.Claimed
	case v.Vouched.Verified:
		return nil
	}
	return v.Vouched.Types
}

func claimsKey(types []string) string {
	phone, account := slices.Contains(types, string(subject.Phone)), slices.Contains(types, string(subject.UserID))
	switch {
	case phone && !account:
		return "claims.phone"
	case account && !phone:
		return "claims.account"
	}
	return "claims.both"
}

// next says what comes, and whether the person may want to ask once more.
func next(say speaker, v intake.View, due string) (text string, ask bool) {
	late := v.Duty == duty.Overdue
	switch {
	case v.Ended:
		return say("next.ended"), v.Status != ledger.Erased && v.Status != ledger.Denied
	case v.Status == ledger.Partial, v.Status == ledger.Failed:
		if late {
			return say("next.again.late"), false
		}
		return say("next.again", due), false
	case late:
		return say("next.late"), false
	case v.Status == ledger.Pending:
		return say("next.pending", due), false
	}
	return say("next.running", due), false
}

func deniedKey(ground string) string {
	switch ground {
	case intake.NotIdentified, intake.Unfounded, intake.LegalDuty, intake.LegalClaims:
		return "denied." + ground
	}
	return "denied.other"
}

func extendedKey(reason string) string {
	switch reason {
	case intake.Complexity, intake.Number:
		return "extended." + reason
	}
	return "extended.other"
}

func providerKey(provider string) string {
	switch config.Provider(provider) {
	case config.AppCenter, config.Batch:
		return "provider." + provider
	}
	return "provider.other"
}

func areaKey(name string) string {
	switch name {
	case erase.Devices, erase.Audiences, erase.Notifications, erase.Profile:
		return "area." + name
	}
	return "area.other"
}

// places tells what happened, in the order of targets and areas.
func (f *Form) places(say speaker, v intake.View) []place {
	var out []place
	target := ""
	for _, o := range v.Outcomes {
		if len(out) == 0 || o.Target != target {
			target = o.Target
			out = append(out, place{Provider: say(providerKey(o.Provider)), App: target})
		}
		last := &out[len(out)-1]
		last.Areas = append(last.Areas, tell(say, o, v))
	}
	return out
}

// tell puts an outcome of a request into words.
func tell(say speaker, o ledger.Outcome, v intake.View) area {
	a := area{Name: say(areaKey(o.Area))}
	set := func(class, word, text string) area {
		a.Badge, a.Text = badge{class, say("word." + word)}, text
		return a
	}
	switch o.Word {
	case ledger.VerifiedAbsent, ledger.Accepted:
		return set("ok", string(o.Word), say("tell."+string(o.Word)))
	case ledger.Nothing:
		switch {
		case o.Reason == erase.NoIdentifier && len(leftOut(v)) > 0:
			return set("", "out", say("tell.unverified"))
		case o.Reason == erase.NoIdentifier:
			return set("", "out", say("tell.no_identifier"))
		}
		return set("", string(o.Word), say("tell."+string(o.Word)))
	case ledger.ProviderClosed:
		return set("", string(o.Word), say("tell."+string(o.Word)))
	case ledger.Kept:
		if o.Reason == erase.NotApproved {
			return set("wait", "waits", say("kept.not_approved"))
		}
		return set("wait", string(o.Word), kept(say, o.Reason))
	}
	text := say(failedKey(fault.Name(o.Reason)))
	if !v.Ended {
		text += " " + say("failed.again")
	}
	return set("bad", string(ledger.NotDone), text)
}

// kept says why something stays. A reason is erase.RejectedBy, maybe with grounds behind a colon, or a ground alone.
func kept(say speaker, reason string) string {
	text := say("kept.review")
	for _, g := range erase.Grounds {
		if slices.Contains(strings.FieldsFunc(reason, func(r rune) bool { return strings.ContainsRune(":, ", r) }), g) {
			text += " " + say("kept."+g)
		}
	}
	return text
}

// failedKey gathers the faults into what a person can make something of.
func failedKey(name fault.Name) string {
	switch name {
	case fault.StillThere:
		return "failed.still_there"
	case fault.ExportNotRemoved:
		return "failed.files"
	case fault.Unauthorized, fault.AuthenticationWrong, fault.APIMisuse, fault.ContainerRefused:
		return "failed.access"
	case fault.Refused, fault.MissingParameter, fault.MalformedParameter, fault.MalformedJSONBody, fault.BadInput:
		return "failed.refused"
	case fault.ExportFailed, fault.ExportTimeout, fault.ExportUnreadable, fault.UnknownBlobKind, fault.UnreadableLine:
		return "failed.export"
	case fault.Throttled, fault.Unavailable, fault.Maintenance, fault.ServerError, fault.MalformedAnswer, fault.ProviderClosed:
		return "failed.provider"
	}
	return "failed.other"
}
