package demo

import (
	"math/rand/v2"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
)

// androidApp is the larger app, whose devices come in two plain blobs. Ben's phone and the tablet he shares are here.
func androidApp(random *rand.Rand, size int) *app {
	a := newApp(random, "acme-android", 2_000_000, appcentertest.ExportStyle{Blobs: 2})
	phone, tablet, mias := a.installID(), a.installID(), a.installID()
	device := func(of whose, id, user, locale string, props map[string]any) {
		a.device(of, appcentertest.Device{
			InstallID: id, UserID: user, PushToken: a.pushToken(), Platform: a.platform(), Locale: locale, Props: props,
		})
	}
	shared := a.own("DE", benEmail)
	shared["secondEmail"] = miaEmail
	device(person, phone, benUser, "de-DE", a.own("DE", benEmail))
	device(person, tablet, miaUser, "de-DE", shared)
	device(bystand, mias, miaUser, "de-DE", a.own("DE", miaEmail))
	device(bystand, a.installID(), longerBenUser, "de-AT", a.own("AT", ""))
	device(bystand, a.installID(), longerUser, "en-GB", a.own("GB", australian))
	device(bystand, a.installID(), "", "fr-FR", a.own("FR", plainChloe))
	a.addCrowd(size)

	a.audience(person, appcentertest.Audience{
		Name: "Callback list 2020-02", Description: "One customer, for the call centre.", Definition: "phone eq '+49 171 39200 42'",
	})
	a.audience(bystand, appcentertest.Audience{Name: "Australian sign-ups", Definition: "email eq '" + australian + "'"})
	a.audience(bystand, appcentertest.Audience{Name: "Name with apostrophe", Definition: "lastName eq 'O''Brien' and plan eq 'gold'"})
	a.audience(bystand, appcentertest.Audience{Name: "Test customer", Definition: "userId eq '" + longerBenUser + "'", Disabled: true})
	a.addAudiences(40)

	to := func(user ...string) appcentertest.Target {
		return appcentertest.Target{Type: "user_ids_target", UserIDs: user}
	}
	notify := func(of whose, name, title, body string, t appcentertest.Target) {
		a.notify(of, appcentertest.Notification{Name: name, Title: title, Body: body, Target: t})
	}
	install := appcentertest.Target{Type: "devices_target", Devices: []string{phone}}
	notify(person, "callback-1", "Wir haben Sie verpasst", "Ben, wir haben Sie unter 0171 3920042 nicht erreicht.", appcentertest.Target{})
	notify(person, "callback-2", "Rückruf", "Rückruf an (0171) 39 200 42 wie gewünscht heute Nachmittag.", install)
	notify(person, "callback-3", "Your callback", "We will ring +49 171 392-00-42 shortly.", to(benUser))
	notify(person, "callback-4 0049 171 3920042", "Danke", "Danke für das Gespräch. Wie waren wir?", appcentertest.Target{})
	notify(person, "gate-change", "Neues Gate", "Ihr Flug nach Lissabon startet jetzt von Gate B12.", install)
	notify(person, "loyalty-card", "Willkommen", "Ihre Treuekarte ist da.", to(benUser))
	a.notify(person, appcentertest.Notification{
		Name: "web-booking", Title: "Booking received", Body: "Thank you! The documents go to ANN.MEYER@EXAMPLE.COM.", Archived: true,
		Data: map[string]string{"booking": "QX7K2M", "deeplink": "acme://bookings/QX7K2M"},
	})
	notify(bystand, "last-seats", "Only 1234 left", "Only 1234 left at this price. Book today.", appcentertest.Target{})
	notify(bystand, "callback-5", "Rückruf", "Wir rufen "+nearlyBenPhone+" heute zurück.", appcentertest.Target{})
	notify(bystand, "gate-change", "Neues Gate", "Ihr Flug nach Rom startet jetzt von Gate A3.", to(miaUser))
	notify(bystand, "gate-change", "Neues Gate", "Ihr Flug nach Nizza startet jetzt von Gate C7.", to(longerBenUser))
	notify(bystand, "receipt", "Receipt", "Your receipt was sent to "+australian+".", to(longerUser))
	notify(bystand, "receipt", "Reçu", "Votre reçu est parti à "+plainChloe+".", appcentertest.Target{})
	a.addNotifications(340)
	a.shuffle()
	return a
}
