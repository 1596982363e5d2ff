package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// How a connection is secured.
const (
	StartTLS = "starttls" // upgraded before anything is said; servers that do not offer it get nothing
	TLS      = "tls"      // from the first byte
	NoTLS    = "none"     // to this machine only
)

const (
	defaultTimeout = 30 * time.Second
	quitWait       = 2 * time.Second // for the answer to QUIT, which changes nothing any more
	maxAnswers     = 1 << 20         // bytes of a whole conversation, certificates included
)

// SMTPOptions of an SMTP sender.
type SMTPOptions struct {
	Host     string
	Port     int
	Security string // StartTLS, TLS or NoTLS; "" is StartTLS
	Username string // "" for no login
	Password string
	From     string        // address, maybe with a display name; its domain also greets the server and stands in Message-IDs
	Timeout  time.Duration // of one Send; 0 for 30 seconds
	// TLSConfig is for servers whose certificate this machine's roots do not know; nil for the default.
	TLSConfig *tls.Config
}

// SMTP sends messages through a server, each over its own connection.
type SMTP struct{ o SMTPOptions }

// NewSMTP makes a sender. It connects to nothing: options that cannot work are told by Send.
func NewSMTP(o SMTPOptions) *SMTP {
	o.Security = cmp.Or(o.Security, StartTLS)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	return &SMTP{o}
}

// Send hands a message to the server and waits for its word that it took it. ErrRefused is a 5xx to MAIL, RCPT or DATA,
// but for 530, which asks for a login; and an address that needs SMTPUTF8 at a server without it. ErrDeferred is a 4xx to
// RCPT or DATA, where messages begin to differ; but for 421, with which a server says at any time that it closes (RFC 5321
// section 3.8).
func (s *SMTP) Send(ctx context.Context, m Message) error {
	from, err := parseAuthor(s.o.From)
	if err != nil {
		return err
	}
	l, err := compose(from, m, false)
	if err != nil {
		return err
	}
	if err := s.checkSecurity(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(s.o.Host, strconv.Itoa(s.o.Port)))
	if err != nil {
		return explain(ctx, "connect", err)
	}
	defer conn.Close()
	// Package smtp knows no contexts: whatever hangs ends with the connection.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	phase, err := s.converse(ctx, &boundedConn{Conn: conn, left: maxAnswers}, from.domain, l)
	return explain(ctx, phase, err)
}

func (s *SMTP) checkSecurity() error {
	switch s.o.Security {
	case StartTLS, TLS:
		return nil
	case NoTLS:
		if ip := net.ParseIP(s.o.Host); s.o.Host == "localhost" || ip != nil && ip.IsLoopback() {
			return nil
		}
		return errors.New("mail: security none is for a server on this machine (localhost, 127.0.0.1, ::1); use starttls or tls")
	}
	return errors.New("mail: unknown security; use starttls, tls or none")
}

// converse has the whole conversation and says in which phase it ended, for explain.
func (s *SMTP) converse(ctx context.Context, conn net.Conn, domain string, l letter) (phase string, err error) {
	security := &tls.Config{}
	if s.o.TLSConfig != nil {
		security = s.o.TLSConfig.Clone()
	}
	security.ServerName = cmp.Or(security.ServerName, s.o.Host)
	if s.o.Security == TLS {
		secured := tls.Client(conn, security)
		if err := secured.HandshakeContext(ctx); err != nil {
			return "TLS", err
		}
		conn = secured
	}
	c, err := smtp.NewClient(conn, s.o.Host)
	if err != nil {
		return "greeting", err
	}
	// RFC 5321 section 4.1.1.10 wants a QUIT. It cannot end a text that broke off, as if that were all of it: after a
	// failed write, bufio.Writer writes nothing more.
	defer func() {
		_ = conn.SetDeadline(time.Now().Add(quitWait))
		_ = c.Quit()
	}()
	if err := c.Hello(domain); err != nil {
		return "EHLO", err
	}
	if s.o.Security == StartTLS {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return "STARTTLS", errors.New("the server does not offer it, and without it nothing is sent; use another port, or security tls")
		}
		if err := c.StartTLS(security); err != nil {
			return "STARTTLS", err
		}
	}
	if s.o.Username != "" {
		if err := s.login(c); err != nil {
			return "AUTH", err
		}
	}
	if ok, _ := c.Extension("SMTPUTF8"); l.utf8 && !ok {
		return "MAIL", fmt.Errorf("the server lacks SMTPUTF8, which this address needs: %w", ErrRefused)
	}
	if err := mailFrom(c, l); err != nil {
		return "MAIL", err
	}
	if err := c.Rcpt(l.to); err != nil {
		return "RCPT", err
	}
	w, err := c.Data()
	if err != nil {
		return "DATA", err
	}
	if _, err := w.Write(l.text); err != nil {
		return "text", err
	}
	return "end of DATA", w.Close()
}

