package local_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/batch"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/container"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// short is a context that tells its first asker, the step, that its time is nearly over: the step does the least that it
// does in one slice. Whoever asks later, such as a dialler, has all the time.
type short struct {
	context.Context
	asked *atomic.Bool
}

func (s short) Deadline() (time.Time, bool) {
	if s.asked.Swap(true) {
		return s.Context.Deadline()
	}
	return time.Now().Add(time.Nanosecond), true
}

// slices runs a step until it is done and answers in how many slices.
func inSlices[In any](t *testing.T, step func(context.Context, In) (erase.Slice, error), in In) int {
	t.Helper()
	for n := 1; n < 200; n++ {
		out, err := step(short{t.Context(), new(atomic.Bool)}, in)
		if err != nil {
			t.Fatal(err)
		}
		if out.Done {
			return n
		}
	}
	t.Fatal("200 slices, and no end")
	return 0
}

// The whole job, each step with hardly any time: nothing is lost between slices and nothing is done twice.
func TestShortSlicesComeToTheSameEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true, ios: func(a *appcentertest.App) {
		crowd(20)(a)
		a.Export.Blobs, a.Behaviour.AudiencePage = 3, 1
		for i := range 4 {
			a.Notifications = append(a.Notifications, appcentertest.Notification{ID: fmt.Sprintf("n-%d", i), Body: "for " + annMail})
		}
	}})
	b, ctx := w.house.Base, t.Context()
	b.Config = w.cfg
	target, _ := w.cfg.Target("acme-ios")
	app := appcenter.New(appcenter.Options{Base: target.BaseURL, Token: target.Token.Reveal(), Owner: "acme", App: "ios"})
	box, err := container.Open(target.ExportContainer.Reveal(), nil)
	if err != nil {
		t.Fatal(err)
	}
	orders, _ := w.cfg.Target("acme-batch")
	profiles := batch.New(batch.Options{Base: orders.BaseURL, APIKey: orders.APIKey.Reveal(), RESTKey: orders.RESTKey.Reveal()})
	at := func(string) (erase.Container, error) { return box, nil }

	filing, err := erase.File(ctx, b, "cli", false, append(ann(t), people(t, []string{"user_id", "user-carol"})...))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Ledger.Invite(ctx, "job", filing.Requests, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := erase.OpenJob(b)(ctx, erase.OpenJobIn{Job: "job", Input: erase.Input{Mode: config.Erase}}); err != nil {
		t.Fatal(err)
	}
	export := erase.ExportDevices(b, func(string) (erase.Exporter, erase.Container, error) { return app, box, nil },
		func(context.Context, string) bool { return true })
	took := map[string]int{}
	for pass := 1; ; pass++ {
		on := erase.On{Job: "job", Target: "acme-ios", Pass: pass}
		order := erase.On{Job: "job", Target: "acme-batch", Pass: pass}
		out, err := export(ctx, on)
		if err != nil || !out.Done {
			t.Fatal(out, err)
		}
		for _, shard := range out.Shards {
			took["match"] += inSlices(t, erase.MatchSubject(b, at), erase.MatchSubjectIn{On: on, Shard: shard})
		}
		inSlices(t, erase.RemoveExport(b, at), on)
		took["audiences"] += inSlices(t, erase.ListAudiences(b, func(string) (erase.AudienceLister, error) { return app, nil }), on)
		took["notifications"] += inSlices(t, erase.ListNotifications(b, func(string) (erase.NotificationReader, error) { return app, nil }), on)
		found := erase.Results{{Target: "acme-ios", Area: "export"}}
		forgot := erase.Results{}
		for _, area := range []string{erase.Devices, erase.Audiences, erase.Notifications} {
			found = append(found, erase.Result{Target: "acme-ios", Area: area})
			forgot = append(forgot, erase.Result{Target: "acme-ios", Area: area})
		}
		if pass == 1 {
			forgot = nil
		}
		review, err := erase.ReviewFindings(b)(ctx, erase.ReviewFindingsIn{Job: "job", Pass: pass, Found: found, Forgot: forgot})
		if err != nil {
			t.Fatal(err)
		}
		if review.Decision == erase.Clean {
			break
		}
		if review.Decision != erase.Forget || pass > 1 {
			t.Fatalf("pass %d: %s", pass, review.Decision)
		}
		took["delete devices"] += inSlices(t, erase.DeleteInstall(b, func(string) (erase.InstallDeleter, error) { return app, nil }), on)
		took["delete audiences"] += inSlices(t, erase.DeleteAudiences(b, func(string) (erase.AudienceDeleter, error) { return app, nil }), on)
		inSlices(t, erase.DeleteNotifications(b, func(string) (erase.NotificationDeleter, error) { return app, nil }), on)
		inSlices(t, erase.BatchDelete(b, func(string) (erase.ProfileDeleter, error) { return profiles, nil }), order)
	}
	for done := false; !done; {
		out, err := erase.CloseJob(b, w.house.Key, "test")(short{ctx, new(atomic.Bool)}, erase.CloseJobIn{Job: "job", Pass: 2, Final: true})
		if err != nil {
			t.Fatal(err)
		}
		done = out.Done
	}
	// 4 shards of one piece and an end each, twice; pages of one audience; one notification a slice; one device a slice.
	least := map[string]int{"match": 2 * 3, "audiences": 3, "notifications": 10, "delete devices": 3}
	for _, what := range slices.Sorted(maps.Keys(least)) {
		if took[what] < least[what] {
			t.Errorf("%s took %d slices, want %d or more: the time did not count", what, took[what], least[what])
		}
	}
	for _, id := range filing.Requests {
		w.wantStatus(id, ledger.Erased)
	}
	w.wantLost(slices.Concat(slices.DeleteFunc(anns(), func(o string) bool { return o == android+" device "+annAndroid }),
		[]string{ios + " device " + carolPhone, "user user-carol"},
		[]string{ios + " notification n-0", ios + " notification n-1", ios + " notification n-2", ios + " notification n-3"})...)
	if n := w.calls(ios, appcentertest.DeleteInstall); n != 3 {
		t.Errorf("%d deletes for 3 devices", n)
	}
	if n := len(w.profiles.Calls()); n != 1 {
		t.Errorf("%d orders at Batch, want 1", n)
	}
	w.wantEmptyContainers()
}
