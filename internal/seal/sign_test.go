package seal

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"
)

func mustSign(t rapid.TB, k *Key, payload []byte) string {
	t.Helper()
	jws, err := k.Sign(context.Background(), payload, "lethe-certificate+jws")
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	return jws
}

func notTrusted(t rapid.TB, what, jws string, trusted []byte, want error) {
	t.Helper()
	payload, kid, err := Verify(jws, trusted)
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
	if payload != nil || kid != "" {
		t.Errorf("%s: got a payload of %d bytes and key id %q, want none", what, len(payload), kid)
	}
}

var b64 = base64.RawURLEncoding

// KMS, or another Lethe, signs with a key whose id is only a name here.
func TestForeignSignatureIsVerified(t *testing.T) {
	t.Parallel()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: priv, KeyID: "theirs"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	theirs := jose.JSONWebKey{Key: &priv.PublicKey, KeyID: "theirs"}
	payload, kid, err := Verify(jws, keySet(t, testKey(t).Public(), theirs))
	if err != nil || string(payload) != "payload" || kid != "theirs" {
		t.Errorf("got %q by %q and error %v", payload, kid, err)
	}
	// A rotated set may hold two keys of one name.
	wrong := testKey(t).Public()
	wrong.KeyID = "theirs"
	if _, _, err := Verify(jws, keySet(t, wrong, theirs)); err != nil {
		t.Errorf("two keys of one id: %v", err)
	}
}

func keySet(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Others check certificates without this package: once with go-jose, once with nothing but the standard library.
func TestOthersCanVerify(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	jws := mustSign(t, k, []byte(`{"a":1}`))

	var set jose.JSONWebKeySet
	if err := json.Unmarshal(k.PublicSet(), &set); err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if payload, err := parsed.Verify(&set); err != nil || string(payload) != `{"a":1}` {
		t.Errorf("go-jose: got %q and error %v", payload, err)
	}

	var jwks struct {
		Keys []struct{ Kty, Crv, X, Y, Kid, Alg, Use, D string }
	}
	if err := json.Unmarshal(k.PublicSet(), &jwks); err != nil {
		t.Fatal(err)
	}
	if len(jwks.Keys) != 1 {
		t.Fatalf("keys: got %d, want 1", len(jwks.Keys))
	}
	jwk := jwks.Keys[0]
	if jwk.Kty != "EC" || jwk.Crv != "P-256" || jwk.Alg != "ES256" || jwk.Use != "sig" || jwk.D != "" {
		t.Errorf("public key: got kty %q, crv %q, alg %q, use %q, private part: %v", jwk.Kty, jwk.Crv, jwk.Alg, jwk.Use, jwk.D != "")
	}
	// RFC 7638: the required members in the order of their names, without space.
	thumb := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + jwk.X + `","y":"` + jwk.Y + `"}`))
	if want := b64.EncodeToString(thumb[:]); jwk.Kid != want {
		t.Errorf("key id: got %s, want the thumbprint %s", jwk.Kid, want)
	}

	parts := strings.Split(jws, ".")
	var header map[string]any
	if err := json.Unmarshal(decode(t, parts[0]), &header); err != nil {
		t.Fatal(err)
	}
	if len(header) != 3 || header["alg"] != "ES256" || header["kid"] != jwk.Kid || header["typ"] != "lethe-certificate+jws" {
		t.Errorf("header: got %v", header)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, decode(t, jwk.X)...), decode(t, jwk.Y)...))
	if err != nil {
		t.Fatal(err)
	}
	signature := decode(t, parts[2])
	hash := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if len(signature) != 64 || !ecdsa.Verify(public, hash[:], r, s) {
		t.Error("crypto/ecdsa does not verify the signature")
	}
}

