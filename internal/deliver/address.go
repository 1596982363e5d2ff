package deliver

import (
	"net/netip"
	"sync"
)

// notPublic4 are the IPv4 addresses that are not on the public Internet
// (https://www.iana.org/assignments/iana-ipv4-special-registry, those that are not globally reachable).
var notPublic4 = sync.OnceValue(func() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),        // this network; Linux takes 0.0.0.0 for itself
		netip.MustParsePrefix("10.0.0.0/8"),       // private (RFC 1918)
		netip.MustParsePrefix("100.64.0.0/10"),    // behind a carrier's NAT (RFC 6598)
		netip.MustParsePrefix("127.0.0.0/8"),      // loopback
		netip.MustParsePrefix("169.254.0.0/16"),   // link-local, and the metadata services of clouds
		netip.MustParsePrefix("172.16.0.0/12"),    // private (RFC 1918)
		netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments (RFC 6890)
		netip.MustParsePrefix("192.0.2.0/24"),     // documentation (RFC 5737)
		netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays, given up (RFC 7526)
		netip.MustParsePrefix("192.168.0.0/16"),   // private (RFC 1918)
		netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks (RFC 2544)
		netip.MustParsePrefix("198.51.100.0/24"),  // documentation (RFC 5737)
		netip.MustParsePrefix("203.0.113.0/24"),   // documentation (RFC 5737)
		netip.MustParsePrefix("224.0.0.0/4"),      // multicast
		netip.MustParsePrefix("240.0.0.0/4"),      // reserved, and broadcast
		netip.MustParsePrefix("168.63.129.16/32"), // the host of an Azure machine, at a public address (https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16)
	}
})

// notPublic6 are those in 2000::/3, outside of which there is no public IPv6 address
// (https://www.iana.org/assignments/iana-ipv6-special-registry). Of 2001::/23 a few anycast services are reachable; no
// web server is among them.
var notPublic6 = sync.OnceValue(func() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("2001::/23"),     // protocol assignments, Teredo (2001::/32) among them
		netip.MustParsePrefix("2001:db8::/32"), // documentation (RFC 3849)
		netip.MustParsePrefix("2002::/16"),     // 6to4, given up (RFC 7526)
		netip.MustParsePrefix("3fff::/20"),     // documentation (RFC 9637)
	}
})

// public tells whether the address is one on the public Internet, as the only ones that a stranger may send us to.
func public(a netip.Addr) bool {
	if a.Zone() != "" {
		return false // a zone names one of this machine's interfaces
	}
	a = a.Unmap()
	switch {
	case a.Is4():
		return !within(a, notPublic4())
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		// NAT64 (RFC 6052): the IPv4 address stands in the last four bytes. Networks with IPv6 only reach all of IPv4 so.
		b := a.As16()
		return public(netip.AddrFrom4([4]byte(b[12:])))
	}
	return netip.MustParsePrefix("2000::/3").Contains(a) && !within(a, notPublic6())
}

// within tells whether one of the prefixes holds the address.
func within(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// loopback tells whether the address is this machine.
func loopback(a netip.Addr) bool { return a.IsLoopback() && a.Zone() == "" }
