package intake_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
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

// On AWS a schedule starts an execution, which takes the requests of its own mode.
func TestASweepOfOneModeIsFinished(t *testing.T) {
	t.Parallel()
	d := open(t)
	submit := func(who string, m config.Mode) string {
		return got(d.Submit(t.Context(), intake.Submission{Subject: person(t, who+"@example.com"), Channel: "api", By: "crm", Mode: m}))(t).ID
	}
	submit("ann", "")
	ben := submit("ben", config.Erase)
	finish := func(desk intake.Desk, want string) {
		t.Helper()
		if err := desk.FinishSweep(t.Context()); err != nil && !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		if fmt.Sprint(d.engine.jobs) != want {
			t.Errorf("started %v, want %s", d.engine.jobs, want)
		}
	}
	finish(d.Desk, "[]") // there was no sweep
	got(erase.OpenJob(d.Base)(t.Context(), erase.OpenJobIn{Job: "scheduled", Input: erase.Input{Sweep: true}}))(t)
	dies := d.Desk
	dies.Engine = dead{d.engine}
	finish(dies, "[]")
	d.pass(time.Minute)
	submit("cleo", config.Erase) // after it began
	want := fmt.Sprintf("[erase: [%s]]", ben)
	finish(d.Desk, want)
	finish(d.Desk, want) // once
	if s := got(d.Ledger.LastSweep(t.Context()))(t); len(s.Jobs) != 2 || !s.Whole {
		t.Errorf("the sweep is %+v", s)
	}
}

func TestASweepThatWasDueWhileAnotherWorkedFollowsIt(t *testing.T) {
	t.Parallel()
	d := open(t)
	submit := func(who string) string {
		return got(d.Submit(t.Context(), intake.Submission{Subject: person(t, who+"@example.com"), Channel: "api", By: "crm"}))(t).ID
	}
	submit("ann")
	scheduled := func(job string, m config.Mode) {
		t.Helper()
		got(erase.OpenJob(d.Base)(t.Context(), erase.OpenJobIn{Job: job, Input: erase.Input{Sweep: true, Mode: m}}))(t)
	}
	scheduled("first", config.Erase)
	ben := submit("ben")
	d.pass(time.Hour)
	scheduled("second", config.Erase)
	for range 2 {
		if err := d.FinishSweep(t.Context()); err != nil || len(d.engine.jobs) != 0 {
			t.Fatalf("while the first one works: %v, %v", d.engine.jobs, err)
		}
	}
	if err := d.Ledger.EndJob(t.Context(), "first", d.Now()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // once
		if err := d.FinishSweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.engine.jobs) != 1 || !strings.Contains(fmt.Sprint(d.engine.jobs), ben) {
		t.Errorf("after it: %v, want one over %s", d.engine.jobs, ben)
	}
}

func TestASweepThatDiedIsFinished(t *testing.T) {
	t.Parallel()
	d := open(t)
	id := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm"}))(t).ID
	desk := d.Desk
	desk.Engine = dead{d.engine}
	if _, err := desk.Sweep(t.Context(), config.Erase); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	for _, want := range []string{"[]", fmt.Sprintf("[erase: [%s]]", id)} { // not before it is sure to be dead
		if err := d.FinishSweep(t.Context()); err != nil || fmt.Sprint(d.engine.jobs) != want {
			t.Errorf("started %v (%v), want %s", d.engine.jobs, err, want)
		}
		d.pass(time.Minute)
	}
}

// slow is an engine that takes so long to start its first job that the next sweep begins.
type slow struct {
	*starts
	meanwhile func()
}

func (s slow) Start(ctx context.Context, requests []string, mode config.Mode) (string, error) {
	s.meanwhile()
	return s.starts.Start(ctx, requests, mode)
}

func TestASweepThatWasSlowLeavesTheRecordOfTheNext(t *testing.T) {
	t.Parallel()
	d := open(t)
	got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm"}))(t)
	next := ledger.Sweep{Begun: ledger.Begun{Jobs: []string{"schedule"}}, Mode: "erase", Late: true}
	desk := d.Desk
	desk.Engine = slow{d.engine, func() {
		d.pass(2 * time.Minute)
		next.Began = d.Now()
		got(d.Ledger.ChangeSweep(t.Context(), func(s *ledger.Sweep) error { *s = next; return nil }))(t)
	}}
	got(desk.Sweep(t.Context(), ""))(t)
	if s := got(d.Ledger.LastSweep(t.Context()))(t); !reflect.DeepEqual(s, next) {
		t.Errorf("the record is %+v, want %+v", s, next)
	}
}

