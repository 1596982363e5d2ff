package erase

import (
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	now := time.Now()
	searched := ledger.Lane{Searched: 2, Times: 2}
	lane := func(change func(*ledger.Lane)) ledger.Lane {
		l := searched
		change(&l)
		return l
	}
	deleted := ledger.Finding{Seen: 1, Deleted: now}
	for _, c := range []struct {
		name    string
		found   []ledger.Finding
		lane    ledger.Lane
		trouble string
		want    string
	}{
		{"searched, and nothing there", nil, searched, "", "nothing_found"},
		{"deleted, and gone at the next search", []ledger.Finding{deleted}, searched, "", "verified_absent"},
		{"gone before its turn", []ledger.Finding{{Seen: 1}}, searched, "", "verified_absent"},
		{"deleted, and there at the next search", []ledger.Finding{{Seen: 2, Deleted: now}}, searched, "", "failed: StillThere"},
		{"not deleted because the lane failed", []ledger.Finding{{Seen: 2}}, lane(func(l *ledger.Lane) { l.Forget = "Unauthorized" }), "", "failed: Unauthorized"},
		{"one refused, one deleted", []ledger.Finding{deleted, {Seen: 2, Fault: "Refused"}}, searched, "", "failed: Refused"},
		{"deleted, and the next search failed", []ledger.Finding{{Seen: 2, Deleted: now}}, lane(func(l *ledger.Lane) { l.Find = "Throttled" }), "", "failed: Throttled"},
		{"never searched", nil, ledger.Lane{Find: "ExportFailed"}, "", "failed: ExportFailed"},
		{"never searched, and nobody knows why", nil, ledger.Lane{}, "", "failed: Internal"},
		{"nothing there, and the last search failed", nil, ledger.Lane{Searched: 1, Times: 1, Find: "Unavailable"}, "", "failed: Unavailable"},
		{"gone, and the last search failed", []ledger.Finding{{Seen: 1, Deleted: now}}, lane(func(l *ledger.Lane) { l.Find = "Unauthorized" }), "", "failed: Unauthorized"},
		{"provider closed", nil, ledger.Lane{Find: "ProviderClosed"}, "", "provider_closed"},
		{"provider closed after a whole search", nil, lane(func(l *ledger.Lane) { l.Find = "ProviderClosed" }), "", "failed: ProviderClosed"},
		{"rejected", []ledger.Finding{{Seen: 2, Rejected: true}}, searched, "", "kept: " + RejectedBy},
		{"nobody decided", []ledger.Finding{{Seen: 2, Held: true}}, searched, "", "kept: " + NotApproved},
		{"one kept, one failed", []ledger.Finding{{Seen: 2, Held: true}, {Seen: 2, Fault: "Refused"}}, searched, "", "failed: Refused"},
		{"an unreadable line of the person", nil, searched, "UnreadableLine", "failed: UnreadableLine"},
		{"exported files left", []ledger.Finding{deleted}, lane(func(l *ledger.Lane) { l.Left = "ExportNotRemoved" }), "", "failed: ExportNotRemoved"},
	} {
		var found []*ledger.Finding
		for _, f := range c.found {
			found = append(found, &f)
		}
		o := judge(found, c.lane, c.trouble)
		got := string(o.Word)
		if o.Reason != "" {
			got += ": " + o.Reason
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if o.Found != len(found) || o.Deleted+o.Already+o.Kept > o.Found {
			t.Errorf("%s: the counts do not add up: %+v", c.name, o)
		}
	}
}

func TestStatusOf(t *testing.T) {
	t.Parallel()
	o := func(w ledger.Word, deleted int) ledger.Outcome { return ledger.Outcome{Word: w, Deleted: deleted} }
	none := ledger.Outcome{Word: ledger.Nothing, Reason: NoIdentifier}
	for _, c := range []struct {
		name string
		of   []ledger.Outcome
		want ledger.Status
	}{
		{"deleted and verified", []ledger.Outcome{o(ledger.VerifiedAbsent, 1), o(ledger.Nothing, 0)}, ledger.Erased},
		{"ordered", []ledger.Outcome{o(ledger.Accepted, 1)}, ledger.Erased},
		{"nothing anywhere", []ledger.Outcome{o(ledger.Nothing, 0), none}, ledger.NothingFound},
		{"nothing to search or order by", []ledger.Outcome{none}, ledger.NothingFound},
		{"one lane failed", []ledger.Outcome{o(ledger.VerifiedAbsent, 1), o(ledger.NotDone, 0)}, ledger.Partial},
		{"one lane failed, nothing in the other", []ledger.Outcome{o(ledger.Nothing, 0), o(ledger.NotDone, 0)}, ledger.Partial},
		{"something is kept", []ledger.Outcome{o(ledger.VerifiedAbsent, 1), o(ledger.Kept, 0)}, ledger.Partial},
		{"every lane failed", []ledger.Outcome{o(ledger.NotDone, 0), o(ledger.NotDone, 0), none}, ledger.Failed},
		{"every lane failed after some deletes", []ledger.Outcome{o(ledger.NotDone, 2), o(ledger.NotDone, 0)}, ledger.Partial},
		{"provider closed", []ledger.Outcome{o(ledger.ProviderClosed, 0), o(ledger.Accepted, 1)}, ledger.Erased},
		{"provider closed everywhere", []ledger.Outcome{o(ledger.ProviderClosed, 0), o(ledger.ProviderClosed, 0), none}, ledger.Failed},
		{"closed here, failed there", []ledger.Outcome{o(ledger.ProviderClosed, 0), o(ledger.NotDone, 0)}, ledger.Failed},
		{"provider closed, nothing in the other", []ledger.Outcome{o(ledger.ProviderClosed, 0), o(ledger.Nothing, 0)}, ledger.Partial},
		{"ordered only", []ledger.Outcome{{Word: ledger.Accepted, Ordered: 1}}, ledger.Erased},
		{"deleted by an earlier job only", []ledger.Outcome{{Word: ledger.VerifiedAbsent, Earlier: 2}, o(ledger.Nothing, 0)}, ledger.Erased},
		{"every lane failed now, deleted by an earlier job", []ledger.Outcome{{Word: ledger.NotDone, Earlier: 2}}, ledger.Partial},
	} {
		if got := statusOf(c.of); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestOrdersAreJudgedByThemselves(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		name  string
		found []ledger.Finding
		lane  ledger.Lane
		want  ledger.Word
		token int
	}{
		{"taken", []ledger.Finding{{Deleted: now, Token: "x"}, {Deleted: now, Token: "x"}}, ledger.Lane{}, ledger.Accepted, 1},
		{"no identifier to order by", nil, ledger.Lane{}, ledger.Nothing, 0},
		{"one taken, one refused", []ledger.Finding{{Deleted: now, Token: "x"}, {Fault: string(fault.MalformedParameter)}}, ledger.Lane{}, ledger.NotDone, 1},
		{"refused, and kept", []ledger.Finding{{Fault: "Refused"}, {Rejected: true}}, ledger.Lane{}, ledger.NotDone, 0},
		{"kept, and refused", []ledger.Finding{{Held: true}, {Fault: "Refused"}}, ledger.Lane{}, ledger.NotDone, 0},
		{"lane failed", []ledger.Finding{{}}, ledger.Lane{Forget: "Throttled"}, ledger.NotDone, 0},
		{"closed", []ledger.Finding{{}}, ledger.Lane{Forget: "ProviderClosed"}, ledger.ProviderClosed, 0},
	} {
		var found []*ledger.Finding
		for _, f := range c.found {
			found = append(found, &f)
		}
		o := judgeOrders(found, c.lane)
		if o.Word != c.want || len(o.Tokens) != c.token {
			t.Errorf("%s: %s with %d tokens, want %s with %d", c.name, o.Word, len(o.Tokens), c.want, c.token)
		}
	}
}

func TestWhatEarlierJobsDidIsCarried(t *testing.T) {
	t.Parallel()
	former := []ledger.Outcome{
		{Target: "a", Area: Devices, Earlier: 1, Deleted: 2, Already: 3},
		{Target: "a", Area: Notifications},
		{Target: "b", Area: Profile, Ordered: 1, Tokens: []string{"x"}},
		{Target: "c", Area: Profile, Ordered: 1, Tokens: []string{"x"}},
	}
	for _, c := range []struct {
		name   string
		of     ledger.Outcome
		want   ledger.Word
		reason string
		count  int
		tokens int
	}{
		{"deleted then, and not found now", ledger.Outcome{Target: "a", Area: Devices, Word: ledger.Nothing}, ledger.VerifiedAbsent, "", 6, 0},
		{"deleted then, and the search failed now", ledger.Outcome{Target: "a", Area: Devices, Word: ledger.NotDone, Reason: "X"}, ledger.NotDone, "X", 6, 0},
		{"nothing then, nothing now", ledger.Outcome{Target: "a", Area: Notifications, Word: ledger.Nothing}, ledger.Nothing, "", 0, 0},
		{"another target's", ledger.Outcome{Target: "z", Area: Devices, Word: ledger.Nothing}, ledger.Nothing, "", 0, 0},
		{"ordered then, and nothing to order by now", ledger.Outcome{Target: "b", Area: Profile, Word: ledger.Nothing, Reason: NoIdentifier}, ledger.Accepted, "", 1, 1},
		{"ordered then and now", ledger.Outcome{Target: "c", Area: Profile, Word: ledger.Accepted, Ordered: 1, Tokens: []string{"y"}}, ledger.Accepted, "", 1, 2},
	} {
		of := []ledger.Outcome{c.of}
		carry(of, former)
		if o := of[0]; o.Word != c.want || o.Reason != c.reason || o.Earlier != c.count || len(o.Tokens) != c.tokens {
			t.Errorf("%s: %s %q, %d earlier, %d tokens; want %s %q, %d and %d", c.name, o.Word, o.Reason, o.Earlier, len(o.Tokens), c.want, c.reason, c.count, c.tokens)
		}
	}
}
