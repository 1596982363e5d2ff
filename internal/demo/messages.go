package demo

import (
	"fmt"
	"strings"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
)

// addAudiences adds selections that name nobody until the app has size of them.
func (a *app) addAudiences(size int) {
	all := a.selections()
	shuffle(a.random, all)
	for _, u := range all[:size-len(a.Audiences)] {
		u.Disabled = a.chance(12)
		a.audience(crowd, u)
	}
}

// selections are the audiences that a marketing team makes over the years, each name once.
func (a *app) selections() []appcentertest.Audience {
	var all []appcentertest.Audience
	add := func(name, definition string) {
		all = append(all, appcentertest.Audience{Name: name, Definition: definition})
	}
	for _, country := range []string{"DE", "AT", "CH", "FR", "ES", "GB"} {
		for _, plan := range []string{"free", "silver", "gold", "platinum"} {
			add(plan+" customers "+country, fmt.Sprintf("plan eq '%s' and carrierCountry eq '%s'", plan, country))
		}
		add("Newsletter "+country, fmt.Sprintf("newsletter eq true and carrierCountry eq '%s'", country))
	}
	for _, route := range routes() {
		add("Fare alert "+route, fmt.Sprintf("favouriteRoute eq '%s'", route))
	}
	for _, miles := range []int{5_000, 10_000, 20_000, 40_000} {
		add(fmt.Sprintf("More than %d miles", miles), fmt.Sprintf("milesBalance gt %d", miles))
	}
	return all
}

// addNotifications adds campaigns and messages about bookings until the app has size of them.
func (a *app) addNotifications(size int) {
	for len(a.Notifications) < size {
		n := a.campaign()
		if a.chance(60) {
			n = a.message(pick(a.random, a.customers...))
		}
		n.Archived = a.chance(25)
		a.notify(crowd, n)
	}
}

// campaign is for many.
func (a *app) campaign() appcentertest.Notification {
	city := pick(a.random, "Bari", "Bilbao", "Faro", "Graz", "Madrid", "Nantes", "Oslo", "Split") // the same word in all four languages
	price, percent := 29+10*a.random.IntN(12), 10+5*a.random.IntN(7)
	text := pick(a.random,
		[3]string{"weekend", "Ein Wochenende in {city}", "Flüge nach {city} ab {price} €. Nur bis Sonntag."},
		[3]string{"weekend", "A weekend in {city}", "Fly to {city} from {price} €. Until Sunday only."},
		[3]string{"weekend", "Un week-end à {city}", "Vols vers {city} dès {price} €, jusqu'à dimanche."},
		[3]string{"weekend", "Un fin de semana en {city}", "Vuelos a {city} desde {price} €, hasta el domingo."},
		[3]string{"sale", "{percent} % auf alles", "Heute {percent} % auf alle Flüge nach {city}."},
		[3]string{"sale", "{percent}% off", "Today {percent}% off all flights to {city}."},
		[3]string{"sale", "-{percent} %", "Aujourd'hui -{percent} % sur tous les vols vers {city}."},
	)
	fill := strings.NewReplacer("{city}", city, "{price}", fmt.Sprint(price), "{percent}", fmt.Sprint(percent))
	n := appcentertest.Notification{
		Name:  fmt.Sprintf("%s %s %d-%02d", text[0], strings.ToLower(city), 2018+a.random.IntN(3), 1+a.random.IntN(12)),
		Title: fill.Replace(text[1]), Body: fill.Replace(text[2]),
		Data: map[string]string{"campaign": text[0], "deeplink": "acme://offers/" + strings.ToLower(city)},
	}
	if a.chance(60) {
		n.Target = appcentertest.Target{Type: "audiences_target", Audiences: []string{pick(a.random, a.Audiences...).Name}}
	}
	return n
}

// message is for one customer.
func (a *app) message(c customer) appcentertest.Notification {
	booking := a.letters(6, codeChars)
	kind := pick(a.random, "booking", "receipt", "gate-change", "delay", "check-in")
	if c.email == "" {
		kind = pick(a.random, "gate-change", "delay", "check-in")
	}
	title, body := wording(kind, c.language)
	fill := strings.NewReplacer(
		"{name}", c.first, "{to}", c.email, "{booking}", booking,
		"{gate}", fmt.Sprintf("%s%d", pick(a.random, "A", "B", "C"), 1+a.random.IntN(40)),
		"{minutes}", fmt.Sprint(15+5*a.random.IntN(20)),
	)
	n := appcentertest.Notification{
		Name: kind + " " + booking, Title: fill.Replace(title), Body: fill.Replace(body),
		Data:   map[string]string{"booking": booking, "deeplink": "acme://bookings/" + booking},
		Target: appcentertest.Target{Type: "devices_target", Devices: []string{c.installID}},
	}
	if c.userID != "" && a.chance(60) {
		n.Target = appcentertest.Target{Type: "user_ids_target", UserIDs: []string{c.userID}}
	}
	return n
}

func wording(kind, language string) (title, body string) {
	texts := map[string][2]string{
		"booking de":     {"Buchung {booking} bestätigt", "Danke, {name}! Ihre Unterlagen kommen an {to}."},
		"booking fr":     {"Réservation {booking} confirmée", "Merci {name} ! Vos documents partent à {to}."},
		"booking es":     {"Reserva {booking} confirmada", "¡Gracias, {name}! Enviamos los documentos a {to}."},
		"booking en":     {"Booking {booking} confirmed", "Thank you, {name}! Your documents go to {to}."},
		"gate-change de": {"Neues Gate", "{name}, Ihr Flug startet jetzt von Gate {gate}."},
		"gate-change fr": {"Changement de porte", "{name}, votre vol part désormais de la porte {gate}."},
		"gate-change es": {"Cambio de puerta", "{name}, su vuelo sale ahora de la puerta {gate}."},
		"gate-change en": {"Gate change", "{name}, your flight now leaves from gate {gate}."},
		"delay de":       {"Ihr Flug ist verspätet", "Abflug etwa {minutes} Minuten später. Wir bitten um Entschuldigung."},
		"delay fr":       {"Votre vol est retardé", "Départ retardé d'environ {minutes} minutes. Toutes nos excuses."},
		"delay es":       {"Su vuelo lleva retraso", "Salida con unos {minutes} minutos de retraso. Disculpe."},
		"delay en":       {"Your flight is late", "It leaves about {minutes} minutes later. We are sorry."},
		"check-in de":    {"Check-in offen", "{name}, für {booking} können Sie jetzt einchecken."},
		"check-in fr":    {"Enregistrement ouvert", "{name}, l'enregistrement pour {booking} est ouvert."},
		"check-in es":    {"Facturación abierta", "{name}, ya puede facturar para {booking}."},
		"check-in en":    {"Check-in is open", "{name}, you can check in for {booking} now."},
		"receipt de":     {"Ihr Beleg", "Der Beleg zu {booking} ging an {to}."},
		"receipt fr":     {"Votre reçu", "Le reçu de {booking} est parti à {to}."},
		"receipt es":     {"Su recibo", "El recibo de {booking} se envió a {to}."},
		"receipt en":     {"Your receipt", "The receipt for {booking} was sent to {to}."},
	}
	t := texts[kind+" "+language]
	return t[0], t[1]
}
