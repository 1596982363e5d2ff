package erase

import (
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
		if err != nil || got != want || !slices.Equal(s.Look.Jobs, previews) {
			t.Errorf("a sweep waits: %t (%v), want %t; for %q, want %q", got, err, want, s.Look.Jobs, previews)
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
