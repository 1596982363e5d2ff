package local_test

import (
	"context"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// never is an export that does not complete while anybody looks.
const never = 1 << 30

// An export that takes too long is given up; the rest goes on, and what it writes after all is deleted by the next job.
func TestAnExportThatNeverCompletesIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, ios: func(a *appcentertest.App) { a.Export.Polls = never }})
	began := w.now()
	id := w.erase(ann(t), config.Erase).Requests[0]
	w.wantStatus(id, ledger.Partial)
	w.wantOutcome(id, "acme-ios", "devices", failed+"ExportTimeout")
	w.wantOutcome(id, "acme-ios", "audiences", gone)
	if got := w.caught(); !slices.Equal(got, []string{"ExportDevices: ExportTimeout"}) {
		t.Errorf("caught %q", got)
	}
	w.wantLostAllBut(append(slices.Clone(taughtLeft), android+" device "+annAndroid)...)
	w.wantExports(1) // the second round does not ask for another
	if took := w.now().Sub(began); took.Hours() > 3 {
		t.Errorf("the job waited for %s", took)
	}
	w.lateBlobs()
	w.erase(nil, config.Erase)
	w.wantStatus(id, ledger.Erased)
	w.wantLostAllBut(android + " device " + annAndroid)
	w.wantEmptyContainers()
}

// lateBlobs lets the exports under way end, and those to come end at once.
func (w *world) lateBlobs() {
	w.t.Helper()
	w.apps.Heal()
	w.apps.FinishExports(ios)
	w.apps.Change(ios, func(a *appcentertest.App) { a.Export.Polls = 0 })
	if len(w.apps.Blobs(ios)) < 2 {
		w.t.Fatal("no late export has written anything")
	}
	w.again()
}

// An export that nobody knows of writes when its job is over. Whoever exports there next deletes that.
func TestAnExportNobodyHeardOfIsClearedByTheNextJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, ios: func(a *appcentertest.App) { a.Export.Polls = never }})
	w.apps.Fail(appcentertest.Fault{Op: appcentertest.StartExport, App: ios, AfterEffect: true, CloseConnection: true})
	id := w.erase(ann(t), config.Erase).Requests[0]
	w.wantStatus(id, ledger.Partial)
	w.wantOutcome(id, "acme-ios", "devices", failed+"ProviderUnavailable")
	w.lateBlobs()
	w.erase(people(t, []string{"email", "stranger@example.org"}), config.Erase)
	w.wantEmptyContainers()
	w.erase(nil, config.Erase)
	w.wantStatus(id, ledger.Erased)
}

// The same when a later start of the job was answered and its export was read: the job ends well, and the container
// stays marked.
func TestAContainerStaysMarkedThoughTheJobEndedWell(t *testing.T) {
	t.Parallel()
	var w *world
	w = newWorld(t, settings{noOther: true, ios: func(a *appcentertest.App) { a.Export.Polls = never }, observe: func(e asl.Event) {
		if e.Kind == asl.Retried && e.State == "ExportDevices" {
			w.apps.Change(ios, func(a *appcentertest.App) { a.Export.Polls = 0 })
		}
	}})
	w.apps.Fail(appcentertest.Fault{Op: appcentertest.StartExport, App: ios, AfterEffect: true, CloseConnection: true, Times: 1})
	id := w.erase(ann(t), config.Erase).Requests[0]
	w.wantStatus(id, ledger.Erased)
	w.wantExports(3)
	w.lateBlobs()
	w.erase(people(t, []string{"email", "stranger@example.org"}), config.Erase)
	w.wantEmptyContainers()
}

// A file that cannot be searched may hold the person: the devices are not searched, and the file goes all the same.
func TestAZipInTheExportIsNotSearched(t *testing.T) {
	t.Parallel()
	var w *world
	w = newWorld(t, settings{noOther: true, ios: func(a *appcentertest.App) { a.Export.Polls = 1 }, observe: func(e asl.Event) {
		if e.Kind == asl.Entered && e.State == "WaitForExport" {
			w.apps.PutBlob(ios, "devices-0002.zip", []byte("PK\x03\x04 and so on"))
		}
	}})
	id := w.erase(ann(t), config.Erase).Requests[0]
	w.wantStatus(id, ledger.Partial)
	w.wantOutcome(id, "acme-ios", "devices", failed+"UnknownBlobKind")
	w.wantOutcome(id, "acme-ios", "notifications", gone)
	if got := w.caught(); !slices.Equal(got, []string{"ExportDevices: UnknownBlobKind"}) {
		t.Errorf("caught %q", got)
	}
	w.wantLostAllBut(append(slices.Clone(taughtLeft), android+" device "+annAndroid)...)
	w.wantEmptyContainers()
	w.wantExports(1)
	w.again()
	w.apps.Change(ios, func(a *appcentertest.App) { a.Export.Polls = 0 })
	w.erase(nil, config.Erase)
	w.wantStatus(id, ledger.Erased)
}

// A job goes on without a target that the configuration lost while its plan waited; put back, the next run ends it.
func TestATargetThatIsNoLongerConfigured(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	run := w.erase(ann(t), config.Approve)
	id, doc := run.Requests[0], w.doc
	w.reconfigure(without(without(doc, "acme-ios"), "acme-batch"))
	w.decide(run.Job, true)
	w.wantStatus(id, ledger.Partial)
	for _, area := range []string{"devices", "audiences", "notifications"} {
		w.wantOutcome(id, "acme-ios", area, failed+"UnknownTarget")
	}
	w.wantOutcome(id, "acme-batch", "profile", failed+"UnknownTarget")
	w.wantOutcome(id, "acme-android", "devices", gone)
	w.wantLost(android + " device " + annAndroid)
	w.reconfigure(doc)
	w.erase(nil, config.Erase)
	w.wantStatus(id, ledger.Erased)
	w.wantLost(anns()...)
}

// Whose interrupted job was taken up and ended partly is not started again by the same command: what failed a moment
// ago fails again, at the cost of exports.
func TestWhomAResumedJobLeftIsForTheNextRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := newWorld(t, killedIn("ReviewFindings", cancel))
	first, err := w.house.Erase(ctx, ann(t), config.Erase)
	if err == nil {
		t.Fatal("the run was not killed")
	}
	w.apps.Fail(appcentertest.Fault{Op: appcentertest.DeleteInstall, App: ios, Status: 401})
	w.again()
	run := w.erase(ann(t), config.Erase)
	if len(run.Jobs) != 1 || run.Job != first.Job {
		t.Errorf("%d jobs were run, the last one new: %v", len(run.Jobs), run.Job != first.Job)
	}
	w.wantStatus(first.Requests[0], ledger.Partial)
	w.apps.Heal()
	next := w.erase(nil, config.Erase)
	if len(next.Jobs) != 1 || next.Job == first.Job {
		t.Error("the next run did not take the request up in a job of its own")
	}
	w.wantStatus(first.Requests[0], ledger.Erased)
}
