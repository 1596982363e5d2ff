package phone_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/phone"
)

func TestNumbersAreReadAsTheyAreWrittenInARegion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ region, given, normal, valid string }{
		{"DE", " 0171 3920042 ", "+491713920042", "+491713920042"},
		{"de", "0049 (171) 39200-42", "+491713920042", "+491713920042"},
		{"", "+33 6 12 34 56 78", "+33612345678", "+33612345678"},
		{"", "0171 3920042", "", ""}, // of which country?
		{"DE", "110", "", ""},        // a service
		{"DE", "+49 171 3920042 ext. 5", "", ""},
		{"FR", "06\u202f12\u202f34\u202f56\u202f78", "+33612345678", "+33612345678"},
		{"US", "555 555 5555", "+15555555555", ""}, // nobody's range
	} {
		if got, ok := phone.In(c.region).Normal(c.given); got != c.normal || ok != (got != "") {
			t.Errorf("%s in %q: normal %q, want %q", c.given, c.region, got, c.normal)
		}
		if got, ok := phone.In(c.region).Valid(c.given); got != c.valid || ok != (got != "") {
			t.Errorf("%s in %q: valid %q, want %q", c.given, c.region, got, c.valid)
		}
	}
}

// What was normalised on its way in is found when it is normalised again in an export.
func FuzzNormal(f *testing.F) {
	for _, s := range []string{"0171 3920042", "+49 171 3920042", "0000000000", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if once, ok := phone.In("DE").Normal(s); ok {
			if twice, ok := phone.In("FR").Normal(once); !ok || twice != once {
				t.Errorf("%q: %q, then %q", s, once, twice)
			}
		}
	})
}
