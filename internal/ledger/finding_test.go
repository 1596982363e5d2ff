package ledger_test

import (
	"fmt"
	"slices"
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
