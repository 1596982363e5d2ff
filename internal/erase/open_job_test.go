package erase

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// members lists the requests of a job.
func (m *machine) members(job string) (ids []string) {
	m.t.Helper()
	m.must(m.Ledger.Members(m.t.Context(), job, func(id string, _ ledger.Member) error {
		ids = append(ids, id)
		return nil
	}))
	return ids
}

// A sweep takes what asks for its mode or for none, urgent or not, and what nobody works on or has to look at first.
func TestASweepTakesRequestsOfItsMode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode config.Mode
		want []string
	}{
		{config.Erase, []string{"any", "erase", "urgent"}},
		{config.Approve, []string{"any", "approve", "urgent", "urgent-approve"}},
		{config.Preview, []string{"any", "approve", "erase", "preview", "urgent", "urgent-approve"}}, // who only looks deletes nothing
		{"", []string{"any", "erase", "urgent"}},                                                     // the configuration's
	} {
		m := newMachine(t, annsDevices(), "", "")
		id := ""
		m.NewID = func() string { return id }
		file := func(name string, change func(*ledger.Request)) {
			id = name
			m.file(m.person("user_id", "account-of-"+name), "api", change)
		}
		file("any", nil)
		for _, mode := range []string{"erase", "approve", "preview"} {
			file(mode, func(r *ledger.Request) { r.Mode = mode })
		}
		file("urgent", func(r *ledger.Request) { r.Urgent = true })
		file("urgent-approve", func(r *ledger.Request) { r.Urgent, r.Mode = true, "approve" })
		file("claims", claims("user_id"))
		file("held", nil)
		file("ended", nil)
		file("unverified", func(r *ledger.Request) { r.Status, r.Until = ledger.Unverified, time.Now().Add(time.Hour) })
		if _, err := m.Ledger.End(t.Context(), "ended", ledger.Cancelled, "", time.Now()); err != nil {
			t.Fatal(err)
		}
		open := func(job string, in Input) OpenJobOut {
			out, err := OpenJob(m.Base)(t.Context(), OpenJobIn{Job: job, Input: in})
			m.must(err)
			return out
		}
		open("other", Input{Requests: []string{"held"}, Mode: config.Approve})
		mode := c.mode
		if mode == "" {
			mode = config.Erase
		}
		if ids, err := m.swept(t.Context(), mode); err != nil || !slices.Equal(slices.Sorted(slices.Values(ids)), c.want) { // others are not even asked for
			t.Errorf("a sweep in mode %q asks for %q (%v), want %q", c.mode, ids, err, c.want)
		}
		for range 2 { // the step may run twice
			open("sweep", Input{Sweep: true, Mode: c.mode})
			if got := m.members("sweep"); !slices.Equal(got, c.want) {
				t.Errorf("a sweep in mode %q took %q, want %q", c.mode, got, c.want)
			}
		}
	}
}

// Who names a request means it, whatever mode it asks for and whatever it claims; what nobody verified is claimed by nobody.
func TestANamedRequestIsTakenInAnyMode(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	asks := m.file(m.person("user_id", annUser), "api", func(r *ledger.Request) { r.Mode, r.Claimed = "approve", []string{"user_id"} })
	typed := m.file(m.person("email", annMail), "form", func(r *ledger.Request) { r.Status, r.Until = ledger.Unverified, time.Now().Add(time.Hour) })
	out, err := OpenJob(m.Base)(t.Context(), OpenJobIn{Job: "job", Input: Input{Requests: []string{asks, typed}, Mode: config.Erase}})
	if err != nil || out.Empty || !slices.Equal(m.members("job"), []string{asks}) {
		t.Errorf("the job has %q (%v)", m.members("job"), err)
	}
	out, err = OpenJob(m.Base)(t.Context(), OpenJobIn{Job: "job2", Input: Input{Requests: []string{typed}}})
	if err != nil || !out.Empty || m.request(typed).Status != ledger.Unverified {
		t.Errorf("an unverified request was taken: %t, %s (%v)", !out.Empty, m.request(typed).Status, err)
	}
}

func TestARequestThatIsNamedTwiceIsTakenOnce(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	id := m.file(m.person("user_id", annUser), "api", nil)
	_, err := OpenJob(m.Base)(t.Context(), OpenJobIn{Job: "job", Input: Input{Sweep: true, Requests: []string{id, id}}})
	if got := m.members("job"); err != nil || !slices.Equal(got, []string{id}) {
		t.Errorf("the job has %q (%v)", got, err)
	}
}

