package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/link"
	"github.com/lethe-dsr/lethe/internal/live"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// process is an engine on a data directory, whose only provider answers to nobody, and with a clock that is set by hand.
type process struct {
	*engine
	desk intake.Desk
	t    *testing.T
	at   *time.Time
	kill context.CancelFunc
}

func newProcess(t *testing.T, dir, serve string, at *time.Time) process {
	t.Helper()
	now := func() time.Time { return *at }
	cfg, err := configfile.Parse([]byte("controller: Acme\nmode: erase\ntargets:\n  - {id: b, provider: batch, api_key: k1, rest_key: k2, base_url: 'http://127.0.0.1:1', custom_id: user_id}\n"+serve),
		func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	h, err := Open(dir, true, Options{Now: now, Serving: true, RetryWait: time.Microsecond, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	if err := h.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(context.Background())
	t.Cleanup(kill)
	e := newEngine(ctx, h, live.NewBoard(now), slog.New(slog.DiscardHandler))
	desk := intake.Desk{Base: h.Base, Engine: e, Links: link.Maker{Base: &url.URL{Scheme: "http", Host: "x"}, Digest: h.Base.Seal.Digest}}
	return process{e, desk, t, at, kill}
}

// busy fills all slots, as exports that take hours do; free gives them back and waits until nothing is left to do.
func (p process) busy() {
	for range together {
		p.slots <- struct{}{}
	}
}

func (p process) free() {
	for range together {
		<-p.slots
	}
	p.worker.Wait()
}

// minutes lets time pass, minute by minute.
func (p process) minutes(n int) {
	p.t.Helper()
	for range n {
		*p.at = p.at.Add(time.Minute)
		if err := p.minute(p.t.Context(), p.desk, *p.at); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p process) submit(n int, s intake.Submission) intake.View {
	p.t.Helper()
	id, err := subject.New(subject.UserID, "", fmt.Sprintf("user-%d-xxxxxxxx", n), phone.In(""))
	if err != nil {
		p.t.Fatal(err)
	}
	s.Subject, s.Channel, s.By = subject.Subject{Identifiers: []subject.Identifier{id}}, "api", "crm"
	r, err := p.desk.Submit(p.t.Context(), s)
	if err != nil {
		p.t.Fatal(err)
	}
	return r.View
}

func (p process) show(id string) intake.View {
	p.t.Helper()
	v, err := p.desk.Show(p.t.Context(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

func person(t *testing.T) subject.Subject {
	t.Helper()
	id, err := subject.New(subject.Email, "", "ann@example.com", phone.In(""))
	if err != nil {
		t.Fatal(err)
	}
	return subject.Subject{Identifiers: []subject.Identifier{id}}
}

func TestAnUrgentRequestThatWaitsForASlotIsTriedOnce(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "", &at)
	p.busy()
	v := p.submit(1, intake.Submission{Urgent: true})
	p.minutes(60)
	p.free()
	r, err := p.desk.Ledger.Request(t.Context(), v.ID)
	if err != nil || r.Attempts != 1 {
		t.Errorf("%d jobs in a row searched for the same person (%v)", r.Attempts, err)
	}
	if jobs, _, err := p.desk.Jobs(t.Context()); err != nil || len(jobs) != 1 {
		t.Errorf("%d jobs (%v), want 1", len(jobs), err)
	}
}

func TestUrgentRequestsThatNoJobTookStartTogether(t *testing.T) {
	t.Parallel()
	at := time.Now()
	dir := t.TempDir()
	p := newProcess(t, dir, "", &at)
	var ids []string
	for n := range 3 { // filed, and then the process was gone
		v := p.submit(n, intake.Submission{})
		ids = append(ids, v.ID)
		if _, err := p.desk.Ledger.ChangeRequest(t.Context(), v.ID, at, func(r *ledger.Request) error { r.Urgent = true; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	p.minutes(2)
	p.worker.Wait()
	if jobs, _, err := p.desk.Jobs(t.Context()); err != nil || len(jobs) != 1 {
		t.Errorf("%d jobs (%v), want 1 for all", len(jobs), err)
	}
	for _, id := range ids {
		if v := p.show(id); v.Status == ledger.Pending {
			t.Errorf("%s still waits", id)
		}
	}
}

func TestAJobThatWaitedForASlotSurvivesTheProcess(t *testing.T) {
	t.Parallel()
	dir, at := t.TempDir(), time.Now()
	const hourly = "serve: {schedule: {cron: '0 * * * *'}}\n"
	p := newProcess(t, dir, hourly, &at)
	p.busy()
	v := p.submit(1, intake.Submission{})
	if _, err := p.desk.Sweep(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	preview, err := p.desk.Look(t.Context(), person(t))
	if err != nil {
		t.Fatal(err)
	}
	p.kill()
	p.worker.Wait()
	if err := p.house.Close(); err != nil {
		t.Fatal(err)
	}
	p = newProcess(t, dir, hourly, &at)
	if err := p.hour(t.Context(), p.desk, at); err != nil {
		t.Fatal(err)
	}
	p.worker.Wait()
	if v := p.show(v.ID); v.Status == ledger.Pending {
		t.Error("the request still waits after the next start")
	}
	if plan, err := p.desk.Plan(t.Context(), preview, false); err != nil || plan.State != intake.Preview {
		t.Errorf("the preview is %s (%v)", plan.State, err)
	}
}

func TestPlansThatWaitCostNothing(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "", &at)
	for n := range 5 {
		p.submit(n, intake.Submission{Urgent: true, Mode: config.Approve})
	}
	p.worker.Wait()
	p.busy()
	for range 24 {
		at = at.Add(time.Hour)
		if err := p.hour(t.Context(), p.desk, at); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.queued) > 0 {
		t.Errorf("%d jobs that wait for a person also wait for a slot", len(p.queued))
	}
	p.free()
}

func TestPreviewsAreBounded(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "", &at)
	p.busy()
	var err error
	begun := 0
	for ; err == nil && begun < 2*maxPreviews; begun++ {
		_, err = p.desk.Look(t.Context(), person(t))
	}
	if begun != maxPreviews+1 {
		t.Errorf("%d previews began", begun)
	}
	left := 0
	if err := p.desk.Ledger.Previews(t.Context(), func(string) error { left++; return nil }); err != nil || left != maxPreviews {
		t.Errorf("%d people are registered for %d previews (%v)", left, maxPreviews, err)
	}
	p.free()
}

// vanishing is a ledger in which a preview ends between two reads of the housekeeping.
type vanishing struct{ ledger.Store }

func (v vanishing) Query(ctx context.Context, partition, prefix, after string, limit int) ([]ledger.Item, error) {
	items, err := v.Store.Query(ctx, partition, prefix, after, limit)
	if partition != "previews" || after != "" || err != nil {
		return items, err
	}
	l := ledger.New(v.Store)
	for _, i := range items {
		r, err := l.Request(ctx, i.Sort)
		if err == nil {
			err = l.Destroy(ctx, r)
		}
		if err != nil {
			return nil, err
		}
	}
	return items, nil
}

func TestAPreviewThatEndsMeanwhileDoesNotStopTheHousekeeping(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "", &at)
	p.busy()
	if _, err := p.desk.Look(t.Context(), person(t)); err != nil {
		t.Fatal(err)
	}
	at = at.Add(48 * time.Hour)
	p.house.Base.Ledger = ledger.New(vanishing{p.house.store})
	if err := p.hour(t.Context(), p.desk, at); err != nil {
		t.Error(err)
	}
	p.kill()
}

// A sweep of the command line, too, erases nobody without the approval that the request asks for.
func TestARequestKeepsItsMode(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "", &at)
	approve, erases := p.submit(1, intake.Submission{Mode: config.Approve}), p.submit(2, intake.Submission{})
	if _, err := p.house.Erase(t.Context(), nil, config.Erase); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]config.Mode{approve.ID: config.Approve, erases.ID: config.Erase} {
		if j, err := p.desk.Job(t.Context(), p.show(id).Job); err != nil || j.Mode != want {
			t.Errorf("a request ran in mode %s (%v), want %s", j.Mode, err, want)
		}
	}
}

func TestAPlanIsDecidedOnlyWhileItWaits(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "", &at)
	v := p.submit(1, intake.Submission{Urgent: true, Mode: config.Approve})
	p.worker.Wait()
	v = p.show(v.ID)
	plan, err := p.desk.Plan(t.Context(), v.Job, false)
	if err != nil || plan.State != intake.Waiting {
		t.Fatalf("%s, %v", plan.State, err)
	}
	at = at.Add(15 * 24 * time.Hour)
	if err := p.desk.Decide(t.Context(), v.Job, erase.Word{Plan: plan.Plan.Hash, By: "dpo", Approved: true}); err == nil || !strings.Contains(err.Error(), "its time is over") {
		t.Errorf("after 15 days: %v", err)
	}
	p.worker.Wait() // it went on in the background
	if v := p.show(v.ID); v.Status != ledger.Partial {
		t.Errorf("then the request is %s, want partial", v.Status)
	}
}

// gone is a ledger that cannot be read any more.
type gone struct{ ledger.Store }

func (g gone) Query(context.Context, string, string, string, int) ([]ledger.Item, error) {
	return nil, errors.New("the disk is gone")
}

func TestHousekeepingThatFailsForHalfAnHourEndsTheService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at, began := time.Now(), time.Now()
		p := newProcess(t, t.TempDir(), "", &at)
		p.house.Base.Ledger = ledger.New(gone{p.house.store})
		err := p.run(t.Context(), p.desk)
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "the disk is gone") || took < 29*time.Minute || took > 30*time.Minute {
			t.Errorf("after %v: %v", took, err)
		}
		if err := p.house.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A double click, or a client that did not get the answer.
func TestTheSameWordTwiceIsOneWord(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "", &at)
	v := p.submit(1, intake.Submission{Urgent: true, Mode: config.Approve})
	p.worker.Wait()
	job := p.show(v.ID).Job
	plan, err := p.desk.Plan(t.Context(), job, false)
	if err != nil {
		t.Fatal(err)
	}
	word := erase.Word{Plan: plan.Plan.Hash, By: "dpo", Approved: true}
	for range 5 { // while the job goes on, and after it
		if err := p.desk.Decide(t.Context(), job, word); err != nil {
			t.Errorf("the same word: %v", err)
		}
	}
	p.worker.Wait()
	if err := p.desk.Decide(t.Context(), job, word); err != nil {
		t.Errorf("after the end: %v", err)
	}
	word.Approved = false
	if err := p.desk.Decide(t.Context(), job, word); err == nil {
		t.Error("the other word is taken as well")
	}
}

// A job in mode erase waits for a slot, and the sender asks again, with an approval.
func TestAnApprovalThatWasAskedForMeanwhileIsGot(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "", &at)
	p.busy()
	v := p.submit(1, intake.Submission{Urgent: true})
	again := p.submit(1, intake.Submission{Mode: config.Approve})
	if again.ID != v.ID || again.Mode != config.Approve {
		t.Fatalf("the receipt says %s of %s", again.Mode, again.ID)
	}
	p.free()
	p.minutes(2)
	p.worker.Wait()
	if j, err := p.desk.Job(t.Context(), p.show(v.ID).Job); err != nil || j.Mode != config.Approve {
		t.Errorf("it ran in mode %s (%v)", j.Mode, err)
	}
}

// Where the configuration only looks, an urgent request is looked at once: each look costs an export.
func TestAnUrgentRequestIsLookedAtOnce(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "", &at)
	p.desk.Config.Mode, p.house.Base.Config.Mode = config.Preview, config.Preview
	if err := p.house.Configure(p.house.Base.Config); err != nil {
		t.Fatal(err)
	}
	p.submit(1, intake.Submission{Urgent: true})
	p.worker.Wait()
	var log strings.Builder
	p.log = slog.New(slog.NewTextHandler(&log, nil))
	p.minutes(10)
	p.worker.Wait()
	if strings.Contains(log.String(), "a job begins") {
		t.Errorf("it was looked at again: %s", &log)
	}
}

