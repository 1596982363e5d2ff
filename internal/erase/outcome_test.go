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
		{"provider closed", nil, ledger.Lane{Find: "ProviderClosed"}, "", "provider_closed"},
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
