package container

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/fault"
)

// Open streams a blob's bytes from offset to its end, for a Kind of Gzip the unpacked bytes from their offset. The
// caller closes the stream. An offset at or behind the end gives an empty stream.
//
// Errors come from Open and from Read: fault.ExportUnreadable when the blob broke off, is not the one that was listed
// any more, or is damaged; fault.Unavailable; fault.ContainerRefused.
func (c *Container) Open(ctx context.Context, b appcenter.Blob, kind appcenter.Kind, offset int64) (io.ReadCloser, error) {
	if offset < 0 {
		return nil, fault.New(fault.BadInput, "a blob cannot be read from before its start")
	}
	if kind != appcenter.Gzip {
		return c.raw(ctx, b, offset, b.Size-offset)
	}
	packed, err := c.raw(ctx, b, 0, b.Size)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bufio.NewReaderSize(packed, 64<<10))
	if err == nil {
		_, err = io.CopyN(io.Discard, z, offset)
	}
	if err != nil && err != io.EOF {
		packed.Close()
		return nil, damaged(ctx, err)
	}
	if err == io.EOF { // behind the end
		packed.Close()
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	return &unpacked{ctx, z, packed}, nil
}

// unpacked is a gzip stream, all its members one after the other.
type unpacked struct {
	ctx    context.Context
	z      *gzip.Reader
	packed io.Closer
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.z.Read(p)
	if err != nil && err != io.EOF {
		err = damaged(u.ctx, err)
	}
	return n, err
}

func (u *unpacked) Close() error { return u.packed.Close() }

// damaged keeps the faults of the packed stream, and names everything else that gzip finds.
func damaged(ctx context.Context, err error) error {
	var named *fault.Error
	if errors.As(err, &named) || ctx.Err() != nil {
		return err
	}
	return fault.New(fault.ExportUnreadable, "a gzip blob of the export is damaged or broke off; export again")
}

// raw streams count bytes of the blob from offset, as they are stored.
func (c *Container) raw(ctx context.Context, b appcenter.Blob, offset, count int64) (io.ReadCloser, error) {
	if count <= 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	etag := azcore.ETag(quoted(b.ETag))
	res, err := c.blob.NewBlobClient(b.Name).DownloadStream(ctx, &blob.DownloadStreamOptions{
		Range:            blob.HTTPRange{Offset: offset, Count: count},
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: &etag}},
	})
	if err != nil {
		return nil, readFault(ctx, err)
	}
	// A server that overlooks the range would begin at the blob's first byte.
	if offset > 0 && (res.ContentRange == nil || !strings.HasPrefix(*res.ContentRange, fmt.Sprintf("bytes %d-", offset))) {
		res.Body.Close()
		return nil, fault.New(fault.MalformedAnswer, "the export container was asked for a part of a blob and answered with another")
	}
	return &part{ctx: ctx, left: count, body: res.NewRetryReader(ctx, &blob.RetryReaderOptions{MaxRetries: 2})}, nil
}

// quoted gives the ETag as a header has it; lists have it without quotes.
func quoted(etag string) string {
	if strings.HasSuffix(etag, `"`) {
		return etag
	}
	return `"` + etag + `"`
}

// part reads exactly the bytes that were asked for.
type part struct {
	ctx  context.Context
	left int64
	body io.ReadCloser
}

func (p *part) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n, err := p.body.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	switch {
	case err == io.EOF && p.left > 0:
		return n, readFault(p.ctx, io.ErrUnexpectedEOF)
	case err != nil && err != io.EOF:
		return n, readFault(p.ctx, err)
	}
	return n, err
}

func (p *part) Close() error { return p.body.Close() }

// readFault names the fault of an error while a blob is read. 404, 412 and 416 mean that it is not the listed one.
func readFault(ctx context.Context, err error) error {
	var res *azcore.ResponseError
	if errors.As(err, &res) {
		switch res.StatusCode {
		case http.StatusNotFound, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
			return fault.New(fault.ExportUnreadable, "a blob of the export changed or vanished while it was read (HTTP %d); nobody else may write to the container; export again", res.StatusCode)
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) && ctx.Err() == nil {
		return fault.New(fault.ExportUnreadable, "a blob of the export broke off while it was read; try again, then export again")
	}
	return containerFault(ctx, "send a blob", err)
}
