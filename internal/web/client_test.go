package web_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/web"
)

func TestClient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, remote string
		forwarded    []string
		proxies      int
		want         string
	}{
		{"direct", "192.0.2.1:1234", nil, 0, "192.0.2.1"},
		{"direct, header made up", "192.0.2.1:1234", []string{"198.51.100.7"}, 0, "192.0.2.1"},
		{"one proxy", "10.0.0.1:1234", []string{"198.51.100.7"}, 1, "198.51.100.7"},
		{"one proxy, more made up", "10.0.0.1:1234", []string{"203.0.113.1, 203.0.113.2,198.51.100.7"}, 1, "198.51.100.7"},
		{"two proxies", "10.0.0.1:1234", []string{"203.0.113.1, 198.51.100.7 , 10.0.0.2"}, 2, "198.51.100.7"},
		{"two proxies, two lines", "10.0.0.1:1234", []string{"203.0.113.1,198.51.100.7", "10.0.0.2"}, 2, "198.51.100.7"},
		{"fewer entries than proxies", "10.0.0.1:1234", []string{"198.51.100.7"}, 2, "10.0.0.1"},
		{"no header", "10.0.0.1:1234", nil, 1, "10.0.0.1"},
		{"garbage", "10.0.0.1:1234", []string{marker}, 1, "10.0.0.1"},
		{"with a port", "10.0.0.1:1234", []string{"198.51.100.7:4711"}, 1, "198.51.100.7"},
		{"a network of IPv6", "[2001:db8:1:2:3:4:5:6]:1234", nil, 0, "2001:db8:1:2::/64"},
		{"IPv6 behind a proxy", "10.0.0.1:1234", []string{"2001:db8:1:2::9"}, 1, "2001:db8:1:2::/64"},
		{"IPv6 with a port", "10.0.0.1:1234", []string{"[2001:db8:1:2::9]:80"}, 1, "2001:db8:1:2::/64"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:1234", nil, 0, "192.0.2.1"},
		{"IPv6 with a zone", "[fe80::1%eth0]:1234", nil, 0, "fe80::/64"},
		{"no address", "@", nil, 0, "unknown"},
	} {
		r := request("GET", "/", "")
		r.RemoteAddr = c.remote
		for _, f := range c.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := web.Client(r, c.proxies); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func FuzzClient(f *testing.F) {
	f.Add("192.0.2.1:1", "198.51.100.7, [::1]:4", 1)
	f.Add("[fe80::1%a]:1", ",,", 3)
	f.Fuzz(func(t *testing.T, remote, forwarded string, proxies int) {
		r := request("GET", "/", "")
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", forwarded)
		if got := web.Client(r, proxies); got == "" || len(got) > 45 {
			t.Errorf("the client is %q", got)
		}
	})
}
