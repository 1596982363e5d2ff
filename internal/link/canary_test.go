package link_test

import (
	"net/mail"
	"strings"
	"testing"
)

const canaryID = "01K0000000000000000000TEST"

func TestACanarysAddressNamesItsRequest(t *testing.T) {
	t.Parallel()
	m := maker(t, 1)
	address := m.CanaryAddress(canaryID)
	if a, err := mail.ParseAddress(address); err != nil || a.Address != address || strings.ToLower(address) != address {
		t.Errorf("%s is not an address in its normal form: %v", address, err)
	}
	if at := strings.IndexByte(address, '@'); at > 64 { // RFC 5321 section 4.5.3.1.1
		t.Errorf("the local part has %d characters", at)
	}
	if id, ok := m.ReadCanary(address); !ok || id != canaryID {
		t.Errorf("got %q, %t", id, ok)
	}
}

// Whoever could mark a request would choose its id, and get around the limit for an address.
func TestNobodyElseMakesACanarysAddress(t *testing.T) {
	t.Parallel()
	m := maker(t, 1)
	address := m.CanaryAddress(canaryID)
	for name, forged := range map[string]string{
		"of another key": maker(t, 2).CanaryAddress(canaryID), "of another request": strings.Replace(address, "test-", "tess-", 1),
		"at another host": strings.Replace(address, "simulator.", "", 1), "with more before it": "x" + address, "without a digest": "success+" + strings.ToLower(canaryID) + "-@simulator.amazonses.com",
		"without a request": m.CanaryAddress(""), "empty": "", "somebody's": "ann@example.com", "plain": "success@simulator.amazonses.com",
		"with a link's digest": "success+" + strings.ToLower(canaryID) + "-" + m.Digest("link/verify", strings.ToLower(canaryID)) + "@simulator.amazonses.com",
	} {
		if id, ok := m.ReadCanary(forged); ok {
			t.Errorf("%s: read as %q", name, id)
		}
	}
}
