package match

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// rawSearch looks for anybody's identifiers in a line that cannot be read, piece by piece, so that the line need not
// be kept. A line that breaks off is searched as it stands and with its JSON escapes decoded.
type rawSearch struct {
	m     *Matcher
	buf   []byte
	finds finds
}

const (
	rawWindow  = 256 << 10
	rawOverlap = 32 << 10 // more than the longest identifier in its longest spelling
)

func (s *rawSearch) write(p []byte) {
	for len(p) > 0 {
		n := min(len(p), rawWindow-len(s.buf))
		s.buf = append(s.buf, p[:n]...)
		p = p[n:]
		if len(s.buf) == rawWindow {
			// Windows begin and end between values where they can, so that no half of a value looks whole.
			end := rawWindow
			if cut := bytes.LastIndexAny(s.buf[rawWindow-rawOverlap/2:], `",{}[]:`); cut >= 0 {
				end = rawWindow - rawOverlap/2 + cut + 1
			}
			s.search(s.buf[:end])
			from := end - rawOverlap
			if cut := bytes.IndexAny(s.buf[from:end-rawOverlap/2], `",{}[]:`); cut >= 0 {
				from += cut
			}
			s.buf = s.buf[:copy(s.buf, s.buf[from:])]
		}
	}
}

// refs ends the search and gives the requests whose identifiers were seen.
func (s *rawSearch) refs() []string {
	s.search(s.buf)
	var refs []string
	for f := range s.finds {
		refs = append(refs, s.m.refs[f.person])
	}
	slices.Sort(refs)
	return slices.Compact(refs)
}

func (s *rawSearch) search(b []byte) {
	if s.finds == nil {
		s.finds = finds{}
	}
	text := string(b)
	// Twice, because properties may be a JSON text in a string, whose escapes are escaped again.
	for range 3 {
		s.m.search(text, false, inText, s.finds)
		s.pieces(text)
		if !strings.Contains(text, `\`) {
			return
		}
		text = unescapeLoosely(text)
	}
}

// pieces looks up what stands between quotes, and between the signs of JSON: identifiers that are too short for a text
// match here as whole values. A short value of a named property needs its name as another piece.
func (s *rawSearch) pieces(text string) {
	m := s.m
	var bound []int // positions in m.tokens.short that need their name
	each := func(separators string, form form) {
		for piece := range strings.FieldsFuncSeq(text, func(r rune) bool { return r < utf8.RuneSelf && strings.ContainsRune(separators, r) }) {
			piece = strings.TrimSpace(piece)
			if piece == "" || len(piece) > maxText {
				continue
			}
			if m.filter.text([]byte(piece), isASCII([]byte(piece))) {
				m.whole(value{piece, form}, nil, false, inText, s.finds)
			}
			bound = append(bound, m.tokens.short[piece]...)
		}
	}
	each(`"\`, aString)
	each(`"\,:{}[]`, aString)
	if m.tokens.numbers {
		for piece := range strings.FieldsFuncSeq(text, func(r rune) bool { return r < utf8.RuneSelf && strings.ContainsRune(`"\,:{}[]`, r) }) {
			if d, ok := decimal(strings.TrimSpace(piece)); ok {
				m.whole(value{d, aNumber}, nil, false, inText, s.finds)
				bound = append(bound, m.tokens.short[d]...)
			}
		}
	}
	if len(bound) == 0 {
		return
	}
	slices.Sort(bound)
	named := map[string]bool{}
	for piece := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '"' || r == '\\' }) {
		if m.tokens.shortNames[piece] {
			named[piece] = true
		}
	}
	for _, n := range slices.Compact(bound) {
		if p := m.tokens.shortProperties[n]; named[p.name] {
			s.finds.add(p.who, isProperty, inText)
		}
	}
}

// unescapeLoosely decodes JSON's escapes wherever they stand, and leaves alone what is none.
func unescapeLoosely(text string) string {
	var out strings.Builder
	for {
		at := strings.IndexByte(text, '\\')
		if at < 0 || at+1 == len(text) {
			out.WriteString(text)
			return out.String()
		}
		out.WriteString(text[:at])
		n := 2
		if text[at+1] == 'u' {
			n = 6
		}
		if n > len(text)-at {
			n = 1
		}
		decoded, ok := unescape(nil, []byte(text[at:at+n]))
		if !ok {
			n = 1
			decoded = []byte{'\\'}
		}
		out.Write(decoded)
		text = text[at+n:]
	}
}
