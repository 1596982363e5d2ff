// Package phone reads phone numbers as people write them, by the numbering plans of all countries.
//
// The plans are those of libphonenumber. Its port to Go reads all of them before a program's first line, which takes
// three times as long as an empty function on AWS takes to start; here a plan is read when a number needs it. The tests
// hold every answer against the port.
package phone

import (
	"strings"
	"unicode"
)

// In reads numbers as they are written in a region, the ISO country code of numbers without a country code; "" is none,
// and then only numbers with one are read.
func In(region string) Reader { return Reader(strings.ToUpper(region)) }

// Known tells whether a region has a numbering plan, so that its numbers can be read. Regions are ISO 3166 alpha-2
// country codes in capitals.
func Known(region string) bool { return plans().regions[region] != nil }

// Reader reads numbers as they are written in a region.
type Reader string

const (
	minDigits = 7   // with the country code; shorter ones are service numbers, and "12" would match "Only 12 left"
	maxBytes  = 250 // of what is looked at; no number is written longer

	minNational, maxNational = 2, 17 // digits without the country code. E.164 allows 15 with it, but Germany has longer ones
)

// Normal gives the E.164 form of a possible number of at least 7 digits. It is its own normal form.
func (r Reader) Normal(v string) (string, bool) {
	n, ok := parse(v, string(r))
	if !ok || !n.possible() || len(n.e164())-1 < minDigits {
		return "", false
	}
	// Of rows of zeros one more is taken for a prefix each time. What has no fixed form is no number.
	if again, ok := parse(n.e164(), ""); !ok || again != n {
		return "", false
	}
	return n.e164(), true
}

// Valid gives the E.164 form of a number that is really assigned to somebody's range, not only long enough.
func (r Reader) Valid(v string) (string, bool) {
	n, ok := parse(v, string(r))
	if !ok || !n.valid() {
		return "", false
	}
	return n.e164(), true
}

// number is a phone number in its two parts.
type number struct{ code, national string }

func (n number) e164() string { return "+" + n.code + n.national }

// possible tells whether a country has numbers of this length, be it that they can only be dialled near by.
func (n number) possible() bool {
	p := plans().of(n.code)
	return (p.any.lengths | p.local).has(len(n.national))
}

// valid tells whether one of the regions with this country code gives out numbers that begin like this one.
func (n number) valid() bool {
	for _, read := range plans().codes[n.code] {
		p := read()
		if p.leading.text != "" { // this region's numbers, and nobody else's, begin like that
			if p.leading.compiled().MatchString(n.national) {
				return p.gives(n.national)
			}
		} else if p.gives(n.national) {
			return true
		}
	}
	return false
}

// parse takes a number apart that is written in a region.
func parse(v, region string) (number, bool) {
	digits, plus, ok := dialled(v)
	home := plans().in(region)
	if !ok || !plus && home == nil {
		return number{}, false
	}
	n, ok := number{}, false
	if plus {
		n, ok = international(digits)
		if !ok && len(digits) <= minNational {
			return number{}, false
		}
	}
	// A + before no country's code is taken for one too many.
	if !ok && home != nil {
		if rest, exit := home.withoutExit(digits); exit {
			if n, ok = international(rest); !ok {
				return number{}, false
			}
		} else if n.national, ok = home.withoutCode(digits); ok {
			n.code = home.code
		}
	}
	p := home
	switch {
	case ok:
		p = plans().of(n.code)
	case plus:
		return number{}, false
	default:
		n = number{home.code, digits}
	}
	if len(n.national) < minNational {
		return number{}, false
	}
	// A number that is too short without what looks like a prefix had none.
	if s := p.withoutPrefix(n.national); p.any.lengths.has(len(s)) {
		n.national = s
	}
	return n, len(n.national) >= minNational && len(n.national) <= maxNational
}

// international takes a number apart that begins with a country's code.
func international(digits string) (number, bool) {
	if len(digits) <= minNational {
		return number{}, false
	}
	for n := 1; n <= maxCode && n <= len(digits); n++ {
		if plans().codes[digits[:n]] != nil {
			return number{digits[:n], digits[n:]}, true
		}
	}
	return number{}, false
}

// dialled gives the digits of what is written as a number, and whether a + stands before them. Letters are none:
// extensions are not part of a number, and the words of 1-800-FLOWERS no person's.
func dialled(v string) (digits string, plus, ok bool) {
	if len(v) > maxBytes {
		return "", false, false
	}
	v = strings.TrimFunc(v, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || separates(r) // address books put marks around
	})
	rest := strings.TrimLeft(v, "+＋")
	plus = rest != v
	var b strings.Builder
	b.Grow(len(rest))
	for _, r := range rest {
		switch d, isDigit := digit(r); {
		case isDigit:
			b.WriteByte(d)
		case !separates(r):
			return "", false, false
		}
	}
	return b.String(), plus, b.Len() > minNational
}

// digit reads those that keyboards for phones have: also full width and the two Arabic rows.
func digit(r rune) (byte, bool) {
	for _, zero := range [...]rune{'0', '０', '٠', '۰'} {
		if r >= zero && r <= zero+9 {
			return '0' + byte(r-zero), true
		}
	}
	return 0, false
}

// separates tells what may stand between the digits of a number.
func separates(r rune) bool {
	switch r {
	case ' ', '-', '.', '/', '(', ')', '[', ']', '－', '．', '／', '（', '）', '［', '］', // the latter in full width
		'\u00a0', '\u3000', '\u200b', '\u2060', // spaces that do not break, wide ones and such of no width
		'\u2007', '\u2009', '\u202f', // spaces of typesetters, as in French numbers; the library takes none of them
		'\u00ad', '\u2010', '\u2011', '\u2012', '\u2013', '\u2014', '\u2015', '\u2212', '\u30fc': // dashes
		return true
	}
	return false
}
