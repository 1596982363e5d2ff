package page_test

import (
	"net/http/httptest"
	"regexp"
	"testing"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/lethe-dsr/lethe/internal/page"
)

// Numbers are written as CLDR says, which x/text knows of all languages; it takes a fiftieth of a function's start.
func TestNumbersAreWrittenAsTheLanguageDoes(t *testing.T) {
	t.Parallel()
	for _, l := range []string{page.English, page.German, page.French} {
		for _, n := range []int64{0, 7, 999, 1000, 12345, 999999, 1234567, -1, -999, -1000, -1234567} {
			want := message.NewPrinter(language.Make(l)).Sprint(n)
			if got := page.Number(l, n); got != want {
				t.Errorf("%s: %d is %q, want %q", l, n, got, want)
			}
		}
	}
}

// FuzzLanguage: x/text agrees wherever a header names the spoken languages alone, by the letter of RFC 9110. Beyond that it
// knows which languages a speaker of another one understands as well.
func FuzzLanguage(f *testing.F) {
	for _, s := range []string{"de", "fr;q=0.5,en", "de;q=0.9, fr;q=0.95", "en;q=0,fr;q=0.1", "de;q=1.0,fr;q=1.0", ";", "fr;q=x", "*"} {
		f.Add(s)
	}
	plain := regexp.MustCompile(`^(en|de|fr)(;q=(0(\.[0-9]{1,3})?|1(\.0{1,3})?))?(, ?(en|de|fr)(;q=(0(\.[0-9]{1,3})?|1(\.0{1,3})?))?)*$`)
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", header)
		got := page.Language(r)
		if !plain.MatchString(header) {
			return
		}
		tags, weights, err := language.ParseAcceptLanguage(header)
		want := page.English
		if err == nil && len(tags) > 0 && weights[0] > 0 {
			want = tags[0].String()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	})
}
