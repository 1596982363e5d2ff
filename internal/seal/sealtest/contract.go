// Package sealtest holds the contract tests of sealing and signing, which the form with a key file and the one with KMS
// have to pass, so that what works on one machine works on AWS.
package sealtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/seal"
)

// Sealer seals what only steps may read and makes keyed digests.
type Sealer interface {
	Seal(ctx context.Context, scope string, plain []byte) ([]byte, error)
	Open(ctx context.Context, scope string, sealed []byte) ([]byte, error)
	Digest(scope, value string) string
}

// Sealing runs the contract of a Sealer as subtests of t. open gives one, the same as another process has it, and one
// with another key.
func Sealing(t *testing.T, open func(t *testing.T) (one, again, other Sealer)) {
	for name, claim := range map[string]func(*testing.T, Sealer, Sealer, Sealer){
		"what is sealed opens in its scope only":     opensInItsScopeOnly,
		"no bit of sealed data may change":           noBitMayChange,
		"what is sealed shows nothing":               showsNothing,
		"what never was sealed does not open":        neverSealed,
		"another process opens what was sealed":      anotherProcess,
		"digests tell scopes, values, keys apart":    digests,
		"many may seal and open at the same time":    manyAtOnce,
		"what was sealed and opened is the caller's": callersOwn,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, again, other := open(t)
			claim(t, one, again, other)
		})
	}
}

func mustSeal(t rapid.TB, s Sealer, scope string, plain []byte) []byte {
	t.Helper()
	sealed, err := s.Seal(context.Background(), scope, plain)
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	return sealed
}

func mustOpen(t rapid.TB, s Sealer, scope string, sealed, want []byte) {
	t.Helper()
	got, err := s.Open(context.Background(), scope, sealed)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("Open: got %q and error %v, want %q", got, err, want)
	}
}

func mustNotOpen(t rapid.TB, what string, s Sealer, scope string, sealed []byte) {
	t.Helper()
	plain, err := s.Open(context.Background(), scope, sealed)
	if !fault.Is(err, fault.SealBroken) || plain != nil {
		t.Errorf("%s: got %d bytes and error %v, want SealBroken", what, len(plain), err)
	}
}

func opensInItsScopeOnly(t *testing.T, one, _, other Sealer) {
	rapid.Check(t, func(t *rapid.T) {
		scope, plain := rapid.String().Draw(t, "scope"), rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		sealed := mustSeal(t, one, scope, plain)
		mustOpen(t, one, scope, sealed, plain)
		if wrong := rapid.String().Draw(t, "wrong"); wrong != scope {
			mustNotOpen(t, "another scope", one, wrong, sealed)
		}
		mustNotOpen(t, "a longer scope", one, scope+"x", sealed)
		mustNotOpen(t, "another key", other, scope, sealed)
		mustNotOpen(t, "cut off", one, scope, sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "cut")])
		mustNotOpen(t, "longer", one, scope, append(sealed, 0))
	})
}

func noBitMayChange(t *testing.T, one, _, _ Sealer) {
	sealed := mustSeal(t, one, "scope", []byte("ann@example.com"))
	for bit := range len(sealed) * 8 {
		sealed[bit/8] ^= 1 << (bit % 8)
		mustNotOpen(t, "a flipped bit", one, "scope", sealed)
		sealed[bit/8] ^= 1 << (bit % 8)
	}
	mustOpen(t, one, "scope", sealed, []byte("ann@example.com"))
}

func showsNothing(t *testing.T, one, _, other Sealer) {
	plain := []byte("ann@example.com")
	a, b := mustSeal(t, one, "request-1", plain), mustSeal(t, one, "request-1", plain)
	if bytes.Contains(a, plain) || bytes.Contains(a, []byte("request-1")) {
		t.Error("the sealed bytes hold what was sealed, or its scope")
	}
	if tail := len(a) - len(plain) - 12; bytes.Equal(a[tail:], b[tail:]) {
		t.Error("the same value sealed twice gives the same bytes")
	}
	for what, s := range map[string]Sealer{"request-2": one, "request-1": other} {
		_, err := s.Open(context.Background(), what, a)
		if err == nil || strings.Contains(err.Error(), "request-") || strings.Contains(err.Error(), "ann") {
			t.Errorf("the error says too much: %v", err)
		}
	}
}

func neverSealed(t *testing.T, one, _, _ Sealer) {
	rapid.Check(t, func(t *rapid.T) {
		sealed := rapid.SliceOf(rapid.Byte()).Draw(t, "sealed")
		mustNotOpen(t, "anything", one, "scope", sealed)
		for version := range byte(4) {
			mustNotOpen(t, "anything of a version", one, "scope", append([]byte{version}, sealed...))
		}
	})
	mustNotOpen(t, "nothing", one, "", nil)
	for _, size := range []int{7000, 1 << 16, 1 << 17} {
		for version := range byte(4) {
			for _, fill := range []byte{0, 1, 0x20, 0xff} {
				mustNotOpen(t, "large", one, "", append([]byte{version}, bytes.Repeat([]byte{fill}, size)...))
			}
		}
	}
}

