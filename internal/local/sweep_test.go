package local

import (
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestASweepThatDiedWhileItBeganIsMadeUpFor(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "serve: {schedule: {cron: '0 3 1 * *'}}\n", &at)
	v := p.submit(1, intake.Submission{})
	if _, err := p.desk.Ledger.ChangeSweep(t.Context(), func(s *ledger.Sweep) error { s.Began, s.Jobs = at, nil; return nil }); err != nil {
		t.Fatal(err)
	}
	p.minutes(2)
	p.worker.Wait()
	if v := p.show(v.ID); v.Status == ledger.Pending {
		t.Error("it waits for the next month's sweep")
	}
}

// A sweep is due, and waits for the last one. Before it begins somebody looks at everything.
func TestAPreviewDoesNotTakeASweepsTurn(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 2, 2, 59, 0, 0, time.Local)
	p := newProcess(t, t.TempDir(), "serve: {schedule: {cron: '0 3 * * *'}}\n", &at)
	v := p.submit(1, intake.Submission{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := p.desk.Ledger.OpenJob(t.Context(), ledger.Job{ID: "job", Mode: "erase", Opened: at})
	must(err)
	_, err = p.desk.Ledger.ChangeSweep(t.Context(), func(s *ledger.Sweep) error { s.Began, s.Jobs = at.Add(-time.Hour), []string{"job"}; return nil })
	must(err)
	p.minutes(2)
	must(p.desk.Ledger.EndJob(t.Context(), "job", at))
	p.busy()
	_, err = p.desk.Sweep(t.Context(), config.Preview)
	must(err)
	p.minutes(2)
	if len(p.queued) != 1 {
		t.Errorf("%d jobs, want the preview alone", len(p.queued))
	}
	p.free()
	p.minutes(1)
	p.worker.Wait()
	if v := p.show(v.ID); v.Status == ledger.Pending {
		t.Error("it waits for the next day's sweep")
	}
}

// Somebody asks for a look at everything, and it cannot start. Nobody asked to erase.
func TestASweepThatWasRefusedErasesNobody(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "serve: {schedule: {cron: '0 3 1 * *'}}\n", &at)
	v := p.submit(1, intake.Submission{})
	p.busy()
	for range maxPreviews {
		if _, err := p.desk.Look(t.Context(), person(t)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.desk.Sweep(t.Context(), config.Preview); err == nil {
		t.Fatal("it is not refused")
	}
	p.minutes(3)
	p.free()
	if v := p.show(v.ID); v.Status != ledger.Pending {
		t.Errorf("after a preview that was refused the request is %s", v.Status)
	}
}

func TestASweepThatDiedIsDoneAgainInItsMode(t *testing.T) {
	t.Parallel()
	at := time.Now()
	p := newProcess(t, t.TempDir(), "serve: {schedule: {cron: '0 3 1 * *'}}\n", &at)
	v := p.submit(1, intake.Submission{})
	_, err := p.desk.Ledger.ChangeSweep(t.Context(), func(s *ledger.Sweep) error { s.Began, s.Mode = at, "approve"; return nil })
	if err != nil {
		t.Fatal(err)
	}
	p.minutes(2)
	p.worker.Wait()
	if j, err := p.desk.Job(t.Context(), p.show(v.ID).Job); err != nil || j.Mode != config.Approve {
		t.Errorf("it was done again in mode %s (%v)", j.Mode, err)
	}
}
