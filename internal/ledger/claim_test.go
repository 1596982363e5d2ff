package ledger_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
)

// A preview tries nothing: what it looked at goes on as it was, and nobody hears of it.
func TestAPreviewLeavesRequestsAsTheyWere(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*ledger.Ledger, []string) error{
		"closed": func(l *ledger.Ledger, all []string) error {
			return l.Release(t.Context(), "look", all, time.Now())
		},
		"broken off": func(l *ledger.Ledger, _ []string) error {
			return l.DropExecution(t.Context(), "look", time.Now())
		},
	} {
		l, ctx := open(t), t.Context()
		all := []string{"failed", "fresh", "partial"}
		must(t, l.File(ctx, []ledger.Request{told("failed"), told("fresh"), told("partial")}))
		claim(t, l, "job", "failed", "partial")
		closeRequest(t, l, "job", "failed", ledger.Failed)
		closeRequest(t, l, "job", "partial", ledger.Partial)
		before, news := map[string]ledger.Request{}, outbox(t, l)
		read := func(id string) ledger.Request {
			r, err := l.Request(ctx, id)
			must(t, err)
			return r
		}
		for _, id := range all {
			before[id] = read(id)
		}
		_, err := l.OpenJob(ctx, ledger.Job{ID: "look", Mode: "preview"})
		must(t, err)
		for range 2 { // the step may run twice
			wantIDs(t, "held", claim(t, l, "look", all...), all...)
		}
		for _, id := range all {
			want := before[id]
			want.Job = "look"
			if r := read(id); !reflect.DeepEqual(r, want) {
				t.Errorf("%s, during the preview: %+v, want %+v", id, r, want)
			}
		}
		wantIDs(t, "held by another job meanwhile", claim(t, l, "job2", all...))
		for range 2 {
			must(t, end(l, all))
		}
		for _, id := range all {
			if r := read(id); !reflect.DeepEqual(r, before[id]) {
				t.Errorf("%s, %s: %+v, want %+v", id, name, r, before[id])
			}
		}
		wantOutbox(t, l, news...)
		wantIDs(t, "held afterwards", claim(t, l, "job3", all...), all...)
	}
}

// What a job had begun to work on waits again: for its first end, or for what is left of it.
func TestReleasedRequestsWaitAgain(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	all := []string{"fresh", "other", "partial"}
	must(t, l.File(ctx, []ledger.Request{request("fresh"), request("other"), request("partial")}))
	claim(t, l, "first", "partial")
	closeRequest(t, l, "first", "partial", ledger.Partial)
	claim(t, l, "job", "fresh", "partial")
	claim(t, l, "faster", "other")
	must(t, l.MarkRequests(ctx, "job", ledger.InReview, time.Now()))
	must(t, l.Release(ctx, "job", all, time.Now()))
	for id, want := range map[string]ledger.Request{
		"fresh": {Status: ledger.Pending}, "partial": {Status: ledger.Partial}, "other": {Status: ledger.Running, Job: "faster"},
	} {
		if r, err := l.Request(ctx, id); err != nil || r.Status != want.Status || r.Job != want.Job {
			t.Errorf("%s is %s, held by %q (%v), want %s and %q", id, r.Status, r.Job, err, want.Status, want.Job)
		}
	}
}

// unlucky is a store in which the writes of one kind of partition meet others that have the same items in hand.
type unlucky struct {
	ledger.Store
	partition string
	conflicts int
}

func (u *unlucky) Write(ctx context.Context, changes ...ledger.Change) error {
	for _, c := range changes {
		if strings.HasPrefix(c.Partition, u.partition) && u.conflicts != 0 {
			u.conflicts--
			return ledger.ErrConflict
		}
	}
	return u.Store.Write(ctx, changes...)
}

// A conflict does not say that the job is in the list of its month already.
func TestAJobIsListedAfterConflicts(t *testing.T) {
	t.Parallel()
	s, err := boltstore.Open(t.TempDir()+"/ledger.db", time.Second)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	store := &unlucky{Store: s, partition: "jobs/"}
	l, opened := ledger.New(store), time.Now()
	for n, conflicts := range []int{0, 1, 7} {
		store.conflicts = conflicts
		_, err := l.OpenJob(t.Context(), ledger.Job{ID: fmt.Sprint("job", n), Mode: "erase", Opened: opened})
		must(t, err)
	}
	listed, err := l.Jobs(t.Context(), opened)
	must(t, err)
	wantIDs(t, "listed", listed, "job0", "job1", "job2")
	store.conflicts = -1
	if _, err := l.OpenJob(t.Context(), ledger.Job{ID: "job3", Mode: "erase", Opened: opened}); !fault.Is(err, fault.LedgerBusy) {
		t.Errorf("got %v, want LedgerBusy", err)
	}
}
