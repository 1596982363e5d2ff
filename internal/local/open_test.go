package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/batch/batchtest"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// reconfigure goes on with another configuration, as a new process.
func (w *world) reconfigure(doc string) {
	w.t.Helper()
	w.configure(doc)
	w.again()
}

// A user id that only a deleted device knew is ordered by the next run, when the order failed in the first.
func TestWhatADeletedDeviceTaughtIsNotLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	w.reconfigure(strings.Replace(w.doc, "app: ios,", "app: ios, learn_user_id: true,", 1))
	w.profiles.Fail(batchtest.Fault{Status: 401, Code: 10})
	run := w.erase(people(t, []string{"email", annMail}), config.Erase)
	w.wantStatus(run.Requests[0], ledger.Partial)
	if got := w.profiles.Users(liveKey); !slices.Contains(got, annUser) {
		t.Fatal("Batch took the order")
	}
	w.profiles.Heal()
	w.erase(people(t, []string{"email", annMail}), config.Erase)
	w.wantStatus(run.Requests[0], ledger.Erased)
	w.wantOutcome(run.Requests[0], "acme-batch", "profile", "accepted")
	if got := w.profiles.Users(liveKey); slices.Contains(got, annUser) {
		t.Error("the user id that Ann's deleted phone carried was not ordered")
	}
}

// With no round left after this one, what waits is decided first. Meanwhile nobody is closed whose objects were cleared
// and have not had their turn.
func TestNobodyIsClosedBeforeTheirTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, ios: func(a *appcentertest.App) {
		a.Devices = append(a.Devices, device(shared, "", map[string]any{"email": benMail, "contact": doraMail}))
	}})
	w.reconfigure(strings.Replace(w.doc, "limits:", "passes: 1\nlimits:", 1))
	run := w.erase(people(t, []string{"email", annMail, "user_id", annUser}, []string{"email", benMail, "user_id", benUser}), config.Erase)
	w.wantWaiting(run.Job, "devices "+shared)
	for _, id := range run.Requests {
		w.wantStatus(id, ledger.InReview)
	}
	w.decide(run.Job, true)
	for _, id := range run.Requests {
		w.wantStatus(id, ledger.Erased)
	}
}

func TestAPlanIsDecidedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, mode: config.Approve})
	run := w.erase(ann(t), config.Approve)
	hash := w.plan(run.Job).Hash
	// Whoever dies between the word and what follows from it may say the same again, and nothing else.
	for range 2 {
		if _, err := erase.Decide(t.Context(), w.house.Base, run.Job, erase.Word{Plan: hash, By: "officer", Approved: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := erase.Decide(t.Context(), w.house.Base, run.Job, erase.Word{Plan: hash, By: "officer", Approved: false}); !fault.Is(err, fault.WrongPlan) {
		t.Errorf("an approved plan was rejected: %v", err)
	}
	w.decide(run.Job, true)
	if err := w.house.Decide(t.Context(), run.Job, erase.Word{Plan: hash, By: "officer", Approved: true}); err != nil {
		t.Errorf("the same word again, after the end: %v", err)
	}
	if err := w.house.Decide(t.Context(), run.Job, erase.Word{Plan: hash, By: "officer", Approved: false}); !fault.Is(err, fault.WrongPlan) {
		t.Errorf("the plan of a job that has ended was rejected: %v", err)
	}
	w.wantStatus(run.Requests[0], ledger.Erased)
}

// An approval that comes after the time to approve is refused, and the job says that nobody approved it.
func TestALateApprovalIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, mode: config.Approve})
	run := w.erase(ann(t), config.Approve)
	hash := w.plan(run.Job).Hash
	w.mu.Lock()
	w.slept += 15 * 24 * time.Hour
	w.mu.Unlock()
	if err := w.house.Decide(t.Context(), run.Job, erase.Word{Plan: hash, By: "officer", Approved: true}); !fault.Is(err, fault.WrongPlan) {
		t.Errorf("the late approval: %v, want WrongPlan", err)
	}
	w.wantStatus(run.Requests[0], ledger.Partial)
	w.wantOutcome(run.Requests[0], "acme-ios", "devices", "kept: not approved")
	if got := w.held(); !slices.Equal(got, w.before) {
		t.Error("a late approval deleted something")
	}
}

// One execution that cannot be taken up does not keep the others from it.
func TestAStuckExecutionBlocksNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	record := []byte(`{"status":"running","input":{},"started":"2026-01-01T00:00:00Z","state":"AStateOfAnotherVersion","state_input":{}}`)
	if err := w.house.Base.Ledger.SaveExecution(t.Context(), "01A", record); err != nil {
		t.Fatal(err)
	}
	run := w.erase(ann(t), config.Erase)
	w.wantStatus(run.Requests[0], ledger.Erased)
	if run.Stuck == nil || !strings.Contains(run.Stuck.Error(), "01A") {
		t.Errorf("the stuck job is told as %v", run.Stuck)
	}
}

// A container that cannot be cleared by one target does not hold up the other target that exports there.
func TestAContainerThatIsNotClearedHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, still: true}) // with time standing still, nobody gives up waiting
	w.reconfigure(w.doc + fmt.Sprintf("  - {id: acme-too, provider: appcenter, owner: acme, app: android, token: app-token, export_container: %q, base_url: %q, requests_per_minute: 60000}\n",
		w.apps.ContainerSAS(w.url, ios, "rwdl"), w.url))
	w.apps.Fail(appcentertest.Fault{Op: appcentertest.DeleteBlob, Status: 403})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // it takes none of it, or all
	defer cancel()
	run, err := w.house.Erase(ctx, ann(t), config.Erase)
	if err != nil {
		t.Fatalf("the job held itself up: %v", err)
	}
	w.wantStatus(run.Requests[0], ledger.Partial)
	w.apps.Heal()
	w.erase(ann(t), config.Erase)
	w.wantStatus(run.Requests[0], ledger.Erased)
	if got := w.apps.Blobs(ios); len(got) != 1 {
		t.Errorf("%d blobs are left beside the one that was there before", len(got)-1)
	}
}

// What a minute's limit still counts is there for the next process.
func TestTheLimitOfCallsOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, mode: config.Approve, observe: func(asl.Event) {}})
	if _, err := w.house.Preview(t.Context(), ann(t)); err != nil {
		t.Fatal(err)
	}
	calls := 0
	for op, n := range w.apps.Counts() {
		if !strings.Contains(string(op), "Blob") {
			calls += n
		}
	}
	w.again()
	written := 0
	err := w.house.Base.Ledger.Calls("acme-ios")(t.Context(), func(b []byte) ([]byte, error) {
		var kept struct {
			Blocks []struct{ N int }
		}
		err := json.Unmarshal(b, &kept)
		for _, b := range kept.Blocks {
			written += b.N
		}
		return nil, err
	})
	if err != nil || written < calls || written > 3*calls {
		t.Errorf("%d calls are kept (%v), want the %d that were made, and what was reserved besides", written, err, calls)
	}
}
