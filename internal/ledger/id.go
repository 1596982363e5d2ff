package ledger

import (
	"encoding/base32"
	"encoding/binary"
	"io"
	"time"
)

// NewID makes an id that sorts by time: a ULID (https://github.com/ulid/spec), 48 bits of milliseconds and 80 of random.
// Random never fails: it is crypto/rand.Reader outside of tests.
func NewID(at time.Time, random io.Reader) string {
	var b [20]byte // 32 letters, of which the last 26 are the ULID
	binary.BigEndian.PutUint64(b[2:], uint64(at.UnixMilli()))
	if _, err := io.ReadFull(random, b[10:]); err != nil {
		panic("no random bytes for an id: " + err.Error())
	}
	return crockford().EncodeToString(b[:])[6:]
}

func crockford() *base32.Encoding { return base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ") }
