package match

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/subject"
)

// The definition of an audience is an OData filter: operators eq ne lt gt le ge joined by and, strings in single
// quotes, properties that may have hyphens (reference/providers.md, A2). '' for a quote is OData's rule.

type lexKind uint8

const (
	lexWord lexKind = iota // a property, operator, function or constant
	lexLiteral
	lexOpen
	lexClose
	lexComma
)

type lexeme struct {
	kind  lexKind
	text  string
	value value // of a literal
}

// lex cuts a definition into lexemes. rest is what does not look like OData any more; of a string without an end it is
// the part after the quote.
func lex(s string) (out []lexeme, rest string) {
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case unicode.IsSpace(r):
		case r == '(':
			out = append(out, lexeme{kind: lexOpen})
		case r == ')':
			out = append(out, lexeme{kind: lexClose})
		case r == ',':
			out = append(out, lexeme{kind: lexComma})
		case r == '\'':
			text, after, closed := quoted(s[1:])
			out = append(out, lexeme{kind: lexLiteral, value: value{text, aString}})
			if !closed {
				return out, s[1:]
			}
			s, n = after, 0
		case isNameRune(r):
			n = strings.IndexFunc(s, func(r rune) bool { return !isNameRune(r) })
			if n < 0 {
				n = len(s)
			}
			if n < len(s) && s[n] == '\'' && isTypeName(s[:n]) { // datetime'…', guid'…': the string says it all
				break
			}
			out = append(out, bare(s[:n]))
		default:
			return out, s
		}
		s = s[n:]
	}
	return out, ""
}

// isNameRune tells whether a character belongs to a name, a number or a time.
func isNameRune(r rune) bool {
	return strings.ContainsRune("_-./:+$@", r) || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// isTypeName knows the types that OData 2 and 3 write before a quoted literal.
func isTypeName(s string) bool {
	switch strings.ToLower(s) {
	case "datetime", "datetimeoffset", "time", "duration", "guid", "binary", "x":
		return true
	}
	return false
}

// quoted reads a string up to its closing quote; ” inside it is one quote.
func quoted(s string) (text, after string, closed bool) {
	var b strings.Builder
	for {
		at := strings.IndexByte(s, '\'')
		if at < 0 {
			b.WriteString(s)
			return b.String(), "", false
		}
		b.WriteString(s[:at])
		if s = s[at+1:]; !strings.HasPrefix(s, "'") {
			return b.String(), s, true
		}
		b.WriteByte('\'')
		s = s[1:]
	}
}

// bare tells numbers and UUIDs from words.
func bare(s string) lexeme {
	number := strings.TrimRight(strings.TrimPrefix(s, "+"), "lLmMdDfF") // OData 3 marks the type of a number
	if number != "" {
		if _, ok := decimal(number); ok {
			return lexeme{kind: lexLiteral, value: value{number, aNumber}}
		}
	}
	if _, ok := subject.NormalInstallID(s); ok {
		return lexeme{kind: lexLiteral, value: value{s, aString}}
	}
	return lexeme{kind: lexWord, text: s}
}

func isComparison(l lexeme) bool {
	if l.kind != lexWord {
		return false
	}
	switch strings.ToLower(l.text) {
	case "eq", "ne", "lt", "gt", "le", "ge", "in", "has":
		return true
	}
	return false
}

func isConstant(l lexeme) bool {
	switch strings.ToLower(l.text) {
	case "and", "or", "not", "true", "false", "null":
		return true
	}
	return isComparison(l)
}

// comparison is a literal of a definition and the properties that it is compared with.
type comparison struct {
	value      value
	properties []string
}

// comparisons lists the literals of a definition. Booleans count too, as long as a property stands against them.
func comparisons(list []lexeme) []comparison {
	var out []comparison
	for i, l := range list {
		v := l.value
		if l.kind == lexWord && (strings.EqualFold(l.text, "true") || strings.EqualFold(l.text, "false")) {
			v = value{strings.ToLower(l.text), aBool}
		} else if l.kind != lexLiteral {
			continue
		}
		out = append(out, comparison{v, propertiesOf(list, i)})
	}
	return out
}

// propertiesOf finds the properties that the literal at i is compared with: prop eq 'x', 'x' eq prop, f(prop) eq 'x',
// f(prop, 'x'), prop in ('x', 'y'). A property with a path counts by its last part too.
func propertiesOf(list []lexeme, i int) []string {
	var words []lexeme
	if i >= 2 && isComparison(list[i-1]) {
		words = operand(list, i-2, -1)
	}
	if i+2 < len(list) && isComparison(list[i+1]) {
		words = append(words, operand(list, i+2, +1)...)
	}
	if len(words) == 0 {
		words = around(list, i)
	}
	var names []string
	for _, w := range words {
		names = append(names, w.text)
		if slash := strings.LastIndexByte(w.text, '/'); slash >= 0 {
			names = append(names, w.text[slash+1:])
		}
	}
	return names
}

// operand gives the properties of the operand that begins at i and goes to the right (step 1) or left (step -1).
func operand(list []lexeme, i, step int) []lexeme {
	if step > 0 && list[i].kind == lexWord && i+1 < len(list) && list[i+1].kind == lexOpen {
		i++
	}
	opening, closing := lexOpen, lexClose
	if step < 0 {
		opening, closing = lexClose, lexOpen
	}
	switch list[i].kind {
	case lexWord:
		return properties(list[i:i+1], list[i+1:])
	case opening:
		depth := 0
		for j := i; j >= 0 && j < len(list); j += step {
			switch list[j].kind {
			case opening:
				depth++
			case closing:
				depth--
			}
			if depth == 0 {
				lo, hi := min(i, j), max(i, j)
				return properties(list[lo:hi], list[hi:])
			}
		}
	}
	return nil
}

// around gives the properties of the call or the list in whose brackets i stands.
func around(list []lexeme, i int) []lexeme {
	depth := 0
	open := i - 1
	for ; open >= 0; open-- {
		if list[open].kind == lexClose {
			depth++
		} else if list[open].kind == lexOpen {
			if depth == 0 {
				break
			}
			depth--
		}
	}
	if open < 1 || list[open-1].kind != lexWord {
		return nil
	}
	if strings.EqualFold(list[open-1].text, "in") {
		if open < 2 {
			return nil
		}
		return operand(list, open-2, -1)
	}
	if isConstant(list[open-1]) {
		return nil
	}
	return operand(list, open, +1)
}

// properties keeps the words that are properties: neither constants nor the names of functions.
func properties(list, after []lexeme) []lexeme {
	var out []lexeme
	for i, l := range list {
		next := lexeme{kind: lexComma}
		if i+1 < len(list) {
			next = list[i+1]
		} else if len(after) > 0 {
			next = after[0]
		}
		if l.kind == lexWord && !isConstant(l) && next.kind != lexOpen {
			out = append(out, l)
		}
	}
	return out
}