// An entry of a list may outlive its request. It stops nobody else's erasure.
func TestAnEntryWithoutARequestIsPassedOver(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "", &at)
	gone, there := p.submit(1, intake.Submission{}), p.submit(2, intake.Submission{})
	r, err := p.desk.Ledger.Request(t.Context(), gone.ID)
	if err == nil {
		err = p.desk.Ledger.Destroy(t.Context(), r)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.house.Erase(t.Context(), nil, config.Erase); err != nil {
		t.Error(err)
	}
	if v := p.show(there.ID); v.Status == ledger.Pending {
		t.Error("the other one was not worked on")
	}
}

// The word is written down, and the process dies before the job hears it.
func TestAWordThatTheJobHasNotHeardIsToldLater(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "", &at)
	v := p.submit(1, intake.Submission{Urgent: true, Mode: config.Approve})
	p.worker.Wait()
	job := p.show(v.ID).Job
	plan, err := p.desk.Plan(t.Context(), job, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := erase.Decide(t.Context(), p.house.Base, job, erase.Word{Plan: plan.Plan.Hash, By: "dpo", Approved: true}); err != nil {
		t.Fatal(err)
	}
	if err := p.hour(t.Context(), p.desk, at); err != nil {
		t.Fatal(err)
	}
	p.worker.Wait()
	if j, err := p.desk.Job(t.Context(), job); err != nil || j.State != intake.Closed {
		t.Errorf("the job is %s (%v), want closed", j.State, err)
	}
}
