package seal

import (
	"bytes"
	"context"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/fault"
)

func mustSeal(t rapid.TB, k *Key, scope string, plain []byte) []byte {
	t.Helper()
	sealed, err := k.Seal(context.Background(), scope, plain)
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	return sealed
}

func TestNoncesDiffer(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	plain := []byte("ann@example.com")
	a, b := mustSeal(t, k, "request-1", plain), mustSeal(t, k, "request-1", plain)
	if bytes.Equal(a[1:13], b[1:13]) || bytes.Equal(a[13:], b[13:]) {
		t.Error("the same value sealed twice gives the same bytes")
	}
}

// What older versions sealed and digested has to open and compare equal for as long as records are kept.
func TestFormatsStay(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	sealed, err := hex.DecodeString(goldenSealed)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open(context.Background(), "request-1", sealed); err != nil || string(got) != "ann@example.com" {
		t.Errorf("sealed: got %q and error %v, want the value sealed by version 1", got, err)
	}
	if got := k.Digest("subject", "ann@example.com"); got != goldenDigest {
		t.Errorf("digest: got %s, want %s", got, goldenDigest)
	}
	if got := k.Public().KeyID; got != goldenKeyID {
		t.Errorf("key id: got %s, want %s", got, goldenKeyID)
	}
}

const (
	goldenSealed = "013ac91c40088039380038de43d343383edcdd98687814b06a61db266bade0c1846933c7895ec02a96d1381b"
	goldenDigest = "quseoqz2nfayubpuxbnutihhoi"
	goldenKeyID  = "NKRHBuCFzxvttusV2cogy0izHjVldE8UQzWo9CFUepE"
)

func FuzzOpen(f *testing.F) {
	k := testKey(f)
	f.Add("scope", mustSeal(f, k, "scope", []byte("plain")))
	f.Add("", []byte{})
	f.Add("", []byte{sealVersion})
	f.Add("s", make([]byte, 29))
	f.Fuzz(func(t *testing.T, scope string, sealed []byte) {
		if plain, err := k.Open(context.Background(), scope, sealed); err != nil && (plain != nil || !fault.Is(err, fault.SealBroken)) {
			t.Errorf("got %d bytes and error %v, want SealBroken", len(plain), err)
		}
	})
}
