package demo

import (
	"math/rand/v2"
	"strings"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
)

const iosName = "acme-ios"

// iosApp is the smaller app, whose devices come in one gzip blob. Ann's phone and tablet are here.
func iosApp(random *rand.Rand, size int) *app {
	a := newApp(random, iosName, 3_000_000, appcentertest.ExportStyle{Blobs: 1, Gzip: true})
	phone, tablet := a.installID(), a.installID()
	device := func(of whose, id, user, locale string, props map[string]any) {
		a.device(of, appcentertest.Device{
			InstallID: id, UserID: user, PushToken: a.pushToken(), Platform: a.platform(), Locale: locale, Props: props,
		})
	}
	device(person, phone, annUser, "en-GB", a.own("DE", annEmail))
	device(person, tablet, "", "en-GB", a.own("DE", "ANN.MEYER@EXAMPLE.COM"))
	device(bystand, a.installID(), shorterUser, "de-DE", a.own("DE", joannEmail))
	device(bystand, a.installID(), "", "en-US", a.own("US", tomEmail))
	a.addCrowd(size)

	a.audience(person, appcentertest.Audience{
		Name: "VIP / Ann Meyer", Description: "For the surprise upgrade in May.", Definition: "email eq '" + annEmail + "'",
	})
	a.audience(bystand, appcentertest.Audience{Name: "VIP / Joann Meyer", Definition: "email eq '" + joannEmail + "'"})
	a.audience(bystand, appcentertest.Audience{Name: "Support case", Definition: "userId eq '" + shorterUser + "'", Disabled: true})
	a.addAudiences(20)

	to := func(user ...string) appcentertest.Target {
		return appcentertest.Target{Type: "user_ids_target", UserIDs: user}
	}
	notify := func(of whose, name, title, body string, t appcentertest.Target) {
		a.notify(of, appcentertest.Notification{Name: name, Title: title, Body: body, Target: t})
	}
	notify(person, "receipt", "Your receipt", "We sent the receipt to "+annEmail+".", to(annUser))
	notify(person, "upgrade", "A surprise for Ann", "Seat 2A is yours. Details went to "+annEmail+"; enjoy your flight.", appcentertest.Target{})
	notify(person, "gate-change", "Gate change", "Your flight to Athens now leaves from gate A18.",
		appcentertest.Target{Type: "devices_target", Devices: []string{strings.ToLower(phone), tablet}})
	notify(person, "check-in", "Check-in is open", "Check in for your flight to Athens.", to(annUser))
	notify(person, "case "+annUser, "We found your bag", "It comes with the evening flight.", appcentertest.Target{})
	a.notify(person, appcentertest.Notification{
		Name: "confirm-address", Title: "Is this still you?", Body: "Please confirm your address.", Archived: true,
		Data: map[string]string{"deeplink": "https://acme.test/account?email=" + strings.Replace(annEmail, "@", "%40", 1) + "&src=push"},
	})
	// The guard stops this one: Tom did not ask.
	notify(person, "group-booking", "You travel together", "Booking for "+annEmail+" and "+tomEmail+" is confirmed.", appcentertest.Target{})
	notify(bystand, "receipt", "Ihr Beleg", "Der Beleg ging an "+joannEmail+".", to(shorterUser))
	notify(bystand, "upgrade", "A surprise for Tom", "Seat 2C is yours. Details went to "+tomEmail+".", appcentertest.Target{})
	notify(bystand, "case "+longerUser, "We found your bag", "It comes with the morning flight.", appcentertest.Target{})
	a.addNotifications(160)
	a.shuffle()
	return a
}
