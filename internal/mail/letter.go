package mail

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/net/idna"
)

const (
	maxSubject = 200
	maxText    = 64 << 10
	maxFrom    = 500
	maxLine    = 998 // without its end, RFC 5322 section 2.1.1
)

var (
	idForm       = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$`) }) // a dot-atom, and a safe part of a file's name
	languageForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}$`) })
)

// author is who messages come from.
type author struct {
	header string // with the display name
	path   string // in angle brackets, as MAIL wants it
	domain string // ASCII
}

func parseAuthor(from string) (author, error) {
	wrong := errors.New("mail: from is no e-mail address, with or without a name; give one like Acme Privacy <privacy@acme.example>")
	a, err := mail.ParseAddress(from)
	if err != nil || len(from) > maxFrom {
		return author{}, wrong
	}
	address, domain, err := asciiDomain(a.Address)
	if err != nil {
		return author{}, wrong
	}
	return author{
		header: fold((&mail.Address{Name: a.Name, Address: address}).String()),
		path:   (&mail.Address{Address: address}).String(),
		domain: domain,
	}, nil
}

// letter is a message as it travels.
type letter struct {
	from string // path in angle brackets
	to   string // address
	utf8 bool   // a local part is not ASCII: only servers with SMTPUTF8 (RFC 6531) take it
	text []byte // header and body, lines ended by CRLF, 7-bit but for the addresses if utf8
}

// compose writes a message. What is no sound message is ErrRefused, because it never becomes one. The header is 7-bit, and
// so is the body unless it is for people to read in a file: then no server has to convert anything.
func compose(from author, m Message, file bool) (letter, error) {
	refuse := func(what string) (letter, error) {
		return letter{}, fmt.Errorf("mail: the message's %s: %w", what, ErrRefused)
	}
	to, ok := recipient(m.To)
	switch {
	case !ok:
		return refuse("recipient is no e-mail address")
	case len(m.ID) > 100 || !idForm().MatchString(m.ID):
		return refuse("id is not 1 to 100 letters and digits, with . _ - between them")
	case m.Language != "" && !languageForm().MatchString(m.Language):
		return refuse("language is no BCP 47 tag")
	case len(m.Subject) > maxSubject:
		return refuse("subject is longer than 200 bytes")
	case len(m.Text) > maxText:
		return refuse("text is longer than 64 KiB")
	case m.Date.UTC().Year() < 1900 || m.Date.UTC().Year() > 9999:
		return refuse("date is missing or out of range")
	}
	encoding, body := encode(m.Text, file)
	var b bytes.Buffer
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	field("Date", m.Date.UTC().Format(time.RFC1123Z))
	field("From", from.header)
	field("To", "<"+to+">")
	field("Message-ID", "<"+m.ID+"@"+from.domain+">")
	field("Subject", subject(m.Subject))
	// RFC 3834: no vacation notice and no ticket system answers this.
	field("Auto-Submitted", "auto-generated")
	field("MIME-Version", "1.0")
	field("Content-Type", "text/plain; charset=utf-8")
	field("Content-Transfer-Encoding", encoding)
	if m.Language != "" {
		field("Content-Language", m.Language)
	}
	b.WriteString("\r\n")
	b.Write(body)
	return letter{from: from.path, to: to, utf8: !ascii(from.path) || !ascii(to), text: b.Bytes()}, nil
}

// recipient gives the address with an ASCII domain. Only what is one address and nothing else passes, whoever checked it
// before: quotes, comments and control characters have no way into the header.
func recipient(to string) (string, bool) {
	a, err := mail.ParseAddress(to)
	if err != nil || a.Name != "" || a.Address != to ||
		strings.ContainsFunc(to, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return "", false
	}
	address, _, err := asciiDomain(to)
	return address, err == nil && len(address) <= 254 // RFC 5321 section 4.5.3.1.3, without the brackets
}

// asciiDomain writes the domain as every server knows it. Local parts have no such form.
func asciiDomain(address string) (_, domain string, err error) {
	at := strings.LastIndexByte(address, '@')
	domain = address[at+1:]
	if !ascii(domain) {
		if domain, err = idna.Lookup.ToASCII(domain); err != nil {
			return "", "", err
		}
	}
	return address[:at+1] + domain, domain, nil
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

func subject(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	// Plain text that looks like an encoded word would be shown as what it decodes to.
	s = strings.ReplaceAll(strings.TrimSpace(s), "=?", "= ?")
	return words(s, len("Subject: "))
}

// words writes a text as encoded words (RFC 2047) if it needs them, one a line, of which the first begins after a field's
// name. Package mime would make the first as long as the others, so that it had to go to the second line: some filters
// take a field whose first line is empty for an empty one.
func words(s string, after int) string {
	if ascii(s) {
		return s
	}
	var line, out strings.Builder
	room := 76 - after - len("=?utf-8?q??=")
	for _, r := range s {
		// The first non-ASCII rune makes mime encode: what it says of the rune behind one is the rune's own form.
		const e = "=?utf-8?q?=C3=A9"
		form := strings.TrimSuffix(strings.TrimPrefix(mime.QEncoding.Encode("utf-8", "é"+string(r)), e), "?=")
		if line.Len()+len(form) > room {
			out.WriteString("=?utf-8?q?" + line.String() + "?=\r\n ")
			line.Reset()
			room = 75 - len("=?utf-8?q??=")
		}
		line.WriteString(form)
	}
	return out.String() + "=?utf-8?q?" + line.String() + "?="
}

// fold breaks the line around every encoded word: a line that holds one has 76 bytes at most (RFC 2047 section 2), and
// package mime keeps only the words so short.
func fold(value string) string {
	if strings.HasPrefix(value, "=?") {
		value = "\r\n " + value
	}
	return strings.NewReplacer("?= =?", "?=\r\n =?", "?= <", "?=\r\n <").Replace(value)
}

// encode leaves plain ASCII as it is, in a file all text, so that a link can be copied out of it, and quotes everything
// else.
func encode(text string, file bool) (encoding string, body []byte) {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(text, "\uFFFD"))
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if plain(text, unicode.MaxASCII) {
		return "7bit", []byte(strings.ReplaceAll(text, "\n", "\r\n"))
	}
	if file && plain(text, unicode.MaxRune) {
		return "8bit", []byte(strings.ReplaceAll(text, "\n", "\r\n"))
	}
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	_, err := w.Write([]byte(text))
	if err = errors.Join(err, w.Close()); err != nil {
		panic("mail: a buffer takes everything: " + err.Error())
	}
	return "quoted-printable", b.Bytes()
}

func plain(text string, last rune) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if len(line) > maxLine || strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && unicode.IsControl(r) || r > last }) {
			return false
		}
	}
	return true
}
