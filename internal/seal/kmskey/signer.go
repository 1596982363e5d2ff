package kmskey

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/lethe-dsr/lethe/internal/awsjson/kms"
	"github.com/lethe-dsr/lethe/internal/seal"
)

// Signer signs by an asymmetric key at KMS (ECC_NIST_P256, SIGN_VERIFY). OpenSigner makes it; it is safe for concurrent
// use. It may GetPublicKey and Sign, and nothing else.
type Signer struct {
	client    *kms.Client
	key       string
	public    jose.JSONWebKey
	publicSet []byte
}

// OpenSigner uses the key of this id, ARN or alias. KMS does not rotate asymmetric keys by itself: after a change of keys
// the former ones are named too, so that what they signed can still be checked. KMS gives the public half of a key that is
// enabled only (DisabledException of https://docs.aws.amazon.com/kms/latest/APIReference/API_GetPublicKey.html).
func OpenSigner(ctx context.Context, client *kms.Client, key string, former ...string) (*Signer, error) {
	s := &Signer{client: client, key: key}
	var set jose.JSONWebKeySet
	for n, id := range append([]string{key}, former...) {
		public, err := publicKey(ctx, client, id)
		switch {
		case err != nil && n > 0:
			return nil, fmt.Errorf("former signing key %s: %w", id, err)
		case err != nil:
			return nil, fmt.Errorf("signing key: %w", err)
		}
		set.Keys = append(set.Keys, public)
	}
	s.public = set.Keys[0]
	var err error
	s.publicSet, err = json.Marshal(set)
	return s, err
}

func publicKey(ctx context.Context, client *kms.Client, id string) (jose.JSONWebKey, error) {
	der, usage, err := client.GetPublicKey(ctx, id)
	if err != nil {
		return jose.JSONWebKey{}, failed(ctx, client, err)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	key, ok := parsed.(*ecdsa.PublicKey)
	if err != nil || !ok || key.Curve != elliptic.P256() || usage != "SIGN_VERIFY" {
		return jose.JSONWebKey{}, errors.New("the KMS key is none for ES256; make one of key spec ECC_NIST_P256 and usage SIGN_VERIFY")
	}
	return seal.PublicKey(key)
}

// Public is the key by which others check what Sign signed.
func (s *Signer) Public() jose.JSONWebKey { return s.public }

// PublicSet is Public and the former keys as a JSON Web Key Set (RFC 7517), as seal.Verify takes it and
// /.well-known/jwks.json gives it.
func (s *Signer) PublicSet() []byte { return slices.Clone(s.publicSet) }

// Sign gives payload as a compact JWS (RFC 7515), signed with ES256, as seal.Key does. KMS sees a hash of the payload
// only. Errors are those of Sealer.Seal.
func (s *Signer) Sign(ctx context.Context, payload []byte, typ string) (compactJWS string, err error) {
	return seal.SignWith(signing{ctx, s}, payload, typ)
}

// signing is a jose.OpaqueSigner for one call.
type signing struct {
	ctx context.Context
	*Signer
}

func (s signing) Public() *jose.JSONWebKey { return &s.public }

func (s signing) Algs() []jose.SignatureAlgorithm { return []jose.SignatureAlgorithm{jose.ES256} }

// SignPayload gives r and s of 32 bytes each (RFC 7518, 3.4); KMS gives them in DER.
func (s signing) SignPayload(payload []byte, _ jose.SignatureAlgorithm) ([]byte, error) {
	hash := sha256.Sum256(payload)
	signature, err := s.client.Sign(s.ctx, s.key, hash[:])
	if err != nil {
		return nil, failed(s.ctx, s.client, err)
	}
	if !ecdsa.VerifyASN1(s.public.Key.(*ecdsa.PublicKey), hash[:], signature) {
		return nil, errors.New("KMS signed with another key than the one it gave at the start; is an alias given that was moved? Start again")
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &pair); err != nil {
		return nil, errors.New("KMS gave no signature in DER")
	}
	return append(pair.R.FillBytes(make([]byte, 32)), pair.S.FillBytes(make([]byte, 32))...), nil
}
