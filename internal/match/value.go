package match

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// isPhoneByte tells whether an ASCII byte may stand in a phone number.
func isPhoneByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '+' || c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/' || c == '[' || c == ']' ||
		c >= '\t' && c <= '\r'
}

// isPhoneRune is the same for all characters. Address books put direction marks around numbers (category Cf).
func isPhoneRune(r rune) bool {
	if r < utf8.RuneSelf {
		return isPhoneByte(byte(r))
	}
	return r == '＋' || unicode.IsDigit(r) || unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Cf, r)
}

// phoneOf gives the E.164 form of a value that is a phone number as a whole. Words are no numbers here, although
// 1-800-FLOWERS can be dialled.
func phoneOf(v string, phones phone.Reader) (string, bool) {
	digits := 0
	for _, r := range v {
		if !isPhoneRune(r) {
			return "", false
		}
		if unicode.IsDigit(r) {
			digits++
		}
	}
	if digits < 2 || digits > maxPhoneDigits {
		return "", false
	}
	if strings.IndexFunc(v, isFormat) >= 0 {
		v = strings.Map(func(r rune) rune {
			if isFormat(r) {
				return -1
			}
			return r
		}, v)
	}
	return phones.Normal(v)
}

func isFormat(r rune) bool { return unicode.Is(unicode.Cf, r) }

// maxPhoneDigits bounds what is tried as a number: E.164 has 15 digits, to which come an exit code and a (0).
const maxPhoneDigits = 20

// startsInternational tells whether a phone number says its country itself. No country code begins with 0.
func startsInternational(v string) bool {
	return strings.HasPrefix(v, "+") || strings.HasPrefix(v, "00") && !strings.HasPrefix(v, "000")
}

// namesPhone tells whether a key says that its value is a phone number.
func namesPhone(key string) bool {
	key = strings.ToLower(key)
	for _, word := range [...]string{"phone", "mobile", "msisdn", "tel", "cell", "whatsapp"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// fullNumber reads digits alone as a number with its country code: systems that keep numbers as numbers lose the +.
func fullNumber(v string) (e164 string, ok bool) {
	if len(v) < 11 || len(v) > 15 || v[0] == '0' || !isDigits(v) {
		return "", false
	}
	return "+" + v, true
}

// carries tells whether a whole value is an e-mail address or a phone number of none of the people. hinted tells that
// its key says that it is a phone number.
func (m *Matcher) carries(v value, hinted bool) (email, phone bool) {
	if v.form == aBool {
		return false, false
	}
	text := strings.TrimSpace(v.text)
	if v.form == aString && strings.Contains(text, "@") {
		e := subject.NormalEmail(text)
		return subject.IsEmail(e) && !m.people.ownEmail[e], false
	}
	if v.form == aNumber {
		d, ok := decimal(text)
		if !ok || !isDigits(d) {
			return false, false
		}
		text = d
	}
	e164, ok := phoneOf(text, m.numbers)
	if !ok {
		return false, false
	}
	if !startsInternational(text) {
		if !hinted {
			return false, false
		}
		if _, ok = m.numbers.Valid(text); !ok {
			return false, false
		}
	}
	full, _ := fullNumber(text)
	return false, !m.people.ownPhone[e164] && !m.people.ownPhone[full]
}

// foldKey is the form in which field names are compared: exports of App Center and its relatives write installId,
// InstallId and install_id (see the package's source notes in decode.go).
func foldKey(k string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '_' || r == '-':
			return -1
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return r
	}, k)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// maxExponent bounds the decimal texts that exponents make.
const maxExponent = 64

// decimal writes a JSON number without exponent and without zeros at the end of its fraction: 1e3 is 1000, 12.50 is
// 12.5. It reports false for anything else, and for numbers far too large to be an identifier.
func decimal(s string) (string, bool) {
	rest := strings.TrimPrefix(s, "-")
	sign := s[:len(s)-len(rest)]
	mantissa, exp := rest, 0
	if e := strings.IndexAny(rest, "eE"); e >= 0 {
		mantissa = rest[:e]
		digits := strings.TrimLeft(rest[e+1:], "+-")
		if len(rest[e+1:])-len(digits) > 1 || !isDigits(digits) {
			return "", false
		}
		digits = strings.TrimLeft(digits, "0")
		if len(digits) > 2 {
			return "", false
		}
		for i := range len(digits) {
			exp = exp*10 + int(digits[i]-'0')
		}
		if rest[e+1] == '-' {
			exp = -exp
		}
		if exp > maxExponent || exp < -maxExponent {
			return "", false
		}
	}
	whole, fraction, pointed := strings.Cut(mantissa, ".")
	if !isDigits(whole) || pointed && !isDigits(fraction) || len(whole) > 1 && whole[0] == '0' {
		return "", false
	}
	if exp != 0 {
		digits := whole + fraction
		point := len(whole) + exp
		if point < 0 {
			digits, point = strings.Repeat("0", -point)+digits, 0
		}
		if point > len(digits) {
			digits += strings.Repeat("0", point-len(digits))
		}
		whole, fraction = strings.TrimLeft(digits[:point], "0"), digits[point:]
		if whole == "" {
			whole = "0"
		}
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		return sign + whole + "." + fraction, true
	}
	return sign + whole, true
}

// plainDecimal is decimal for identifiers: a user id 1e3 is a word and not a thousand.
func plainDecimal(s string) (string, bool) {
	if strings.ContainsAny(s, "eE") {
		return "", false
	}
	return decimal(s)
}
