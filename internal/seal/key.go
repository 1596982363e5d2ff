// Package seal keeps personal data closed: it seals identifiers and object names, digests what has to be recognised
// later, and signs certificates. Key is the form with a local key file; everything is derived from its one secret. Package
// kmskey has the form with KMS.
package seal

import (
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"

	"github.com/go-jose/go-jose/v4"
)

// Key seals, digests and signs. OpenKey makes it; it is safe for concurrent use, and cannot be printed.
type Key struct {
	// A function, because fmt reaches unexported fields of other structs by reflection, past Format, and follows even
	// a pointer where the verb does not fit it (%s). Of a function it prints the address.
	derived func() *derived
}

// derived are the keys that the secret of the key file gives.
type derived struct {
	sealing   cipher.AEAD
	digests   []byte
	signing   *ecdsa.PrivateKey
	public    jose.JSONWebKey
	publicSet []byte
}

const secretSize = 32

// OpenKey reads the key file at path, or makes it (mode 0600, in a directory of mode 0700) with a secret from rand, which
// is crypto/rand.Reader outside of tests. It refuses a file that others may read or change, that was cut off or altered,
// or that is none of its own. A new key opens nothing that was sealed before: where a ledger exists already, a missing
// key file is to be restored.
func OpenKey(path string, rand io.Reader) (*Key, error) {
	secret, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret, err = createKeyFile(path, rand)
	}
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	return newKey(secret)
}

func newKey(secret []byte) (*Key, error) {
	sealing, err := derive(secret, "sealing")
	if err != nil {
		return nil, err
	}
	digests, err := derive(secret, "digests")
	if err != nil {
		return nil, err
	}
	signing, err := deriveSigning(secret)
	if err != nil {
		return nil, err
	}
	d := derived{digests: digests, signing: signing}
	if d.sealing, err = newAEAD(sealing); err != nil {
		return nil, err
	}
	if d.public, err = PublicKey(&signing.PublicKey); err != nil {
		return nil, err
	}
	if d.publicSet, err = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{d.public}}); err != nil {
		return nil, err
	}
	return &Key{func() *derived { return &d }}, nil
}

// derive gives the key for one purpose: whoever learns it learns neither the secret nor another key. The purposes are
// part of the format of everything sealed, digested and signed; none may ever change.
func derive(secret []byte, purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "lethe 1 "+purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return key, nil
}

// deriveSigning draws candidates until one is a private key of P-256, a number from 1 to the group's order less one.
// Reducing a larger one would make some keys likelier than others. The first nearly always is one; of 2^32, one is not.
func deriveSigning(secret []byte) (*ecdsa.PrivateKey, error) {
	for n := range 16 {
		candidate, err := derive(secret, fmt.Sprintf("signing %d", n))
		if err != nil {
			return nil, err
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), candidate); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("derive the key for signing: no candidate is one")
}

const redacted = "seal.Key(redacted)"

// Format hides the key from every verb of fmt.
func (Key) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue hides the key from log/slog.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON hides the key from encoding/json.
func (Key) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }
