package phone

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

var update = flag.Bool("update", false, "write plans.txt anew from the library's data")

func TestThePlansAreTheLibrarys(t *testing.T) {
	want := library(t)
	if *update {
		if err := os.WriteFile("plans.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if written != want {
		t.Error("plans.txt is not what the library has; run `go generate ./internal/phone`")
	}
}

// library writes the plans of the library as plans.txt has them.
func library(t *testing.T) string {
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	byRegion := map[string]*phonenumbers.PhoneMetadata{}
	for _, m := range all.GetMetadata() {
		byRegion[m.GetId()+strconv.Itoa(int(m.GetCountryCode()))] = m
	}
	var out strings.Builder
	out.WriteString("# The numbering plans of libphonenumber (https://github.com/google/libphonenumber, Apache License 2.0), written by go generate.\n")
	for _, code := range slices.Sorted(maps.Keys(phonenumbers.GetSupportedCallingCodes())) {
		for _, region := range phonenumbers.GetRegionCodesForCountryCode(code) {
			m := byRegion[region+strconv.Itoa(code)]
			any := m.GetGeneralDesc()
			f := []string{
				region, strconv.Itoa(code), beginning(m.GetInternationalPrefix()), beginning(m.GetNationalPrefixForParsing()), m.GetNationalPrefixTransformRule(), beginning(m.GetLeadingDigits()),
				list(any.GetPossibleLength()), list(any.GetPossibleLengthLocalOnly()), entire(any.GetNationalNumberPattern()),
			}
			for _, kind := range []*phonenumbers.PhoneNumberDesc{
				m.GetFixedLine(), m.GetMobile(), m.GetTollFree(), m.GetPremiumRate(), m.GetSharedCost(), m.GetPersonalNumber(), m.GetVoip(), m.GetPager(), m.GetUan(), m.GetVoicemail(),
			} {
				if p := kind.GetNationalNumberPattern(); p != "" && !slices.Contains(kind.GetPossibleLength(), -1) { // no such numbers
					f = append(f, list(kind.GetPossibleLength()), entire(p))
				}
			}
			line := strings.Join(f, "\t")
			if strings.Count(line, "\t")+1 != len(f) || strings.Contains(line, "\n") {
				t.Fatalf("%s: a pattern holds a tab or a line's end", region)
			}
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

func beginning(pattern string) string {
	if pattern == "" {
		return ""
	}
	return "^(?:" + pattern + ")"
}

func entire(pattern string) string { return beginning(pattern) + "$" }

func list(lengths []int32) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(lengths), " ", ","), "[]")
}