func anotherProcess(t *testing.T, one, again, _ Sealer) {
	mustOpen(t, again, "scope", mustSeal(t, one, "scope", []byte("a")), []byte("a"))
	mustOpen(t, one, "scope", mustSeal(t, again, "scope", []byte("b")), []byte("b"))
	if one.Digest("s", "v") != again.Digest("s", "v") {
		t.Error("two processes make different digests")
	}
}

func digests(t *testing.T, one, _, other Sealer) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00|:")), 0, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		scope1, value1 := text.Draw(t, "scope1"), text.Draw(t, "value1")
		scope2, value2 := text.Draw(t, "scope2"), text.Draw(t, "value2")
		d1, d2 := one.Digest(scope1, value1), one.Digest(scope2, value2)
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

func manyAtOnce(t *testing.T, one, again, _ Sealer) {
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for range 20 {
				plain := []byte{byte(n)}
				mustOpen(t, again, "scope", mustSeal(t, one, "scope", plain), plain)
			}
		})
	}
	wg.Wait()
}

func callersOwn(t *testing.T, one, _, _ Sealer) {
	plain := []byte("ann@example.com")
	sealed := mustSeal(t, one, "scope", plain)
	clear(plain)
	kept := bytes.Clone(sealed)
	for range 2 {
		got, err := one.Open(t.Context(), "scope", sealed)
		if err != nil || string(got) != "ann@example.com" {
			t.Fatalf("got %q and error %v", got, err)
		}
		clear(got)
		clear(sealed)
		copy(sealed, kept)
	}
	second := mustSeal(t, one, "scope", []byte("x"))
	clear(sealed)
	mustOpen(t, one, "scope", second, []byte("x"))
}

// Signer signs certificates as compact JWS.
type Signer interface {
	Sign(ctx context.Context, payload []byte, typ string) (compactJWS string, err error)
	Public() jose.JSONWebKey
	PublicSet() []byte
}

// Signing runs the contract of a Signer as subtests of t. open gives one, the same as another process has it, and one
// with another key.
func Signing(t *testing.T, open func(t *testing.T) (one, again, other Signer)) {
	for name, claim := range map[string]func(*testing.T, Signer, Signer, Signer){
		"what is signed is verified offline":        verifiedOffline,
		"what another key signed is not trusted":    otherKey,
		"the header says what it is and who signed": header,
		"the public key is public":                  publicOnly,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, again, other := open(t)
			claim(t, one, again, other)
		})
	}
}

const kind = "lethe-certificate+jws"

func mustSign(t rapid.TB, s Signer, payload []byte) string {
	t.Helper()
	jws, err := s.Sign(context.Background(), payload, kind)
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	return jws
}

func verifiedOffline(t *testing.T, one, again, _ Signer) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		jws := mustSign(t, one, payload)
		for _, text := range []string{jws, jws + "\n", "\r\n " + jws + "\r\n"} {
			got, kid, err := seal.Verify(text, again.PublicSet())
			if err != nil || !bytes.Equal(got, payload) || kid != one.Public().KeyID {
				t.Fatalf("got %q by %q and error %v, want %q by %q", got, kid, err, payload, one.Public().KeyID)
			}
		}
	})
}

func otherKey(t *testing.T, one, _, other Signer) {
	if _, _, err := seal.Verify(mustSign(t, one, []byte("payload")), other.PublicSet()); err != seal.ErrUnknownKey {
		t.Errorf("got error %v, want ErrUnknownKey", err)
	}
	if one.Public().KeyID == other.Public().KeyID {
		t.Error("two keys have one id")
	}
}

func header(t *testing.T, one, _, _ Signer) {
	parts := strings.Split(mustSign(t, one, []byte("payload")), ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(text), `{"alg":"ES256","kid":"`+one.Public().KeyID+`","typ":"`+kind+`"}`; got != want {
		t.Errorf("header: got %s, want %s", got, want)
	}
	if signature, err := base64.RawURLEncoding.DecodeString(parts[2]); err != nil || len(signature) != 64 {
		t.Errorf("signature: got %d bytes and error %v, want 64", len(signature), err)
	}
}

func publicOnly(t *testing.T, one, _, _ Signer) {
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(one.PublicSet(), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("got %d keys and error %v, want one", len(set.Keys), err)
	}
	k := set.Keys[0]
	if k["kid"] != one.Public().KeyID || k["alg"] != "ES256" || k["use"] != "sig" || k["crv"] != "P-256" || k["kty"] != "EC" || len(k) != 7 {
		t.Errorf("got %v, want kid, alg, use, crv, kty, x and y", k)
	}
	clear(one.PublicSet()) // the caller's own
	if _, _, err := seal.Verify(mustSign(t, one, nil), one.PublicSet()); err != nil {
		t.Error(err)
	}
}
