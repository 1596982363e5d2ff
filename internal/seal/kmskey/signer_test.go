package kmskey

import (
	"context"
	"crypto/elliptic"
	"errors"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/seal"
	"github.com/lethe-dsr/lethe/internal/seal/kmstest"
)

func mustOpenSigner(t *testing.T, s *kmstest.Server, key string, former ...string) *Signer {
	t.Helper()
	signer, err := OpenSigner(t.Context(), s.Client(), key, former...)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestWhatFormerKeysSignedIsStillVerified(t *testing.T) {
	t.Parallel()
	s := kmstest.Start(t)
	old, young := s.SigningKey(elliptic.P256()), s.SigningKey(elliptic.P256())
	before := mustOpenSigner(t, s, old)
	jws, err := before.Sign(t.Context(), []byte("payload"), "x")
	if err != nil {
		t.Fatal(err)
	}
	after := mustOpenSigner(t, s, young, old)
	if _, kid, err := seal.Verify(jws, after.PublicSet()); err != nil || kid != before.Public().KeyID {
		t.Errorf("the former key's: got key %s and error %v", kid, err)
	}
	jws, err = after.Sign(t.Context(), []byte("payload"), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, kid, err := seal.Verify(jws, after.PublicSet()); err != nil || kid != after.Public().KeyID || kid == before.Public().KeyID {
		t.Errorf("the new key's: got key %s and error %v", kid, err)
	}
}

func TestKeysThatAreNoneForES256AreRefused(t *testing.T) {
	t.Parallel()
	s := kmstest.Start(t)
	for what, key := range map[string]string{"P-384": s.SigningKey(elliptic.P384()), "symmetric": s.SealingKey(), "none": "alias/none"} {
		if _, err := OpenSigner(t.Context(), s.Client(), key); err == nil {
			t.Errorf("%s: no error", what)
		}
		if _, err := OpenSigner(t.Context(), s.Client(), s.SigningKey(elliptic.P256()), s.SigningKey(elliptic.P256()), key); err == nil || !strings.Contains(err.Error(), "former signing key "+key) {
			t.Errorf("%s as a former key: got error %v, want one that names it", what, err)
		}
	}
}

// Certificates would name one key and be signed by another.
func TestAnAliasThatWasMovedIsNoticed(t *testing.T) {
	t.Parallel()
	s := kmstest.Start(t)
	s.Alias("alias/signing", s.SigningKey(elliptic.P256()))
	signer := mustOpenSigner(t, s, "alias/signing")
	s.Alias("alias/signing", s.SigningKey(elliptic.P256()))
	if jws, err := signer.Sign(t.Context(), []byte("payload"), "x"); err == nil || jws != "" {
		t.Errorf("got %q and error %v, want an error", jws, err)
	}
}

func TestFailuresOfSigningHaveNames(t *testing.T) {
	t.Parallel()
	s := kmstest.Start(t)
	key := s.SigningKey(elliptic.P256())
	signer := mustOpenSigner(t, s, key)
	for want, f := range map[fault.Name]kmstest.Fault{fault.Unavailable: {Close: true}, fault.Internal: {Kind: "AccessDeniedException"}} {
		s.Fail(f)
		_, err := signer.Sign(t.Context(), []byte("secret"), "x")
		if !fault.Is(err, want) || strings.Contains(err.Error(), kmstest.Echo) {
			t.Errorf("Sign: got error %v, want %s", err, want)
		}
		if _, err := OpenSigner(t.Context(), s.Client(), key); !fault.Is(err, want) || strings.Contains(err.Error(), kmstest.Echo) {
			t.Errorf("OpenSigner: got error %v, want %s", err, want)
		}
		s.Heal()
	}
	s.Fail(kmstest.Fault{Op: "Sign", Times: 2, After: true, Close: true})
	if _, err := signer.Sign(t.Context(), []byte("payload"), "x"); err != nil {
		t.Errorf("twice no answer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := signer.Sign(ctx, nil, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
}