// mailFrom asks for SMTPUTF8 only where an address needs it. Client.Mail asks whenever the server offers it, and a later
// server without it would then have to send the message back.
func mailFrom(c *smtp.Client, l letter) error {
	extensions := ""
	if l.utf8 {
		extensions = " BODY=8BITMIME SMTPUTF8"
	}
	id, err := c.Text.Cmd("MAIL FROM:%s%s", l.from, extensions)
	if err != nil {
		return err
	}
	c.Text.StartResponse(id)
	defer c.Text.EndResponse(id)
	_, _, err = c.Text.ReadResponse(250)
	return err
}

func (s *SMTP) login(c *smtp.Client) error {
	_, offered := c.Extension("AUTH")
	switch mechanisms := strings.Fields(strings.ToUpper(offered)); {
	case slices.Contains(mechanisms, "PLAIN"):
		return c.Auth(smtp.PlainAuth("", s.o.Username, s.o.Password, s.o.Host))
	case slices.Contains(mechanisms, "LOGIN"):
		return c.Auth(&loginAuth{answers: []string{s.o.Username, s.o.Password}})
	}
	return errors.New("the server offers neither PLAIN nor LOGIN; without a login nothing is sent")
}

// loginAuth is the mechanism LOGIN, which never became an RFC; some servers, Exchange among them, offer no PLAIN. The
// server asks twice. Source: https://learn.microsoft.com/en-us/openspecs/exchange_server_protocols/ms-xlogin.
type loginAuth struct{ answers []string }

func (*loginAuth) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

func (a *loginAuth) Next(_ []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	if len(a.answers) == 0 {
		return nil, errors.New("the server asks for more than a username and a password")
	}
	next := a.answers[0]
	a.answers = a.answers[1:]
	return []byte(next), nil
}

// explain says what ended a conversation, without the server's words.
func explain(ctx context.Context, phase string, err error) error {
	if err == nil {
		return nil
	}
	var (
		answer      *textproto.Error
		garbage     textproto.ProtocolError
		certificate *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &answer):
		if answer.Code == 530 { // RFC 4954 section 6; about the login, not about this message
			return fmt.Errorf("mail: %s: the server answered 530: it wants a username and a password", phase)
		}
		if answer.Code >= 500 && answer.Code < 600 {
			switch phase {
			case "MAIL", "RCPT", "DATA", "end of DATA":
				return fmt.Errorf("mail: %s: the server answered %d: %w", phase, answer.Code, ErrRefused)
			case "AUTH":
				return fmt.Errorf("mail: AUTH: the server answered %d; check username and password", answer.Code)
			}
		}
		if answer.Code >= 400 && answer.Code < 500 && answer.Code != 421 {
			switch phase {
			case "RCPT", "DATA", "end of DATA":
				return fmt.Errorf("mail: %s: the server answered %d: %w", phase, answer.Code, ErrDeferred)
			}
		}
		return fmt.Errorf("mail: %s: the server answered %d", phase, answer.Code)
	case ctx.Err() != nil && !errors.Is(err, ErrRefused):
		return fmt.Errorf("mail: %s: ended before the server answered: %w", phase, ctx.Err())
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("mail: %s: the server hung up: %w", phase, err)
	case errors.As(err, &garbage):
		return fmt.Errorf("mail: %s: the server's answer is not SMTP; check host, port and security", phase)
	case errors.As(err, &certificate):
		return fmt.Errorf("mail: %s: the server's certificate is expired, for another name or from an unknown issuer", phase)
	}
	return fmt.Errorf("mail: %s: %w", phase, err)
}

// boundedConn ends a server that does not stop talking: package textproto keeps an answer of any length.
type boundedConn struct {
	net.Conn
	left int
}

func (c *boundedConn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.New("the server does not stop talking")
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}
