package seal

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"
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

func mustNotOpen(t rapid.TB, what string, k *Key, scope string, sealed []byte) {
	t.Helper()
	if plain, err := k.Open(context.Background(), scope, sealed); !fault.Is(err, fault.SealBroken) || plain != nil {
		t.Errorf("%s: got %d bytes and error %v, want SealBroken", what, len(plain), err)
	}
}

func TestSealedOpensInItsScopeOnly(t *testing.T) {
	t.Parallel()
	k, other := testKey(t), otherKey(t)
	rapid.Check(t, func(t *rapid.T) {
		scope, plain := rapid.String().Draw(t, "scope"), rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		sealed := mustSeal(t, k, scope, plain)
		got, err := k.Open(context.Background(), scope, sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("got %q and error %v, want %q", got, err, plain)
		}
		if wrong := rapid.String().Draw(t, "wrong"); wrong != scope {
			mustNotOpen(t, "another scope", k, wrong, sealed)
		}
		mustNotOpen(t, "a longer scope", k, scope+"x", sealed)
		mustNotOpen(t, "another key", other, scope, sealed)

		bit := rapid.IntRange(0, len(sealed)*8-1).Draw(t, "bit")
		flipped := bytes.Clone(sealed)
		flipped[bit/8] ^= 1 << (bit % 8)
		mustNotOpen(t, "a flipped bit", k, scope, flipped)

		mustNotOpen(t, "cut off", k, scope, sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "cut")])
		mustNotOpen(t, "longer", k, scope, append(sealed, 0))
	})
}

func TestNoBitOfSealedDataMayChange(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	sealed := mustSeal(t, k, "scope", []byte("ann@example.com"))
	for bit := range len(sealed) * 8 {
		sealed[bit/8] ^= 1 << (bit % 8)
		mustNotOpen(t, "a flipped bit", k, "scope", sealed)
		sealed[bit/8] ^= 1 << (bit % 8)
	}
}

func TestSealedShowsNothing(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	plain := []byte("ann@example.com")
	a, b := mustSeal(t, k, "request-1", plain), mustSeal(t, k, "request-1", plain)
	if bytes.Contains(a, plain) || bytes.Contains(a, []byte("request-1")) {
		t.Error("the sealed bytes hold what was sealed, or its scope")
	}
	if bytes.Equal(a[1:13], b[1:13]) || bytes.Equal(a[13:], b[13:]) {
		t.Error("the same value sealed twice gives the same bytes")
	}
	_, err := otherKey(t).Open(context.Background(), "request-1", a)
	if strings.Contains(err.Error(), "request-1") || strings.Contains(err.Error(), "ann") {
		t.Errorf("the error says too much: %v", err)
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

func TestDigestsTellScopesValuesAndKeysApart(t *testing.T) {
	t.Parallel()
	k, other := testKey(t), otherKey(t)
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00|:")), 0, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		scope1, value1 := text.Draw(t, "scope1"), text.Draw(t, "value1")
		scope2, value2 := text.Draw(t, "scope2"), text.Draw(t, "value2")
		d1, d2 := k.Digest(scope1, value1), k.Digest(scope2, value2)
		if same := scope1 == scope2 && value1 == value2; (d1 == d2) != same {
			t.Errorf("digests equal: got %v, want %v", d1 == d2, same)
		}
		if d1 == other.Digest(scope1, value1) {
			t.Error("two keys give the same digest")
		}
		if len(d1) != 26 || strings.Trim(d1, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Errorf("got %q, want 26 lower-case letters and digits", d1)
		}
	})
}

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
