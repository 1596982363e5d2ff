package seal

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Why Verify does not trust a JWS.
var (
	ErrMalformed    = errors.New("not a compact JWS signed with ES256; the file is damaged, or something else")
	ErrUnknownKey   = errors.New("signed by a key that is not among the trusted ones; get the issuer's key set anew, or do not trust it")
	ErrBadSignature = errors.New("the signature does not fit; the content was changed after it was signed")
)

// PublicKey is a public key of P-256 under its RFC 7638 thumbprint as key id: whoever has the key can check its id.
func PublicKey(key *ecdsa.PublicKey) (jose.JSONWebKey, error) {
	jwk := jose.JSONWebKey{Key: key, Algorithm: string(jose.ES256), Use: "sig"}
	thumb, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("key id: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumb)
	return jwk, nil
}

// Public is the key by which others check what Sign signed.
func (k *Key) Public() jose.JSONWebKey { return k.derived().public }

// PublicSet is Public as a JSON Web Key Set (RFC 7517), as Verify takes it and /.well-known/jwks.json gives it.
func (k *Key) PublicSet() []byte { return slices.Clone(k.derived().publicSet) }

// Sign is SignWith the signing key; it needs no context.
func (k *Key) Sign(_ context.Context, payload []byte, typ string) (compactJWS string, err error) {
	return SignWith(jose.JSONWebKey{Key: k.derived().signing, KeyID: k.derived().public.KeyID}, payload, typ)
}

// SignWith gives payload as a compact JWS (RFC 7515), signed with ES256. typ says what kind of document it is; it stands
// in the header with the key id. The key is a jose.JSONWebKey, or a jose.OpaqueSigner for a key that is kept elsewhere.
func SignWith(key any, payload []byte, typ string) (compactJWS string, err error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed.CompactSerialize()
}

// Verify checks a compact JWS against the keys of a JSON Web Key Set, without any network, and gives its payload and
// the id of the key that signed it. Space around the JWS, as a file may have, does not matter. Only ES256 counts,
// whatever the header asks for. The errors are ErrMalformed, ErrUnknownKey and ErrBadSignature, and another one when
// trusted is not a key set.
func Verify(jws string, trusted []byte) (payload []byte, kid string, err error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(trusted, &set); err != nil {
		return nil, "", errors.New("the trusted keys are not a JSON Web Key Set; get the issuer's key set anew")
	}
	jws = strings.TrimSpace(jws)
	signed, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || !canonical(jws) {
		return nil, "", ErrMalformed
	}
	kid = signed.Signatures[0].Header.KeyID
	err = ErrUnknownKey
	for _, jwk := range set.Key(kid) {
		key, ok := jwk.Key.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() || kid == "" {
			continue
		}
		if payload, verifyErr := signed.Verify(key); verifyErr == nil {
			return payload, kid, nil
		}
		err = ErrBadSignature
	}
	return nil, "", err
}

// canonical tells whether each part is written as an encoder writes it. Base64 decoders overlook line breaks and spare
// bits, so that one signature would fit several texts.
func canonical(jws string) bool {
	for part := range strings.SplitSeq(jws, ".") {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || base64.RawURLEncoding.EncodeToString(b) != part {
			return false
		}
	}
	return true
}
