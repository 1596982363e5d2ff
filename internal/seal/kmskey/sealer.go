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
	"maps"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/awsjson/kms"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/seal"
)

// One data key seals everything of a day (UTC), whichever process seals it, so that a job opens as many as its requests
// have days. A shorter time makes less of what is sealed depend on one of them; each takes a call to KMS of every process
// that opens it. AES-GCM with random nonces bears 2^32 values of one key: 50,000 in each second of the day.
const (
	day      = 24 * time.Hour
	maxAge   = time.Hour // that an opened data key is used: then a key that was disabled at KMS is of no use any more
	maxKnown = 1000      // data keys that are held open, of 1 KB each: more days than a request lives by far
)

// sealVersion is the first byte of everything sealed (1 is seal.Key's). What follows is the day that the data key is of
// (2 bytes, big-endian, in days since 1970), the length of the data key as KMS encrypted it (2 bytes), that data key, a
// nonce of 12 bytes, the AES-256-GCM ciphertext and a tag of 16.
const (
	sealVersion = 2
	headSize    = 5 // up to the encrypted data key
)

// maxWrapped is how many bytes a data key encrypted by KMS may have, CiphertextBlob of
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
const maxWrapped = 6144

// What KMS asks to be told again when it opens a data key, and writes into its audit log. A policy may demand the first.
const (
	contextName    = "lethe"
	contextValue   = "ledger"
	contextPurpose = "purpose"
	contextDay     = "day" // of data keys for sealing: none is taken for another day's
)

// Sealer seals and digests by a symmetric key at KMS. OpenSealer makes it; it is safe for concurrent use, and cannot be
// printed. It may GenerateDataKey and Decrypt, and nothing else.
type Sealer struct {
	// A function, because fmt reaches unexported fields of other structs by reflection, past Format.
	state func() *state
}

// Keep is ledger.Ledger's: it gives what is kept under a name, and makes it when there is none.
type Keep = func(ctx context.Context, name string, until time.Time, make func() ([]byte, error)) ([]byte, error)

type state struct {
	client  *kms.Client
	key     string
	keep    Keep
	now     func() time.Time
	digests []byte

	// turn lets one caller at a time look at what follows, and ask ledger and KMS where that is not enough: of many that
	// lack the same data key one asks for it.
	turn  chan struct{}
	own   dataKey            // what Seal uses
	known map[string]dataKey // that were opened in the last hour, by their head
}

// dataKey is one data key until a time.
type dataKey struct {
	head   string // what stands before the nonce in all that it sealed: version, day and the key as KMS encrypted it
	cipher cipher.AEAD
	until  time.Time
}

// OpenSealer uses the symmetric key of this id, ARN or alias. In keep's ledger are data keys, as KMS encrypted them: one
// for each day, which processes share; and for good the key for digests, which is opened here, once: a sweep makes ten
// thousands of digests, each of which would be a call to KMS (GenerateMac) that costs as much as a step of the state
// machine and can fail. now is time.Now outside of tests. Errors are those of Seal; a fault.SealBroken means that the ledger
// belongs to another key.
func OpenSealer(ctx context.Context, client *kms.Client, key string, keep Keep, now func() time.Time) (*Sealer, error) {
	s := &state{client: client, key: key, keep: keep, now: now, turn: make(chan struct{}, 1), known: map[string]dataKey{}}
	about := map[string]string{contextName: contextValue, contextPurpose: "digests"}
	wrapped, err := s.kept(ctx, "digest-key", time.Time{}, about)
	if err != nil {
		return nil, fmt.Errorf("key for digests: %w", err)
	}
	if s.digests, err = s.unwrap(ctx, wrapped, about); err != nil {
		return nil, fmt.Errorf("key for digests: %w", err)
	}
	return &Sealer{func() *state { return s }}, nil
}

// kept gives the data key that the ledger keeps under a name until a time, as KMS encrypted it. Who finds none makes one.
func (s *state) kept(ctx context.Context, name string, until time.Time, about map[string]string) ([]byte, error) {
	return s.keep(ctx, name, until, func() ([]byte, error) {
		plain, wrapped, err := s.client.GenerateDataKey(ctx, s.key, about)
		if err != nil {
			return nil, failed(ctx, s.client, err)
		}
		clear(plain) // what is kept counts: somebody else may be faster
		return wrapped, nil
	})
}

