package mail_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

const (
	username = "robot"
	password = "planted-password"
)

// server is an SMTP server that speaks the protocol to the letter: commands in their order, lines ended by CRLF and
// short enough, nothing but ASCII without SMTPUTF8, no login without TLS unless it has none. A deviation fails the test.
type server struct {
	// What it offers; set before start.
	security string // mail.StartTLS, mail.TLS or mail.NoTLS
	auth     string // mechanisms; "" for none. With some, mail is taken only after a login.
	utf8     bool
	// script says what happens instead of the ordinary answer at greeting, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA,
	// text (its first line), "." and QUIT: another answer, or drop, or hang.
	script map[string]string

	t       *testing.T
	tls     *tls.Config
	roots   *x509.CertPool
	addr    *net.TCPAddr
	reached chan string // the phase that hangs

	mu       sync.Mutex
	commands []string // verbs
	mails    []taken
}

// taken is a mail for which the server has the dot.
type taken struct{ mail, rcpt, text string }

func (s *server) start(t *testing.T) *server {
	t.Helper()
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS() // for 127.0.0.1 and example.com
	certificate.Close()
	s.t = t
	s.tls = &tls.Config{Certificates: certificate.TLS.Certificates}
	s.roots = x509.NewCertPool()
	s.roots.AddCert(certificate.Certificate())
	s.reached = make(chan string, 10)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().(*net.TCPAddr)
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		conns.Wait() // every client hangs up
	})
	return s
}

// seen gives the commands and the mails so far.
func (s *server) seen() ([]string, []taken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commands, s.mails
}

type session struct {
	*server
	conn          net.Conn
	r             *bufio.Reader
	secure, greet bool
	loggedIn      bool
	mail, rcpt    string
}

func (s *server) serve(conn net.Conn) {
	c := &session{server: s, conn: conn}
	if s.security == "tls" {
		c.conn, c.secure = tls.Server(conn, s.tls), true
	}
	c.r = bufio.NewReader(c.conn)
	if !c.say("greeting", "220 mx.example ESMTP") {
		return
	}
	for {
		line, ok := c.line()
		if !ok {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		s.mu.Lock()
		s.commands = append(s.commands, verb)
		s.mu.Unlock()
		if !c.command(verb, rest) {
			return
		}
	}
}

// say answers and tells whether the conversation goes on.
func (c *session) say(phase, ordinary string) bool {
	answer := ordinary
	if scripted, ok := c.script[phase]; ok {
		answer = scripted
	}
	switch answer {
	case "drop":
		return false
	case "hang":
		c.reached <- phase
		_, _ = io.Copy(io.Discard, c.r)
		return false
	}
	_, err := io.WriteString(c.conn, answer+"\r\n")
	return err == nil && answer[0] < '4'
}

// refuse answers with an error and goes on.
func (c *session) refuse(answer string) bool {
	_, err := io.WriteString(c.conn, answer+"\r\n")
	return err == nil
}

func (c *session) line() (string, bool) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return "", false
	}
	line, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.ContainsAny(line, "\r\n\x00") || len(line) > 998 {
		c.t.Errorf("not a line of SMTP: %q", line)
	}
	return line, true
}

