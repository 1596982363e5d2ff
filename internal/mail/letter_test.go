package mail_test

import (
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/mail"
)

// parsed is a mail as a reader shows it.
type parsed struct {
	header        netmail.Header
	subject, body string
}

// read takes a mail as a mail program does, and checks what RFC 5322 asks of every line.
func read(t *testing.T, text string) parsed {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		if strings.ContainsAny(line, "\r\n\x00") || len(line) > 998 {
			t.Errorf("not a line of mail: %q", line)
		}
	}
	if !utf8.ValidString(text) {
		t.Errorf("not UTF-8: %q", text)
	}
	header, _, _ := strings.Cut(text, "\r\n\r\n")
	for line := range strings.SplitSeq(header, "\r\n") {
		if strings.Contains(line, "=?utf-8?") && len(line) > 76 { // RFC 2047 section 2
			t.Errorf("too long for encoded words: %q", line)
		}
	}
	m, err := netmail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "text/plain" || params["charset"] != "utf-8" {
		t.Errorf("got content type %s, %v, %v", kind, params, err)
	}
	r := m.Body
	switch encoding := m.Header.Get("Content-Transfer-Encoding"); encoding {
	case "7bit", "8bit":
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	default:
		t.Errorf("encoded as %q", encoding)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Error(err)
	}
	return parsed{m.Header, subject, strings.ReplaceAll(string(body), "\r\n", "\n")}
}

// written sends a message to a folder and gives the text of its file.
func written(t *testing.T, from string, m mail.Message) (string, error) {
	t.Helper()
	dir := t.TempDir()
	f, err := mail.NewFolder(dir, from)
	if err != nil {
		return "", err
	}
	if err := f.Send(t.Context(), m); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got files %q, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(text), nil
}

func TestWhatAMessageSays(t *testing.T) {
	t.Parallel()
	name := "Ämter & Söhne " + strings.TrimSpace(strings.Repeat("für Löschungen ", 20))
	text, err := written(t, name+" <privacy@bücher.example>", message())
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, text)
	for name, want := range map[string]string{
		"Date":                      "Sun, 01 Mar 2026 12:30:00 +0000",
		"To":                        "<ann@example.com>",
		"Message-Id":                "<01JZ-verify@xn--bcher-kva.example>",
		"Auto-Submitted":            "auto-generated",
		"Mime-Version":              "1.0",
		"Content-Language":          "de",
		"Content-Transfer-Encoding": "8bit", // in a file: the link can be copied
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.header.Get(name), want)
		}
	}
	from, err := got.header.AddressList("From")
	if err != nil || len(from) != 1 || from[0].Name != name || from[0].Address != "privacy@xn--bcher-kva.example" {
		t.Errorf("from: got %v, %v", from, err)
	}
	if got.subject != "Bitte bestätigen" || got.body != message().Text {
		t.Errorf("got %q with %q", got.subject, got.body)
	}
	if !strings.Contains(text, "\r\nSubject: =?utf-8?q?Bitte_") {
		t.Errorf("the subject does not begin in its first line: %q", text)
	}
	again, err := written(t, name+" <privacy@bücher.example>", message())
	if err != nil || again != text {
		t.Errorf("the same message again is another text: %v", err)
	}
}

func TestPlainTextStaysReadable(t *testing.T) {
	t.Parallel()
	link := "https://acme.example/verify?token=01JZ." + strings.Repeat("a", 100)
	m := message()
	m.Text, m.Language = "Confirm:\n\n"+link, ""
	text, err := written(t, author, m)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(text, "\r\n\r\nConfirm:\r\n\r\n"+link+"\r\n") || strings.Contains(text, "Content-Language") {
		t.Errorf("got %q", text)
	}
}

func TestTextsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"long line":    strings.Repeat("word ", 400) + "\n",
		"long word":    strings.Repeat("ß", 5000) + "\n",
		"spaces at":    "end \nof line\t\n",
		"equal signs":  "a=3D=\n=\nä\n",
		"dots":         ".\n..\n.ä\n",
		"From":         "From me\n",
		"empty lines":  "\n\n\n",
		"controls":     "bell \a and \x00\n",
		"other script": "削除の確認\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := message()
			m.Text = text
			got, err := written(t, author, m)
			if err != nil {
				t.Fatal(err)
			}
			if body := read(t, got).body; body != text {
				t.Errorf("got %q, want %q", body, text)
			}
		})
	}
}

func TestSubjectsComeBackInOneLine(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]string{
		"Your request":                        "Your request",
		strings.Repeat("ß", 100):              strings.Repeat("ß", 100),
		strings.Repeat("削除", 33):              strings.Repeat("削除", 33),
		"Hi\r\nBcc: eve@example.com\r\n\r\nx": "Hi  Bcc: eve@example.com    x",
		"ä\r\nBcc: eve@example.com":           "ä  Bcc: eve@example.com",
		"=?utf-8?q?=0D=0ABcc:_eve?=":          "= ?utf-8?q?=0D=0ABcc:_eve?=",
		"bad \xff":                            "bad \uFFFD",
		"":                                    "",
	} {
		m := message()
		m.Subject = subject
		text, err := written(t, author, m)
		if err != nil {
			t.Errorf("%q: %v", subject, err)
			continue
		}
		if got := read(t, text); got.subject != want || got.header["Bcc"] != nil {
			t.Errorf("%q: got %q", subject, got.subject)
		}
	}
}

