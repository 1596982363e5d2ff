package kmskey

import (
	"crypto/elliptic"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/seal/kmstest"
	"github.com/lethe-dsr/lethe/internal/seal/sealtest"
)

// newLedger is one on bbolt: which driver keeps the key for digests makes no difference.
func newLedger(t *testing.T) *ledger.Ledger {
	s, err := boltstore.Open(t.TempDir()+"/ledger", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return ledger.New(s)
}

func mustOpenSealer(t *testing.T, s *kmstest.Server, key string, l *ledger.Ledger, now func() time.Time) *Sealer {
	t.Helper()
	k, err := OpenSealer(t.Context(), s.Client(), key, l.Keep, now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealingContract(t *testing.T) {
	t.Parallel()
	sealtest.Sealing(t, func(t *testing.T) (one, again, other sealtest.Sealer) {
		s, l := kmstest.Start(t), newLedger(t)
		key := s.SealingKey()
		return mustOpenSealer(t, s, key, l, time.Now), mustOpenSealer(t, s, key, l, time.Now),
			mustOpenSealer(t, s, s.SealingKey(), newLedger(t), time.Now)
	})
}

func TestSigningContract(t *testing.T) {
	t.Parallel()
	sealtest.Signing(t, func(t *testing.T) (one, again, other sealtest.Signer) {
		s := kmstest.Start(t)
		key := s.SigningKey(elliptic.P256())
		var out [3]*Signer
		for n, id := range []string{key, key, s.SigningKey(elliptic.P256())} {
			var err error
			if out[n], err = OpenSigner(t.Context(), s.Client(), id); err != nil {
				t.Fatal(err)
			}
		}
		return out[0], out[1], out[2]
	})
}
