package erase

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// counts are sums of what was counted.
type counts struct {
	mu  sync.Mutex
	sum map[string]int
}

// counting has a Base count into the answer.
func counting(b *Base) *counts {
	c := &counts{sum: map[string]int{}}
	b.Count = func(n Count) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sum[fmt.Sprintf("%s %s/%s%s", n.What, n.Target, n.Area, n.Status)] += n.N
	}
	return c
}

func (c *counts) want(t *testing.T, want map[string]int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !maps.Equal(c.sum, want) {
		t.Errorf("counted %v, want %v", c.sum, want)
	}
}

// Also a device that registers again, and is found and deleted again by the next pass, is one finding and one deletion.
func TestEachObjectIsCountedOnceInAJob(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsThings(), "", "")
	c := counting(&m.Base)
	before, deletes := maps.Clone(m.at.devices), 0
	m.at.onDelete = func() {
		if deletes++; deletes == 3 {
			m.at.devices = before
		}
	}
	id := m.file(m.person("email", annMail, "user_id", annUser), "cli", nil)
	m.run("job", config.Erase, id)
	m.wantEnd(id, ledger.Erased, true)
	if deletes != 6 {
		t.Errorf("%d deletes, want those of three devices in two passes", deletes)
	}
	c.want(t, map[string]int{
		"findings app/devices": 3, "findings app/audiences": 2, "findings app/notifications": 5, "findings batch/profile": 1,
		"deletions app/devices": 3, "deletions app/audiences": 2, "deletions app/notifications": 5, "deletions batch/profile": 1,
		"closings /erased": 1,
	})
}

// A step that dies after the provider deleted, and before that is written down, has it counted by the one that follows.
func TestDeletionsAreCountedWithWhatIsWrittenDown(t *testing.T) {
	t.Parallel()
	for _, failAt := range []int{1, 2, saveDeletes + 3} {
		b := forgetting(t, 30)
		c := counting(&b)
		d := &deleter{deleted: map[string]int{}, before: func(_ context.Context, calls int) error {
			if calls == failAt {
				return fault.New(fault.Unavailable, "no answer")
			}
			return nil
		}}
		if _, err := d.step(b)(t.Context(), forgetOn); err == nil {
			t.Error("the step did not fail")
		}
		sum := map[string]int{}
		if failAt > 1 {
			sum["deletions acme-ios/devices"] = failAt - 1
		}
		c.want(t, sum)
		for range 2 {
			if out, err := d.step(b)(t.Context(), forgetOn); err != nil || !out.Done {
				t.Errorf("the next slice: done %t, %v", out.Done, err)
			}
			c.want(t, map[string]int{"deletions acme-ios/devices": 30})
		}
	}
	b := forgetting(t, 30)
	c := counting(&b)
	d := &deleter{deleted: map[string]int{}, before: func(context.Context, int) error { return nil }}
	for n := range 30 { // gone already: deleted by a process that died
		d.deleted[fmt.Sprintf("install-%d", n)] = 1
	}
	if _, err := d.step(b)(t.Context(), forgetOn); err != nil {
		t.Fatal(err)
	}
	c.want(t, map[string]int{"deletions acme-ios/devices": 30})
}

// Nobody asks at the door for a sweep that the schedule starts: the job itself writes down that it began.
func TestASweepIsWrittenDownByItsJob(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	c := counting(&m.Base)
	open := func(job string, in Input) {
		t.Helper()
		_, err := OpenJob(m.Base)(t.Context(), OpenJobIn{Job: job, Input: in})
		m.must(err)
	}
	want := func(mode string, jobs ...string) time.Time {
		t.Helper()
		s, err := m.Ledger.LastSweep(t.Context())
		if err != nil || s.Mode != mode || !slices.Equal(s.Jobs, jobs) || s.Began.IsZero() == (len(jobs) > 0) {
			t.Errorf("the last sweep is %+v (%v), want %q of %q", s, err, jobs, mode)
		}
		return s.Began
	}
	open("looks", Input{Sweep: true, Mode: config.Preview})
	open("named", Input{Requests: []string{m.file(m.person("email", annMail), "cli", nil)}})
	want("")
	c.want(t, map[string]int{})

	open("sweep", Input{Sweep: true})
	began := want("", "sweep")
	open("sweep", Input{Sweep: true}) // the step is run again
	if again := want("", "sweep"); !again.Equal(began) {
		t.Errorf("a step that was run again moved the begin from %s to %s", began, again)
	}
	c.want(t, map[string]int{"sweeps /": 1})

	open("second", Input{Sweep: true, Mode: config.Approve})
	want("approve", "second")
	later := time.Now().Add(time.Hour)
	_, err := m.Ledger.ChangeSweep(t.Context(), func(s *ledger.Sweep) error {
		s.Began, s.Mode, s.Jobs = later, "", []string{"third"}
		return nil
	})
	m.must(err)
	open("second", Input{Sweep: true, Mode: config.Approve}) // much later: another sweep has begun since
	if !want("", "third").Equal(later) {
		t.Error("a step that was run again overwrote a later sweep")
	}
	c.want(t, map[string]int{"sweeps /": 2})
}
