package match

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/phone"
)

func TestTextHoldsAnIdentifierAsAWholeToken(t *testing.T) {
	t.Parallel()
	ann := person(t, "ann", "email=ann@x.com", "email=o'brien+1@müller.example", "phone=+491711234567", "user_id=user-1234", "user_id=1234", "install_id="+ids+"a1", "property:colour=dark blue", "property:plan=gold")
	ann.UserIDs, ann.Installs = []string{"learned-77"}, []string{"raw-install-9"}
	m := New([]Person{ann}, phone.In("DE"))
	rows := map[Rule]struct{ yes, no []string }{
		EmailInText: {
			yes: []string{"ann@x.com", "ANN@X.COM", "mailto:ann@x.com", "a?email=ann@x.com&b", "ann@x.com's", "ann@x.com.", "ann@x.com. Next", "<ann@x.com>", "(ann@x.com)", "Hi ann@x.com, hi", "ann@x.com/x", "a\nann@x.com\n",
				"?m=ann%40x.com", "ann%40x%2ecom", "%20ann@x.com", "50%25 ann@x.com", "ann@x.com@", "bob@x.comann@y.com, ann@x.com", "„ann@x.com“", "to:O'Brien+1@MÜLLER.example", "o'brien+1@mu\u0308ller.example!"},
			no: []string{"joann@x.com", "_ann@x.com", ".ann@x.com", "%ann@x.com", "+ann@x.com", "-ann@x.com", "1ann@x.com", "éann@x.com", "ann@x.com.au", "ann@x.comm", "ann@x.com2", "ann@x.com_", "ann@x.com-x", "ann@x.com.-", "ann@x.comé",
				"ann@x.com\u0301", "e\u0301ann@x.com", "ann @x.com", "ann@", "@x.com", "ann%2540x.com", "mailto%3Aann@x,com", "ann%40x.com.au", "o'brien@müller.example"},
		},
		PhoneInText: {
			yes: []string{"+491711234567", "+49 171 1234567", "+49 (0)171 / 12.34.567", "0171-1234567", "call 0171 1234567 now", "0171 1234567 2 times", "on 12.05.2024 0171 1234567", "2 0171 1234567", "(0171) 1234567", "0049 171 1234567", "tel:+491711234567", "?p=%2B491711234567",
				"491711234567", "0171\u00a01234567", "\u202a0171\u20111234567\u202c", "+(49) 171 1234567", "+49 171 1234567 +49 171 7654321", "0171 7654321 0171 1234567", "+49 171 7654321 0171 1234567."},
			no: []string{"01711234568", "x0171 1234567", "0171 1234567x", "-0171 1234567", "_0171 1234567", "0171 1234567-8", "+44 171 1234567", "+1 0171 1234567", "00171 1234567", "9+491711234567", "0171\n1234567", "0171 123456", "0171, 1234567", "12.1711234567", "7/1711234567", "10171 1234567"},
		},
		UserIDInText: {
			yes: []string{"user-1234", "for user-1234!", "user:user-1234.", "{user-1234}", "Hello learned-77", "éclair user-1234", "user%2D1234"},
			no:  []string{"User-1234", "user-12345", "xuser-1234", "user-1234-5", "user-1234_", "-user-1234", "user-1234é", "user-1234\u0332", "1234", "Only 1234 left", "user-123", "superuser-1234"},
		},
		InstallIDInText: {
			yes: []string{ids + "a1", "id " + strings.ToUpper(ids+"a1") + ".", "(raw-install-9)"},
			no:  []string{ids + "a1b", "0" + ids + "a1", ids + "a1-0", "Raw-install-9"},
		},
		PropertyInText: {
			yes: []string{"a dark blue car", "dark blue"},
			no:  []string{"Dark blue", "gold", "plan gold", "dark blueish", "nearly-dark blue", "dark  blue"},
		},
	}
	for rule, row := range rows {
		for _, text := range row.yes {
			for place, v := range inEveryText(m, text) {
				if got := rules(v.Hits, "ann"); !slices.Equal(got, []Rule{rule}) {
					t.Errorf("%s %q: got %v, want %v", place, text, got, rule)
				}
			}
		}
		for _, text := range row.no {
			for place, v := range inEveryText(m, text) {
				if len(v.Hits) > 0 {
					t.Errorf("%s %q: got %v, want nothing", place, text, v.Hits)
				}
			}
		}
	}
}

// The middle of one number is not another number.
func TestPartsOfANumberAreNoNumbers(t *testing.T) {
	t.Parallel()
	m := New([]Person{person(t, "ann", "phone=030 1234567")}, phone.In("DE"))
	for _, text := range []string{"0171 301234567", "+49 171 301234567", "0044 301234567", "+44 (0)30 1234567"} {
		if v := m.Audience(Audience{Name: text}); len(v.Hits) > 0 {
			t.Errorf("%q: got %v, want nothing", text, v.Hits)
		}
	}
	for _, text := range []string{"3 301234567", "+49 30 1234567", "(030) 1234567"} {
		if v := m.Audience(Audience{Name: text}); len(v.Hits) != 1 {
			t.Errorf("%q: got %v, want the number", text, v.Hits)
		}
	}
}