// One sweep at a time, as at the door: two would export everything twice. The one that is due meanwhile is noted.
func TestASweepDoesNotBeginWhileTheLastOneWorks(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	open := func(job string, in Input) OpenJobOut {
		t.Helper()
		out, err := OpenJob(m.Base)(t.Context(), OpenJobIn{Job: job, Input: in})
		m.must(err)
		return out
	}
	first := m.file(m.person("email", annMail), "api", nil)
	open("one", Input{Sweep: true})
	named := m.file(m.person("user_id", annUser), "api", nil)
	later := m.file(m.person("email", "ben@example.com"), "api", nil)
	for range 2 { // the step may run twice
		out := open("two", Input{Sweep: true, Mode: config.Approve, Requests: []string{named}})
		if got := m.members("two"); out.Empty || !slices.Equal(got, []string{named}) {
			t.Errorf("the second one took %q, want what it names", got)
		}
	}
	if out := open("three", Input{Sweep: true}); !out.Empty || m.request(later).Job != "" {
		t.Error("a sweep began while another one works")
	}
	if out := open("look", Input{Sweep: true, Mode: config.Preview}); out.Empty {
		t.Error("a preview waits for a sweep")
	}
	s, err := m.Ledger.LastSweep(t.Context())
	if err != nil || !slices.Equal(s.Jobs, []string{"one"}) || !s.Late || s.LateMode != "" {
		t.Errorf("the sweep is %+v (%v)", s, err)
	}
	if got := m.members("one"); !slices.Equal(got, []string{first}) {
		t.Errorf("the first one took %q", got)
	}
	_, err = m.Ledger.ChangeJob(t.Context(), "one", func(j *ledger.Job) error { j.Plan, j.Token = "hash", "token"; return nil })
	m.must(err)
	if out := open("four", Input{Sweep: true}); !out.Empty {
		t.Error("the first one waits for a person, and another one begins during a preview")
	}
	m.must(m.Ledger.Release(t.Context(), "look", []string{later}, time.Now()))
	m.must(m.Ledger.EndJob(t.Context(), "look", time.Now()))
	if out := open("five", Input{Sweep: true}); out.Empty || m.request(later).Job != "five" {
		t.Error("the first one waits for a person, and no other begins")
	}
}

// Each preview that holds requests is waited for, but none for ever. Those that have ended are forgotten.
func TestASweepWaitsForPreviews(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	now := time.Now()
	m.Now = func() time.Time { return now }
	ann, ben := m.file(m.person("email", annMail), "api", nil), m.file(m.person("email", "ben@example.com"), "api", nil)
	look := func(job, request string) {
		t.Helper()
		for range 2 { // the step may run twice
			_, err := OpenJob(m.Base)(t.Context(), OpenJobIn{Job: job, Input: Input{Requests: []string{request}, Mode: config.Preview}})
			m.must(err)
		}
	}
	waits := func(want bool, previews ...string) {
		t.Helper()
		s, err := m.Ledger.LastSweep(t.Context())
		m.must(err)
		got, err := Sweeping(t.Context(), m.Base, s)
		if err != nil || got != want || !slices.Equal(s.Looks.Jobs, previews) {
			t.Errorf("a sweep waits: %t (%v), want %t; for %q, want %q", got, err, want, s.Looks.Jobs, previews)
		}
	}
	end := func(job, request string) {
		t.Helper()
		m.must(m.Ledger.Release(t.Context(), job, []string{request}, now))
		m.must(m.Ledger.EndJob(t.Context(), job, now))
	}
	waits(false)
	look("one", ann)
	look("two", ben)
	waits(true, "one", "two")
	end("one", ann)
	waits(true, "one", "two")
	look("three", ann)
	waits(true, "two", "three")
	end("two", ben)
	waits(true, "two", "three")
	now = now.Add(24 * time.Hour)
	waits(false, "two", "three")
	_, err := OpenJob(m.Base)(t.Context(), OpenJobIn{Job: "person", Input: Input{Mode: config.Preview}})
	m.must(err)
	waits(false, "two", "three") // one that holds nobody who asked
}