func (c *session) command(verb, rest string) bool {
	scripted := func(phase, ordinary string) bool {
		ok := c.say(phase, ordinary)
		return ok || c.script[phase] != "" && c.script[phase] != "drop" && c.script[phase] != "hang"
	}
	switch verb {
	case "EHLO", "HELO":
		c.greet = true
		if rest != "acme.example" {
			c.t.Errorf("greeted by %q", rest)
		}
		if verb == "HELO" {
			return scripted("HELO", "250 mx.example")
		}
		lines := []string{"250-mx.example", "250-PIPELINING", "250-8BITMIME"}
		if c.security == "starttls" && !c.secure {
			lines = append(lines, "250-STARTTLS")
		}
		if c.utf8 {
			lines = append(lines, "250-SMTPUTF8")
		}
		if c.auth != "" && (c.secure || c.security == "none") {
			lines = append(lines, "250-AUTH "+c.auth)
		}
		return scripted("EHLO", strings.Join(append(lines, "250 HELP"), "\r\n"))
	case "STARTTLS":
		if c.secure || !c.greet {
			c.t.Error("STARTTLS out of order")
		}
		if !c.say("STARTTLS", "220 go on") {
			return c.script["STARTTLS"] != "drop" && c.script["STARTTLS"] != "hang"
		}
		c.conn = tls.Server(c.conn, c.server.tls)
		c.r = bufio.NewReader(c.conn)
		c.secure, c.greet = true, false
		return true
	case "AUTH":
		if !c.greet || !c.secure && c.security != "none" {
			c.t.Error("AUTH out of order or in the clear")
		}
		return c.login(rest) && scripted("AUTH", "235 welcome")
	case "MAIL":
		if !c.greet || c.mail != "" {
			return c.refuse("503 out of order")
		}
		if c.auth != "" && !c.loggedIn {
			c.t.Error("MAIL without a login")
		}
		if ascii := strings.IndexFunc(rest, func(r rune) bool { return r > 127 }) < 0; !ascii && !strings.HasSuffix(rest, " SMTPUTF8") {
			c.t.Error("MAIL with an address that needs SMTPUTF8")
		}
		if strings.Contains(rest, "SMTPUTF8") && !c.utf8 {
			c.t.Error("MAIL asks for SMTPUTF8, which was not offered")
		}
		c.mail = rest
		return scripted("MAIL", "250 ok")
	case "RCPT":
		if c.mail == "" {
			return c.refuse("503 out of order")
		}
		c.rcpt = rest
		if strings.IndexFunc(rest, func(r rune) bool { return r > 127 }) >= 0 && !strings.Contains(c.mail, "SMTPUTF8") {
			c.t.Error("RCPT with an address that needs SMTPUTF8")
		}
		return scripted("RCPT", "250 ok")
	case "DATA":
		if c.rcpt == "" {
			return c.refuse("503 out of order")
		}
		if !c.say("DATA", "354 end it with a dot") {
			return c.script["DATA"] != "drop" && c.script["DATA"] != "hang"
		}
		if c.script["DATA"] != "" {
			return true // an answer that is none to DATA
		}
		return c.text() && scripted(".", "250 queued")
	case "QUIT":
		c.say("QUIT", "221 bye")
		return false
	}
	return c.refuse("500 what?")
}

func (c *session) text() bool {
	var text strings.Builder
	for {
		line, ok := c.line()
		if !ok {
			return false
		}
		if text.Len() == 0 && c.script["text"] != "" && !c.say("text", "") {
			return false
		}
		if line == "." {
			break
		}
		if strings.IndexFunc(line, func(r rune) bool { return r > 127 }) >= 0 && !strings.Contains(c.mail, "SMTPUTF8") {
			c.t.Errorf("8-bit text: %q", line)
		}
		text.WriteString(strings.TrimPrefix(line, ".") + "\r\n")
	}
	c.mu.Lock()
	c.mails = append(c.mails, taken{c.mail, c.rcpt, text.String()})
	c.mu.Unlock()
	return true
}

func (c *session) login(rest string) bool {
	mechanism, initial, _ := strings.Cut(rest, " ")
	if !strings.Contains(" "+c.auth+" ", " "+mechanism+" ") {
		c.t.Errorf("AUTH %s was not offered", mechanism)
	}
	got := ""
	switch mechanism {
	case "PLAIN":
		b, _ := base64.StdEncoding.DecodeString(initial)
		got = string(b)
	case "LOGIN":
		for _, prompt := range []string{"Username:", "Password:"} {
			if !c.refuse("334 " + base64.StdEncoding.EncodeToString([]byte(prompt))) {
				return false
			}
			line, ok := c.line()
			if !ok {
				return false
			}
			b, _ := base64.StdEncoding.DecodeString(line)
			got += "\x00" + string(b)
		}
	}
	c.loggedIn = got == "\x00"+username+"\x00"+password
	if !c.loggedIn {
		c.t.Error("the login is wrong")
	}
	return true
}
