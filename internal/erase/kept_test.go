package erase

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// annsDevices are two devices that are Ann's by her address.
func annsDevices() *providers {
	return &providers{devices: map[string]string{
		"d1": `"properties":{"mail":"` + annMail + `"}`,
		"d2": `"userId":"` + annUser + `","properties":{"mail":"` + annMail + `"}`,
	}}
}

func TestWhatIsRejectedIsKeptWithItsGround(t *testing.T) {
	t.Parallel()
	for ground, reason := range map[string]string{"": "kept: rejected in review", LegalClaims: "kept: rejected in review: legal_claims"} {
		m := newMachine(t, annsDevices(), "", "")
		id := m.file(m.person("email", annMail), "cli", nil)
		m.run("job", config.Approve, id)
		m.wantWaiting("job", "devices d1: ", "devices d2: ")
		m.decide("job", false, ground)
		m.wantHeld("d1", "d2")
		m.wantEnd(id, ledger.Partial, true) // another try would come to the same
		if got := m.outcome(id, Devices); got != reason {
			t.Errorf("%q: %s, want %s", ground, got, reason)
		}
		c := m.certified(id)
		if c.Request.Status != ledger.Partial || !c.Request.Settled || len(c.Approvals) != 1 || c.Approvals[0].Ground != ground || c.Approvals[0].Approved {
			t.Errorf("%q: the certificate says %s, settled %t, %+v", ground, c.Request.Status, c.Request.Settled, c.Approvals)
		}
	}
}

// A request with something left to do goes on, and nobody is asked again for what was decided.
func TestWhatWasRejectedIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	at := annsDevices()
	at.fail = map[string]error{"list audiences": fault.New(fault.Unauthorized, "no")}
	m := newMachine(t, at, "", "")
	id := m.file(m.person("email", annMail), "cli", nil)
	m.run("job1", config.Approve, id)
	m.decide("job1", false, LegalClaims)
	m.wantEnd(id, ledger.Partial, false)
	if kept := m.request(id).Kept; len(kept) != 2 || kept[0].Target != "app" || kept[0].Area != Devices || kept[0].Ground != LegalClaims || kept[0].Digest == kept[1].Digest {
		t.Errorf("remembered is %+v", kept)
	}
	// A second job finds one device more, and asks for that one alone.
	at.devices["d3"] = `"properties":{"mail":"` + annMail + `"}`
	m.run("job2", config.Approve, id)
	m.wantWaiting("job2", "devices d3: ")
	m.decide("job2", true, "")
	m.wantHeld("d1", "d2")
	m.wantEnd(id, ledger.Partial, false)
	// A third, in which nothing fails, asks for nothing: all that is left was decided.
	at.fail = nil
	if out := m.run("job3", config.Erase, id); out.Decision != Clean {
		t.Errorf("the third job: %s", out.Decision)
	}
	m.wantHeld("d1", "d2")
	m.wantEnd(id, ledger.Partial, true)
	if got := m.outcome(id, Devices); got != "kept: rejected in review: legal_claims" {
		t.Errorf("devices: %s", got)
	}
	if !m.certified(id).Request.Settled {
		t.Error("the certificate does not say that it has ended")
	}
}

// A preview of what was decided shows what is left to decide.
func TestAPreviewLeavesOutWhatWasRejected(t *testing.T) {
	t.Parallel()
	at := annsDevices()
	at.fail = map[string]error{"list audiences": fault.New(fault.Unauthorized, "no")}
	m := newMachine(t, at, "", "")
	id := m.file(m.person("email", annMail), "cli", nil)
	m.run("job1", config.Approve, id)
	m.decide("job1", false, "")
	out := m.run("preview", config.Preview, id)
	p, err := PreviewPlan(t.Context(), m.Base, "preview", true)
	if err != nil || len(p.Entries) != 0 || p.Hash != out.Plan {
		t.Errorf("the preview shows %+v (%v)", p.Entries, err)
	}
}

