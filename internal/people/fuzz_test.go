package people_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/people"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// FuzzRead gives any file with a value put wherever it has a $: Read ends, its error does not hold the value, and its
// result keeps the counts and lets no two people share what makes one person.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"email,phone,user_id,install_id,property:X\n$@example.com,+4915112345678,$,0a0b0c0d-0000-4000-8000-000000000001,$\n", "\ufeffuser_id;email\r\n$;\r\n\"a\n$\";\r\n",
		"$,$\n$", "user_id,user_id\na,b\nb,c\nd,e\n", "property:a,property:b\n1,\n1,\n", "user_id\n\"$", "email\n$\"$\n", "", "\xff\xfe$", "user_id\n\xff$\n", "property:$\n$\n", "phone\n$\n", "user_id\nnull\n,,\n",
	} {
		f.Add(seed)
	}
	const value = "v4lu3-0f-4nn"
	f.Fuzz(func(t *testing.T, file string) {
		got, err := people.Read(strings.NewReader(strings.ReplaceAll(file, "$", value)), "DE")
		if err != nil {
			if text := err.Error(); text == "" || strings.Contains(strings.ToLower(text), value) || !utf8.ValidString(text) {
				t.Errorf("got the error %q", text)
			}
			if got.People != nil {
				t.Error("an error came with people")
			}
			return
		}
		if got.Rows != len(got.People)+got.Merged || len(got.People) == 0 {
			t.Errorf("%d rows, %d people, %d merged", got.Rows, len(got.People), got.Merged)
		}
		owner := map[string]int{}
		for n, p := range got.People {
			if len(p.Identifiers) == 0 {
				t.Error("a person without an identifier")
			}
			for _, id := range p.Identifiers {
				if other, taken := owner[id.Key()]; taken && (other == n || id.Type != subject.Property) {
					t.Errorf("people %d and %d share an identifier", other, n)
				}
				owner[id.Key()] = n
			}
		}
	})
}
