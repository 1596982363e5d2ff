package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// sealVersion is the first byte of everything sealed. What follows under version 1 is a nonce of 12 bytes, the
// AES-256-GCM ciphertext, and a tag of 16 bytes.
const sealVersion = 1

// newAEAD draws its nonces itself, from crypto/rand: with 96 random bits, 2^32 sealings by one key are safe (NIST SP
// 800-38D, 8.3), and a repeated nonce, which would open everything, is nobody's mistake to make.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Seal closes plain so that only Open with the same key and scope opens it again. The scope says what it belongs to (a
// request, a job); it is not in the answer, and may be anything but personal.
func (k *Key) Seal(_ context.Context, scope string, plain []byte) ([]byte, error) {
	return k.derived().sealing.Seal([]byte{sealVersion}, nil, plain, sealBinding(scope)), nil
}

// Open gives back what Seal closed. The error is a fault.SealBroken when the key or the scope is another one, or a bit
// was changed.
func (k *Key) Open(_ context.Context, scope string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return nil, fault.New(fault.SealBroken, "sealed data is empty or of an unknown format; it may come from a newer version of Lethe, or be damaged")
	}
	plain, err := k.derived().sealing.Open(nil, nil, sealed[1:], sealBinding(scope))
	if err != nil {
		return nil, fault.New(fault.SealBroken, "sealed data does not open; restore the key file that belongs to this ledger, or the data is damaged")
	}
	return plain, nil
}

// sealBinding is the additional data: the version and the scope.
func sealBinding(scope string) []byte { return append([]byte{sealVersion}, scope...) }

// Digest is the package's Digest with a key of its own.
func (k *Key) Digest(scope, value string) string { return Digest(k.derived().digests, scope, value) }

// Digest gives 26 lower-case letters and digits by which a value is recognised within its scope, and which tell nothing
// about it without the key: HMAC-SHA-256 over the scope's length (8 bytes), the scope and the value, cut to 128 bits, in
// base32. Certificates name the scheme (erase.DigestScheme): another one needs another name.
func Digest(key []byte, scope, value string) string {
	mac := hmac.New(sha256.New, key)
	text := binary.BigEndian.AppendUint64(nil, uint64(len(scope)))
	mac.Write(append(append(text, scope...), value...))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil)[:16]))
}
