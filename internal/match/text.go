package match

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/lethe-dsr/lethe/internal/subject"
)

// minToken is how many characters an identifier must have to be searched for in free text; e-mail addresses and phone
// numbers have bounds of their own.
const minToken = 8

// tokens is the index of what is searched for in texts.
type tokens struct {
	exact   tokenSet        // user ids, property values, install ids that are no UUID
	learned tokenSet        // user ids found on devices
	folded  tokenSet        // install ids in lower case
	domains map[string]bool // of the e-mail addresses

	// What is too short for a text; unreadable lines are searched for it.
	short           map[string][]int // by value, positions in shortProperties
	shortProperties []shortProperty
	shortNames      map[string]bool
	numbers         bool // some identifier is a number, which may be written in several ways
}

type shortProperty struct {
	name string
	who  []int32
}

func newTokens(x *people) tokens {
	t := tokens{
		exact: newTokenSet(), learned: newTokenSet(), folded: newTokenSet(), domains: map[string]bool{},
		short: map[string][]int{}, shortNames: map[string]bool{},
		numbers: len(x.userNumber)+len(x.propertyNumber) > 0,
	}
	for v := range x.email {
		t.domains[v[strings.LastIndexByte(v, '@')+1:]] = true
	}
	for v, who := range x.user {
		t.exact.add(v, who, isUserID)
	}
	for v, who := range x.learned {
		t.learned.add(v, who, isUserID)
	}
	for v, who := range x.install {
		if _, ok := subject.NormalInstallID(v); ok {
			t.folded.add(v, who, isInstallID)
		} else {
			t.exact.add(v, who, isInstallID)
		}
	}
	for p, who := range x.property {
		if !t.exact.add(p.value, who, isProperty) {
			t.short[p.value] = append(t.short[p.value], len(t.shortProperties))
			t.shortProperties = append(t.shortProperties, shortProperty{p.name, who})
			t.shortNames[p.name] = true
		}
	}
	return t
}

// tokenSet finds tokens in a text in one pass: a token's first bytes tell which lengths are worth a look.
type tokenSet struct {
	lengths map[string][]int // by the first minToken bytes
	tokens  map[string][]token
}

type token struct {
	who  []int32
	kind kind
}

func newTokenSet() tokenSet {
	return tokenSet{lengths: map[string][]int{}, tokens: map[string][]token{}}
}

// add reports false for what is too short to be a token.
func (s *tokenSet) add(v string, who []int32, k kind) bool {
	v = norm.NFC.String(v)
	if utf8.RuneCountInString(v) < minToken {
		return false
	}
	head := v[:minToken]
	known := false
	for _, n := range s.lengths[head] {
		known = known || n == len(v)
	}
	if !known {
		s.lengths[head] = append(s.lengths[head], len(v))
	}
	s.tokens[v] = append(s.tokens[v], token{who, k})
	return true
}

// find finds the tokens that stand in the text with neither a letter, a digit, _ nor - next to them.
func (s *tokenSet) find(text string, p place, f finds) {
	if len(s.tokens) == 0 {
		return
	}
	before := rune(' ')
	for at, r := range text {
		if !isWord(before) && at+minToken <= len(text) {
			for _, n := range s.lengths[text[at:at+minToken]] {
				if at+n > len(text) || !wordEnds(text, at+n) {
					continue
				}
				for _, t := range s.tokens[text[at:at+n]] {
					f.add(t.who, t.kind, p)
				}
			}
		}
		before = r
	}
}