// One that is stuck, and others that overlap it or each other, have a day in all; what begins when a sweep is due, what is
// left of it.
func TestPreviewsPutNoSweepOffForMoreThanADay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		late  bool          // a sweep is due
		every time.Duration // a preview begins
		takes int           // so many turns
	}{
		"one is stuck":                {every: 20 * time.Hour, takes: 100},
		"each overlaps the next":      {every: 20 * time.Hour, takes: 2},
		"one after the other":         {late: true, every: time.Hour, takes: 1},
		"overlapping, before a sweep": {late: true, every: time.Hour, takes: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, annsDevices(), "", "")
			began := time.Now()
			now := began
			m.Now = func() time.Time { return now }
			for n := 0; now.Sub(began) < 24*time.Hour || c.late && now.Sub(began) < 72*time.Hour; n++ {
				_, err := m.Ledger.ChangeSweep(t.Context(), func(s *ledger.Sweep) error { s.Late = c.late; return nil })
				m.must(err)
				id := m.file(m.person("email", fmt.Sprintf("p%d@example.com", n)), "api", nil)
				_, err = OpenJob(m.Base)(t.Context(), OpenJobIn{Job: fmt.Sprintf("look%d", n), Input: Input{Requests: []string{id}, Mode: config.Preview}})
				m.must(err)
				last, err := m.Ledger.LastSweep(t.Context())
				m.must(err)
				if waits, err := Sweeping(t.Context(), m.Base, last); err != nil || waits != (now.Sub(began) < 24*time.Hour) {
					t.Errorf("%s after the first began, a sweep waits: %t (%v)", now.Sub(began), waits, err)
				}
				now = now.Add(c.every)
				if ends := n + 1 - c.takes; ends >= 0 {
					m.must(m.Ledger.EndJob(t.Context(), fmt.Sprintf("look%d", ends), now))
				}
			}
			last, err := m.Ledger.LastSweep(t.Context())
			m.must(err)
			if waits, err := Sweeping(t.Context(), m.Base, last); err != nil || waits {
				t.Errorf("%s after the first began, a sweep waits: %t (%v)", now.Sub(began), waits, err)
			}
		})
	}
}

// After its day a preview that is stuck keeps no other from being waited for.
func TestASweepWaitsForAPreviewBesideOneThatIsStuck(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	now := time.Now()
	m.Now = func() time.Time { return now }
	for _, job := range []string{"stuck", "look"} {
		id := m.file(m.person("email", job+"@example.com"), "api", nil)
		_, err := OpenJob(m.Base)(t.Context(), OpenJobIn{Job: job, Input: Input{Requests: []string{id}, Mode: config.Preview}})
		m.must(err)
		now = now.Add(25 * time.Hour)
	}
	now = now.Add(-2 * time.Hour)
	for _, want := range []bool{true, false} {
		last, err := m.Ledger.LastSweep(t.Context())
		m.must(err)
		if waits, err := Sweeping(t.Context(), m.Base, last); err != nil || waits != want {
			t.Errorf("a sweep waits: %t (%v), want %t", waits, err, want)
		}
		if want {
			m.must(m.Ledger.EndJob(t.Context(), "look", now))
		}
	}
}

// Who is looked at while a sweep takes requests may be missing in it. Once it searches it has taken all that it takes.
func TestASweepThatMayMissWhoIsLookedAtIsFollowed(t *testing.T) {
	t.Parallel()
	began := time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		last ledger.Sweep
		job  *ledger.Job // of the sweep
		want bool
	}{
		"none":                         {},
		"it starts its jobs":           {last: ledger.Sweep{Begun: ledger.Begun{Began: began, Beat: time.Now()}, Whole: true}, want: true},
		"it died":                      {last: ledger.Sweep{Begun: ledger.Begun{Began: began}, Whole: true}},
		"its job was invited":          {last: ledger.Sweep{Begun: ledger.Begun{Began: began, Jobs: []string{"sweep"}}, Whole: true}, want: true},
		"its job claims":               {last: ledger.Sweep{Begun: ledger.Begun{Began: began, Jobs: []string{"sweep"}}, Whole: true}, job: &ledger.Job{}, want: true},
		"its job was reviewed":         {last: ledger.Sweep{Begun: ledger.Begun{Began: began, Jobs: []string{"sweep"}}, Whole: true}, job: &ledger.Job{Pass: 1}},
		"its job has ended":            {last: ledger.Sweep{Begun: ledger.Begun{Began: began, Jobs: []string{"sweep"}}, Whole: true}, job: &ledger.Job{Closed: began}},
		"jobs of other modes are left": {last: ledger.Sweep{Begun: ledger.Begun{Began: began, Jobs: []string{"sweep"}}}, job: &ledger.Job{Pass: 1}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, annsDevices(), "", "")
			ann, ben := m.file(m.person("email", annMail), "api", nil), m.file(m.person("email", "ben@example.com"), "api", nil)
			c.last.Mode = "erase"
			_, err := m.Ledger.ChangeSweep(t.Context(), func(s *ledger.Sweep) error { *s = c.last; return nil })
			m.must(err)
			m.must(m.Ledger.Invite(t.Context(), "sweep", []string{ben}, time.Time{}))
			if c.job != nil {
				c.job.ID, c.job.Mode = "sweep", "erase"
				_, err := m.Ledger.OpenJob(t.Context(), *c.job)
				m.must(err)
			}
			_, err = OpenJob(m.Base)(t.Context(), OpenJobIn{Job: "look", Input: Input{Requests: []string{ann}, Mode: config.Preview}})
			m.must(err)
			if s, err := m.Ledger.LastSweep(t.Context()); err != nil || s.Late != c.want || c.want && s.LateMode != "erase" {
				t.Errorf("another one follows: %t, in mode %q (%v); want %t", s.Late, s.LateMode, err, c.want)
			}
		})
	}
}

