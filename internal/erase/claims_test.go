package erase

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

const (
	annMail  = "ann@acme.example"
	annPhone = "+49 30 1234567"
	annUser  = "account-4711"
)

func sentTo(install string) appcenter.Notification {
	return appcenter.Notification{Devices: []string{install}}
}

// annsThings is what is found of Ann by her address, by her account id and by her number.
func annsThings() *providers {
	return &providers{
		devices: map[string]string{
			"d-mail":  `"properties":{"mail":"` + annMail + `"}`,
			"d-both":  `"userId":"` + annUser + `","properties":{"mail":"` + annMail + `"}`,
			"d-user":  `"userId":"` + annUser + `"`,
			"d-phone": `"properties":{"mobile":"` + annPhone + `"}`,
			"d-other": `"userId":"account-0815"`,
		},
		audiences: map[string]string{"a-mail": "mail eq '" + annMail + "'", "a-user": "account eq '" + annUser + "'"},
		notifications: map[string]appcenter.Notification{
			"n-mail": {Body: "Sent to " + annMail}, "n-user": {UserIDs: []string{annUser}}, "n-phone": {Body: "Call " + annPhone},
			"n-to-mail": sentTo("d-mail"), "n-to-both": sentTo("d-both"), "n-to-user": sentTo("d-user"), "n-to-other": sentTo("d-other"),
		},
	}
}

// The link in the mail verifies the address. What was typed beside it could be another's: it finds nothing and deletes
// nothing, and nobody is asked about it.
func TestWhatNobodyVerifiedIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, vouch := range map[string]*ledger.Vouch{
		"nobody looked at it":               nil,
		"a person said that it is left out": {By: "dpo", Types: []string{"phone", "user_id"}},
	} {
		m := newMachine(t, annsThings(), "", "")
		id := m.file(m.person("email", annMail, "phone", annPhone, "user_id", annUser), "form", func(r *ledger.Request) {
			r.Claimed, r.Vouched = []string{"phone", "user_id"}, vouch
		})
		m.run("job", config.Erase, id)
		m.wantHeld("d-user", "d-phone", "d-other", "a-user", "n-user", "n-phone", "n-to-user", "n-to-other")
		m.wantEnd(id, ledger.Erased, true)
		if got := m.outcome(id, Profile); got != "nothing_found: "+NoIdentifier {
			t.Errorf("%s: %s was ordered", name, got)
		}
		c := m.certified(id)
		if want := "link sent to the e-mail address; not verified and left out: phone, user_id"; c.Person.Verified != want {
			t.Errorf("%s: the certificate says %q, want %q", name, c.Person.Verified, want)
		}
		if len(c.OutOfScope) != 1 || c.OutOfScope[0] != (OutOfScope{"batch", NoIdentifier}) {
			t.Errorf("%s: out of scope is %+v", name, c.OutOfScope)
		}
	}
}

func TestWhatSomebodyVouchesForCounts(t *testing.T) {
	t.Parallel()
	all := []string{"email", annMail, "phone", annPhone, "user_id", annUser}
	m := newMachine(t, annsThings(), "", "")
	id := m.file(m.person(all...), "api", nil) // the system that sent it does
	m.run("job", config.Erase, id)
	m.wantHeld("d-other", "n-to-other", "ordered "+annUser)
	m.wantEnd(id, ledger.Erased, true)

	m = newMachine(t, annsThings(), "", "")
	id = m.file(m.person(all...), "form", func(r *ledger.Request) {
		r.Vouched = &ledger.Vouch{By: "dpo", Verified: true, Types: []string{"phone", "user_id"}}
	})
	m.run("job", config.Erase, id)
	m.wantHeld("d-other", "n-to-other", "ordered "+annUser)
	if got, want := m.certified(id).Person.Verified, "link sent to the e-mail address; phone, user_id: vouched for by dpo"; got != want {
		t.Errorf("the certificate says %q, want %q", got, want)
	}
}

// Eve types an account id that somebody has, and one that nobody has. Neither her status page nor her certificate tells which.
func TestAClaimDoesNotTellWhetherItIsKnown(t *testing.T) {
	t.Parallel()
	for _, mode := range []config.Mode{config.Erase, config.Approve} {
		for _, app := range []string{"", "learn_user_id: true"} {
			say := func(account string) string {
				at := annsThings()
				at.devices["d-eve"] = `"properties":{"mail":"eve@acme.example"}`
				m := newMachine(t, at, app, "")
				ann := m.file(m.person("email", annMail), "api", nil)
				eve := m.file(m.person("email", "eve@acme.example", "user_id", account, "phone", annPhone), "form", claims("phone", "user_id"))
				m.run("job", mode, ann, eve)
				before := m.request(eve).Status
				if mode == config.Approve {
					m.decide("job", true, "")
				}
				c := m.certified(eve)
				c.Person.Digest, c.Issued, c.KeptUntil = "", time.Time{}, time.Time{}
				c.Request.Received, c.Request.Verified, c.Request.Due, c.Request.Completed = time.Time{}, time.Time{}, time.Time{}, time.Time{}
				for n := range c.Approvals { // what waited was Ann's and Eve's, by digests of another key
					c.Approvals[n].Plan, c.Approvals[n].At = "", time.Time{}
				}
				for _, target := range c.Scope {
					for n := range target.Areas {
						target.Areas[n].At = time.Time{}
					}
				}
				text, err := json.Marshal(c)
				m.must(err)
				return fmt.Sprint(before, " ", string(text))
			}
			if known, unknown := say(annUser), say("account-nobody-has"); known != unknown {
				t.Errorf("in mode %s with %q Eve learns that the account is known:\nknown:   %s\nunknown: %s", mode, app, known, unknown)
			}
		}
	}
}

