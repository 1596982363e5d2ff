package container

import (
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/fault"
)

// FuzzKind: no bytes make the sniffer fail otherwise than by naming a blob of unknown kind.
func FuzzKind(f *testing.F) {
	for _, head := range []string{"", "\ufeff \n", "{}\n", "[{}]", "PK\x03\x04", "\x1f\x8b\x08", "\x1f\x8b", "<xml/>", "BZh9"} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		kind, err := kindOf(head, int64(len(head)))
		if err != nil && !fault.Is(err, fault.UnknownBlobKind) {
			t.Errorf("got %v", err)
		}
		if err == nil && kind == appcenter.Empty && strings.TrimLeft(strings.TrimPrefix(string(head), "\ufeff"), " \t\r\n") != "" {
			t.Errorf("%q is taken for empty", head)
		}
	})
}
