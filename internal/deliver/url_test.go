package deliver_test

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/deliver"
)

func all(string) bool { return true }

func TestCheckURL(t *testing.T) {
	t.Parallel()
	const stranger, own, nobody = "for all", "the operator's only", "for nobody"
	for raw, want := range map[string]string{
		"https://example.com":                                   stranger,
		"https://example.com/a/b?c=d&e=%23":                     stranger,
		"HTTPS://Example.COM:8443/":                             stranger,
		"https://example.com:1/":                                stranger,
		"https://example.com:65535/":                            stranger,
		"https://example.com./":                                 stranger,
		"https://xn--bcher-kva.example/":                        stranger,
		"https://a_b.example/":                                  stranger,
		"https://1.example/":                                    stranger,
		"https://0x7f.example/":                                 stranger,
		"https://a.0xg/":                                        stranger,
		"https://93.184.216.34/":                                stranger,
		"https://[2606:2800:21f:cb07:6820::1]:443/":             stranger,
		"https://notlocalhost/":                                 stranger,
		"https://localhost.example/":                            stranger,
		"https://example.com/" + strings.Repeat("a", 2028):      stranger,
		"https://" + strings.Repeat("a", 63) + ".example/":      stranger,
		"https://" + strings.Repeat("aa.", 84) + "a/":           stranger, // 253 bytes
		"https://127.0.0.1:8080/hook":                           own,
		"http://127.0.0.1:8080/hook":                            own,
		"http://127.8.8.8/":                                     own,
		"http://[::1]:8080/":                                    own,
		"http://[::ffff:127.0.0.1]/":                            own,
		"http://localhost/":                                     own,
		"http://LOCALHOST.:80/":                                 own,
		"https://hooks.localhost/":                              own,
		"":                                                      nobody,
		"example.com":                                           nobody,
		"//example.com":                                         nobody,
		"https:":                                                nobody,
		"https:///":                                             nobody,
		"https://:443/":                                         nobody,
		"https:example.com":                                     nobody,
		"https:/example.com":                                    nobody,
		"http://example.com/":                                   nobody,
		"http://93.184.216.34/":                                 nobody,
		"http://localhost.example/":                             nobody,
		"ftp://example.com/":                                    nobody,
		"file:///etc/passwd":                                    nobody,
		"gopher://127.0.0.1:25/":                                nobody,
		"https://ann@example.com/":                              nobody,
		"https://ann:pass@example.com/":                         nobody,
		"https://@example.com/":                                 nobody,
		"https://example.com@127.0.0.1/":                        nobody,
		"https://example.com/#part":                             nobody,
		"https://example.com/#":                                 nobody,
		"https://example.com/" + strings.Repeat("a", 2029):      nobody,
		"https://" + strings.Repeat("a", 64) + ".example/":      nobody,
		"https://" + strings.Repeat("aa.", 84) + "aa/":          nobody,
		"https://example.com:0/":                                nobody,
		"https://example.com:65536/":                            nobody,
		"https://example.com:http/":                             nobody,
		"https://example.com:-1/":                               nobody,
		"https://exa mple.com/":                                 nobody,
		"https://example.com/a b":                               nobody,
		"https://example.com/\n":                                nobody,
		" https://example.com/":                                 nobody,
		"https://example.com/\x7f":                              nobody,
		"https://b\u00fccher.example/":                          nobody,
		"https://b%C3%BCcher.example/":                          nobody,
		"https://example.com\\@127.0.0.1/":                      nobody,
		"https://example..com/":                                 nobody,
		"https://.example.com/":                                 nobody,
		"https://exa,mple.com/":                                 nobody,
		"https://*.example.com/":                                nobody,
		"https://0.0.0.0/":                                      own,
		"https://10.0.0.1/":                                     own,
		"https://169.254.169.254/latest/":                       own,
		"http://169.254.169.254/latest/":                        nobody,
		"https://192.168.1.1:8443/":                             own,
		"https://[::]/":                                         own,
		"https://[fe80::1%25eth0]/":                             own,
		"https://[fe80::1]/":                                    own,
		"https://[fd00:ec2::254]/":                              own,
		"https://[::ffff:10.0.0.1]/":                            own,
		"https://[64:ff9b::10.0.0.1]/":                          own,
		"https://[2002:7f00:1::]/":                              own,
		"https://[example.com]/":                                nobody,
		"https://[127.0.0.1]/":                                  nobody,
		"https://::1/":                                          nobody,
		"https://2130706433/":                                   nobody, // 127.0.0.1 in odd notations, from here
		"https://0x7f000001/":                                   nobody,
		"https://0X7F.0.0.1/":                                   nobody,
		"https://017700000001/":                                 nobody,
		"https://0177.0.0.1/":                                   nobody,
		"https://127.1/":                                        nobody,
		"https://127.0.1/":                                      nobody,
		"https://0/":                                            nobody,
		"https://0x/":                                           nobody,
		"https://127.0.0.1./":                                   nobody,
		"https://127.0.0.0x1/":                                  nobody,
		"https://127.000.000.001/":                              nobody,
		"https://127\u30020\u30020\u30021/":                     nobody,
		"https://\uff11\uff12\uff17.0.0.1/":                     nobody,
		"https://%31%32%37.0.0.1/":                              nobody,
		"https://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1/":            nobody,
		"https://\u24db\u24de\u24d2\u24d0\u24db\u24d7ost:8080/": nobody,
	} {
		for _, asked := range []struct {
			allow func(string) bool
			ok    bool
		}{
			{nil, want == stranger},
			{func(string) bool { return false }, want == stranger},
			{all, want != nobody},
		} {
			err := deliver.CheckURL(raw, asked.allow)
			if asked.ok && err != nil || !asked.ok && !errors.Is(err, deliver.ErrURL) {
				t.Errorf("%.80q, %s: got %v", raw, want, err)
			}
		}
	}
}

