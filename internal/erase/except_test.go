package erase

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// digestsOf gives the digests of objects in the plan that waits in a job.
func (m *machine) digestsOf(job string, names ...string) (digests []string) {
	m.t.Helper()
	p, err := LoadPlan(m.t.Context(), m.Base, job, true)
	m.must(err)
	for _, e := range p.Entries {
		if slices.Contains(names, e.Name) {
			digests = append(digests, e.Digest)
		}
	}
	if len(digests) != len(names) {
		m.t.Fatalf("of %q, %d objects are in the plan", names, len(digests))
	}
	return digests
}

// except approves what waits but for some objects, and goes on.
func (m *machine) except(job, ground string, names ...string) {
	m.t.Helper()
	j, err := m.Ledger.Job(m.t.Context(), job)
	m.must(err)
	_, err = Decide(m.t.Context(), m.Base, job, Word{Plan: j.Plan, By: "officer", Approved: true, Ground: ground, Keep: m.digestsOf(job, names...)})
	m.must(err)
	m.review(ReviewFindingsIn{Job: job, Pass: j.Pass})
}

// One object of a plan is somebody else's: the others have nothing to do with it.
func TestTheRestOfAPlanIsApproved(t *testing.T) {
	t.Parallel()
	at := annsDevices()
	at.devices["d-ben"] = `"userId":"account-0815"`
	m := newMachine(t, at, "", "")
	ann := m.file(m.person("email", annMail), "api", nil)
	ben := m.file(m.person("user_id", "account-0815"), "api", nil)
	m.run("job", config.Approve, ann, ben)
	m.wantWaiting("job", "devices d1: ", "devices d2: ", "devices d-ben: ", "profile account-0815: ")
	kept := m.digestsOf("job", "d2")
	m.except("job", OtherPerson, "d2")
	m.wantHeld("d2", "ordered account-0815")
	m.wantEnd(ben, ledger.Erased, true)
	m.wantEnd(ann, ledger.Partial, true) // all that is left was kept by a decision
	if got, want := m.outcome(ann, Devices), "kept: rejected in review: other_person"; got != want {
		t.Errorf("devices: %s, want %s", got, want)
	}
	a := m.certified(ann).Approvals
	if len(a) != 1 || !a[0].Approved || a[0].Ground != OtherPerson || !slices.Equal(a[0].Kept, kept) || a[0].By != "officer" {
		t.Errorf("her certificate says %+v", a)
	}
	if a := m.certified(ben).Approvals; len(a) != 1 || !a[0].Approved || a[0].Ground != "" || len(a[0].Kept) > 0 {
		t.Errorf("his certificate tells what was kept of somebody else's: %+v", a)
	}
	if j, err := m.Ledger.Job(t.Context(), "job"); err != nil || len(j.Approvals) != 1 || !slices.Equal(j.Approvals[0].Kept, kept) || j.Approvals[0].Ground != OtherPerson {
		t.Errorf("the job says %+v (%v)", j.Approvals, err)
	}
}

// What was kept is remembered as a rejection is: the next job asks nobody.
func TestAnExceptionIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	at := annsDevices()
	at.fail = map[string]error{"list audiences": fault.New(fault.Unauthorized, "no")}
	m := newMachine(t, at, "", "")
	id := m.file(m.person("email", annMail), "cli", nil)
	m.run("job1", config.Approve, id)
	m.except("job1", "", "d1")
	m.wantHeld("d1")
	m.wantEnd(id, ledger.Partial, false)
	if kept := m.request(id).Kept; len(kept) != 1 || kept[0].Area != Devices || kept[0].Ground != "" {
		t.Errorf("remembered is %+v", kept)
	}
	at.fail = nil
	if out := m.run("job2", config.Erase, id); out.Decision != Clean {
		t.Errorf("the next job: %s", out.Decision)
	}
	m.wantHeld("d1")
	m.wantEnd(id, ledger.Partial, true)
}

func TestOnlyWhatIsInThePlanCanBeKept(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "limits: {devices: 1}")
	at := m.at
	at.audiences = map[string]string{"a-mail": "mail eq '" + annMail + "'"}
	id := m.file(m.person("email", annMail), "cli", nil)
	plan := m.run("job", config.Erase, id).Plan // the devices wait; the audience is deleted, or was
	m.wantHeld("d1", "d2")
	d := m.digestsOf("job", "d1", "d2")
	audience := m.objectDigest("app", Audiences, "a-mail")
	var many []string
	for n := range MaxKeep + 1 {
		many = append(many, fmt.Sprint("digest-", n))
	}
	decide := func(w Word) error {
		w.By = "officer"
		_, err := Decide(t.Context(), m.Base, "job", w)
		return err
	}
	for name, w := range map[string]Word{
		"an unknown object":                  {Plan: plan, Approved: true, Keep: []string{d[0], "unknown"}},
		"an object that does not wait":       {Plan: plan, Approved: true, Keep: []string{audience}},
		"a rejection":                        {Plan: plan, Keep: d[:1]},
		"too many":                           {Plan: plan, Approved: true, Keep: many},
		"an unknown ground":                  {Plan: plan, Approved: true, Keep: d[:1], Ground: "because"},
		"a ground, and nothing that is kept": {Plan: plan, Approved: true, Keep: []string{}, Ground: LegalDuty},
	} {
		if err := decide(w); !fault.Is(err, fault.BadInput) {
			t.Errorf("%s: %v, want BadInput", name, err)
		}
	}
	if err := decide(Word{Plan: "another", Approved: true, Keep: []string{"unknown"}}); !fault.Is(err, fault.WrongPlan) {
		t.Errorf("another plan: %v, want WrongPlan", err)
	}
	if j, err := m.Ledger.Job(t.Context(), "job"); err != nil || len(j.Approvals) > 0 {
		t.Errorf("%d words were written down (%v)", len(j.Approvals), err)
	}
	// The same word in another order, and with one object twice, is the same.
	for _, keep := range [][]string{{d[0], d[1]}, {d[1], d[0], d[1]}} {
		if err := decide(Word{Plan: plan, Approved: true, Keep: keep, Ground: LegalDuty}); err != nil {
			t.Errorf("%d of 2: %v", len(keep), err)
		}
	}
	for name, w := range map[string]Word{
		"everything approved": {Plan: plan, Approved: true},
		"less kept":           {Plan: plan, Approved: true, Keep: d[:1], Ground: LegalDuty},
		"another ground":      {Plan: plan, Approved: true, Keep: d, Ground: LegalClaims},
		"all rejected":        {Plan: plan, Ground: LegalDuty},
	} {
		if err := decide(w); !fault.Is(err, fault.WrongPlan) {
			t.Errorf("%s, after another word: %v, want WrongPlan", name, err)
		}
	}
	if j, err := m.Ledger.Job(t.Context(), "job"); err != nil || len(j.Approvals) != 1 {
		t.Errorf("%d words were written down (%v)", len(j.Approvals), err)
	}
}

// A device is kept because it is somebody else's. What is known only through it is somebody else's, too.
func TestWhatAKeptDeviceTaughtIsKeptWithIt(t *testing.T) {
	t.Parallel()
	at := annsDevices()
	at.notifications = map[string]appcenter.Notification{"n2": sentTo("d2")}
	m := newMachine(t, at, "learn_user_id: true", "")
	out := m.run("job", config.Approve, m.file(m.person("email", annMail), "cli", nil))
	keep := m.digestsOf("job", "d2")
	j, err := m.Ledger.Job(t.Context(), "job")
	m.must(err)
	_, err = Decide(t.Context(), m.Base, "job", Word{Plan: out.Plan, By: "officer", Approved: true, Ground: OtherPerson, Keep: keep})
	m.must(err)
	m.review(ReviewFindingsIn{Job: "job", Pass: j.Pass})
	if got := m.at.held(); len(keep) != 1 || slices.Contains(got, "ordered "+annUser) || !slices.Contains(got, "n2") {
		t.Errorf("d2 was kept as another person's; the providers have %q", got)
	}
}
