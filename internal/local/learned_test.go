package local_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// sentTo is a notification that nothing but its device connects with a person.
func sentTo(id, device string) appcentertest.Notification {
	return appcentertest.Notification{ID: id, Name: id, Title: "Hi", Body: "Hi", Target: appcentertest.Target{Type: "devices_target", Devices: []string{device}}}
}

// Too many devices wait, and so does all that only they lead to: a rule that is too wide would else delete through them
// what it may not delete itself.
func TestWhatTooManyDevicesTaughtWaitsWithThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, limits: "{devices: 1}"})
	w.reconfigure(strings.Replace(w.doc, "app: ios,", "app: ios, learn_user_id: true,", 1))
	run := w.erase(people(t, []string{"email", annMail}), config.Erase)
	want := []string{"devices " + annPhone, "devices " + annTablet, "notifications Welcome back", "profile " + annUser}
	slices.Sort(want)
	w.wantWaiting(run.Job, want...)
	for _, e := range w.plan(run.Job).Entries {
		ground := erase.ThroughDevices
		if e.Area == erase.Devices {
			ground = erase.OverLimit
		}
		if !slices.Equal(e.Waits, []string{ground}) {
			t.Errorf("%s %s waits because of %q, want %q", e.Area, e.Name, e.Waits, ground)
		}
	}
	w.wantLost(ios+" audience ann-only", ios+" notification n-ann") // they name her
	if n := len(w.profiles.Calls()); n > 0 {
		t.Errorf("%d calls to Batch before anybody approved", n)
	}
	w.decide(run.Job, true)
	w.wantStatus(run.Requests[0], ledger.Erased)
	w.wantLostAllBut(android + " device " + annAndroid)
}

// What earlier passes deleted counts towards the limit of one person.
func TestTheLimitIsForTheWholeJob(t *testing.T) {
	t.Parallel()
	const third = "0000a1a9-0000-4000-8000-0000000000a9"
	var w *world
	came := false
	w = newWorld(t, settings{noOther: true, limits: "{devices: 2}", observe: func(e asl.Event) {
		if e.Kind == asl.Entered && e.State == "NextPass" && !came {
			came = true
			w.apps.PutDevice(ios, device(third, annUser, nil))
		}
	}})
	run := w.erase(ann(t), config.Erase)
	w.wantStatus(run.Requests[0], ledger.InReview)
	w.wantWaiting(run.Job, "devices "+third)
	w.wantLostAllBut(android + " device " + annAndroid)
	w.decide(run.Job, true)
	w.wantStatus(run.Requests[0], ledger.Erased)
	if n := len(w.apps.Devices(ios)); n != 2 {
		t.Errorf("%d devices are left, want Ben's and Carol's", n)
	}
}

// The first search could not know what an approved device taught. When the search that would know it fails, nobody can
// say that nothing is there.
func TestTheLastSearchCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, ios: func(a *appcentertest.App) {
		a.Devices = a.Devices[1:]
		a.Devices[0].Props["contact"] = doraMail // Ann's tablet waits
		a.Notifications = []appcentertest.Notification{sentTo("n-tablet", annTablet)}
	}})
	run := w.erase(ann(t), config.Erase)
	id := run.Requests[0]
	w.wantWaiting(run.Job, "devices "+annTablet)
	w.apps.Fail(appcentertest.Fault{Op: appcentertest.ListNotifications, App: ios, Status: 500})
	w.decide(run.Job, true)
	w.wantStatus(id, ledger.Partial)
	w.wantOutcome(id, "acme-ios", "devices", gone)
	w.wantOutcome(id, "acme-ios", "notifications", failed+"ProviderUnavailable")
	w.apps.Heal()
	w.again()
	w.erase(nil, config.Erase)
	w.wantStatus(id, ledger.Erased)
	w.wantOutcome(id, "acme-ios", "notifications", gone)
	if left := w.apps.Notifications(ios); len(left) > 0 {
		t.Error("the notification that was sent to Ann's tablet is there")
	}
}

// An install id that was Ann's finds what was sent to it; the device of that id may be Dora's by the next job.
func TestADeviceThatChangedHandsIsNotDeletedByItsOldID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	w.apps.Fail(appcentertest.Fault{Op: appcentertest.ListAudiences, App: ios, Status: 401})
	id := w.erase(people(t, []string{"user_id", annUser}), config.Erase).Requests[0]
	w.wantStatus(id, ledger.Partial)
	if slices.Contains(w.held(), ios+" device "+annPhone) {
		t.Fatal("the first job left Ann's phone")
	}
	w.apps.Heal()
	w.apps.PutDevice(ios, device(annPhone, "user-dora", map[string]any{"email": doraMail}))
	w.apps.PutNotification(ios, sentTo("n-late", annPhone))
	w.before = w.held()
	w.again()
	w.erase(nil, config.Erase)
	w.wantStatus(id, ledger.Erased)
	w.wantOutcome(id, "acme-ios", "devices", gone)
	w.wantLost(ios + " notification n-late")
}