func inEveryText(m *Matcher, text string) map[string]Verdict {
	return map[string]Verdict{
		"audience name": m.Audience(Audience{Name: text}), "description": m.Audience(Audience{Description: text}),
		"notification name": m.Notification(Notification{Name: text}), "title": m.Notification(Notification{Title: text}), "body": m.Notification(Notification{Body: text}),
	}
}

func TestTextNamesOthers(t *testing.T) {
	t.Parallel()
	m := New([]Person{person(t, "ann", "email=ann@x.com", "phone=+491711234567", "user_id=owner@x.com"), person(t, "bob", "email=bob@x.com")}, phone.In("DE"))
	yes := []string{"joann@x.com", "ann@x.com, carl@x.com", "carl%40x.com", "Carl@X.org.", "o'neil@x.com", "ann@x.com.au", "+49 171 7654321", "0049 171 7654321", "call 0171 7654321", "0171/7654321", "01717654321", "+1 212 555 1234", "+491711234567 or +491717654321",
		"müller@straße.example"}
	no := []string{"", "ann@x.com", "ANN@X.com and bob@x.com", "%20ann@x.com", "?m=ann%40x.com", "owner@x.com", "call 0171 1234567", "0171 1234567 2 items", "491711234567", "order 1234567890", "1732262400", "1732262400123", "2024-05-31", "31.05.2024", "31.05.2024 10:30", "v1.2.3", "@handle", "a@b", "50%", "12 of 30", "+5", "3-2-1", "user-1234",
		ids + "a1", "00000000"}
	for _, text := range yes {
		for place, v := range inEveryText(m, text) {
			if !v.Others {
				t.Errorf("%s %q: want others", place, text)
			}
		}
	}
	for _, text := range no {
		for place, v := range inEveryText(m, text) {
			if v.Others {
				t.Errorf("%s %q: want no others", place, text)
			}
		}
	}
	us := New([]Person{person(t, "ann", "phone=+12125551234")}, phone.In("US"))
	if !us.others("(646) 555-1234") || us.others("212-555-1234") || us.others("6465551234") {
		t.Error("numbers without 0 count when they are written in groups, and not as bare digits")
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"mailto:ann@x.com.", "ann%40x.com.au", "call +49 (0)171 12 34 567, 0171-1234567", "12.05.2024 0171 1234567 2", "ann@@x.com@x.com", "user-1234\u0301", "%%4", "+(+(", "\xff@x.com", "1 1 1 1 1 1 1 1 1 1 1 1 1 1"} {
		f.Add(s)
	}
	m := New([]Person{person(f, "ann", "email=ann@x.com", "phone=+491711234567", "user_id=user-1234")}, phone.In("DE"))
	f.Fuzz(func(t *testing.T, text string) {
		v := m.Audience(Audience{Name: text})
		for _, h := range v.Hits {
			if h.Rule == EmailInText && !slices.ContainsFunc(textForms(text), func(s string) bool { return standsIn(strings.ToLower(s), "ann@x.com", "._%+-") }) {
				t.Errorf("%q does not hold the address", text)
			}
			if h.Rule == UserIDInText && !slices.ContainsFunc(textForms(text), func(s string) bool { return standsIn(s, "user-1234", "_-") }) {
				t.Errorf("%q does not hold the user id", text)
			}
		}
		if n := len(text); n > 0 && len(v.Hits) == 0 && utf8.ValidString(text) && !strings.Contains(text, "%") {
			// An address that stands by itself is found whatever is around it.
			if got := m.Audience(Audience{Name: text + " ann@x.com "}); len(got.Hits) == 0 {
				t.Errorf("%q: an address after it is lost", text)
			}
		}
	})
}

// standsIn is the plain way to look for one bounded token.
func standsIn(text, token, before string) bool {
	for at := 0; ; at++ {
		n := strings.Index(text[at:], token)
		if n < 0 {
			return false
		}
		at += n
		l, _ := utf8.DecodeLastRuneInString(text[:at])
		r, size := utf8.DecodeRuneInString(text[at+len(token):])
		next, _ := utf8.DecodeRuneInString(text[at+len(token)+size:])
		word := func(r rune) bool { return unicode.IsLetter(r) && r != utf8.RuneError || unicode.IsDigit(r) }
		if !word(l) && !strings.ContainsRune(before, l) && !word(r) && r != '_' && r != '-' && (r != '.' || !strings.Contains(token, "@") || !word(next)) {
			return true
		}
	}
}
