// Package phone reads phone numbers by the numbering plans of all countries. The library loads these when the program
// starts, which takes twice as long as all else that a Lambda function does until then: only programs that read numbers
// as people write them import this package, and hand it to what works with them as subject.Phones.
package phone

import (
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/lethe-dsr/lethe/internal/subject"
)

// In reads numbers as they are written in a region, the ISO country code of numbers without a country code; "" is none,
// and then only numbers with one are read.
func In(region string) subject.Phones { return plan(strings.ToUpper(region)) }

type plan string

const minDigits = 7 // with the country code; shorter ones are service numbers, and "12" would match "Only 12 left"

// Normal is subject.Phones's.
func (p plan) Normal(v string) (string, bool) {
	e164, ok := possible(strings.TrimSpace(v), string(p))
	if !ok || len(e164)-1 < minDigits {
		return "", false
	}
	// Of rows of zeros the library takes one more away each time. What has no fixed form is no number.
	again, ok := possible(e164, "")
	return e164, ok && again == e164
}

func possible(v, region string) (string, bool) {
	n, err := phonenumbers.Parse(v, region)
	if err != nil || !phonenumbers.IsPossibleNumber(n) || n.GetExtension() != "" {
		return "", false
	}
	return phonenumbers.Format(n, phonenumbers.E164), true
}

// Valid is subject.Phones's.
func (p plan) Valid(v string) (string, bool) {
	n, err := phonenumbers.Parse(v, string(p))
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return "", false
	}
	return phonenumbers.Format(n, phonenumbers.E164), true
}
