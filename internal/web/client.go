package web

import (
	"net/http"
	"net/netip"
	"strings"
)

// Client is the address that a request came from, for limits: the connection's, or behind reverse proxies the one that
// the outermost of them saw, which is as many places from the right of X-Forwarded-For as there are proxies. Whatever
// stands further left was written by the client. IPv6 addresses are cut to their network of 64 bits, of which a client
// usually has all.
func Client(r *http.Request, proxies int) string {
	if proxies > 0 {
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if len(hops) >= proxies {
			if a, ok := address(strings.TrimSpace(hops[len(hops)-proxies])); ok {
				return a
			}
		}
	}
	if a, ok := address(r.RemoteAddr); ok {
		return a
	}
	return "unknown" // such as a client at a Unix socket
}

// address reads an address with or without a port, in its form for limits.
func address(text string) (string, bool) {
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		withPort, err := netip.ParseAddrPort(text)
		if err != nil {
			return "", false
		}
		a = withPort.Addr()
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String(), true
	}
	return netip.PrefixFrom(a, 64).Masked().String(), true
}
