package container

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/fault"
)

// sniffed is how many of a blob's first bytes decide its kind.
const sniffed = 4 << 10

// Kind looks at the blob's first bytes. Anything but text or gzip of text is a fault.UnknownBlobKind: it may hold the
// person and cannot be searched.
func (c *Container) Kind(ctx context.Context, b appcenter.Blob) (appcenter.Kind, error) {
	r, err := c.raw(ctx, b, 0, min(b.Size, sniffed))
	if err != nil {
		return appcenter.Empty, err
	}
	defer r.Close()
	head, err := io.ReadAll(r)
	if err != nil {
		return appcenter.Empty, err
	}
	return kindOf(head, b.Size)
}

// kindOf decides from the first bytes of a blob of this size.
func kindOf(head []byte, size int64) (appcenter.Kind, error) {
	if bytes.HasPrefix(head, []byte{0x1f, 0x8b}) {
		// What cannot be unpacked here, Open will report.
		var inside []byte
		if z, err := gzip.NewReader(bytes.NewReader(head)); err == nil {
			inside, _ = io.ReadAll(io.LimitReader(z, sniffed))
		}
		return appcenter.Gzip, notText(inside)
	}
	if err := notText(head); err != nil {
		return appcenter.Empty, err
	}
	if len(text(head)) == 0 && int64(len(head)) >= size {
		return appcenter.Empty, nil
	}
	return appcenter.Lines, nil
}

// text is what follows a byte order mark and blanks.
func text(head []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
}

// notText is the fault for bytes that begin something else than lines of JSON objects.
func notText(head []byte) error {
	binary := map[string]string{
		"PK\x03\x04": "a zip file", "PK\x05\x06": "a zip file", "\xff\xfe": "UTF-16 text", "\xfe\xff": "UTF-16 text",
		"\x28\xb5\x2f\xfd": "zstd", "BZh": "bzip2", "\xfd7zXZ\x00": "xz", "PAR1": "Parquet", "Obj\x01": "Avro",
		"\x1f\x8b": "gzip within gzip",
	}
	what := ""
	for magic, name := range binary {
		if bytes.HasPrefix(head, []byte(magic)) {
			what = name
		}
	}
	switch t := text(head); {
	case what != "":
	case bytes.IndexByte(head, 0) >= 0:
		what = "binary data"
	case bytes.HasPrefix(t, []byte("[")):
		what = "a JSON array"
	case bytes.HasPrefix(t, []byte("<")):
		what = "XML or HTML"
	default:
		return nil
	}
	return fault.New(fault.UnknownBlobKind, "a blob of the export is %s, not lines of JSON objects or gzip of them; it was not searched", what)
}