// A look at everything holds everybody. It counts as no sweep, and what a sweep has left to do follows it.
func TestAPreviewOfASweepLeavesNothingUndone(t *testing.T) {
	t.Parallel()
	ended := ledger.Begun{Jobs: []string{"ended"}}
	for what, c := range map[string]struct {
		last ledger.Sweep
		left bool
	}{
		"another one was due":       {ledger.Sweep{Begun: ended, Mode: "approve", Whole: true, Late: true, LateMode: "erase"}, true},
		"requests of another mode":  {ledger.Sweep{Begun: ended, Mode: "approve"}, true},
		"it died before its jobs":   {ledger.Sweep{Mode: "erase", Whole: true}, true},
		"nothing was left":          {ledger.Sweep{Begun: ended, Mode: "erase", Whole: true}, false},
		"a schedule that has begun": {ledger.Sweep{Begun: ledger.Begun{Jobs: []string{}}}, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			id := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm", Mode: config.Erase}))(t).ID
			c.last.Began = d.Now()
			got(d.Ledger.ChangeSweep(t.Context(), func(s *ledger.Sweep) error { *s = c.last; return nil }))(t)
			d.pass(2 * time.Minute)
			jobs := got(d.Sweep(t.Context(), config.Preview))(t)
			if s := got(d.Ledger.LastSweep(t.Context()))(t); !s.Began.Equal(c.last.Began) {
				t.Errorf("it counts as a sweep: %+v", s)
			}
			got(d.Ledger.OpenJob(t.Context(), ledger.Job{ID: jobs[0], Mode: "preview", Opened: d.Now()}))(t)
			want := fmt.Sprintf("[preview: [%s]]", id)
			if err := d.FinishSweep(t.Context()); err != nil || fmt.Sprint(d.engine.jobs) != want {
				t.Fatalf("while the preview works: %v, %v; want %s", d.engine.jobs, err, want)
			}
			if err := d.Ledger.EndJob(t.Context(), jobs[0], d.Now()); err != nil {
				t.Fatal(err)
			}
			d.pass(time.Minute)
			if c.left {
				want = fmt.Sprintf("[preview: [%s] erase: [%s]]", id, id)
			}
			for range 2 { // once
				if err := d.FinishSweep(t.Context()); err != nil || fmt.Sprint(d.engine.jobs) != want {
					t.Errorf("after it: %v, %v; want %s", d.engine.jobs, err, want)
				}
			}
		})
	}
}

// Whoever looks by hand holds the requests. The sweep that is due meanwhile takes them as soon as that has ended.
func TestASweepThatWasDueDuringAPreviewFollowsIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ named, late bool }{
		"of everything": {}, "of some": {named: true}, "a moment after the sweep has begun": {late: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			ann := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm"}))(t).ID
			execution := func(job string, in erase.Input) bool {
				t.Helper()
				d.pass(time.Second)
				return got(erase.OpenJob(d.Base)(t.Context(), erase.OpenJobIn{Job: job, Input: in}))(t).Empty
			}
			look := erase.Input{Sweep: true, Mode: config.Preview}
			if c.named {
				look = erase.Input{Requests: []string{ann}, Mode: config.Preview}
			}
			if c.late { // it holds nobody yet when the other one looks
				got(d.Ledger.ChangeSweep(t.Context(), func(s *ledger.Sweep) error {
					*s = ledger.Sweep{Begun: ledger.Begun{Began: d.Now(), Jobs: []string{"scheduled"}}, Mode: "erase"}
					return nil
				}))(t)
				got(d.Ledger.OpenJob(t.Context(), ledger.Job{ID: "scheduled", Mode: "erase", Opened: d.Now()}))(t)
			}
			if execution("look", look) {
				t.Fatal("the preview holds nobody")
			}
			if !execution("scheduled", erase.Input{Sweep: true, Mode: config.Erase}) {
				t.Fatal("the sweep takes what the preview holds")
			}
			if err := d.FinishSweep(t.Context()); err != nil || len(d.engine.jobs) > 0 {
				t.Fatalf("while the preview works: %v (%v)", d.engine.jobs, err)
			}
			if _, err := d.Sweep(t.Context(), ""); !errors.Is(err, intake.ErrSweeping) {
				t.Errorf("a sweep that somebody asks for: %v", err)
			}
			if err := errors.Join(d.Ledger.Release(t.Context(), "look", []string{ann}, d.Now()), d.Ledger.EndJob(t.Context(), "look", d.Now())); err != nil {
				t.Fatal(err)
			}
			for range 2 { // once
				if err := d.FinishSweep(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if want := fmt.Sprintf("[erase: [%s]]", ann); fmt.Sprint(d.engine.jobs) != want {
				t.Errorf("after it: %v, want %s", d.engine.jobs, want)
			}
		})
	}
}

// A person looks at some requests while a sweep, or a preview of everything, begins.
func TestAPreviewBesideOneThatStartsItsJobs(t *testing.T) {
	t.Parallel()
	for _, mode := range []config.Mode{config.Erase, config.Preview} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			d := open(t)
			ann := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm"}))(t).ID
			desk := d.Desk
			desk.Engine = slow{d.engine, func() {
				d.pass(30 * time.Second)
				for _, job := range []string{"look1", "look2"} {
					got(erase.OpenJob(d.Base)(t.Context(), erase.OpenJobIn{Job: job, Input: erase.Input{Requests: []string{ann}, Mode: config.Preview}}))(t)
					if err := errors.Join(d.Ledger.Release(t.Context(), job, []string{ann}, d.Now()), d.Ledger.EndJob(t.Context(), job, d.Now())); err != nil && !errors.Is(err, ledger.ErrNotFound) {
						t.Error(err)
					}
				}
				if _, err := d.Sweep(t.Context(), ""); !errors.Is(err, intake.ErrSweeping) {
					t.Errorf("another one begins beside it: %v", err)
				}
			}}
			jobs := got(desk.Sweep(t.Context(), mode))(t)
			s := got(d.Ledger.LastSweep(t.Context()))(t)
			if preview := mode == config.Preview; s.Late == preview || !slices.Equal(s.Last(preview).Jobs, jobs) {
				t.Errorf("it started %q; noted is %+v", jobs, s)
			}
		})
	}
}

// Where the configuration only looks, a sweep begins the jobs of those who ask for more.
func TestASweepWhereTheConfigurationOnlyLooks(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.Config.Mode = config.Preview
	got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm"}))(t)
	ben := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ben@example.com"), Channel: "api", By: "crm", Mode: config.Erase}))(t).ID
	got(erase.OpenJob(d.Base)(t.Context(), erase.OpenJobIn{Job: "scheduled", Input: erase.Input{Sweep: true}}))(t)
	if err := d.FinishSweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("[erase: [%s]]", ben); fmt.Sprint(d.engine.jobs) != want {
		t.Errorf("started %v, want %s", d.engine.jobs, want)
	}
}