// unwrap opens a data key. It names the KMS key: one that KMS would find by itself, in whatever account, is none of ours.
func (s *state) unwrap(ctx context.Context, wrapped []byte, about map[string]string) ([]byte, error) {
	plain, err := s.client.Decrypt(ctx, s.key, wrapped, about)
	if err != nil {
		return nil, failed(ctx, s.client, err)
	}
	return plain, nil
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
// (a request, a job); it is not in the answer, and may be anything but personal. The ledger and KMS are asked once in
// maxAge, and with a new day. A fault.Unavailable means that KMS could not be reached, several times in a row; errors of the
// ledger are its own.
func (k *Sealer) Seal(ctx context.Context, scope string, plain []byte) ([]byte, error) {
	own, err := k.state().sealing(ctx)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return own.cipher.Seal([]byte(own.head), nil, plain, binding(scope)), nil
}

// sealing gives the data key of today. Clocks of processes may differ: for a while two days' keys are in use then.
func (s *state) sealing(ctx context.Context) (dataKey, error) {
	if err := s.enter(ctx); err != nil {
		return dataKey{}, err
	}
	defer s.leave()
	now := s.now()
	today := binary.BigEndian.AppendUint16([]byte{sealVersion}, uint16(now.Unix()/int64(day/time.Second)))
	if strings.HasPrefix(s.own.head, string(today)) && now.Before(s.own.until) {
		return s.own, nil
	}
	about, from := dayOf(today)
	// One day more in the ledger, for whose clock is late. What it sealed does not need it there.
	wrapped, err := s.kept(ctx, "data-key/"+about[contextDay], from.Add(2*day), about)
	if err != nil {
		return dataKey{}, err
	}
	if len(wrapped) == 0 || len(wrapped) > maxWrapped {
		return dataKey{}, fault.New(fault.SealBroken, "the data key in the ledger has %d bytes, which KMS never gives; the ledger is damaged", len(wrapped))
	}
	own, err := s.opened(ctx, append(binary.BigEndian.AppendUint16(today, uint16(len(wrapped))), wrapped...))
	if err == nil {
		s.own = own
	}
	return own, err
}

// dayOf gives what KMS is told of a data key with this head, and when its day begins.
func dayOf(head []byte) (about map[string]string, from time.Time) {
	from = time.Unix(0, 0).UTC().AddDate(0, 0, int(binary.BigEndian.Uint16(head[1:])))
	return map[string]string{contextName: contextValue, contextPurpose: "data", contextDay: from.Format(time.DateOnly)}, from
}

// enter waits for the turn.
func (s *state) enter(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *state) leave() { <-s.turn }

// opened gives the data key with this head, and asks KMS where it is not known.
func (s *state) opened(ctx context.Context, head []byte) (dataKey, error) {
	if k, ok := s.known[string(head)]; ok && s.now().Before(k.until) {
		return k, nil
	}
	about, _ := dayOf(head)
	plain, err := s.unwrap(ctx, head[headSize:], about)
	if err != nil {
		return dataKey{}, err
	}
	cipher, err := aead(plain)
	if err != nil {
		return dataKey{}, err
	}
	k := dataKey{string(head), cipher, s.now().Add(maxAge)}
	s.remember(k)
	return k, nil
}

// remember adds a data key to those known, without those that are too old, and without the oldest where there are too many.
func (s *state) remember(k dataKey) {
	now := s.now()
	maps.DeleteFunc(s.known, func(_ string, other dataKey) bool { return !now.Before(other.until) })
	if len(s.known) == maxKnown {
		var oldest dataKey
		for _, other := range s.known {
			if oldest.cipher == nil || other.until.Before(oldest.until) {
				oldest = other
			}
		}
		delete(s.known, oldest.head)
	}
	s.known[k.head] = k
}

// Open gives back what Seal closed. The error is a fault.SealBroken when the key or the scope is another one, or a bit
// was changed, and a fault.Unavailable as for Seal. It needs KMS, and nothing of the ledger.
func (k *Sealer) Open(ctx context.Context, scope string, sealed []byte) ([]byte, error) {
	head, rest, err := split(sealed)
	if err != nil {
		return nil, err
	}
	key, err := k.state().opening(ctx, head)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	plain, err := key.cipher.Open(nil, nil, rest, binding(scope))
	if err != nil {
		return nil, fault.New(fault.SealBroken, "sealed data does not open; it is damaged, or belongs to something else")
	}
	return plain, nil
}

// opening gives the data key with this head.
func (s *state) opening(ctx context.Context, head []byte) (dataKey, error) {
	if err := s.enter(ctx); err != nil {
		return dataKey{}, err
	}
	defer s.leave()
	return s.opened(ctx, head)
}

// split takes apart what Seal puts together: the data key's head, and what it sealed.
func split(sealed []byte) (head, rest []byte, err error) {
	if len(sealed) < headSize || sealed[0] != sealVersion {
		return nil, nil, fault.New(fault.SealBroken, "sealed data is empty or of an unknown format; it may come from a newer version of Lethe or from one without KMS, or be damaged")
	}
	size := int(binary.BigEndian.Uint16(sealed[3:]))
	if size == 0 || size > maxWrapped || size > len(sealed)-headSize {
		return nil, nil, fault.New(fault.SealBroken, "sealed data is cut off or damaged")
	}
	return sealed[:headSize+size], sealed[headSize+size:], nil
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
	switch {
	case code == "InvalidCiphertextException", code == "IncorrectKeyException":
		return fault.New(fault.SealBroken, "KMS does not open a data key (%s); the ledger belongs to another KMS key, or is damaged", code)
	case client.Retryer().IsErrorRetryable(err):
		return fault.New(fault.Unavailable, "KMS did not do a call after several tries (%s): it is throttled, fails or cannot be reached; run the step again", code)
	}
	return fmt.Errorf("KMS refused a call (%s); check that the key is enabled, the region, and what the role and the key's policy allow", code)
}
