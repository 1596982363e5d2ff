package phone

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// The library answers the same questions here.

func libraryNormal(v, region string) string {
	e164 := libraryPossible(bare(v), region)
	if len(e164)-1 < minDigits || libraryPossible(e164, "") != e164 {
		return ""
	}
	return e164
}

func libraryPossible(v, region string) string {
	n, err := phonenumbers.Parse(v, region)
	if err != nil || !phonenumbers.IsPossibleNumber(n) || n.GetExtension() != "" {
		return ""
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

func libraryValid(v, region string) string {
	n, err := phonenumbers.Parse(bare(v), region)
	if err != nil || !phonenumbers.IsValidNumber(n) || n.GetExtension() != "" {
		return ""
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

// bare takes away what stands around a number, because the library stumbles over a line's end there, and gives it
// the spaces that it knows.
func bare(v string) string {
	v = strings.NewReplacer("\u2007", " ", "\u2009", " ", "\u202f", " ").Replace(v)
	return strings.TrimFunc(v, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || separates(r) })
}

// same compares both, and tells whether the number is one.
func same(t testing.TB, v, region string) bool {
	t.Helper()
	normal, _ := In(region).Normal(v)
	valid, _ := In(region).Valid(v)
	wantNormal, wantValid := "", ""
	if len(v) <= maxBytes {
		wantNormal, wantValid = libraryNormal(v, region), libraryValid(v, region)
	}
	if normal != "" || plain(v) {
		if normal != wantNormal {
			t.Errorf("%q in %q: normal %q, the library has %q", v, region, normal, wantNormal)
		}
	}
	if valid != "" || plain(v) {
		if valid != wantValid {
			t.Errorf("%q in %q: valid %q, the library has %q", v, region, valid, wantValid)
		}
	}
	return wantNormal != ""
}

// plain tells whether a number is written without what the library reads and this package refuses: letters, extensions,
// words before it.
func plain(v string) bool {
	return strings.IndexFunc(v, func(r rune) bool {
		_, isDigit := digit(r)
		return !isDigit && r != '+' && r != '＋' && !separates(r)
	}) < 0
}

func regions() []string { return slices.Sorted(maps.Keys(phonenumbers.GetSupportedRegions())) }

var kinds = []phonenumbers.PhoneNumberType{
	phonenumbers.FIXED_LINE, phonenumbers.MOBILE, phonenumbers.TOLL_FREE, phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST,
	phonenumbers.VOIP, phonenumbers.PERSONAL_NUMBER, phonenumbers.PAGER, phonenumbers.UAN, phonenumbers.VOICEMAIL,
}

// Numbers of every kind of every region, as they are written at home and abroad, and with a digit too many, too few or
// another.
func TestNumbersAreReadAsTheLibraryReadsThem(t *testing.T) {
	t.Parallel()
	all := regions()
	r := rand.New(rand.NewPCG(1, 2))
	read := 0
	for _, region := range all {
		for _, kind := range kinds {
			n := phonenumbers.GetExampleNumberForType(region, kind)
			if n == nil {
				continue
			}
			for _, format := range []phonenumbers.PhoneNumberFormat{phonenumbers.INTERNATIONAL, phonenumbers.NATIONAL} {
				v := phonenumbers.Format(n, format)
				at := r.IntN(len(v))
				for _, v := range []string{v, v + "1", v[:len(v)-1], v[:at] + string(rune('0'+r.IntN(10))) + v[at+1:], "0" + v} {
					in := region
					if r.IntN(4) == 0 {
						in = all[r.IntN(len(all))]
					}
					if same(t, v, in) {
						read++
					}
				}
			}
		}
	}
	for _, code := range slices.Sorted(maps.Keys(phonenumbers.GetSupportedGlobalNetworkCallingCodes())) {
		n := phonenumbers.GetExampleNumberForNonGeoEntity(code)
		v := phonenumbers.Format(n, phonenumbers.E164)
		for _, v := range []string{v, v + "1", v[:len(v)-1], "00" + v[1:]} {
			if same(t, v, "DE") {
				read++
			}
		}
	}
	if read < 5_000 {
		t.Errorf("only %d of these are numbers", read)
	}
}

// What is no number in one of the two, or not the same one, is a fault.
func FuzzLibrary(f *testing.F) {
	all := regions()
	for i, v := range []string{"0171 3920042", "+49 (0) 171/392-0042", "00 49 171 3920042", "+1 (201) 555-0123", "011 15 2345-6789", "+", "0000000", "٠١٧١٣٩٢٠٠٤٢", "８１ ３ １２３４ ５６７８", "+800 1234 5678", "+999 171 3920042", "06\u202f12\u200934\u200756 78", "-+39 22222" + strings.Repeat(" ", 234) + "2222222"} {
		f.Add(uint16(i), v)
	}
	f.Fuzz(func(t *testing.T, region uint16, v string) {
		in := ""
		if n := int(region) % (len(all) + 1); n < len(all) {
			in = all[n]
		}
		same(t, v, in)
		same(t, strings.Map(func(r rune) rune { // most that the fuzzer makes is no number else
			if r < unicode.MaxASCII {
				return []rune("0123456789+ -0123456789")[r%23]
			}
			return r
		}, v), in)
	})
}

// benchmarked is what a text holds that looks like a number.
var benchmarked = []string{"+49 171 3920042", "0171 3920042", "2024053112", "12345678", "00491713920042", "(030) 1234567"}

func BenchmarkNormal(b *testing.B) {
	b.Run("lethe", func(b *testing.B) {
		r := In("DE")
		for i := 0; b.Loop(); i++ {
			r.Normal(benchmarked[i%len(benchmarked)])
		}
	})
	b.Run("library", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			libraryNormal(benchmarked[i%len(benchmarked)], "DE")
		}
	})
}
