package appcentertest

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// account is the storage account of all containers, the first segment of their path.
const account = "simulated"

// container is one blob container (Azure Blob Storage REST API).
type container struct {
	blobs   map[string]*blob
	puts    int // makes ETags
	running int // exports into it that are in progress
	most    int // the most there were at a time
}

type blob struct {
	data            []byte
	etag            string // without quotes
	contentType     string
	contentEncoding string
}

func (c *container) put(name string, b *blob) {
	c.puts++
	b.etag = fmt.Sprintf("0x8D%013X", c.puts)
	c.blobs[name] = b
}

// modified is when all blobs were last changed; ETags tell changes apart.
const modified = "Wed, 04 Mar 2020 05:06:07 GMT"

func isBlobOp(op Op) bool {
	return op == ListBlobs || op == GetBlob || op == GetBlobProperties || op == DeleteBlob
}

// blobError is an error as the blob service writes it.
func blobError(status int, code string) answer {
	return answer{status, map[string]string{"Content-Type": "application/xml", "x-ms-error-code": code, "x-ms-version": "2021-08-06"},
		[]byte(xml.Header + "<Error><Code>" + code + "</Code><Message>The simulator refuses.</Message></Error>")}
}

// routeBlob finds the container's operation and checks the signature and the query.
func (s *Server) routeBlob(q *request, segments []string) (func(*request) answer, *answer) {
	if len(segments) < 2 || len(segments) > 3 || segments[0] != account || segments[1] == "" {
		return refused(blobError(http.StatusNotFound, "ResourceNotFound"))
	}
	var handle func(*request) answer
	var query []string
	isList := len(segments) == 2
	if !isList {
		q.object = segments[2]
	}
	switch {
	case isList && q.Method == http.MethodGet && q.query.Get("restype") == "container" && q.query.Get("comp") == "list":
		q.op, q.rights, handle = ListBlobs, "l", s.listBlobs
		query = []string{"restype", "comp", "marker", "maxresults", "prefix"}
	case isList || q.object == "":
		return refused(blobError(http.StatusBadRequest, "InvalidQueryParameterValue"))
	case q.Method == http.MethodGet:
		q.op, q.rights, handle = GetBlob, "r", s.getBlob
	case q.Method == http.MethodHead:
		q.op, q.rights, handle = GetBlobProperties, "r", s.getBlob
	case q.Method == http.MethodDelete:
		q.op, q.rights, handle = DeleteBlob, "d", s.deleteBlob
	default:
		return refused(blobError(http.StatusMethodNotAllowed, "UnsupportedHttpVerb"))
	}
	c, rights := s.signed(q.URL.String())
	switch {
	case c == nil:
		return refused(blobError(http.StatusForbidden, "AuthenticationFailed"))
	case !strings.Contains(rights, q.rights):
		return refused(blobError(http.StatusForbidden, "AuthorizationPermissionMismatch"))
	case len(q.body) > 0:
		return refused(blobError(http.StatusBadRequest, "InvalidInput"))
	}
	q.container = c
	for name := range q.query {
		if !slices.Contains(query, name) && !isSASField(name) {
			return refused(blobError(http.StatusBadRequest, "InvalidQueryParameterValue"))
		}
	}
	return handle, nil
}

type listing struct {
	XMLName    xml.Name     `xml:"EnumerationResults"`
	Container  string       `xml:"ContainerName,attr"`
	Prefix     string       `xml:"Prefix"`
	Marker     string       `xml:"Marker"`
	MaxResults int          `xml:"MaxResults"`
	Blobs      []listedBlob `xml:"Blobs>Blob"`
	NextMarker string       `xml:"NextMarker"`
}

type listedBlob struct {
	Name         string
	LastModified string `xml:"Properties>Last-Modified"`
	ETag         string `xml:"Properties>Etag"`
	Length       int    `xml:"Properties>Content-Length"`
	Type         string `xml:"Properties>Content-Type"`
	Encoding     string `xml:"Properties>Content-Encoding"`
	BlobType     string `xml:"Properties>BlobType"`
}

