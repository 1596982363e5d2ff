package appcenter

// Blob is one blob of an export; package container reads it. Its name may hold anything; it is not for errors or logs.
type Blob struct {
	Name string
	Size int64  // bytes
	ETag string // changes with the blob's content
}

// Kind says how a blob is to be read.
type Kind int

// The kinds of blobs. App Center's documentation says only that an export has one JSON object a line; gzip of that is
// accepted as well.
const (
	Empty Kind = iota // nothing, or only blanks
	Lines             // text
	Gzip              // gzip of text
)
