package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
)

// customer is one of the many who are not to be erased.
type customer struct {
	first, email, userID, installID string // email and userID may be ""
	language                        string
}

const (
	hexDigits = "0123456789abcdef"
	base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	codeChars = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789" // without the ones that are mistaken for each other
)

// addCrowd adds devices until the app has size of them.
func (a *app) addCrowd(size int) {
	for n := len(a.Devices); n < size; n++ {
		c := customer{installID: a.installID()}
		locale := pick(a.random, "de-DE", "de-DE", "de-AT", "de-CH", "fr-FR", "fr-FR", "en-GB", "en-US", "es-ES")
		c.language = locale[:2]
		first, last := a.name(c.language)
		c.first = first
		if a.chance(60) {
			// The number keeps the crowd's addresses apart from each other and from those of people in people.go.
			c.email = fmt.Sprintf("%s.%s%d@%s", ascii(first), ascii(last), n+11, pick(a.random, "example.com", "example.org", "example.net", "mail.test"))
		}
		if a.chance(70) {
			c.userID = fmt.Sprintf("AT-%07d", a.firstNumber+n*7+a.random.IntN(7))
		}
		props := a.props(locale[3:])
		if c.email != "" {
			props["email"] = c.email
		}
		if a.chance(5) {
			// The film numbers from 50 on; Ben's and the one next to it are below.
			props["phone"] = fmt.Sprintf("+49 171 39200%02d", 50+a.random.IntN(50))
		}
		a.customers = append(a.customers, c)
		a.device(crowd, appcentertest.Device{
			InstallID: c.installID, UserID: c.userID, PushToken: a.pushToken(), Platform: a.platform(), Locale: locale, Props: props,
		})
	}
}

// props are custom properties that say nothing of who somebody is. No number among them is Ben's user id: a number
// equal to it would be his, as far as anybody can tell.
func (a *app) props(country string) map[string]any {
	p := map[string]any{
		"appVersion":     fmt.Sprintf("%d.%d.%d", 4+a.random.IntN(3), a.random.IntN(10), a.random.IntN(4)),
		"carrierCountry": country,
		"milesBalance":   50 * a.random.IntN(900),
		"model":          a.model(),
		"newsletter":     a.chance(45),
		"osVersion":      a.osVersion(),
		"plan":           pick(a.random, "free", "free", "free", "silver", "silver", "gold", "platinum"),
	}
	if a.chance(50) {
		p["favouriteRoute"] = pick(a.random, routes()...)
	}
	if a.chance(35) {
		p["loyaltyTier"] = pick(a.random, "explorer", "explorer", "pilot", "captain")
	}
	return p
}

// own gives such properties with an address.
func (a *app) own(country, email string) map[string]any {
	p := a.props(country)
	if email != "" {
		p["email"] = email
	}
	return p
}

func (a *app) ios() bool { return a.Name == iosName }

func (a *app) platform() string {
	if a.ios() {
		return "iOS"
	}
	return "Android"
}

// installID is a UUID as each SDK writes it: NSUUID in capitals, java.util.UUID not.
func (a *app) installID() string {
	if a.ios() {
		return strings.ToUpper(a.uuid())
	}
	return a.uuid()
}

// pushToken looks like APNs' 32 bytes in hex, or like Firebase's registration token.
func (a *app) pushToken() string {
	if a.ios() {
		return a.letters(64, hexDigits)
	}
	return a.letters(11, base64url) + ":APA91b" + a.letters(134, base64url)
}

func (a *app) model() string {
	if a.ios() {
		return pick(a.random, iosModels()...)
	}
	return pick(a.random, androidModels()...)
}

func iosModels() []string {
	return []string{"iPhone SE", "iPhone 8", "iPhone XR", "iPhone 11", "iPhone 11 Pro", "iPhone 12", "iPad Air", "iPad Pro"}
}

func androidModels() []string {
	return []string{"Pixel 2 XL", "Pixel 3a", "Pixel 4", "Galaxy S9", "Galaxy S10e", "Galaxy A50", "Galaxy Tab S5e", "P30 lite", "Mi 9T", "Xperia 5", "Moto G7"}
}

func (a *app) osVersion() string {
	if a.ios() {
		return pick(a.random, "12.4.8", "13.3.1", "13.5", "13.6.1", "14.0")
	}
	return pick(a.random, "7.1.2", "8.0.0", "8.1.0", "9", "9", "10", "10")
}

func (a *app) name(language string) (first, last string) {
	switch language {
	case "fr":
		return pick(a.random, "Camille", "Léa", "Hugo", "Louis", "Manon", "Inès", "Théo", "Zoé"),
			pick(a.random, "Martin", "Bernard", "Dubois", "Petit", "Moreau", "Lefèvre", "Roux", "Garnier")
	case "es":
		return pick(a.random, "Lucía", "Mateo", "Sofía", "Martín", "Paula", "Álvaro", "Carmen"),
			pick(a.random, "García", "López", "Sánchez", "Romero", "Torres", "Núñez", "Vega")
	case "en":
		return pick(a.random, "Olivia", "Jack", "Amelia", "Harry", "Isla", "George", "Grace"),
			pick(a.random, "Smith", "Jones", "Taylor", "Walker", "Hughes", "Green", "Clarke")
	}
	return pick(a.random, "Anna", "Lukas", "Lena", "Jonas", "Leonie", "Felix", "Jürgen", "Käthe", "Marie"),
		pick(a.random, "Müller", "Schmidt", "Fischer", "Weber", "Wagner", "Koch", "Schäfer", "Vogel")
}

// ascii writes a name as it stands in an e-mail address.
func ascii(name string) string {
	return strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "é", "e", "è", "e", "í", "i", "á", "a", "ó", "o", "ú", "u", "ñ", "n").
		Replace(strings.ToLower(name))
}

func routes() []string {
	return []string{"BER-LIS", "MUC-CDG", "FRA-JFK", "HAM-BCN", "VIE-FCO", "ZRH-LHR", "CDG-ATH", "MAD-TXL", "LHR-NCE", "DUS-PMI"}
}

// userBase is the users of one app at Batch, under that app's key.
type userBase struct {
	target, apiKey string
	users          []string
	people         []string // users who are one of the three
	bystanders     []string
}

// userBases lets a part of each app's customers be known to Batch by their user ids: about 5,000 in all.
func userBases(random *rand.Rand, apps []*app) []userBase {
	android := userBase{
		target: "acme-batch-android", apiKey: "DEMOANDROID5E0A7B91C24D",
		people: []string{annUser, benUser}, bystanders: []string{miaUser, longerUser, longerBenUser, shorterBenUser},
	}
	ios := userBase{
		target: "acme-batch-ios", apiKey: "DEMOIOS7C31F08A96D2BB4",
		people: []string{annUser}, bystanders: []string{shorterUser},
	}
	android.fill(random, apps[0].customers, 3100)
	ios.fill(random, apps[1].customers, 1900)
	return []userBase{android, ios}
}

func (b *userBase) fill(random *rand.Rand, from []customer, size int) {
	b.users = append(append(b.users, b.people...), b.bystanders...)
	for _, n := range random.Perm(len(from)) {
		if id := from[n].userID; id != "" && len(b.users) < size {
			b.users = append(b.users, id)
		}
	}
}
