package demo

import (
	"bytes"
	"encoding/csv"

	"github.com/lethe-dsr/lethe/internal/subject"
)

// region is the country of phone numbers without a country code.
const region = "DE"

// The three people. Ann has a phone and a tablet. Ben has a phone, and a tablet that he shares with Mia; his user id is
// from the company's first years and so short that it must not be searched for in texts. Chloé is not known anywhere:
// the chloe without accent, who is, has another mailbox.
const (
	annEmail  = "ann.meyer@example.com"
	annUser   = "AT-1002345"
	benEmail  = "ben.schulz@example.com"
	benPhone  = "0171 3920042"
	benUser   = "1234"
	chloe     = "chloé.dupont@example.org"
	chloeDial = "+33 6 39 98 04 17"
)

// Other customers, who come too near for a careless search and must all survive.
const (
	miaEmail       = "mia.schulz@example.org" // Ben's partner
	miaUser        = "AT-1003456"
	joannEmail     = "joann.meyer@example.com"
	australian     = "ann.meyer@example.com.au"
	plainChloe     = "chloe.dupont@example.org"
	tomEmail       = "tom.becker@example.org" // travels with Ann
	shorterUser    = "AT-100234"
	longerUser     = "AT-10023456"
	longerBenUser  = "12345"
	shorterBenUser = "123"
	nearlyBenPhone = "0171 3920043"
)

// table is the people as rows under columns, as the people file has them.
func table() (columns []subject.Type, rows [][]string) {
	return []subject.Type{subject.Email, subject.Phone, subject.UserID}, [][]string{
		{annEmail, "", annUser},
		{benEmail, benPhone, benUser},
		{chloe, chloeDial, ""},
	}
}

// Bystander gives the e-mail address and account id of somebody whom the demo leaves alone: for whoever wants to ask for
// the erasure of one more.
func (w *World) Bystander() (email, account string) { return miaEmail, miaUser }

// PeopleCSV is the people file that a user would write for the three.
func (w *World) PeopleCSV() []byte {
	columns, rows := table()
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	header := make([]string, len(columns))
	for n, c := range columns {
		header[n] = string(c)
	}
	if err := out.WriteAll(append([][]string{header}, rows...)); err != nil {
		panic("demo: a buffer takes everything: " + err.Error())
	}
	return b.Bytes()
}
