package batch

import (
	"net/url"
	"strings"
	"unicode"
)

// maxSegment is how many bytes of a path an escaped id may take. Many servers refuse a request line of more than 8 KiB.
const maxSegment = 4 << 10

// escape makes one path segment of s in which nothing but letters, digits and - _ . ~ stands for itself. url.PathEscape
// would leave + as it is, which some servers read as a space: the id of a phone number would become another one.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// pathSafe tells whether an id can travel in a path and arrive as itself. Go's client sends a path as it is, but proxies
// and servers clean paths, some of them after decoding and some decode twice: "..", "a/../b" and "a%2Fb" would then name
// somebody else, or the bulk route. What Batch does is not documented, so such an id goes through the bulk form, where it
// is plain JSON. Control characters are refused in a path by many servers, and so are very long ones.
func pathSafe(id string) bool {
	if strings.ContainsFunc(id, unicode.IsControl) || len(escape(id)) > maxSegment {
		return false
	}
	if decoded, err := url.PathUnescape(id); err == nil && decoded != id {
		return false
	}
	for segment := range strings.SplitSeq(strings.ReplaceAll(id, `\`, "/"), "/") {
		if strings.Trim(segment, ".") == "" {
			return false
		}
	}
	return true
}
