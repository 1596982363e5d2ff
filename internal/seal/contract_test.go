package seal_test

import (
	"crypto/rand"
	"path/filepath"
	"testing"

	"github.com/lethe-dsr/lethe/internal/seal"
	"github.com/lethe-dsr/lethe/internal/seal/sealtest"
)

func keys(t *testing.T) (one, again, other *seal.Key) {
	dir := t.TempDir()
	var out [3]*seal.Key
	for n, name := range []string{"key", "key", "other"} {
		var err error
		if out[n], err = seal.OpenKey(filepath.Join(dir, name), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	return out[0], out[1], out[2]
}

func TestSealingContract(t *testing.T) {
	t.Parallel()
	sealtest.Sealing(t, func(t *testing.T) (one, again, other sealtest.Sealer) { return keys(t) })
}

func TestSigningContract(t *testing.T) {
	t.Parallel()
	sealtest.Signing(t, func(t *testing.T) (one, again, other sealtest.Signer) { return keys(t) })
}