// isWord tells whether a character next to an identifier would belong to it. A combining mark belongs to its letter.
func isWord(r rune) bool {
	return r == '_' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

func wordEnds(text string, at int) bool {
	r, n := utf8.DecodeRuneInString(text[at:])
	return n == 0 || !isWord(r)
}

// search finds everybody's identifiers in a free text: as it is, and percent-decoded. learned tells whether user ids
// learned from devices count.
func (m *Matcher) search(text string, learned bool, p place, f finds) {
	for _, form := range textForms(text) {
		lower := strings.ToLower(form)
		m.emails(lower, func(from, to int) { f.add(m.people.email[lower[from:to]], isEmail, p) })
		m.tokens.exact.find(form, p, f)
		if learned {
			m.tokens.learned.find(form, p, f)
		}
		m.tokens.folded.find(lower, p, f)
		m.phones(form, func(e164 string) { f.add(m.people.phone[e164], isPhone, p) })
	}
}

// textForms gives the text in NFC, and percent-decoded where that makes a difference; the decoded form comes last.
func textForms(text string) []string {
	forms := []string{norm.NFC.String(text)}
	if d := percentDecoded(text); d != text {
		forms = append(forms, norm.NFC.String(d))
	}
	return forms
}

// percentDecoded decodes %XX wherever it stands, and leaves alone what is none.
func percentDecoded(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if hi, lo := hexDigit(text[i+1]), hexDigit(text[i+2]); hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, text[i])
	}
	return string(out)
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// maxAddress is the length of the longest e-mail address (RFC 5321, 4.5.3.1.3), with room for letters that are longer
// in lower case.
const maxAddress = 300

// emails calls hit for the addresses of the people in a text in lower case, where they are bounded: before them no
// letter, digit or . _ % + -, after them no letter, digit, _ or -, and no . followed by one. others tells that the
// text has an address of none of them.
func (m *Matcher) emails(lower string, hit func(from, to int)) (others bool) {
	for at := 0; ; at++ {
		next := strings.IndexByte(lower[at:], '@')
		if next < 0 {
			return others
		}
		at += next
		own := false
		for end := at + 1; end <= len(lower) && end-at <= maxAddress; {
			if m.tokens.domains[lower[at+1:end]] && addressEnds(lower, end) {
				found, doubtful := m.addressesBefore(lower, at, end, hit)
				own, others = own || found, others || doubtful
			}
			r, n := utf8.DecodeRuneInString(lower[end:])
			if n == 0 || r == '@' || unicode.IsSpace(r) || unicode.IsControl(r) {
				break
			}
			end += n
		}
		if !own {
			others = others || m.foreignAddress(lower, at)
		}
	}
}

// addressesBefore looks for addresses whose local part ends before the @ at at and whose domain ends at end. doubtful
// tells that the longest one follows an apostrophe in a word: d'ann@x.com may be Ann's in French, and o'neil@x.com is
// not Neil's.
func (m *Matcher) addressesBefore(lower string, at, end int, hit func(from, to int)) (own, doubtful bool) {
	for from := at; end-from <= maxAddress; {
		r, n := utf8.DecodeLastRuneInString(lower[:from])
		if from < at && (n == 0 || !isLocal(r)) {
			if _, ok := m.people.email[lower[from:end]]; ok {
				hit(from, end)
				own, doubtful = true, inWord(lower[:from])
			}
		}
		if n == 0 || unicode.IsSpace(r) || unicode.IsControl(r) {
			return own, doubtful
		}
		from -= n
	}
	return own, doubtful
}

// inWord tells whether a text ends with an apostrophe that follows a letter or digit.
func inWord(text string) bool {
	r, n := utf8.DecodeLastRuneInString(text)
	if r != '\'' && r != '’' {
		return false
	}
	r, _ = utf8.DecodeLastRuneInString(text[:len(text)-n])
	return isWord(r)
}

// isLocal tells whether a character before an address would belong to it.
func isLocal(r rune) bool {
	return strings.ContainsRune("._%+-", r) || isWord(r)
}

func addressEnds(text string, at int) bool {
	if !wordEnds(text, at) {
		return false
	}
	return at == len(text) || text[at] != '.' || wordEnds(text, at+1)
}

// foreignAddress tells whether the @ stands in what looks like an address that is nobody's here.
func (m *Matcher) foreignAddress(lower string, at int) bool {
	from := at
	for from > 0 {
		r, n := utf8.DecodeLastRuneInString(lower[:from])
		if !isLocal(r) {
			break
		}
		from -= n
	}
	end := at + 1
	for end < len(lower) {
		r, n := utf8.DecodeRuneInString(lower[end:])
		if r != '.' && !isWord(r) || r == '_' {
			break
		}
		end += n
	}
	local := strings.TrimLeft(lower[from:at], ".-")
	domain := strings.Trim(lower[at+1:end], ".-")
	return local != "" && strings.Contains(domain, ".") && !m.people.ownEmail[local+"@"+domain]
}
