package erase

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestThePlanHashIsOfWhatWouldBeDeletedForWhom(t *testing.T) {
	t.Parallel()
	people := map[string]string{"r1": "ann", "r2": "ben", "r9": "ann"}
	f := func(change func(*ledger.Finding)) *ledger.Finding {
		f := ledger.Finding{Target: "a", Area: "devices", Digest: "d1", Requests: map[string][]string{"r1": {"email"}}, Grounds: []string{"x", "y"}}
		if change != nil {
			change(&f)
		}
		return &f
	}
	other := f(func(f *ledger.Finding) { f.Digest = "d2" })
	first := planHash([]*ledger.Finding{f(nil), other}, people)
	for name, same := range map[string][]*ledger.Finding{
		"another order":                     {other, f(nil)},
		"another request of the person":     {f(func(f *ledger.Finding) { f.Requests = map[string][]string{"r9": {"email"}} }), other},
		"another pass, rule, job and seal":  {f(func(f *ledger.Finding) { f.Seen, f.Object, f.Requests["r1"] = 3, []byte("s"), []string{"user id"} }), other},
		"the grounds in another order":      {f(func(f *ledger.Finding) { f.Grounds = []string{"y", "x"} }), other},
		"held, cleared or approved by then": {f(func(f *ledger.Finding) { f.Held, f.Cleared, f.Approved = true, 1, "x" }), other},
	} {
		if planHash(same, people) != first {
			t.Errorf("%s: another hash", name)
		}
	}
	for name, drift := range map[string][]*ledger.Finding{
		"one less":         {f(nil)},
		"another object":   {f(func(f *ledger.Finding) { f.Digest = "d3" }), other},
		"another area":     {f(func(f *ledger.Finding) { f.Area = "audiences" }), other},
		"another target":   {f(func(f *ledger.Finding) { f.Target = "b" }), other},
		"another person":   {f(func(f *ledger.Finding) { f.Requests = map[string][]string{"r2": {"email"}} }), other},
		"one person more":  {f(func(f *ledger.Finding) { f.Requests["r2"] = []string{"email"} }), other},
		"one ground more":  {f(func(f *ledger.Finding) { f.Grounds = append(f.Grounds, "z") }), other},
		"one ground fewer": {f(func(f *ledger.Finding) { f.Grounds = f.Grounds[:1] }), other},
	} {
		if planHash(drift, people) == first {
			t.Errorf("%s: the same hash", name)
		}
	}
}

func TestResultsAreCollectedFromWhateverTheMachineNests(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]Result{
		`[]`:   nil,
		`null`: nil,
		`""`:   nil,
		`[{"target":"a","area":"devices","fault":""}]`:                                              {{"a", "devices", ""}},
		`[[[{"target":"a","area":"devices","fault":"X"}],[]],[{"target":"b","area":"profile"}]]`:    {{"a", "devices", "X"}, {"b", "profile", ""}},
		`[{"devices":{"target":"a","area":"devices"},"texts":[{"target":"a","area":"audiences"}]}]`: {{"a", "audiences", ""}, {"a", "devices", ""}},
	} {
		var got Results
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		slices.SortFunc(got, func(a, b Result) int { return slices.Compare([]string{a.Target, a.Area}, []string{b.Target, b.Area}) })
		if !slices.Equal([]Result(got), want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	var got Results
	if json.Unmarshal([]byte(`["neither"]`), &got) == nil {
		t.Error("a result that is none was taken")
	}
}

// A request that its job has closed keeps its place in the plan's lines.
func TestDigestsCoverPeopleWhoAreClosed(t *testing.T) {
	t.Parallel()
	b, ctx := forgetting(t, 0), t.Context()
	r := ledger.Request{ID: "R1", Status: ledger.Pending, Person: "p1"}
	if err := b.Ledger.File(ctx, []ledger.Request{r}); err != nil {
		t.Fatal(err)
	}
	if err := b.Ledger.Invite(ctx, "job", []string{"R1"}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Ledger.Claim(ctx, "job", []string{"R1"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	r.Status, r.Closed = ledger.NothingFound, b.Now()
	if err := b.Ledger.CloseRequests(ctx, "job", []ledger.Closing{{Request: r}}); err != nil {
		t.Fatal(err)
	}
	people, _, err := b.digests(ctx, "job")
	if err != nil || people["R1"] != "p1" {
		t.Errorf("got %v (%v), want the closed request's person", people, err)
	}
}