// listBlobs answers pages of at most maxresults blobs; 5000 is the service's own limit.
func (s *Server) listBlobs(q *request) answer {
	size, err := strconv.Atoi(cmp.Or(q.query.Get("maxresults"), "5000"))
	if err != nil || size < 1 {
		return blobError(http.StatusBadRequest, "OutOfRangeQueryParameterValue")
	}
	if s.blobPage > 0 {
		size = min(size, s.blobPage)
	}
	out := listing{Container: strings.Split(q.URL.Path, "/")[2], Prefix: q.query.Get("prefix"), Marker: q.query.Get("marker"), MaxResults: size}
	for _, name := range slices.Sorted(maps.Keys(q.container.blobs)) {
		if name < out.Marker || !strings.HasPrefix(name, out.Prefix) {
			continue
		}
		if len(out.Blobs) == size {
			out.NextMarker = name
			break
		}
		b := q.container.blobs[name]
		out.Blobs = append(out.Blobs, listedBlob{name, modified, b.etag, len(b.data), b.contentType, b.contentEncoding, "BlockBlob"})
	}
	body, err := xml.Marshal(out)
	if err != nil {
		panic("appcentertest: own values always marshal: " + err.Error())
	}
	return answer{http.StatusOK, map[string]string{"Content-Type": "application/xml", "x-ms-version": "2021-08-06"}, append([]byte(xml.Header), body...)}
}

// getBlob answers the blob or the range that x-ms-range or Range names, and the headers alone to HEAD.
func (s *Server) getBlob(q *request) answer {
	b := q.container.blobs[q.object]
	switch match := strings.Trim(q.Header.Get("If-Match"), `"`); {
	case b == nil:
		return blobError(http.StatusNotFound, "BlobNotFound")
	case match != "" && match != "*" && match != b.etag:
		return blobError(http.StatusPreconditionFailed, "ConditionNotMet")
	}
	from, to, ranged, ok := byteRange(cmp.Or(q.Header.Get("x-ms-range"), q.Header.Get("Range")), len(b.data))
	if !ok {
		return blobError(http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
	}
	a := answer{http.StatusOK, map[string]string{
		"Content-Type": b.contentType, "Content-Length": strconv.Itoa(to - from), "ETag": `"` + b.etag + `"`, "Last-Modified": modified,
		"Accept-Ranges": "bytes", "x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06",
	}, b.data[from:to]}
	if b.contentEncoding != "" {
		a.header["Content-Encoding"] = b.contentEncoding
	}
	if ranged {
		a.status = http.StatusPartialContent
		a.header["Content-Range"] = fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(b.data))
	}
	if q.Method == http.MethodHead {
		a.body = nil
	}
	return a
}

// byteRange reads "bytes=from-to", whose end may be missing.
func byteRange(header string, size int) (from, to int, ranged, ok bool) {
	if header == "" {
		return 0, size, false, true
	}
	first, last, found := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	from, err := strconv.Atoi(first)
	to = size
	if err == nil && last != "" {
		to, err = strconv.Atoi(last)
		to = min(to+1, size)
	}
	return from, to, true, found && err == nil && from >= 0 && from < to
}

func (s *Server) deleteBlob(q *request) answer {
	if q.container.blobs[q.object] == nil {
		return blobError(http.StatusNotFound, "BlobNotFound")
	}
	delete(q.container.blobs, q.object)
	return answer{http.StatusAccepted, map[string]string{"x-ms-version": "2021-08-06"}, nil}
}

// containerOf gives the container's name within a URL's path; "" when it is none of this server's.
func containerOf(u *url.URL) string {
	segments := decodedSegments(u)
	if len(segments) < 2 || segments[0] != account {
		return ""
	}
	return segments[1]
}
