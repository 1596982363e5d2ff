package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

func findings(t *testing.T, l *ledger.Ledger, target, area string) map[string]ledger.Finding {
	t.Helper()
	out := map[string]ledger.Finding{}
	must(t, l.Findings(t.Context(), "job", target, area, func(f ledger.Finding) error {
		out[f.Digest] = f
		return nil
	}))
	return out
}

func device(digest string, pass int, request, rule string, grounds ...string) ledger.Finding {
	return ledger.Finding{Target: "a", Area: "devices", Digest: digest, Object: []byte("sealed"), Requests: map[string][]string{request: {rule}}, Grounds: grounds, Seen: pass}
}

// wantFresh writes findings, and checks how many were not there before.
func wantFresh(t *testing.T, l *ledger.Ledger, want int, job string, found []ledger.Finding) {
	t.Helper()
	if fresh, err := l.Found(t.Context(), job, found); err != nil || fresh != want {
		t.Errorf("%d findings are new (%v), want %d", fresh, err, want)
	}
}

func TestAnObjectThatIsFoundAgainIsOneFinding(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	// Twice in one write, for two people, by two rules; and what an export holds twice.
	wantFresh(t, l, 1, "job", []ledger.Finding{device("d1", 1, "r1", "email", "shared"), device("d1", 1, "r2", "user id"), device("d1", 1, "r1", "user id")})
	wantFresh(t, l, 0, "job", []ledger.Finding{device("d1", 1, "r1", "email")})
	f := findings(t, l, "a", "devices")["d1"]
	if !slices.Equal(f.Requests["r1"], []string{"email", "user id"}) || !slices.Equal(f.Requests["r2"], []string{"user id"}) {
		t.Errorf("whose it is: %v", f.Requests)
	}
	if !slices.Equal(f.Grounds, []string{"shared"}) {
		t.Errorf("in one pass no sight takes away the ground of another: %q", f.Grounds)
	}
	// What was done with it stays; what another pass says of it counts.
	f.Deleted, f.Cleared, f.Approved = time.Now(), 1, "plan"
	must(t, l.SetFindings(ctx, "job", []ledger.Finding{f}))
	wantFresh(t, l, 0, "job", []ledger.Finding{device("d1", 2, "r1", "email")})
	f = findings(t, l, "a", "devices")["d1"]
	if f.Seen != 2 || len(f.Grounds) > 0 || f.Deleted.IsZero() || f.Cleared != 1 || f.Approved != "plan" {
		t.Errorf("after the second pass: %+v", f)
	}
}

func TestFindingsOfOtherTargetsAndAreasAreOthers(t *testing.T) {
	t.Parallel()
	l := open(t)
	a := device("d1", 1, "r1", "email")
	b, c := a, a
	b.Target, c.Area = "ab", "audiences"
	wantFresh(t, l, 3, "job", []ledger.Finding{a, b, c})
	wantFresh(t, l, 1, "job2", []ledger.Finding{device("d2", 1, "r1", "email")})
	if got := findings(t, l, "a", "devices"); len(got) != 1 || got["d1"].Target != "a" {
		t.Errorf("got %d findings", len(got))
	}
}

// Shards are matched at the same time, and an object may be in two of them.
func TestFindingsOfManyWritersAreAllKept(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	const writers, n = 3, 120
	var group sync.WaitGroup
	var counted atomic.Int32
	for w := range writers {
		group.Go(func() {
			var found []ledger.Finding
			for i := range n {
				found = append(found, device(fmt.Sprintf("d%04x", i), 1, fmt.Sprint("r", w), "email"))
			}
			fresh, err := l.Found(ctx, "job", found)
			if err != nil {
				t.Error(err)
			}
			counted.Add(int32(fresh))
		})
	}
	group.Wait()
	got := findings(t, l, "a", "devices")
	if len(got) != n || counted.Load() != n {
		t.Fatalf("%d findings, %d of them new, want %d", len(got), counted.Load(), n)
	}
	for digest, f := range got {
		if len(f.Requests) != writers {
			t.Fatalf("%s belongs to %d requests, want %d", digest, len(f.Requests), writers)
		}
	}
}

// crowdFinding names people by the rule that a notification matched them by.
func crowdFinding(pass, from, to int) ledger.Finding {
	f := ledger.Finding{Target: "a", Area: "notifications", Digest: "d1", Object: []byte("sealed"), Requests: map[string][]string{}, Seen: pass}
	for n := from; n < to; n++ {
		f.Requests[fmt.Sprintf("01JD0000000000000000%06d", n)] = []string{"named in the target of the notification"}
	}
	return f
}

// An object that names more people than fit into an item is one finding all the same.
func TestAFindingMayNameTenThousands(t *testing.T) {
	t.Parallel()
	l, store := counted(t)
	ctx := t.Context()
	neighbours := []ledger.Finding{device("d0", 1, "r1", "email"), device("d2", 1, "r1", "email")}
	for n := range neighbours {
		neighbours[n].Area = "notifications"
	}
	want := func(people int, seen int) ledger.Finding {
		t.Helper()
		got := findings(t, l, "a", "notifications")
		f := got["d1"]
		if len(got) != 3 || len(f.Requests) != people || f.Seen != seen || string(f.Object) != "sealed" {
			t.Fatalf("%d findings; %d people, want %d; %+v", len(got), len(f.Requests), people, f.Seen)
		}
		for id, rules := range f.Requests {
			if !slices.Equal(rules, crowdFinding(1, 0, 1).Requests["01JD0000000000000000000000"]) {
				t.Fatalf("%s: %q", id, rules)
			}
		}
		return f
	}
	found := func(_ int, err error) {
		t.Helper()
		must(t, err)
	}
	found(l.Found(ctx, "job", append(neighbours, crowdFinding(1, 0, 10))))
	want(10, 1)
	found(l.Found(ctx, "job", []ledger.Finding{crowdFinding(1, 5, 12_000)}))
	want(12_000, 1)
	found(l.Found(ctx, "job", []ledger.Finding{crowdFinding(1, 0, 12_000)})) // a step that is run again
	found(l.Found(ctx, "job", []ledger.Finding{crowdFinding(2, 11_000, 20_000)}))
	f := want(20_000, 2)
	f.Cleared = 2
	must(t, l.SetFindings(ctx, "job", []ledger.Finding{f}))
	if f = want(20_000, 2); f.Cleared != 2 {
		t.Error("what was set is lost")
	}
	for id := range f.Requests { // nothing takes people away today; if something does, no part may come back
		if len(f.Requests) > 100 {
			delete(f.Requests, id)
		}
	}
	must(t, l.SetFindings(ctx, "job", []ledger.Finding{f}))
	want(100, 2)
	if left := store.left(t, "job"); len(left) != 3 {
		t.Errorf("items of three findings: %q", left)
	}
	if _, err := l.Found(ctx, "job", []ledger.Finding{crowdFinding(3, 0, 60_000)}); err == nil || !strings.Contains(err.Error(), "run jobs of fewer people") {
		t.Errorf("60,000 people: %v", err)
	}
	want(100, 2)
}

// Two writers of one finding in parts see each other as those of small ones do.
func TestALargeFindingOfManyWritersIsKeptWhole(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	var group sync.WaitGroup
	for w := range 3 {
		group.Go(func() {
			if _, err := l.Found(ctx, "job", []ledger.Finding{crowdFinding(1, w*4_000, (w+1)*4_000)}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := len(findings(t, l, "a", "notifications")["d1"].Requests); got != 12_000 {
		t.Errorf("it names %d people, want 12,000", got)
	}
}