func TestWhatIsNoMessageIsRefusedForGood(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*mail.Message){
		"no recipient":               func(m *mail.Message) { m.To = "" },
		"recipient with name":        func(m *mail.Message) { m.To = "Planted <ann@example.com>" },
		"two recipients":             func(m *mail.Message) { m.To = "ann@example.com,eve@example.com" },
		"recipient's break":          func(m *mail.Message) { m.To = "ann@example.com\r\nBcc: eve@example.com" },
		"recipient's comment":        func(m *mail.Message) { m.To = "ann@example.com(planted)" },
		"quoted recipient":           func(m *mail.Message) { m.To = `"ann planted"@example.com` },
		"recipient in brackets":      func(m *mail.Message) { m.To = "<ann@example.com>" },
		"quoted local part":          func(m *mail.Message) { m.To = `"ann"@example.com` },
		"recipient's next line":      func(m *mail.Message) { m.To = "ann\u0085@example.com" },
		"recipient's line separator": func(m *mail.Message) { m.To = "ann\u2028@example.com" },
		"recipient's bytes":          func(m *mail.Message) { m.To = "ann\xff@example.com" },
		"recipient's domain":         func(m *mail.Message) { m.To = "ann@exämple..com" },
		"long recipient":             func(m *mail.Message) { m.To = strings.Repeat("ann", 100) + "@example.com" },
		"no id":                      func(m *mail.Message) { m.ID = "" },
		"id with a path":             func(m *mail.Message) { m.ID = "../planted" },
		"id with a break":            func(m *mail.Message) { m.ID = "planted\r\n" },
		"id with brackets":           func(m *mail.Message) { m.ID = "planted>" },
		"id with dots":               func(m *mail.Message) { m.ID = "planted..planted" },
		"long id":                    func(m *mail.Message) { m.ID = strings.Repeat("a", 101) },
		"language":                   func(m *mail.Message) { m.Language = "de\r\nBcc: planted" },
		"long subject":               func(m *mail.Message) { m.Subject = strings.Repeat("a", 201) },
		"long text":                  func(m *mail.Message) { m.Text = strings.Repeat("a", 64<<10+1) },
		"no date":                    func(m *mail.Message) { m.Date = time.Time{} },
		"date":                       func(m *mail.Message) { m.Date = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		m := message()
		change(&m)
		_, err := written(t, author, m)
		if !errors.Is(err, mail.ErrRefused) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		wantSilent(t, err)
	}
}

func FuzzNoFieldAddsToTheHeader(f *testing.F) {
	f.Add("Acme Privacy <privacy@acme.example>", "01JZ-verify", "ann@example.com", "Your request", "Hello\n", "en")
	f.Add("\"A\r\nBcc: x\" <a@b.example>", "a\r\nBcc: x", "ann@example.com\r\nBcc: eve@example.com", "Hi\r\nBcc: x\r\n\r\nbody", ".\r\nQUIT\r\n", "en\r\nBcc: x")
	f.Add("=?utf-8?q?=0D=0ABcc:_x?= <a@b.example>", "a", "änn@bücher.example", "ä\u2028Bcc: x\x00", "\rä\n\r\n\xff", "de-AT")
	f.Add("A\xff <a\xff@b.example>", "a", "a\xff@b.example", "a", "a", "")
	f.Add("\"A\x01\u0085\" <a@b.example>", "a", "a@[\xff]", "a", "a", "")
	f.Add("?= =? <a@b.example>", "a.b", "a@[192.0.2.1]", "?= =?", "=\n", "")
	names := []string{"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To"}
	f.Fuzz(func(t *testing.T, from, id, recipient, subject, text, language string) {
		m := mail.Message{ID: id, To: recipient, Subject: subject, Text: text, Language: language, Date: message().Date}
		got, err := written(t, from, m)
		if err != nil {
			return
		}
		p := read(t, got)
		want := slices.Clone(names)
		if language != "" {
			want = append(want, "Content-Language")
		}
		for name, values := range p.header {
			if !slices.Contains(want, name) || len(values) != 1 {
				t.Errorf("the header has %s: %q", name, values)
			}
		}
		if len(p.header) != len(want) {
			t.Errorf("the header has %d fields, want %d", len(p.header), len(want))
		}
		if list, err := p.header.AddressList("From"); err != nil || len(list) != 1 {
			t.Errorf("from: %v, %v", list, err)
		}
		if list, err := p.header.AddressList("To"); err != nil || len(list) != 1 {
			t.Errorf("to: %v, %v", list, err)
		}
		if strings.ContainsAny(p.subject, "\r\n\x00") || !utf8.ValidString(p.subject) {
			t.Errorf("subject: %q", p.subject)
		}
		lines := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(text, "\uFFFD"))
		if p.body != lines && p.body != lines+"\n" {
			t.Errorf("got %q, want %q", p.body, lines)
		}
	})
}
