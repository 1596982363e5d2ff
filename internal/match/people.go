package match

import (
	"strings"

	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// named is the value of a property of a given name.
type named struct{ name, value string }

// people is the index from normalised identifiers to the persons who have them.
type people struct {
	email    map[string][]int32
	phone    map[string][]int32 // E.164
	user     map[string][]int32
	learned  map[string][]int32 // user ids found on the person's devices
	install  map[string][]int32 // lower-case UUIDs; ids that are none, as exported
	property map[named][]int32

	// Decimal text of the identifiers that are plain numbers: an exported 1234.0 is user id 1234.
	userNumber     map[string][]int32
	learnedNumber  map[string][]int32
	propertyNumber map[named][]int32

	// Addresses and numbers that are somebody's here under any type of identifier: an e-mail address given as a user
	// id is nobody else's.
	ownEmail, ownPhone map[string]bool

	namesEmail, namesPhone []bool // by person: whether the request names an identifier of this type
}

func newPeople(list []Person, phones phone.Reader) people {
	x := people{
		email: map[string][]int32{}, phone: map[string][]int32{}, user: map[string][]int32{},
		learned: map[string][]int32{}, install: map[string][]int32{}, property: map[named][]int32{},
		userNumber: map[string][]int32{}, learnedNumber: map[string][]int32{}, propertyNumber: map[named][]int32{},
		ownEmail: map[string]bool{}, ownPhone: map[string]bool{},
		namesEmail: make([]bool, len(list)), namesPhone: make([]bool, len(list)),
	}
	for n, p := range list {
		who := int32(n)
		for _, id := range p.Identifiers {
			x.add(who, id, phones)
		}
		for _, v := range p.Installs {
			put(x.install, installKey(v), who)
		}
		for _, v := range p.UserIDs {
			if v == "" {
				continue
			}
			put(x.learned, v, who)
			if c, ok := plainDecimal(v); ok {
				put(x.learnedNumber, c, who)
			}
			x.own(v, phones)
		}
	}
	return x
}

func (x *people) add(who int32, id subject.Identifier, phones phone.Reader) {
	v := id.Value()
	if v == "" {
		return
	}
	c, isNumber := plainDecimal(v)
	switch id.Type {
	case subject.Email:
		put(x.email, v, who)
		x.namesEmail[who] = true
	case subject.Phone:
		put(x.phone, v, who)
		x.namesPhone[who] = true
	case subject.UserID:
		put(x.user, v, who)
		if isNumber {
			put(x.userNumber, c, who)
		}
	case subject.InstallID:
		put(x.install, installKey(v), who)
	case subject.Property:
		put(x.property, named{id.Name, v}, who)
		if isNumber {
			put(x.propertyNumber, named{id.Name, c}, who)
		}
	}
	x.own(v, phones)
}

func (x *people) own(v string, phones phone.Reader) {
	if e := subject.NormalEmail(v); strings.Contains(e, "@") {
		x.ownEmail[e] = true
	}
	if p, ok := phoneOf(v, phones); ok {
		x.ownPhone[p] = true
	}
}

func put[K comparable](to map[K][]int32, k K, who int32) {
	have := to[k]
	if len(have) == 0 || have[len(have)-1] != who { // people come one after the other
		to[k] = append(have, who)
	}
}

// installKey is what install ids are compared by: the lower-case UUID, or what was exported where it is none.
func installKey(v string) string {
	if id, ok := subject.NormalInstallID(v); ok {
		return id
	}
	return v
}

// value is one whole value of a device, a definition or custom data.
type value struct {
	text string
	form form
}

type form uint8

const (
	aString form = iota
	aNumber
	aBool
)

// whole finds the people of whom an identifier equals the value. names are the properties that have the value, learned
// tells whether user ids learned from devices count.
func (m *Matcher) whole(v value, names []string, learned bool, p place, f finds) {
	x := &m.people
	number, isNumber := "", false
	if v.form == aNumber {
		number, isNumber = decimal(v.text)
	}
	for _, name := range names {
		f.add(x.property[named{name, v.text}], isProperty, p)
		if isNumber {
			f.add(x.propertyNumber[named{name, number}], isProperty, p)
		}
	}
	if v.form == aBool || v.text == "" {
		return
	}
	f.add(x.user[v.text], isUserID, p)
	if learned {
		f.add(x.learned[v.text], isUserID, p)
	}
	if v.form == aNumber {
		if !isNumber {
			return
		}
		f.add(x.userNumber[number], isUserID, p)
		if learned {
			f.add(x.learnedNumber[number], isUserID, p)
		}
		if isDigits(number) {
			m.wholePhone(number, p, f)
		}
		return
	}
	if strings.Contains(v.text, "@") {
		f.add(x.email[subject.NormalEmail(v.text)], isEmail, p)
	}
	if id, ok := subject.NormalInstallID(v.text); ok {
		f.add(x.install[id], isInstallID, p)
	}
	m.wholePhone(v.text, p, f)
}

func (m *Matcher) wholePhone(v string, p place, f finds) {
	if len(m.people.phone) == 0 {
		return
	}
	if e164, ok := phoneOf(v, m.numbers); ok {
		f.add(m.people.phone[e164], isPhone, p)
	}
	if e164, ok := fullNumber(v); ok {
		f.add(m.people.phone[e164], isPhone, p)
	}
}

// wholeInstall finds the people of whom an identifier equals the install id.
func (m *Matcher) wholeInstall(v string, learned bool, p place, f finds) {
	f.add(m.people.install[installKey(v)], isInstallID, p)
	m.whole(value{text: v}, nil, learned, p, f)
}
