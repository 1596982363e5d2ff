package ledger_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
)

// A job's requests change their status, more of them than one write takes; those that have ended or that another job
// holds stay as they are.
func TestMarkRequestsLeavesEndedAndForeignOnesAlone(t *testing.T) {
	t.Parallel()
	store, err := boltstore.Open(filepath.Join(t.TempDir(), "ledger.db"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	l, ctx := ledger.New(store), t.Context()
	var ids []string
	var requests []ledger.Request
	want := map[string]ledger.Status{}
	for n := range 2*ledger.MaxChanges + 5 {
		r := ledger.Request{ID: fmt.Sprintf("r%03d", n), Status: ledger.Running, Job: "job"}
		want[r.ID] = ledger.InReview
		switch n {
		case 3:
			r.Status = ledger.Cancelled
			want[r.ID] = ledger.Cancelled
		case 4:
			r.Job = "other"
			want[r.ID] = ledger.Running
		}
		ids, requests = append(ids, r.ID), append(requests, r)
	}
	if err := l.File(ctx, requests); err != nil {
		t.Fatal(err)
	}
	if err := l.Invite(ctx, "job", ids, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a step may run twice
		if err := l.MarkRequests(ctx, "job", ledger.InReview, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for id, status := range want {
		if r, err := l.Request(ctx, id); err != nil || r.Status != status {
			t.Errorf("%s is %s (%v), want %s", id, r.Status, err, status)
		}
	}
}