func decode(t testing.TB, part string) []byte {
	t.Helper()
	b, err := b64.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestChangedIsNotTrusted(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	jws := mustSign(t, k, []byte(`{"erased":1}`))
	parts := strings.Split(jws, ".")
	notTrusted(t, "another payload", parts[0]+"."+b64.EncodeToString([]byte(`{"erased":2}`))+"."+parts[2], k.PublicSet(), ErrBadSignature)
	second := strings.Split(mustSign(t, k, []byte(`{"erased":2}`)), ".")
	notTrusted(t, "another signature", parts[0]+"."+parts[1]+"."+second[2], k.PublicSet(), ErrBadSignature)
	notTrusted(t, "another key under the same id", jws, keySet(t, jose.JSONWebKey{Key: otherKey(t).Public().Key, KeyID: k.Public().KeyID}), ErrBadSignature)

	for n := range len(jws) {
		for _, c := range []byte{'A', 'B', 'g', '_', '.', '\n', '='} {
			if jws[n] == c {
				continue
			}
			changed := jws[:n] + string(c) + jws[n+1:]
			if _, _, err := Verify(changed, k.PublicSet()); err == nil && strings.TrimSpace(changed) != jws {
				t.Errorf("character %d of %d changed to %q: still trusted", n, len(jws), c)
			}
		}
		if _, _, err := Verify(jws[:n], k.PublicSet()); err == nil {
			t.Errorf("cut off after %d of %d characters: still trusted", n, len(jws))
		}
		if n > 0 {
			notTrusted(t, "a line break inside", jws[:n]+"\n"+jws[n:], k.PublicSet(), ErrMalformed)
		}
	}
}

func TestUnknownKeyIsNotTrusted(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	jws := mustSign(t, k, []byte("payload"))
	notTrusted(t, "another key", jws, otherKey(t).PublicSet(), ErrUnknownKey)
	notTrusted(t, "no keys", jws, []byte(`{"keys":[]}`), ErrUnknownKey)
	notTrusted(t, "no set", jws, []byte(`{}`), ErrUnknownKey)
	notTrusted(t, "a secret under the id", jws, keySet(t, jose.JSONWebKey{Key: []byte("0123456789abcdef0123456789abcdef"), KeyID: k.Public().KeyID}), ErrUnknownKey)
	for _, text := range []string{"", "no JSON", "[]", `{"keys":1}`} {
		if _, _, err := Verify(jws, []byte(text)); err == nil || errors.Is(err, ErrUnknownKey) {
			t.Errorf("trusted keys %q: got error %v, want one that says that it is no key set", text, err)
		}
	}

	unnamed := jose.JSONWebKey{Key: k.Public().Key}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.derived().signing}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	noID, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	notTrusted(t, "no key id", noID, keySet(t, unnamed), ErrUnknownKey)
}

func TestOnlyES256IsTrusted(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	kid := k.Public().KeyID
	payload := b64.EncodeToString([]byte("payload"))
	head := func(alg string) string {
		return b64.EncodeToString([]byte(`{"alg":"` + alg + `","kid":"` + kid + `"}`))
	}
	// The old trick: the public key, which everybody has, as the secret of an HMAC.
	mac := hmac.New(sha256.New, k.PublicSet())
	mac.Write([]byte(head("HS256") + "." + payload))
	good := strings.Split(mustSign(t, k, []byte("payload")), ".")
	for what, jws := range map[string]string{
		"hmac":           head("HS256") + "." + payload + "." + b64.EncodeToString(mac.Sum(nil)),
		"none":           head("none") + "." + payload + ".",
		"es384":          head("ES384") + "." + payload + "." + good[2],
		"no algorithm":   b64.EncodeToString([]byte(`{"kid":"`+kid+`"}`)) + "." + payload + "." + good[2],
		"empty":          "",
		"no JWS":         "certificate",
		"two parts":      good[0] + "." + good[1],
		"four parts":     strings.Join(good, ".") + "." + good[2],
		"padded":         strings.Join(good, ".") + "==",
		"JSON form":      `{"payload":"` + good[1] + `","protected":"` + good[0] + `","signature":"` + good[2] + `"}`,
		"header no JSON": payload + "." + payload + "." + good[2],
	} {
		notTrusted(t, what, jws, k.PublicSet(), ErrMalformed)
	}
}

func FuzzVerify(f *testing.F) {
	k := testKey(f)
	good := mustSign(f, k, []byte("payload"))
	f.Add(good, k.PublicSet())
	f.Add(good+"A", k.PublicSet())
	f.Add("e30.e30.e30", []byte(`{"keys":[{"kty":"oct","k":"AA","kid":""}]}`))
	f.Add("a.b.c", []byte("{}"))
	f.Fuzz(func(t *testing.T, jws string, trusted []byte) {
		payload, kid, err := Verify(jws, trusted)
		if err != nil && (payload != nil || kid != "") {
			t.Error("a payload that is not trusted is given out")
		}
		if _, _, err := Verify(jws, k.PublicSet()); err == nil && strings.Split(strings.TrimSpace(jws), ".")[1] != b64.EncodeToString([]byte("payload")) {
			t.Error("something that was never signed is trusted")
		}
	})
}
