package intake_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/intake"
)

// hangUp is an engine whose caller hangs up while it starts a job.
type hangUp struct {
	*starts
	cancel func()
}

func (h hangUp) Start(ctx context.Context, requests []string, mode config.Mode) (string, error) {
	h.cancel()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return h.starts.Start(ctx, requests, mode)
}

func TestASweepGoesOnWhenItsCallerHangsUp(t *testing.T) {
	t.Parallel()
	d := open(t)
	for who, mode := range map[string]config.Mode{"ann": "", "ben": config.Erase} {
		got(d.Submit(t.Context(), intake.Submission{Subject: person(t, who+"@example.com"), Channel: "api", By: "crm", Mode: mode}))(t)
	}
	ctx, cancel := context.WithCancel(t.Context())
	desk := d.Desk
	desk.Engine = hangUp{d.engine, cancel}
	if jobs, err := desk.Sweep(ctx, ""); err != nil || len(jobs) != 2 {
		t.Errorf("%d jobs began, %v; want one for each mode", len(jobs), err)
	}
	d.pass(2 * time.Minute)
	if _, err := d.Sweep(t.Context(), ""); !errors.Is(err, intake.ErrSweeping) {
		t.Errorf("its jobs work, and another sweep begins: %v", err)
	}
}

// dead is an engine whose process dies before the first job.
type dead struct{ *starts }

var errDied = errors.New("the process died")

func (dead) Start(context.Context, []string, config.Mode) (string, error) { return "", errDied }

func TestASweepThatDiedIsDoneAgain(t *testing.T) {
	t.Parallel()
	d := open(t)
	id := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm"}))(t).ID
	desk := d.Desk
	desk.Engine = dead{d.engine}
	if _, err := desk.Sweep(t.Context(), ""); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	if s := got(d.Ledger.LastSweep(t.Context()))(t); s.Jobs != nil || !s.Began.Equal(d.Now()) {
		t.Errorf("nobody can see that it died: %+v", s)
	}
	if _, err := d.Sweep(t.Context(), ""); !errors.Is(err, intake.ErrSweeping) {
		t.Errorf("at once: %v; it may still be starting its jobs", err)
	}
	d.pass(time.Minute)
	got(d.Sweep(t.Context(), ""))(t)
	if want := fmt.Sprintf("[approve: [%s]]", id); fmt.Sprint(d.engine.jobs) != want {
		t.Errorf("a minute later: started %v, want %s", d.engine.jobs, want)
	}
	if s := got(d.Ledger.LastSweep(t.Context()))(t); len(s.Jobs) != 1 {
		t.Errorf("the one that was done is noted as %+v", s)
	}
	got(d.Cancel(t.Context(), id))(t)
	d.pass(24 * time.Hour)
	got(d.Sweep(t.Context(), ""))(t)
	if s := got(d.Ledger.LastSweep(t.Context()))(t); s.Jobs == nil || len(s.Jobs) > 0 {
		t.Errorf("one with nothing to do is noted as %+v, as if it had died", s)
	}
}
