package deliver

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

const (
	maxURL  = 2048 // bytes
	maxHost = 253  // bytes (RFC 1035, 2.3.4, without the dot at the end)
)

var (
	hostName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?$`) })
	// Some parsers read a host that ends in a number as an IPv4 address: 2130706433, 0x7f000001, 0177.0.0.1, 127.1
	// (https://url.spec.whatwg.org/#ends-in-a-number-checker).
	endsInNumber = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(^|\.)([0-9]+|0[xX][0-9A-Fa-f]*)\.?$`) })
)

// CheckURL tells, when a URL is handed in, whether messages could be sent to it: https, a host that is not this
// machine, a private network or an address in an odd notation, no user name, no fragment, at most 2048 bytes; any port.
// A URL that own, nil for none, calls the operator's may lead anywhere, and with http to this machine. The host is
// not looked up; Post checks where it leads. The error is ErrURL with a reason that does not repeat the URL.
func CheckURL(url string, own func(url string) bool) error {
	_, _, err := parse(url, own)
	return err
}

func unusable(reason string) error { return fmt.Errorf("%w: it %s", ErrURL, reason) }

// parse is CheckURL, and tells whether the URL is the operator's own.
func parse(raw string, isOwn func(url string) bool) (u *url.URL, own bool, err error) {
	if len(raw) > maxURL {
		return nil, false, unusable(fmt.Sprintf("is longer than %d bytes", maxURL))
	}
	// Other characters belong escaped (RFC 3986, 2), and international hosts in their ASCII form: 127。0。0。1 has
	// dots to some.
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, false, unusable("holds a space or a character that is not ASCII")
	}
	u, parseErr := url.Parse(raw)
	if parseErr != nil { // it repeats the URL
		return nil, false, unusable("is not a URL")
	}
	own = isOwn != nil && isOwn(raw)
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, false, unusable("must begin with https://")
	case u.Hostname() == "":
		return nil, false, unusable("has no host")
	case u.User != nil:
		return nil, false, unusable("must not have a user name")
	case strings.Contains(raw, "#"):
		return nil, false, unusable("must not have a fragment")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return nil, false, unusable("has no usable port")
		}
	}
	here, err := checkHost(u, own)
	switch {
	case err != nil:
		return nil, false, err
	case u.Scheme == "http" && !here:
		return nil, false, unusable("must begin with https://")
	}
	return u, own, nil
}

// checkHost tells whether the host is this machine by its very name.
func checkHost(u *url.URL, own bool) (here bool, err error) {
	host := u.Hostname()
	a, notLiteral := netip.ParseAddr(host)
	switch {
	case notLiteral == nil:
		if here = loopback(a); !public(a) && !own {
			return false, unusable("must lead to an address on the public Internet")
		}
		return here, nil
	case !hostName().MatchString(host), len(strings.TrimSuffix(host, ".")) > maxHost, endsInNumber().MatchString(host):
		return false, unusable("has a host that is neither a name nor an IP address in its usual form")
	}
	// RFC 6761, 6.3: localhost and all names under it are this machine.
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if here = name == "localhost" || strings.HasSuffix(name, ".localhost"); here && !own {
		return false, unusable("must lead to an address on the public Internet")
	}
	return here, nil
}
