package erase

import (
	"slices"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// judge says what became of one request in one searched area, from what was found for it there and how the lane fared.
func judge(found []*ledger.Finding, lane ledger.Lane, trouble string) ledger.Outcome {
	o := ledger.Outcome{Found: len(found), Searched: lane.Times, Seen: lane.Seen, Skipped: lane.Skipped, Word: ledger.Nothing}
	var kept keptWhy
	var reason string
	for _, f := range found {
		switch {
		case !f.Deleted.IsZero() && f.Seen < lane.Searched && f.Already:
			o.Already++
		case !f.Deleted.IsZero() && f.Seen < lane.Searched:
			o.Deleted++
		case f.Rejected, f.Held:
			o.Kept++
			kept.add(f)
		case f.Deleted.IsZero() && f.Seen < lane.Searched:
			o.Already++ // gone before it was its turn
		case f.Fault != "":
			reason = f.Fault
		case lane.Forget != "":
			reason = lane.Forget
		case lane.Find != "":
			reason = lane.Find // deleted, but the search that would show it failed
		default:
			reason = string(fault.StillThere)
		}
	}
	if len(found) > 0 {
		o.Word = ledger.VerifiedAbsent
	}
	switch {
	case lane.Searched == 0 && fault.Name(lane.Find) == fault.ProviderClosed:
		o.Word, o.Reason = ledger.ProviderClosed, ""
		return o
	case lane.Searched == 0:
		reason = lane.Find
		if reason == "" {
			reason = string(fault.Internal)
		}
	case trouble != "":
		reason = trouble
	case reason == "" && lane.Find != "":
		reason = lane.Find // an earlier search saw nothing, and the last one, which knew more, failed
	case reason == "" && lane.Left != "":
		reason = lane.Left
	}
	if reason != "" {
		o.Word, o.Reason = ledger.NotDone, reason
	} else if why := kept.reason(); why != "" {
		o.Word, o.Reason = ledger.Kept, why
	}
	return o
}

// judgeOrders says what became of a request at a provider that only takes orders.
func judgeOrders(found []*ledger.Finding, lane ledger.Lane) ledger.Outcome {
	o := ledger.Outcome{Word: ledger.Accepted}
	if len(found) == 0 {
		o.Word, o.Reason = ledger.Nothing, NoIdentifier
		return o
	}
	var kept keptWhy
	var closed, reason string
	for _, f := range found {
		switch {
		case !f.Deleted.IsZero():
			o.Ordered++
			if f.Token != "" && !slices.Contains(o.Tokens, f.Token) {
				o.Tokens = append(o.Tokens, f.Token)
			}
		case f.Rejected, f.Held:
			o.Kept++
			kept.add(f)
		case f.Fault == "" && fault.Name(lane.Forget) == fault.ProviderClosed:
			closed = lane.Forget
		default:
			reason = firstOf(f.Fault, lane.Forget, string(fault.Internal))
		}
	}
	switch { // the worst counts
	case reason != "":
		o.Word, o.Reason = ledger.NotDone, reason
	case kept.reason() != "":
		o.Word, o.Reason = ledger.Kept, kept.reason()
	case closed != "":
		o.Word = ledger.ProviderClosed
	}
	return o
}

func firstOf(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}

// statusOf sums a request's outcomes up. A request is erased when every area ended well and something was deleted or
// ordered; partial when some area failed or keeps something; failed when nothing could be done.
func statusOf(outcomes []ledger.Outcome) ledger.Status {
	var done, bad, failed, closed, lanes int
	for _, o := range outcomes {
		if o.Reason == NoIdentifier {
			continue // nothing to order, nothing to search: no lane of this person
		}
		lanes++
		done += o.Deleted + o.Already + o.Ordered + o.Earlier
		if o.Word == ledger.NotDone {
			failed++
		}
		if o.Word == ledger.ProviderClosed {
			closed++
		}
		if o.Word == ledger.NotDone || o.Word == ledger.Kept {
			bad++
		}
	}
	switch {
	case lanes > 0 && failed+closed == lanes && done == 0: // nobody looked anywhere
		return ledger.Failed
	case bad > 0:
		return ledger.Partial
	case done > 0:
		return ledger.Erased
	case closed > 0:
		return ledger.Partial // nothing was there where somebody looked
	}
	return ledger.NothingFound
}

// outcomes judges one request in every target and area of its job.
func (b Base) outcomes(job ledger.Job, id string, found map[[2]string][]*ledger.Finding, lanes map[[2]string]ledger.Lane, troubles map[[3]string]string) []ledger.Outcome {
	var out []ledger.Outcome
	add := func(o ledger.Outcome, target, area string, p config.Provider) {
		o.Target, o.Area, o.Provider, o.At = target, area, string(p), b.Now()
		out = append(out, o)
	}
	for _, t := range job.Search {
		for _, area := range searched {
			k := [2]string{t, area}
			lane := lanes[k]
			if area != Devices {
				lane.Left = ""
			}
			add(judge(found[k], lane, troubles[[3]string{t, area, id}]), t, area, config.AppCenter)
		}
	}
	for _, t := range job.Order {
		k := [2]string{t, Profile}
		add(judgeOrders(found[k], lanes[k]), t, Profile, config.Batch)
	}
	return out
}

// carry adds to a job's outcomes what earlier jobs of the same request did: the request's certificate is about all of
// them.
func carry(outcomes, former []ledger.Outcome) {
	for n := range outcomes {
		o := &outcomes[n]
		for _, f := range former {
			if f.Target != o.Target || f.Area != o.Area {
				continue
			}
			o.Earlier = f.Earlier + f.Deleted + f.Already + f.Ordered
			for _, t := range f.Tokens {
				if !slices.Contains(o.Tokens, t) {
					o.Tokens = append(o.Tokens, t)
				}
			}
			if o.Earlier > 0 && o.Word == ledger.Nothing && o.Area != Profile {
				o.Word = ledger.VerifiedAbsent // deleted then, and this job's search did not find it
			}
			if o.Earlier > 0 && o.Reason == NoIdentifier {
				o.Word, o.Reason = ledger.Accepted, ""
			}
		}
	}
}
