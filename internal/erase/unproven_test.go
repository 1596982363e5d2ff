package erase

import (
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/fault"
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

// The link in the mail verifies the address. What was typed beside it deletes nothing by itself: it could be another's.
func TestWhatNobodyVerifiedWaits(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsThings(), "", "")
	id := m.file(m.person("email", annMail, "phone", annPhone, "user_id", annUser), "form", claims("phone", "user_id"))
	m.run("job", config.Erase, id)
	m.wantWaiting("job", "devices d-user: "+Unproven, "devices d-phone: "+SharedDevice+"; "+Unproven, "audiences a-user: "+Unproven,
		"notifications n-user: "+Unproven, "notifications n-phone: "+Unproven, "notifications n-to-user: "+Unproven, "profile "+annUser+": "+Unproven)
	m.wantHeld("d-user", "d-phone", "d-other", "a-user", "n-user", "n-phone", "n-to-user", "n-to-other")
	m.wantEnd(id, ledger.InReview, false)
	m.decide("job", true, "")
	m.wantHeld("d-other", "n-to-other", "ordered "+annUser)
	m.wantEnd(id, ledger.Erased, true)
	if got, want := m.certified(id).Person.Verified, "link sent to the e-mail address; not verified: phone, user_id"; got != want {
		t.Errorf("the certificate says %q, want %q", got, want)
	}
}

func TestWhatTheSenderVouchesForDoesNotWait(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsThings(), "", "")
	id := m.file(m.person("email", annMail, "phone", annPhone, "user_id", annUser), "api", nil)
	m.run("job", config.Erase, id)
	m.wantHeld("d-other", "n-to-other", "ordered "+annUser)
	m.wantEnd(id, ledger.Erased, true)
}

// What was rejected because it is another person's stays, and the rest of the request has ended.
func TestAnotherPersonsAccountIsKept(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsThings(), "", "")
	id := m.file(m.person("email", annMail, "user_id", annUser), "form", claims("user_id"))
	m.run("job", config.Erase, id)
	m.decide("job", false, OtherPerson)
	m.wantHeld("d-user", "d-phone", "d-other", "a-user", "n-user", "n-phone", "n-to-user", "n-to-other")
	m.wantEnd(id, ledger.Partial, true)
	for area, want := range map[string]string{Devices: "kept: rejected in review: other_person", Profile: "kept: rejected in review: other_person"} {
		if got := m.outcome(id, area); got != want {
			t.Errorf("%s: %s, want %s", area, got, want)
		}
	}
}

// The devices that carry the verified address may teach: what they say is proven. One with a number that was only claimed
// may be somebody else's, and teaches nothing before it is approved.
func TestDevicesTeachWhatTheyProve(t *testing.T) {
	t.Parallel()
	at := annsThings()
	at.devices["d-phone"] = `"userId":"account-by-phone","properties":{"mobile":"` + annPhone + `"}`
	at.devices["d-mail"] = `"userId":"account-by-mail","properties":{"mail":"` + annMail + `"}`
	at.notifications["n-by-mail"] = appcenter.Notification{UserIDs: []string{"account-by-mail"}}
	at.notifications["n-by-phone"] = appcenter.Notification{UserIDs: []string{"account-by-phone"}}
	m := newMachine(t, at, "learn_user_id: true", "")
	id := m.file(m.person("email", annMail, "phone", annPhone, "user_id", annUser), "form", claims("phone", "user_id"))
	m.run("job", config.Erase, id)
	// d-both carries the address and the account id, which proves the id for all that is not a device.
	m.wantWaiting("job", "devices d-user: "+Unproven, "devices d-phone: "+SharedDevice+"; "+Unproven, "notifications n-phone: "+Unproven,
		"notifications n-to-user: "+Unproven)
	m.wantHeld("d-user", "d-phone", "d-other", "n-phone", "n-to-user", "n-to-other", "n-by-phone", "ordered account-by-mail", "ordered "+annUser)
	m.decide("job", true, "")
	m.wantHeld("d-other", "n-to-other", "ordered account-by-mail", "ordered account-by-phone", "ordered "+annUser)
	m.wantEnd(id, ledger.Erased, true)
}

// An approved device is the person's: what it leads to in the next search does not wait again.
func TestAnApprovedDeviceTeaches(t *testing.T) {
	t.Parallel()
	at := &providers{devices: map[string]string{"d-user": `"userId":"` + annUser + `"`}}
	m := newMachine(t, at, "", "")
	id := m.file(m.person("email", annMail, "user_id", annUser), "form", claims("user_id"))
	m.run("job", config.Erase, id)
	m.wantWaiting("job", "devices d-user: "+Unproven, "profile "+annUser+": "+Unproven)
	at.notifications = map[string]appcenter.Notification{"n-late": sentTo("d-user")}
	m.decide("job", true, "")
	m.wantHeld("ordered " + annUser)
	m.wantEnd(id, ledger.Erased, true)
}

// Too many devices wait, and the account id that they teach is not let through because somebody typed it as well.
func TestAClaimDoesNotProveWhatTooManyDevicesTaught(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsThings(), "learn_user_id: true", "limits: {devices: 1}")
	id := m.file(m.person("email", annMail, "user_id", annUser), "form", claims("user_id"))
	m.run("job", config.Erase, id)
	m.wantWaiting("job", "devices d-mail: "+OverLimit, "devices d-both: "+OverLimit, "devices d-user: "+Unproven+"; "+OverLimit,
		"audiences a-user: "+ThroughDevices, "notifications n-user: "+ThroughDevices, "notifications n-to-mail: "+ThroughDevices,
		"notifications n-to-both: "+ThroughDevices, "notifications n-to-user: "+Unproven, "profile "+annUser+": "+ThroughDevices)
}

// What is proven for one person and only claimed by another waits.
func TestAnObjectWaitsWhenOneOfItsRequestsProvesNothing(t *testing.T) {
	t.Parallel()
	at := &providers{devices: map[string]string{"d-user": `"userId":"` + annUser + `"`}}
	m := newMachine(t, at, "", "")
	ann := m.file(m.person("user_id", annUser), "api", nil)
	eve := m.file(m.person("email", "eve@acme.example", "user_id", annUser), "form", claims("user_id"))
	m.run("job", config.Erase, ann, eve)
	m.wantWaiting("job", "devices d-user: "+Unproven, "profile "+annUser+": "+Unproven)
	m.wantHeld("d-user")
}

// A device that is only claimed teaches the next job nothing, also when no review came to it because its lane had failed.
func TestAnUnprovenDeviceIsNotRemembered(t *testing.T) {
	t.Parallel()
	at := &providers{devices: map[string]string{"d-mail": `"properties":{"mail":"` + annMail + `"}`}}
	at.fail = map[string]error{"delete install": fault.New(fault.Unauthorized, "no")}
	m := newMachine(t, at, "", "")
	id := m.file(m.person("email", annMail, "user_id", annUser), "form", claims("user_id"))
	m.run("job", config.Erase, id) // waits for the order
	at.devices["d-late"] = `"userId":"` + annUser + `"`
	m.decide("job", true, "") // and goes on with another search, in which deleting devices is given up
	m.wantEnd(id, ledger.Partial, false)
	l, err := m.openLearned(t.Context(), m.request(id))
	if err != nil || !slices.Equal(l["app"].Installs, []string{"d-mail"}) {
		t.Errorf("remembered are %q (%v), want the proven device", l["app"].Installs, err)
	}
}

// A claim is proven by what a later search of the job finds: the order that waited for it need not wait any more.
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
