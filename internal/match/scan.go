package match

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner proves of lines that they are well-formed devices and concern nobody. It is strict where encoding/json is
// strict; where it cannot be sure, it says so and the reader looks.
type scanner struct {
	filter  *filter
	scratch [2][]byte // decoded strings: of the line, and of a JSON text inside one of its strings
}

// maxDepth is how deep nested values are followed here: one bit of a word per level.
const maxDepth = 60

// plain tells that the line is a JSON object in UTF-8 with an install id, and that the filter has none of its values.
// false means only that the line must be read.
func (s *scanner) plain(line []byte) bool {
	ok, foreign, install := s.scan(line, 0)
	return ok && install && (!foreign || utf8.Valid(line))
}

type expect uint8

const (
	wantValue expect = iota
	wantKey
	wantNext
)

// scan goes through one JSON text. level is 1 for a text inside a string. foreign tells that there are other
// characters than ASCII, install that a field of the top level is a usable install id.
func (s *scanner) scan(b []byte, level int) (ok, foreign, install bool) {
	var (
		objects uint64 // a bit per level: whether it is an object
		depth   int
		class   keyClass // of the key that the next value belongs to
		want    = wantValue
	)
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' && (level == 0 || b[i] != '[') {
		return false, false, false
	}
	for i < len(b) {
		c := b[i]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
			continue
		case want == wantNext:
			if depth == 0 {
				return false, false, false
			}
			isObject := objects>>depth&1 == 1
			switch {
			case c == ',' && isObject:
				want = wantKey
			case c == ',':
				want = wantValue
			case c == '}' && isObject, c == ']' && !isObject:
				depth--
			default:
				return false, false, false
			}
			i++
		case want == wantKey:
			if c != '"' {
				return false, false, false
			}
			end, escaped, ascii := scanString(b, i+1)
			if end < 0 || escaped {
				return false, false, false
			}
			class = plainKey
			foreign = foreign || !ascii
			if depth == 1 && level == 0 {
				if !ascii {
					return false, false, false
				}
				class = classify(b[i+1 : end])
			}
			i = skipSpace(b, end+1)
			if i == len(b) || b[i] != ':' {
				return false, false, false
			}
			i++
			want = wantValue
		case c == '"':
			end, escaped, ascii := scanString(b, i+1)
			if end < 0 {
				return false, false, false
			}
			v := b[i+1 : end]
			if escaped {
				if len(v) > maxText { // the reader needs less memory for it
					return false, false, false
				}
				var decoded bool
				if s.scratch[level], decoded = unescape(s.scratch[level][:0], v); !decoded {
					return false, false, false
				}
				v = s.scratch[level]
				ascii = isASCII(v)
			}
			foreign = foreign || !ascii
			if class == installKeyClass {
				install = install || !escaped && len(v) > 0 && v[0] > ' ' && v[0] < utf8.RuneSelf
			}
			if class == propertiesKey && startsJSON(v) {
				if inner, _, _ := s.scan(v, level+1); !inner {
					return false, false, false
				}
			} else if s.filter.text(v, ascii) {
				return false, false, false
			}
			class, want = plainKey, wantNext
			i = end + 1
		case c == '{' || c == '[':
			if depth == maxDepth {
				return false, false, false
			}
			depth++
			class = plainKey
			closing := byte(']')
			if c == '{' {
				objects |= 1 << depth
				want, closing = wantKey, '}'
			} else {
				objects &^= 1 << depth
				want = wantValue
			}
			if i = skipSpace(b, i+1); i < len(b) && b[i] == closing {
				depth--
				i++
				want = wantNext
			}
		case c == '-' || c >= '0' && c <= '9':
			end, whole := scanNumber(b, i)
			if end < 0 || s.filter.number(b[i:end], whole) {
				return false, false, false
			}
			class, want = plainKey, wantNext
			i = end
		default:
			n := scanWord(b[i:])
			if n == 0 || s.filter.bools && c != 'n' {
				return false, false, false
			}
			class, want = plainKey, wantNext
			i += n
		}
	}
	return depth == 0, foreign, install
}