// A sweep that waits no longer for a preview begins without whom that holds.
func TestASweepThatBeganBesideAPreviewIsFollowed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after time.Duration // the preview the sweep began
		back  bool          // an earlier run of the step let go what it held
		own   bool          // it holds only whom it was asked about itself
		want  bool
	}{
		"after it":                    {after: time.Hour, want: true},
		"after it, and the step died": {after: time.Hour, back: true, want: true},
		"before it":                   {after: -time.Hour},
		"it holds nobody who asked":   {after: time.Hour, own: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, annsDevices(), "", "")
			ann := m.file(m.person("email", annMail), "api", func(r *ledger.Request) { r.Preview = c.own })
			_, err := m.Ledger.OpenJob(t.Context(), ledger.Job{ID: "look", Mode: "preview", Opened: m.Now()})
			m.must(err)
			m.must(m.Ledger.Invite(t.Context(), "look", []string{ann}, time.Time{}))
			_, err = m.Ledger.Claim(t.Context(), "look", []string{ann}, m.Now())
			m.must(err)
			_, err = m.Ledger.ChangeSweep(t.Context(), func(s *ledger.Sweep) error {
				*s = ledger.Sweep{Begun: ledger.Begun{Began: m.Now().Add(c.after), Jobs: []string{}}, Mode: "erase", Whole: true}
				return nil
			})
			m.must(err)
			if c.back {
				m.must(m.Ledger.Release(t.Context(), "look", []string{ann}, m.Now()))
			}
			m.closeJob("look", 1, true)
			if s, err := m.Ledger.LastSweep(t.Context()); err != nil || s.Late != c.want || c.want && s.LateMode != "erase" {
				t.Errorf("another one follows: %t, in mode %q (%v); want %t", s.Late, s.LateMode, err, c.want)
			}
		})
	}
}

// The door shows no job of another name, so that nobody could approve its plan.
func TestAnExecutionIsNotCalledAsItLikes(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	for _, name := range []string{"", "sweep.1", "ann@example.com", "søk", strings.Repeat("x", 81)} {
		if _, err := OpenJob(m.Base)(t.Context(), OpenJobIn{Job: name}); !fault.Is(err, fault.BadInput) || name != "" && strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"3f0c5c9e-8a0b-4f6d-9d3a-0c4a4f3b2a11_7b1d2c3e-1111-2222-3333-444455556666", "01M81C17HPT7R498E952RG6HFW"} {
		if _, err := OpenJob(m.Base)(t.Context(), OpenJobIn{Job: name}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// An execution's name is free again after 90 days, and one that was stopped may be redriven when its job was closed.
func TestAClosedJobClaimsNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	now := time.Now().UTC()
	m.Now = func() time.Time { return now }
	ann := m.file(m.person("user_id", annUser), "api", nil)
	m.run("monthly", config.Erase, ann)
	if job, err := m.Ledger.Job(t.Context(), "monthly"); err != nil || job.Closed.IsZero() {
		t.Fatalf("the job is not closed: %+v (%v)", job, err)
	}
	ben := m.file(m.person("email", "ben@example.com"), "api", nil)
	again := OpenJobIn{Job: "monthly", Input: Input{Requests: []string{ben}}}
	if out, err := OpenJob(m.Base)(t.Context(), again); err != nil || !out.Empty {
		t.Errorf("the step is run again, and the job goes on: %t (%v)", !out.Empty, err)
	}
	now = now.AddDate(0, 0, 91)
	if _, err := OpenJob(m.Base)(t.Context(), again); !fault.Is(err, fault.BadInput) {
		t.Errorf("91 days later: %v", err)
	}
	if r := m.request(ben); r.Job != "" || r.Status != ledger.Pending || len(m.members("monthly")) != 1 {
		t.Errorf("the request is %s, held by %q; the job has %q", r.Status, r.Job, m.members("monthly"))
	}
}
