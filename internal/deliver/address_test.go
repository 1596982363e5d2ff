package deliver

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

func TestOnlyPublicAddressesAreDialled(t *testing.T) {
	t.Parallel()
	dial := control(public)
	for address, want := range map[string]error{
		"1.1.1.1":                    nil,
		"93.184.216.34":              nil,
		"100.63.255.255":             nil,
		"100.128.0.0":                nil,
		"172.15.255.255":             nil,
		"172.32.0.0":                 nil,
		"192.0.1.0":                  nil,
		"198.17.255.255":             nil,
		"198.20.0.0":                 nil,
		"223.255.255.255":            nil,
		"::ffff:1.1.1.1":             nil,
		"64:ff9b::101:101":           nil,
		"2606:2800:21f:cb07:6820::1": nil,
		"2001:200::1":                nil,
		"2a00:1450:4001::1":          nil,

		"0.0.0.0":            ErrAddress,
		"0.1.2.3":            ErrAddress,
		"10.0.0.1":           ErrAddress,
		"100.64.0.1":         ErrAddress,
		"100.127.255.255":    ErrAddress,
		"100.100.100.200":    ErrAddress, // Alibaba Cloud's metadata
		"127.0.0.1":          ErrAddress,
		"127.255.255.255":    ErrAddress,
		"168.63.129.16":      ErrAddress,
		"169.254.169.254":    ErrAddress, // the metadata of most clouds
		"172.16.0.1":         ErrAddress,
		"172.31.255.255":     ErrAddress,
		"192.0.0.192":        ErrAddress, // Oracle Cloud's metadata
		"192.0.2.1":          ErrAddress,
		"192.88.99.1":        ErrAddress,
		"192.168.1.1":        ErrAddress,
		"198.18.0.1":         ErrAddress,
		"198.19.255.255":     ErrAddress,
		"198.51.100.1":       ErrAddress,
		"203.0.113.1":        ErrAddress,
		"224.0.0.1":          ErrAddress,
		"239.255.255.255":    ErrAddress,
		"240.0.0.1":          ErrAddress,
		"255.255.255.255":    ErrAddress,
		"::":                 ErrAddress,
		"::1":                ErrAddress,
		"::127.0.0.1":        ErrAddress, // IPv4-compatible, given up
		"::1.1.1.1":          ErrAddress,
		"::ffff:127.0.0.1":   ErrAddress,
		"::ffff:10.0.0.1":    ErrAddress,
		"::ffff:0:127.0.0.1": ErrAddress, // IPv4-translated (RFC 2765)
		"64:ff9b::127.0.0.1": ErrAddress,
		"64:ff9b::a9fe:a9fe": ErrAddress,
		"64:ff9b:1::1.1.1.1": ErrAddress, // NAT64 of one's own network (RFC 8215)
		"100::1":             ErrAddress,
		"2001::1":            ErrAddress, // Teredo
		"2001:0:7f00:1::":    ErrAddress,
		"2001:2::1":          ErrAddress, // benchmarks
		"2001:20::1":         ErrAddress,
		"2001:db8::1":        ErrAddress,
		"2002:7f00:1::":      ErrAddress, // 6to4 of 127.0.0.1
		"2002:a00:1::1":      ErrAddress,
		"3fff::1":            ErrAddress,
		"4000::1":            ErrAddress,
		"5f00::1":            ErrAddress,
		"fc00::1":            ErrAddress,
		"fd00:ec2::254":      ErrAddress, // AWS's metadata
		"fe80::1":            ErrAddress,
		"fe80::1%lo":         ErrAddress,
		"2a00:1450::1%lo":    ErrAddress,
		"::ffff:1.1.1.1%lo":  ErrAddress,
		"fec0::1":            ErrAddress,
		"ff02::1":            ErrAddress,
		"":                   ErrAddress,
		"localhost":          ErrAddress,
	} {
		if got := dial("tcp", net.JoinHostPort(address, "443"), nil); !errors.Is(got, want) {
			t.Errorf("%s: got %v, want %v", address, got, want)
		}
	}
}

func TestLoopbackIsThisMachineOnly(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.1.2.3": true, "::1": true, "::ffff:127.0.0.1": true,
		"0.0.0.0": false, "::": false, "10.0.0.1": false, "169.254.169.254": false, "1.1.1.1": false, "::1%lo": false, "fe80::1": false,
	} {
		if got := loopback(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %v", address, got)
		}
	}
}

// A proxy of the environment would look hosts up itself, where nothing checks the address. net/http uses none for
// loopback, so that a test with a real one would show nothing.
func TestNoProxy(t *testing.T) {
	t.Parallel()
	c := NewClient(Options{})
	if c.public.Proxy != nil || c.own.Proxy != nil || c.plain.Proxy != nil {
		t.Error("a proxy is used")
	}
}