// skipSpace gives the first position from i on that is not JSON white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// scanString gives the position of the quote that ends the string whose content begins at i, or -1 where there is
// none or a control character comes first. ascii may be false by mistake, but not true.
func scanString(b []byte, i int) (end int, escaped, ascii bool) {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	seen := uint64(0)
	for {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			quote, slash := w^ones*'"', w^ones*'\\'
			// A byte of x is zero where (x-1)&^x has its high bit; the lowest such bit is never a false one.
			stop := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
			if stop == 0 {
				seen |= w
				i += 8
				continue
			}
			at := bits.TrailingZeros64(stop) >> 3
			seen |= w & (1<<(8*at) - 1)
			i += at
			break
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
			seen |= uint64(b[i])
			i++
		}
		switch {
		case i >= len(b) || b[i] < ' ':
			return -1, false, false
		case b[i] == '"':
			return i, escaped, seen&highs == 0
		}
		escaped = true
		i += 2
	}
}

// unescape appends the decoded content of a string, as encoding/json decodes it: half a surrogate pair becomes U+FFFD.
// It reports false for a wrong escape.
func unescape(to, b []byte) ([]byte, bool) {
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			to = append(to, b[i])
			continue
		}
		if i++; i == len(b) {
			return to, false
		}
		switch c := b[i]; c {
		case '"', '\\', '/':
			to = append(to, c)
		case 'b':
			to = append(to, '\b')
		case 'f':
			to = append(to, '\f')
		case 'n':
			to = append(to, '\n')
		case 'r':
			to = append(to, '\r')
		case 't':
			to = append(to, '\t')
		case 'u':
			r, ok := hex4(b[i+1:])
			if !ok {
				return to, false
			}
			i += 4
			if utf16.IsSurrogate(r) {
				second := rune(0)
				if len(b)-i > 2 && b[i+1] == '\\' && b[i+2] == 'u' {
					second, _ = hex4(b[i+3:])
				}
				if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
					i += 6
				}
			}
			to = utf8.AppendRune(to, r)
		default:
			return to, false
		}
	}
	return to, true
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// scanNumber gives the end of the JSON number at i, or -1. whole tells that it has neither fraction nor exponent.
func scanNumber(b []byte, i int) (end int, whole bool) {
	digits := func() bool {
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return -1, false
	}
	whole = true
	if i < len(b) && b[i] == '.' {
		i++
		if whole = false; !digits() {
			return -1, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if whole = false; !digits() {
			return -1, false
		}
	}
	return i, whole
}

// scanWord gives the length of the true, false or null that b begins with, or 0.
func scanWord(b []byte) int {
	switch {
	case len(b) >= 4 && (string(b[:4]) == "true" || string(b[:4]) == "null"):
		return 4
	case len(b) >= 5 && string(b[:5]) == "false":
		return 5
	}
	return 0
}

func startsJSON(v []byte) bool {
	i := skipSpace(v, 0)
	return i < len(v) && (v[i] == '{' || v[i] == '[')
}

// keyClass tells the fields apart that the scanner must know.
type keyClass uint8

const (
	plainKey keyClass = iota
	installKeyClass
	propertiesKey
)

// classify knows the aliases of the install id and of the property container (decode.go has the list).
func classify(key []byte) keyClass {
	if len(key) < len("deviceid") {
		return plainKey
	}
	switch key[0] | 0x20 {
	case 'i', 'd', 'p', 'c', '_' | 0x20, '-' | 0x20:
	default:
		return plainKey
	}
	var folded [len("customproperties")]byte
	n := 0
	for _, c := range key {
		if c == '_' || c == '-' {
			continue
		}
		if n == len(folded) {
			return plainKey
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		folded[n] = c
		n++
	}
	switch string(folded[:n]) {
	case "installid", "installationid", "deviceid":
		return installKeyClass
	case "properties", "customproperties":
		return propertiesKey
	}
	return plainKey
}