// Eve types Ann's account id beside her own address. Ann asked too, and nobody is asked whose it is.
func TestAClaimTakesNobodysErasureAway(t *testing.T) {
	t.Parallel()
	at := &providers{devices: map[string]string{"d-user": `"userId":"` + annUser + `"`}}
	m := newMachine(t, at, "", "")
	ann := m.file(m.person("user_id", annUser), "api", nil)
	eve := m.file(m.person("email", "eve@acme.example", "user_id", annUser), "form", claims("user_id"))
	m.run("job", config.Erase, ann, eve)
	m.wantHeld("ordered " + annUser)
	m.wantEnd(ann, ledger.Erased, true)
	m.wantEnd(eve, ledger.NothingFound, true)
}

// Somebody claims an account id that is a word of everybody's audience: what waits is what the others proved.
func TestAHostileClaimIsInNoPlan(t *testing.T) {
	t.Parallel()
	at := &providers{
		devices:   map[string]string{"d-ann": `"properties":{"mail":"` + annMail + `"}`},
		audiences: map[string]string{"a-gold": "plan eq 'gold'"},
	}
	m := newMachine(t, at, "", "")
	ann := m.file(m.person("email", annMail), "api", nil)
	eve := m.file(m.person("email", "eve@acme.example", "user_id", "gold"), "form", claims("user_id"))
	m.run("job", config.Approve, ann, eve)
	m.wantWaiting("job", "devices d-ann: ")
	m.wantEnd(eve, ledger.NothingFound, true)
	m.decide("job", true, "")
	m.wantHeld("a-gold")
	m.wantEnd(ann, ledger.Erased, true)
}

// A number that was only claimed may be another person's, who uses the device too.
func TestAClaimedNumberIsNotThePersonsOwn(t *testing.T) {
	t.Parallel()
	at := &providers{devices: map[string]string{"d-both": `"properties":{"mail":"` + annMail + `","mobile":"` + annPhone + `"}`}}
	m := newMachine(t, at, "", "")
	id := m.file(m.person("email", annMail, "phone", annPhone), "form", claims("phone"))
	m.run("job", config.Erase, id)
	m.wantWaiting("job", "devices d-both: "+SharedDevice)
	m.wantHeld("d-both")
}

// The devices that carry the verified address may teach: the account id that they say is proven, whoever typed it.
func TestDevicesTeachWhatTheyProve(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsThings(), "learn_user_id: true", "")
	id := m.file(m.person("email", annMail, "phone", annPhone, "user_id", annUser), "form", claims("phone", "user_id"))
	m.run("job", config.Erase, id)
	m.wantHeld("d-user", "d-phone", "d-other", "n-phone", "n-to-user", "n-to-other", "ordered "+annUser)
	m.wantEnd(id, ledger.Erased, true)
}

// Too many devices wait, and the account id that they teach waits with them, also when somebody typed it.
func TestWhatTooManyDevicesTaughtWaits(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsThings(), "learn_user_id: true", "limits: {devices: 1}")
	id := m.file(m.person("email", annMail, "user_id", annUser), "form", claims("user_id"))
	m.run("job", config.Erase, id)
	m.wantWaiting("job", "devices d-mail: "+OverLimit, "devices d-both: "+OverLimit, "audiences a-user: "+ThroughDevices,
		"notifications n-user: "+ThroughDevices, "notifications n-to-mail: "+ThroughDevices, "notifications n-to-both: "+ThroughDevices,
		"profile "+annUser+": "+ThroughDevices)
}

// What a later search of the job finds proves an account id that was only claimed before.
func TestALaterSearchProvesAnOrder(t *testing.T) {
	t.Parallel()
	at := &providers{devices: map[string]string{"d-mail": `"properties":{"mail":"` + annMail + `"}`}}
	at.onDelete = func() {
		at.onDelete = nil
		at.devices["d-both"] = `"userId":"` + annUser + `","properties":{"mail":"` + annMail + `"}`
	}
	m := newMachine(t, at, "learn_user_id: true", "")
	id := m.file(m.person("email", annMail, "user_id", annUser), "form", claims("user_id"))
	m.run("job", config.Erase, id)
	m.wantHeld("ordered " + annUser)
	m.wantEnd(id, ledger.Erased, true)
}
