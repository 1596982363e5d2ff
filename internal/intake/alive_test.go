package intake_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// takes is an engine that takes its time to start a job.
type takes struct {
	*starts
	time time.Duration
}

func (e takes) Start(ctx context.Context, requests []string, mode config.Mode) (string, error) {
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(e.time):
	}
	return e.starts.Start(ctx, requests, mode)
}

// inBubble gives a desk with the clock of a synctest bubble, over one request for each of two modes.
func inBubble(t *testing.T) *door {
	d := open(t)
	d.Desk.Now = time.Now
	for who, mode := range map[string]config.Mode{"ann": "", "ben": config.Erase} {
		got(d.Submit(t.Context(), intake.Submission{Subject: person(t, who+"@example.com"), Channel: "api", By: "crm", Mode: mode}))(t)
	}
	return d
}

func TestASweepThatIsSlowToStartIsNotTakenForDead(t *testing.T) {
	t.Parallel()
	for _, mode := range []config.Mode{"", config.Preview} {
		synctest.Test(t, func(t *testing.T) {
			d := inBubble(t)
			desk := d.Desk
			desk.Engine = takes{d.engine, 5 * time.Minute}
			swept := make(chan error, 1)
			go func() {
				_, err := desk.Sweep(t.Context(), mode)
				swept <- err
			}()
			for range 4 {
				time.Sleep(time.Minute + time.Second)
				if _, err := d.Sweep(t.Context(), ""); !errors.Is(err, intake.ErrSweeping) {
					t.Errorf("in mode %q another one begins: %v", mode, err)
				}
				if err := d.FinishSweep(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if err := <-swept; err != nil {
				t.Error(err)
			}
			want := 2 // one for each mode
			if mode == config.Preview {
				want = 1
			}
			s := got(d.Ledger.LastSweep(t.Context()))(t)
			if n := len(s.Last(mode == config.Preview).Jobs); n != want || len(d.engine.jobs) != want {
				t.Errorf("in mode %q %d jobs are noted, of %v; want %d", mode, n, d.engine.jobs, want)
			}
		})
	}
}

// Another one has begun: what this one would start now would cost its export a second time.
func TestASweepThatWasTakenForDeadStartsNoMore(t *testing.T) {
	t.Parallel()
	for name, engine := range map[string]func(*door) intake.Engine{
		"between two jobs":    func(d *door) intake.Engine { return slow{d.engine, d.overtake} },
		"while it starts one": func(d *door) intake.Engine { return waits{d.engine, d.overtake} },
	} {
		synctest.Test(t, func(t *testing.T) {
			d := inBubble(t)
			desk := d.Desk
			desk.Engine = engine(d)
			if _, err := desk.Sweep(t.Context(), ""); !errors.Is(err, intake.ErrSweeping) {
				t.Errorf("%s: %v", name, err)
			}
			if s := got(d.Ledger.LastSweep(t.Context()))(t); len(d.engine.jobs) > 1 || len(s.Jobs) != 1 || s.Jobs[0] != "other" {
				t.Errorf("%s: started %v, noted %v", name, d.engine.jobs, s.Jobs)
			}
		})
	}
}

// overtake begins another sweep.
func (d *door) overtake() {
	got(d.Ledger.ChangeSweep(d.t.Context(), func(s *ledger.Sweep) error {
		*s = ledger.Sweep{Begun: ledger.Begun{Began: d.Desk.Now().Add(time.Millisecond), Jobs: []string{"other"}}}
		return nil
	}))(d.t)
}

// waits is an engine that does something, and then starts no job before its time is over.
type waits struct {
	*starts
	first func()
}

func (e waits) Start(ctx context.Context, _ []string, _ config.Mode) (string, error) {
	e.first()
	<-ctx.Done()
	return "", ctx.Err()
}

// lame is a store that notes nothing of sweeps any more once it is told so.
type lame struct {
	ledger.Store
	now *atomic.Bool
}

var errLame = errors.New("the ledger does not answer")

func (l lame) Write(ctx context.Context, changes ...ledger.Change) error {
	if len(changes) > 0 && changes[0].Partition == "sweep" && l.now.Load() {
		return errLame
	}
	return l.Store.Write(ctx, changes...)
}

// It stops before anybody may take it for dead, and is begun again then.
func TestASweepThatCannotSayThatItLivesStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := inBubble(t)
		desk, began := d.Desk, time.Now()
		var fails atomic.Bool
		desk.Ledger = ledger.New(lame{d.store, &fails})
		desk.Engine = waits{d.engine, func() { fails.Store(true) }}
		if _, err := desk.Sweep(t.Context(), ""); !errors.Is(err, errLame) {
			t.Fatal(err)
		}
		if took := time.Since(began); took >= ledger.StartTime {
			t.Errorf("it stopped after %s", took)
		}
		time.Sleep(time.Until(began.Add(ledger.StartTime)))
		if err := d.FinishSweep(t.Context()); err != nil || len(d.engine.jobs) != 2 {
			t.Errorf("a minute after it began: %v (%v)", d.engine.jobs, err)
		}
	})
}
