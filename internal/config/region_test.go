package config_test

import (
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/lethe-dsr/lethe/internal/configfile"
)

// A country that the library of phone numbers learns or loses is one that may be configured, or not.
func TestRegionsAreThoseWhoseNumbersCanBeRead(t *testing.T) {
	t.Parallel()
	known := phonenumbers.GetSupportedRegions()
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			region := string([]rune{a, b})
			c, err := configfile.Parse([]byte(minimal("phone_region: '"+region+"'", "", "")), func(string) (string, bool) { return "", false })
			if (err == nil) != known[region] || err == nil && c.PhoneRegion != region {
				t.Errorf("%s: configured as %q (%v), known to the library: %t", region, c.PhoneRegion, err, known[region])
			}
		}
	}
}