func TestOnlyTheVeryURLIsTheOperators(t *testing.T) {
	t.Parallel()
	const own = "http://127.0.0.1:8080/hook"
	allow := func(url string) bool { return url == own }
	if err := deliver.CheckURL(own, allow); err != nil {
		t.Error(err)
	}
	for _, other := range []string{own + "/", own + "?", "http://127.0.0.1:8080/", "http://127.0.0.1:8081/hook", "https://127.0.0.1:8080/hook"} {
		if err := deliver.CheckURL(other, allow); !errors.Is(err, deliver.ErrURL) {
			t.Errorf("%s: got %v", other, err)
		}
	}
}

// FuzzCheckURL gives any text with a secret put wherever it has an S: the error does not hold it, and a URL that passes
// is one that leads nowhere else than it says.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/S", "https://S.example:443/?S#S", "http://localhost:S/", "https://S@example.com/", "https://[::1%25S]/", "https://[64:ff9b::7f00:1]/S",
		"https://0x7f.1/", "https://127.0.0.1./", "S://S:S@S:S/S?S#S", "https://%53/", "https://[S]", "\x00S", "https:S", "https://example.com:443:S/", "HTTPS://EXAMPLE.COM.",
	} {
		f.Add(seed)
	}
	const secret = "7h15-15-53cr37"
	f.Fuzz(func(t *testing.T, raw string) {
		raw = strings.ReplaceAll(raw, "S", secret)
		err := deliver.CheckURL(raw, nil)
		if own := deliver.CheckURL(raw, all); err == nil && own != nil {
			t.Errorf("%q is for strangers and not for the operator: %v", raw, own)
		}
		if err != nil {
			if !errors.Is(err, deliver.ErrURL) || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v", err)
			}
			return
		}
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Hostname() == "" || len(raw) > 2048 {
			t.Fatalf("%q passed", raw)
		}
		host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
		if a, err := netip.ParseAddr(u.Hostname()); err == nil {
			if !a.Unmap().IsGlobalUnicast() || a.Unmap().IsPrivate() || a.Zone() != "" {
				t.Errorf("%q passed", raw)
			}
		} else if last := host[strings.LastIndex(host, ".")+1:]; host == "localhost" || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "" {
			t.Errorf("%q passed", raw)
		}
	})
}
