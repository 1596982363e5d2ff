// Package kmskey is the form of sealing and signing whose keys never leave AWS KMS. Sealing is envelope encryption: KMS
// gives data keys and opens them again. Signing is done by KMS itself.
package kmskey

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/seal"
)

// How long a data key is used before KMS is asked again. A shorter age makes a key that was disabled at KMS useless
// sooner; fewer uses make less of what is sealed depend on one data key. Both are far below what AES-GCM bears.
const (
	maxAge   = time.Hour
	maxUses  = 10_000
	maxKnown = 100 // data keys of other processes that are held open
)

// sealVersion is the first byte of everything sealed (1 is seal.Key's). What follows is the length of the data key as
// KMS encrypted it (2 bytes, big-endian), that data key, a nonce of 12 bytes, the AES-256-GCM ciphertext and a tag of 16.
const sealVersion = 2

// maxWrapped is how many bytes a data key encrypted by KMS may have, CiphertextBlob of
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
const maxWrapped = 6144

// What KMS asks to be told again when it opens a data key, and writes into its audit log. A policy may demand the first.
const (
	contextName    = "lethe"
	contextValue   = "ledger"
	contextPurpose = "purpose"
)

// Sealer seals and digests by a symmetric key at KMS. OpenSealer makes it; it is safe for concurrent use, and cannot be
// printed. It may GenerateDataKey and Decrypt, and nothing else.
type Sealer struct {
	// A function, because fmt reaches unexported fields of other structs by reflection, past Format.
	state func() *state
}

type state struct {
	client  *kms.Client
	key     string
	now     func() time.Time
	digests []byte

	// turn lets one caller at a time look at what follows, and ask KMS where that is not enough: of many that lack the
	// same data key one asks for it.
	turn  chan struct{}
	own   dataKey   // what Seal uses
	uses  int       // of own
	known []dataKey // that Open has met, the last used at the end; own is among them
}

// dataKey is one data key as KMS encrypted it, and the cipher that it gives, until a time.
type dataKey struct {
	wrapped []byte
	cipher  cipher.AEAD
	until   time.Time
}

// OpenSealer uses the symmetric key of this id, ARN or alias. keep is ledger.Ledger's Keep; under it the key for digests
// is kept, sealed by KMS, and opened here once: a sweep makes ten thousands of digests, each of which would be a call to
// KMS (GenerateMac) that costs as much as a step of the state machine and can fail. now is time.Now outside of tests.
// Errors are those of Seal; a fault.SealBroken means that the ledger belongs to another key.
func OpenSealer(ctx context.Context, client *kms.Client, key string, keep func(ctx context.Context, name string, make func() ([]byte, error)) ([]byte, error), now func() time.Time) (*Sealer, error) {
	s := &state{client: client, key: key, now: now, turn: make(chan struct{}, 1)}
	wrapped, err := keep(ctx, "digest-key", func() ([]byte, error) {
		made, err := s.generate(ctx, "digests")
		if err != nil {
			return nil, err
		}
		clear(made.Plaintext)
		return made.CiphertextBlob, nil // what is kept counts: somebody else may have been faster
	})
	if err != nil {
		return nil, fmt.Errorf("key for digests: %w", err)
	}
	if s.digests, err = s.unwrap(ctx, wrapped, "digests"); err != nil {
		return nil, fmt.Errorf("key for digests: %w", err)
	}
	return &Sealer{func() *state { return s }}, nil
}

func encryptionContext(purpose string) map[string]string {
	return map[string]string{contextName: contextValue, contextPurpose: purpose}
}

func (s *state) generate(ctx context.Context, purpose string) (*kms.GenerateDataKeyOutput, error) {
	out, err := s.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &s.key, KeySpec: types.DataKeySpecAes256, EncryptionContext: encryptionContext(purpose),
	})
	if err != nil {
		return nil, failed(ctx, s.client, err)
	}
	return out, nil
}

// unwrap opens a data key. It names the KMS key: one that KMS would find by itself, in whatever account, is none of ours.
func (s *state) unwrap(ctx context.Context, wrapped []byte, purpose string) ([]byte, error) {
	out, err := s.client.Decrypt(ctx, &kms.DecryptInput{
		KeyId: &s.key, CiphertextBlob: wrapped, EncryptionContext: encryptionContext(purpose),
	})
	if err != nil {
		return nil, failed(ctx, s.client, err)
	}
	return out.Plaintext, nil
}

