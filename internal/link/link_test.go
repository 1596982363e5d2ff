package link_test

import (
	"bytes"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/link"
	"github.com/lethe-dsr/lethe/internal/seal"
)

func maker(t *testing.T, secret byte) link.Maker {
	t.Helper()
	key, err := seal.OpenKey(filepath.Join(t.TempDir(), "key"), bytes.NewReader(bytes.Repeat([]byte{secret}, 64)))
	if err != nil {
		t.Fatal(err)
	}
	return link.Maker{Base: &url.URL{Scheme: "https", Host: "privacy.acme.example"}, Digest: key.Digest}
}

func TestALinkOpensItsRequestForItsPurposeOnly(t *testing.T) {
	t.Parallel()
	m := maker(t, 1)
	token := strings.TrimPrefix(m.Verify("01R", "de"), "https://privacy.acme.example/verify?lang=de&token=")
	if id, ok := m.ReadVerify(token); !ok || id != "01R" {
		t.Errorf("verify: got %q, %v", id, ok)
	}
	page := strings.TrimSuffix(strings.TrimPrefix(m.Status("01R", "fr"), "https://privacy.acme.example/status/"), "?lang=fr")
	if id, ok := m.ReadStatus(page); !ok || id != "01R" {
		t.Errorf("status: got %q, %v", id, ok)
	}
	for name, forged := range map[string]string{
		"of the other purpose": page, "of another key": maker(t, 2).VerifyToken("01R"), "with another id": strings.Replace(token, "01R", "01S", 1),
		"empty": "", "without a digest": "01R", "with an empty digest": "01R.", "in capitals": strings.ToUpper(token), "with more": token + "x", "without an id": "." + m.Digest("link/verify", ""),
	} {
		if _, ok := m.ReadVerify(forged); ok {
			t.Errorf("a token %s is taken", name)
		}
	}
}
