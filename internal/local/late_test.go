package local_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slept += d
}

func (w *world) wantExports(want int) {
	w.t.Helper()
	if got := w.calls(ios, appcentertest.StartExport); got != want {
		w.t.Errorf("%d exports, want %d", got, want)
	}
}

// A plan that is approved soon is carried out as it is; one that waited is searched for again first.
func TestALatePlanIsSearchedForAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		after   time.Duration
		exports int // to find, to find again, to verify
	}{
		{"soon", 50 * time.Minute, 2},
		{"late", 2 * time.Hour, 3},
		{"after days", 10 * 24 * time.Hour, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, settings{noOther: true})
			run := w.erase(ann(t), config.Approve)
			w.pass(c.after)
			w.again()
			w.decide(run.Job, true)
			w.wantStatus(run.Requests[0], ledger.Erased)
			w.wantLostAllBut(android + " device " + annAndroid)
			w.wantExports(c.exports)
			w.wantEmptyContainers()
		})
	}
}

// changeHands gives Ann's tablet and her audience to Dora.
func changeHands(a *appcentertest.App) {
	for n := range a.Audiences {
		if a.Audiences[n].Name == "ann-only" {
			a.Audiences[n].Definition = "email eq '" + doraMail + "'"
		}
	}
	for n := range a.Devices {
		if a.Devices[n].InstallID == annTablet {
			a.Devices[n].Props = map[string]any{"email": doraMail}
		}
	}
}

// What changed hands while a plan waited is not deleted; what is left of the plan is another plan.
func TestALatePlanDeletesNothingThatChangedHands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	run := w.erase(ann(t), config.Approve)
	first := w.plan(run.Job).Hash
	w.pass(2 * time.Hour)
	w.apps.Change(ios, changeHands)
	w.decide(run.Job, true)
	w.wantStatus(run.Requests[0], ledger.InReview)
	w.wantLost()
	want := []string{"devices " + annPhone, "notifications Booking", "notifications Welcome back", "profile " + annUser}
	slices.Sort(want)
	w.wantWaiting(run.Job, want...)
	if w.plan(run.Job).Hash == first {
		t.Error("the plan has changed, and its hash is the same")
	}
	w.decide(run.Job, true)
	w.wantStatus(run.Requests[0], ledger.Erased)
	w.wantLostAllBut(android+" device "+annAndroid, ios+" device "+annTablet, ios+" audience ann-only")
}

// Where nothing is left of what waited, nobody is asked again.
func TestALatePlanWithNothingLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, ios: func(a *appcentertest.App) {
		a.Devices[1].Props["contact"] = doraMail
	}})
	run := w.erase(ann(t), config.Erase)
	w.wantWaiting(run.Job, "devices "+annTablet)
	w.pass(2 * time.Hour)
	w.apps.Change(ios, changeHands) // it is Dora's alone
	w.decide(run.Job, true)
	w.wantStatus(run.Requests[0], ledger.Erased)
	w.wantLostAllBut(android+" device "+annAndroid, ios+" device "+annTablet)
}

// However often a plan changes while it waits: each late approval costs one export and deletes nothing, and the first
// that comes in time is carried out.
func TestAPlanThatKeepsChangingHasNoDeadEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	run := w.erase(ann(t), config.Approve)
	const late = 5
	for n := range late {
		w.pass(2 * time.Hour)
		w.apps.PutDevice(ios, device(fmt.Sprintf("0000a1a9-0000-4000-8000-00000000000%d", n), annUser, nil))
		w.decide(run.Job, true)
		w.wantStatus(run.Requests[0], ledger.InReview)
		w.wantExports(1 + n + 1)
	}
	w.wantLost()
	w.wantEmptyContainers()
	w.decide(run.Job, true)
	w.wantStatus(run.Requests[0], ledger.Erased)
	w.wantLostAllBut(android + " device " + annAndroid)
	w.wantExports(1 + late + 1)
	if n := len(w.apps.Devices(ios)); n != 2 {
		t.Errorf("%d devices are left, want Ben's and Carol's", n)
	}
}

// A rejection needs no new search.
func TestALateRejectionIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	run := w.erase(ann(t), config.Approve)
	w.pass(24 * time.Hour)
	w.decide(run.Job, false)
	w.wantStatus(run.Requests[0], ledger.Partial)
	w.wantOutcome(run.Requests[0], "acme-ios", "devices", "kept: "+erase.RejectedBy)
	w.wantLost()
	w.wantExports(1)
}
