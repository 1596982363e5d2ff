package demo

import (
	"fmt"
	"math/rand/v2"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
)

// Areas, as the outcomes of an erasure name them.
const (
	devices       = "devices"
	audiences     = "audiences"
	notifications = "notifications"
)

// whose says whom an object is about.
type whose int

const (
	crowd   whose = iota // somebody, or everybody
	person               // one of the three people: an erasure has to remove it
	bystand              // near one of the three and somebody else's: it has to survive
)

// planted is the ids of objects that were planted in an area.
type planted struct{ people, bystanders []string }

func (p *planted) add(of whose, id string) {
	switch of {
	case person:
		p.people = append(p.people, id)
	case bystand:
		p.bystanders = append(p.bystanders, id)
	}
}

// app is one app at App Center while it is filled, and what was planted in it.
type app struct {
	appcentertest.App
	target  string
	planted map[string]*planted // by area

	random      *rand.Rand
	customers   []customer // of the crowd
	firstNumber int        // of the crowd's user ids, which have seven digits
}

func newApp(random *rand.Rand, name string, firstNumber int, style appcentertest.ExportStyle) *app {
	return &app{
		App:         appcentertest.App{Owner: "acme-travel", Name: name, Token: pushToken, Export: style},
		target:      name,
		planted:     map[string]*planted{devices: {}, audiences: {}, notifications: {}},
		random:      random,
		firstNumber: firstNumber,
	}
}

func (a *app) device(of whose, d appcentertest.Device) {
	a.Devices = append(a.Devices, d)
	a.planted[devices].add(of, d.InstallID)
}

func (a *app) audience(of whose, u appcentertest.Audience) {
	a.Audiences = append(a.Audiences, u)
	a.planted[audiences].add(of, u.Name)
}

// notify adds a notification under a new id.
func (a *app) notify(of whose, n appcentertest.Notification) {
	n.ID = a.uuid()
	a.Notifications = append(a.Notifications, n)
	a.planted[notifications].add(of, n.ID)
}

// shuffle puts the planted objects among the others.
func (a *app) shuffle() {
	shuffle(a.random, a.Devices)
	shuffle(a.random, a.Audiences)
	shuffle(a.random, a.Notifications)
}

func shuffle[T any](random *rand.Rand, all []T) {
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// chance is true in so many of a hundred cases.
func (a *app) chance(percent int) bool { return a.random.IntN(100) < percent }

func (a *app) uuid() string {
	hi, lo := a.random.Uint64(), a.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xfff, lo>>48&0x3fff|0x8000, lo&0xffffffffffff)
}

// letters gives n characters of an alphabet of 16, 32 or 64: push tokens are most of a world, and one random number is
// enough for eight of their characters.
func (a *app) letters(n int, alphabet string) string {
	b := make([]byte, n)
	var bits uint64
	for i := range b {
		if i%8 == 0 {
			bits = a.random.Uint64()
		}
		b[i] = alphabet[bits&uint64(len(alphabet)-1)]
		bits >>= 8
	}
	return string(b)
}
