package local_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// plan is what waits in a job.
func (w *world) plan(job string) erase.Plan {
	w.t.Helper()
	p, err := erase.LoadPlan(w.t.Context(), w.house.Base, job, true)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// waiting lists what waits in a job, by area and name.
func waiting(p erase.Plan) []string {
	var out []string
	for _, e := range p.Entries {
		out = append(out, e.Area+" "+e.Name)
	}
	slices.Sort(out)
	return out
}

func (w *world) decide(job string, approved bool) {
	w.t.Helper()
	if err := w.house.Decide(w.t.Context(), job, erase.Word{Plan: w.plan(job).Hash, By: "officer", Approved: approved}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wantWaiting(job string, want ...string) {
	w.t.Helper()
	if got := waiting(w.plan(job)); !slices.Equal(got, want) {
		w.t.Errorf("waiting are %q, want %q", got, want)
	}
}

// crowd gives an app n devices of strangers more.
func crowd(n int) func(*appcentertest.App) {
	return func(a *appcentertest.App) {
		for i := range n {
			a.Devices = append(a.Devices, device(fmt.Sprintf("0000ffff-0000-4000-8000-%012d", i), fmt.Sprintf("stranger-%d", i), nil))
		}
	}
}

func TestTheGuardStopsOnlyWhatTrippedIt(t *testing.T) {
	t.Parallel()
	devices := []string{"devices " + annTablet, "devices " + annPhone}
	slices.Sort(devices)
	through := append(slices.Clone(devices), "notifications Welcome back") // sent to one of these devices
	for _, c := range []struct {
		name    string
		ios     func(*appcentertest.App)
		limits  string
		ground  string
		waits   []string // nothing when the guard must not stop
		objects []string // the same, as the world names them
	}{
		{name: "nothing trips it"},
		{name: "devices over the limit", limits: "{devices: 1}", ground: erase.OverLimit, waits: through, objects: taughtLeft},
		{name: "devices at the limit", limits: "{devices: 2}"},
		{name: "audiences over the limit", limits: "{audiences: 1}", ground: erase.OverLimit, ios: func(a *appcentertest.App) {
			a.Audiences = append(a.Audiences, appcentertest.Audience{Name: "ann-too", Definition: "email eq '" + annMail + "'"})
		}, waits: []string{"audiences ann-only", "audiences ann-too"}, objects: []string{ios + " audience ann-only"}},
		{name: "notifications over the limit", limits: "{notifications: 1}", ground: erase.OverLimit,
			waits: []string{"notifications Booking", "notifications Welcome back"}, objects: notificationsLeft},
		{name: "share of 100 devices", ios: crowd(96), ground: erase.OverShare, waits: through, objects: taughtLeft},
		{name: "share of 99 devices", ios: crowd(95)},
		{name: "share of 200 devices", ios: crowd(196)},
		{name: "an audience names another", ground: erase.NamesOthers, ios: func(a *appcentertest.App) {
			a.Audiences[1].Definition = "email eq '" + annMail + "' or email eq '" + doraMail + "'"
		}, waits: []string{"audiences ann-only"}, objects: audiencesLeft},
		{name: "a notification names another", ground: erase.NamesOthers, ios: func(a *appcentertest.App) {
			a.Notifications[1].Body += " Copy to " + doraMail
		}, waits: []string{"notifications Booking"}, objects: notificationsLeft[:1]},
		{name: "a notification is sent to another", ground: erase.NamesOthers, ios: func(a *appcentertest.App) {
			a.Notifications[2].Target.Devices = append(a.Notifications[2].Target.Devices, benPhone)
		}, waits: []string{"notifications Welcome back"}, objects: notificationsLeft[1:]},
		{name: "a shared device", ground: erase.SharedDevice, ios: func(a *appcentertest.App) {
			a.Devices[1].Props["contact"] = doraMail
		}, waits: []string{"devices " + annTablet}, objects: devicesLeft[1:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, settings{ios: c.ios, limits: c.limits, noOther: true, users: []string{"user-eve"}})
			run := w.erase(append(ann(t), people(t, []string{"user_id", "user-eve"})...), config.Erase)
			other := android + " device " + annAndroid
			w.wantStatus(run.Requests[1], ledger.Erased) // nothing of Eve's waits, so she does not wait for Ann
			if c.waits == nil {
				w.wantStatus(run.Requests[0], ledger.Erased)
				return
			}
			w.wantStatus(run.Requests[0], ledger.InReview)
			w.wantWaiting(run.Job, c.waits...)
			for _, e := range w.plan(run.Job).Entries {
				want := c.ground
				if len(c.waits) == 3 && e.Area == erase.Notifications {
					want = erase.ThroughDevices
				}
				if !slices.Equal(e.Waits, []string{want}) {
					t.Errorf("waits because of %q, want %q", e.Waits, want)
				}
			}
			lost := slices.DeleteFunc(anns(), func(o string) bool { return o == other || slices.Contains(c.objects, o) })
			w.wantLost(append(lost, "user user-eve")...)
			w.wantEmptyContainers()
			w.again() // the officer comes on another day
			w.decide(run.Job, true)
			w.wantStatus(run.Requests[0], ledger.Erased)
			for _, o := range c.objects {
				if slices.Contains(w.held(), o) {
					t.Errorf("%s was approved and is there", o)
				}
			}
			w.wantEmptyContainers()
		})
	}
}

// Two people who share a device and ask together are nobody's hostage.
func TestPeopleOfTheSameJobAreNotOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, ios: func(a *appcentertest.App) {
		a.Devices = append(a.Devices, device(shared, "", map[string]any{"email": annMail, "contact": doraMail}))
		a.Audiences = append(a.Audiences, appcentertest.Audience{Name: "both", Definition: "email eq '" + annMail + "' or email eq '" + doraMail + "'"})
		a.Notifications = append(a.Notifications, appcentertest.Notification{ID: "n-both", Name: "Both", Body: annMail + ", " + doraMail})
	}})
	run := w.erase(people(t, []string{"email", annMail, "user_id", annUser}, []string{"email", doraMail}), config.Erase)
	w.wantStatus(run.Requests[0], ledger.Erased)
	w.wantStatus(run.Requests[1], ledger.Erased)
	lost := slices.DeleteFunc(anns(), func(o string) bool { return o == android+" device "+annAndroid })
	w.wantLost(append(lost, ios+" device "+shared, ios+" audience both", ios+" notification n-both")...)
}

func TestWhatIsRejectedIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	run := w.erase(ann(t), config.Approve)
	id := run.Requests[0]
	w.wantStatus(id, ledger.InReview)
	w.wantLost()
	w.decide(run.Job, false)
	w.wantStatus(id, ledger.Partial)
	w.wantOutcome(id, "acme-ios", "devices", "kept: "+erase.RejectedBy)
	w.wantOutcome(id, "acme-batch", "profile", "kept: "+erase.RejectedBy)
	w.wantLost()
	w.wantEmptyContainers()
}

func TestAnotherPlanThanTheOneThatWaitsIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	run := w.erase(ann(t), config.Approve)
	err := w.house.Decide(t.Context(), run.Job, erase.Word{Plan: "0000", By: "officer", Approved: true})
	if !fault.Is(err, fault.WrongPlan) {
		t.Errorf("got %v, want WrongPlan", err)
	}
	w.wantStatus(run.Requests[0], ledger.InReview)
	w.wantLost()
	w.decide(run.Job, true)
	w.wantStatus(run.Requests[0], ledger.Erased)
	if err := w.house.Decide(t.Context(), run.Job, erase.Word{Plan: w.plan(run.Job).Hash, By: "officer", Approved: true}); !fault.Is(err, fault.WrongPlan) {
		t.Errorf("a job that has ended was approved: %v", err)
	}
}

// The hash of a preview is the one to approve, as long as the world stays as it was.
func TestAPreviewLeavesNothingAndItsHashIsTheOneToApprove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	preview, err := w.house.Preview(t.Context(), ann(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"audiences ann-only", "devices " + annPhone, "devices " + annTablet, "notifications Booking", "notifications Welcome back", "profile " + annUser}
	slices.Sort(want)
	if got := waiting(preview.Plan); !slices.Equal(got, want) {
		t.Errorf("the preview shows %q, want %q", got, want)
	}
	w.wantLost()
	w.wantEmptyContainers()
	w.wantNoRequests()
	if n := len(w.profiles.Calls()) + w.calls(ios, appcentertest.DeleteInstall) + w.calls(ios, appcentertest.DeleteAudience) + w.calls(ios, appcentertest.DeleteNotifications); n > 0 {
		t.Errorf("a preview made %d calls that delete", n)
	}
	w.again()
	run := w.erase(ann(t), config.Approve)
	if got := w.plan(run.Job).Hash; got != preview.Plan.Hash {
		t.Error("nothing changed, and the plan has another hash than its preview")
	}
	w.apps.PutDevice(ios, device("0000a1a9-0000-4000-8000-0000000000a9", annUser, nil))
	other, err := w.house.Preview(t.Context(), ann(t))
	if err != nil {
		t.Fatal(err)
	}
	if other.Plan.Hash == preview.Plan.Hash {
		t.Error("there is a device more, and the plan has the same hash")
	}
}

// What was not in the plan waits for an approval of its own, although the plan was approved.
func TestDriftNeedsANewApproval(t *testing.T) {
	t.Parallel()
	late := "0000a1a9-0000-4000-8000-0000000000a9"
	for name, c := range map[string]struct {
		mode   config.Mode
		ios    func(*appcentertest.App)
		drift  func(*world)
		waits  string
		object string
	}{
		"a new device": {mode: config.Approve, drift: func(w *world) { w.apps.PutDevice(ios, device(late, annUser, nil)) },
			waits: "devices " + late, object: ios + " device " + late},
		"a changed audience": {mode: config.Erase, ios: func(a *appcentertest.App) {
			a.Devices[1].Props["contact"] = doraMail // waits, so that there is something to approve
		}, drift: func(w *world) {
			w.apps.PutAudience(ios, appcentertest.Audience{Name: "late", Definition: "email eq '" + annMail + "' or email eq '" + doraMail + "'"})
		}, waits: "audiences late", object: ios + " audience late"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, settings{noOther: true, ios: c.ios})
			run := w.erase(ann(t), c.mode)
			first := w.plan(run.Job).Hash
			c.drift(w)
			w.decide(run.Job, true)
			w.wantStatus(run.Requests[0], ledger.InReview)
			w.wantWaiting(run.Job, c.waits)
			w.wantLostAllBut(android + " device " + annAndroid)
			if !slices.Contains(w.held(), c.object) {
				t.Error("what nobody approved is gone")
			}
			if err := w.house.Decide(t.Context(), run.Job, erase.Word{Plan: first, By: "officer", Approved: true}); !fault.Is(err, fault.WrongPlan) {
				t.Errorf("the plan of before was approved again: %v", err)
			}
			w.decide(run.Job, true)
			w.wantStatus(run.Requests[0], ledger.Erased)
			if slices.Contains(w.held(), c.object) {
				t.Error("what was approved is there")
			}
		})
	}
}