// aead is the cipher of a data key, which it wipes. It draws its nonces itself.
func aead(plain []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(plain)
	clear(plain)
	if err != nil {
		return nil, errors.New("KMS gave a data key of another size")
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// binding is the additional data: the version and the scope.
func binding(scope string) []byte { return append([]byte{sealVersion}, scope...) }

// Seal closes plain so that only Open with the same KMS key and scope opens it again. The scope says what it belongs to
// (a request, a job); it is not in the answer, and may be anything but personal. KMS is asked once in maxAge or maxUses. A
// fault.Unavailable means that KMS could not be reached, several times in a row.
func (k *Sealer) Seal(ctx context.Context, scope string, plain []byte) ([]byte, error) {
	own, err := k.state().sealing(ctx)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	out := binary.BigEndian.AppendUint16([]byte{sealVersion}, uint16(len(own.wrapped)))
	return own.cipher.Seal(append(out, own.wrapped...), nil, plain, binding(scope)), nil
}

// sealing gives the data key for one more sealing.
func (s *state) sealing(ctx context.Context) (dataKey, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return dataKey{}, ctx.Err()
	}
	if s.uses < maxUses && s.now().Before(s.own.until) {
		s.uses++
		return s.own, nil
	}
	made, err := s.generate(ctx, "data")
	if err != nil {
		return dataKey{}, err
	}
	if len(made.CiphertextBlob) > maxWrapped {
		return dataKey{}, errors.New("KMS gave an encrypted data key that is longer than it documents")
	}
	cipher, err := aead(made.Plaintext)
	if err != nil {
		return dataKey{}, err
	}
	s.own, s.uses = dataKey{made.CiphertextBlob, cipher, s.now().Add(maxAge)}, 1
	s.remember(s.own)
	return s.own, nil
}

// remember puts a data key at the end of those known, and drops the one that has not been used for longest.
func (s *state) remember(k dataKey) {
	if s.known = append(s.known, k); len(s.known) > maxKnown {
		s.known = slices.Delete(s.known, 0, 1)
	}
}

// Open gives back what Seal closed. The error is a fault.SealBroken when the key or the scope is another one, or a bit
// was changed, and a fault.Unavailable as for Seal.
func (k *Sealer) Open(ctx context.Context, scope string, sealed []byte) ([]byte, error) {
	wrapped, rest, err := split(sealed)
	if err != nil {
		return nil, err
	}
	key, err := k.state().opening(ctx, wrapped)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	plain, err := key.cipher.Open(nil, nil, rest, binding(scope))
	if err != nil {
		return nil, fault.New(fault.SealBroken, "sealed data does not open; it is damaged, or belongs to something else")
	}
	return plain, nil
}

// split takes apart what Seal puts together.
func split(sealed []byte) (wrapped, rest []byte, err error) {
	if len(sealed) < 3 || sealed[0] != sealVersion {
		return nil, nil, fault.New(fault.SealBroken, "sealed data is empty or of an unknown format; it may come from a newer version of Lethe or from one without KMS, or be damaged")
	}
	size, rest := int(binary.BigEndian.Uint16(sealed[1:])), sealed[3:]
	if size == 0 || size > maxWrapped || size > len(rest) {
		return nil, nil, fault.New(fault.SealBroken, "sealed data is cut off or damaged")
	}
	return rest[:size], rest[size:], nil
}

// opening gives the data key that something was sealed with.
func (s *state) opening(ctx context.Context, wrapped []byte) (dataKey, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return dataKey{}, ctx.Err()
	}
	now := s.now()
	s.known = slices.DeleteFunc(s.known, func(k dataKey) bool { return !now.Before(k.until) })
	if n := slices.IndexFunc(s.known, func(k dataKey) bool { return slices.Equal(k.wrapped, wrapped) }); n >= 0 {
		k := s.known[n]
		s.known = append(slices.Delete(s.known, n, n+1), k)
		return k, nil
	}
	plain, err := s.unwrap(ctx, wrapped, "data")
	if err != nil {
		return dataKey{}, err
	}
	cipher, err := aead(plain)
	if err != nil {
		return dataKey{}, err
	}
	k := dataKey{slices.Clone(wrapped), cipher, now.Add(maxAge)}
	s.remember(k)
	return k, nil
}

// Digest is seal.Digest with the ledger's key.
func (k *Sealer) Digest(scope, value string) string {
	return seal.Digest(k.state().digests, scope, value)
}

const redacted = "kmskey.Sealer(redacted)"

// Format hides the keys from every verb of fmt.
func (Sealer) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue hides the keys from log/slog.
func (Sealer) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON hides the keys from encoding/json.
func (Sealer) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// failed names what went wrong; KMS's own text stays outside.
func failed(ctx context.Context, client *kms.Client, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	code := fault.Code(err)
	var damaged *types.InvalidCiphertextException
	var foreign *types.IncorrectKeyException
	switch {
	case errors.As(err, &damaged), errors.As(err, &foreign):
		return fault.New(fault.SealBroken, "KMS does not open a data key (%s); the ledger belongs to another KMS key, or is damaged", code)
	case client.Options().Retryer.IsErrorRetryable(err):
		return fault.New(fault.Unavailable, "KMS did not do a call after several tries (%s): it is throttled, fails or cannot be reached; run the step again", code)
	}
	return fmt.Errorf("KMS refused a call (%s); check that the key is enabled, the region, and what the role and the key's policy allow", code)
}