// An object of two people is asked for again when only one of them was told that it stays.
func TestAnObjectOfSomebodyElseIsAsked(t *testing.T) {
	t.Parallel()
	at := annsDevices()
	at.fail = map[string]error{"list audiences": fault.New(fault.Unauthorized, "no")}
	m := newMachine(t, at, "", "")
	ann := m.file(m.person("email", annMail), "cli", nil)
	m.run("job1", config.Approve, ann)
	m.decide("job1", false, LegalDuty)
	ben := m.file(m.person("user_id", annUser), "cli", nil)
	m.run("job2", config.Approve, ann, ben)
	m.wantWaiting("job2", "devices d2: ", "profile "+annUser+": ")
	m.decide("job2", false, "")
	m.run("job3", config.Approve, ann, ben)
	for id, want := range map[string]string{ann: "kept: rejected in review: legal_duty", ben: "kept: rejected in review: legal_duty"} {
		m.wantEnd(id, ledger.Partial, false) // audiences fail
		if got := m.outcome(id, Devices); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

// What nobody decided can still go: the request goes on.
func TestWhatNobodyApprovedIsNotSettled(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	id := m.file(m.person("email", annMail), "cli", nil)
	m.run("job", config.Approve, id)
	m.closeJob("job", 1, true) // its time is over
	m.wantEnd(id, ledger.Partial, false)
	if got := m.outcome(id, Devices); got != "kept: "+NotApproved {
		t.Errorf("devices: %s", got)
	}
	if len(m.request(id).Kept) > 0 {
		t.Error("it remembers as rejected what nobody looked at")
	}
	m.run("job2", config.Approve, id)
	m.wantWaiting("job2", "devices d1: ", "devices d2: ")
}

func TestWhyAnAreaIsKept(t *testing.T) {
	t.Parallel()
	rejected := func(ground string) ledger.Finding { return ledger.Finding{Seen: 1, Rejected: true, Ground: ground} }
	held := ledger.Finding{Seen: 1, Held: true}
	for want, found := range map[string][]ledger.Finding{
		"rejected in review":                             {rejected(""), rejected("")},
		"rejected in review: legal_claims":               {rejected(LegalClaims), rejected("")},
		"rejected in review: legal_claims, other_person": {rejected(OtherPerson), rejected(LegalClaims), rejected(OtherPerson)},
		"not approved":                                   {held, rejected(LegalDuty)},
	} {
		for range 2 { // in whatever order
			slices.Reverse(found)
			var all []*ledger.Finding
			for n := range found {
				all = append(all, &found[n])
			}
			for _, o := range []ledger.Outcome{judge(all, ledger.Lane{Searched: 1, Times: 1}, ""), judgeOrders(all, ledger.Lane{})} {
				if o.Word != ledger.Kept || o.Reason != want || o.Kept != len(found) {
					t.Errorf("%s: %s, %d kept; want %s", o.Word, o.Reason, o.Kept, want)
				}
				if s := settled([]ledger.Outcome{{Word: ledger.VerifiedAbsent}, o}); s != (want != NotApproved) {
					t.Errorf("%s: settled %t", o.Reason, s)
				}
			}
		}
	}
	kept := ledger.Outcome{Word: ledger.Kept, Reason: RejectedBy}
	for name, c := range map[string]struct {
		of   []ledger.Outcome
		want bool
	}{
		"all else went well":    {[]ledger.Outcome{kept, {Word: ledger.VerifiedAbsent}, {Word: ledger.Accepted}, {Word: ledger.Nothing}}, true},
		"something failed":      {[]ledger.Outcome{kept, {Word: ledger.NotDone, Reason: "Throttled"}}, false},
		"something waits":       {[]ledger.Outcome{kept, {Word: ledger.Kept, Reason: NotApproved}}, false},
		"nothing was kept":      {[]ledger.Outcome{{Word: ledger.VerifiedAbsent}}, false},
		"a provider is no more": {[]ledger.Outcome{kept, {Word: ledger.ProviderClosed}}, true},
	} {
		if got := settled(c.of); got != c.want {
			t.Errorf("%s: settled %t, want %t", name, got, c.want)
		}
	}
}

func TestARequestRemembersSoManyObjects(t *testing.T) {
	t.Parallel()
	found := map[[2]string][]*ledger.Finding{}
	for n := range 1_200 {
		k := [2]string{"app", searched[n%3]}
		found[k] = append(found[k], &ledger.Finding{Target: k[0], Area: k[1], Digest: fmt.Sprint(n), Rejected: true, Ground: LegalDuty})
	}
	found[[2]string{"app", Devices}] = append(found[[2]string{"app", Devices}], &ledger.Finding{Target: "app", Area: Devices, Digest: "held", Held: true})
	old := ledger.KeptObject{Target: "gone", Area: Devices, Digest: "old"}
	r := ledger.Request{ID: "r1", Kept: []ledger.KeptObject{old}}
	r.Kept = keptFor(r, found)
	if len(r.Kept) != 1_000 || r.Kept[0] != old {
		t.Errorf("%d are remembered, the first is %+v", len(r.Kept), r.Kept[0])
	}
	if again := keptFor(r, found); !slices.Equal(again, r.Kept) {
		t.Error("the same job again remembers something else")
	}
	if slices.ContainsFunc(r.Kept, func(k ledger.KeptObject) bool { return k.Digest == "held" }) {
		t.Error("what nobody rejected is remembered")
	}
}

func TestADecisionHasAKnownGround(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	id := m.file(m.person("email", annMail), "cli", nil)
	plan := m.run("job", config.Approve, id).Plan
	decide := func(w Word) error {
		w.Plan, w.By = plan, "officer"
		token, err := Decide(t.Context(), m.Base, "job", w)
		if err == nil && token != "token" {
			t.Errorf("%+v: the token is %q", w, token)
		}
		return err
	}
	for _, w := range []Word{{Ground: "because"}, {Ground: "other_person "}, {Approved: true, Ground: LegalDuty}, {Approved: true, Ground: "because"}} {
		if err := decide(w); !fault.Is(err, fault.BadInput) {
			t.Errorf("%+v: %v, want BadInput", w, err)
		}
	}
	if j, err := m.Ledger.Job(t.Context(), "job"); err != nil || len(j.Approvals) > 0 {
		t.Errorf("%d words were written down (%v)", len(j.Approvals), err)
	}
	for range 2 { // whoever dies after the word says it again
		if err := decide(Word{Ground: PublicInterest}); err != nil {
			t.Error(err)
		}
	}
	for _, w := range []Word{{Ground: LegalDuty}, {}, {Approved: true}} {
		if err := decide(w); !fault.Is(err, fault.WrongPlan) {
			t.Errorf("%+v after another word: %v, want WrongPlan", w, err)
		}
	}
	if j, err := m.Ledger.Job(t.Context(), "job"); err != nil || len(j.Approvals) != 1 || j.Approvals[0].Ground != PublicInterest || j.Approvals[0].By != "officer" {
		t.Errorf("written down is %+v (%v)", j.Approvals, err)
	}
	if s := m.request(id).Status; s != ledger.Running {
		t.Errorf("after the word it is %s", s)
	}
}

// A request is one item of the ledger, however many devices it has: one that does not fit would keep its job, and with it
// everybody in it, from closing.
func TestARequestOfThousandsOfDevicesCloses(t *testing.T) {
	t.Parallel()
	for _, approved := range []bool{true, false} {
		at := &providers{devices: map[string]string{}, fail: map[string]error{"list audiences": fault.New(fault.Unauthorized, "no")}}
		for n := range 2_500 {
			at.devices[fmt.Sprintf("00001111-0000-4000-8000-%012d", n)] = `"properties":{"mail":"` + annMail + `"}`
		}
		m := newMachine(t, at, "", "")
		id := m.file(m.person("email", annMail), "cli", nil)
		for _, job := range []string{"job1", "job2"} {
			m.run(job, config.Approve, id)
			if job == "job1" || !approved {
				m.decide(job, approved, "")
			}
			m.wantEnd(id, ledger.Partial, false)
		}
		r := m.request(id)
		if approved && (len(r.Learned) < maxLearned/2 || len(r.Learned) > maxLearned+1000) || len(r.Kept) > maxKept {
			t.Errorf("approved %t: remembered are %d bytes and %d objects", approved, len(r.Learned), len(r.Kept))
		}
	}
}
