package mail_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/mail"
)

const author = "Acme Privacy <privacy@acme.example>"

func message() mail.Message {
	return mail.Message{
		ID: "01JZ-verify", To: "ann@example.com", Subject: "Bitte bestätigen", Language: "de",
		Text: "Hallo,\n\n.bitte bestätigen:\nhttps://acme.example/verify?token=a.b\n.\nEnde\n",
		Date: time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC),
	}
}

// to makes a sender for a server.
func to(s *server, change ...func(*mail.SMTPOptions)) *mail.SMTP {
	o := mail.SMTPOptions{
		Host: "127.0.0.1", Port: s.addr.Port, Security: s.security, From: author, Timeout: time.Minute,
		TLSConfig: &tls.Config{RootCAs: s.roots},
	}
	if s.auth != "" {
		o.Username, o.Password = username, password
	}
	for _, c := range change {
		c(&o)
	}
	return mail.NewSMTP(o)
}

// wantSilent reports an error that repeats an address, a login or a server's words.
func wantSilent(t *testing.T, err error) {
	t.Helper()
	for _, planted := range []string{"ann", "example.com", "planted", username} {
		if strings.Contains(err.Error(), planted) {
			t.Errorf("%q is in the error: %v", planted, err)
		}
	}
}

func TestAMessageArrivesAsItIs(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*server{
		"STARTTLS":              {security: mail.StartTLS},
		"STARTTLS, AUTH PLAIN":  {security: mail.StartTLS, auth: "LOGIN PLAIN"},
		"STARTTLS, AUTH LOGIN":  {security: mail.StartTLS, auth: "XOAUTH2 LOGIN"},
		"TLS, AUTH PLAIN":       {security: mail.TLS, auth: "PLAIN"},
		"this machine":          {security: mail.NoTLS},
		"this machine, AUTH":    {security: mail.NoTLS, auth: "PLAIN"},
		"SMTPUTF8 in the offer": {security: mail.StartTLS, utf8: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.start(t)
			if err := to(s).Send(t.Context(), message()); err != nil {
				t.Fatal(err)
			}
			commands, mails := s.seen()
			if len(mails) != 1 {
				t.Fatalf("%d mails were taken", len(mails))
			}
			// A mail that needs no SMTPUTF8 does not ask for it: a later server may lack it.
			if mails[0].mail != "FROM:<privacy@acme.example>" || mails[0].rcpt != "TO:<ann@example.com>" {
				t.Errorf("got MAIL %s, RCPT %s", mails[0].mail, mails[0].rcpt)
			}
			if got := read(t, mails[0].text); got.body != message().Text || got.header.Get("Content-Transfer-Encoding") != "quoted-printable" || got.subject != message().Subject {
				t.Errorf("got %q with %q", got.subject, got.body)
			}
			if commands[len(commands)-1] != "QUIT" {
				t.Errorf("the conversation ends with %q", commands)
			}
		})
	}
}

func TestStartTLSIsTheDefault(t *testing.T) {
	t.Parallel()
	s := (&server{security: mail.StartTLS}).start(t)
	if err := to(s, func(o *mail.SMTPOptions) { o.Security, o.Timeout = "", 0 }).Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	if commands, _ := s.seen(); !slices.Contains(commands, "STARTTLS") {
		t.Errorf("the server saw %q", commands)
	}
}

func TestAnswersTellWhetherAnotherTryHelpsAndWhomTheyConcern(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		phase, answer string
		want          error // ErrRefused, ErrDeferred, or nil: the server fails
	}{
		{"greeting", "421", nil}, {"greeting", "450", nil}, {"greeting", "554", nil},
		{"STARTTLS", "454", nil}, {"AUTH", "454", nil}, {"AUTH", "535", nil},
		{"MAIL", "421", nil}, {"MAIL", "451", nil}, {"MAIL", "530", nil}, {"MAIL", "553", mail.ErrRefused},
		{"RCPT", "421", nil}, {"RCPT", "450", mail.ErrDeferred}, {"RCPT", "452", mail.ErrDeferred},
		{"RCPT", "550", mail.ErrRefused}, {"RCPT", "530", nil},
		{"DATA", "421", nil}, {"DATA", "451", mail.ErrDeferred}, {"DATA", "554", mail.ErrRefused}, {"DATA", "250", nil},
		{".", "421", nil}, {".", "452", mail.ErrDeferred}, {".", "552", mail.ErrRefused},
	} {
		t.Run(test.phase+" "+test.answer, func(t *testing.T) {
			t.Parallel()
			s := (&server{security: mail.StartTLS, auth: "PLAIN", script: map[string]string{
				test.phase: test.answer + "-5.1.1 <ann@example.com> planted-1\r\n" + test.answer + " planted-2",
			}}).start(t)
			err := to(s).Send(t.Context(), message())
			if err == nil {
				t.Fatal("no error")
			}
			phase := strings.Replace(test.phase, ".", "end of DATA", 1)
			if !strings.Contains(err.Error(), phase+": the server answered "+test.answer) {
				t.Errorf("got %v", err)
			}
			for _, sentinel := range []error{mail.ErrRefused, mail.ErrDeferred} {
				if got := errors.Is(err, sentinel); got != (test.want == sentinel) {
					t.Errorf("%q: %t: %v", sentinel, got, err)
				}
			}
			wantSilent(t, err)
		})
	}
}

func TestABrokenConnectionIsWorthAnotherTry(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"greeting", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "text", "."} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			s := (&server{security: mail.StartTLS, auth: "PLAIN", script: map[string]string{phase: "drop"}}).start(t)
			m := message()
			m.Text = strings.Repeat("A line that does not fit into the buffers.\n", 1500)
			err := to(s).Send(t.Context(), m)
			if err == nil || errors.Is(err, mail.ErrRefused) || errors.Is(err, mail.ErrDeferred) {
				t.Fatalf("got %v", err)
			}
			wantSilent(t, err)
			// After the dot the mail is the server's, and the client cannot know it: only the Message-ID tells.
			if _, mails := s.seen(); (len(mails) == 1) != (phase == ".") {
				t.Errorf("%d mails were taken", len(mails))
			}
		})
	}
}

func TestAnEndedContextEndsAServerThatHangs(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"greeting", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "text", "."} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			s := (&server{security: mail.StartTLS, auth: "LOGIN", script: map[string]string{phase: "hang"}}).start(t)
			ctx, cancel := context.WithCancel(t.Context())
			var waiting sync.WaitGroup
			defer waiting.Wait()
			waiting.Go(func() {
				<-s.reached
				cancel()
			})
			err := to(s).Send(ctx, message())
			if !errors.Is(err, context.Canceled) || errors.Is(err, mail.ErrRefused) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestTheTimeoutEndsAServerThatHangs(t *testing.T) {
	t.Parallel()
	s := (&server{security: mail.TLS, script: map[string]string{"greeting": "hang"}}).start(t)
	err := to(s, func(o *mail.SMTPOptions) { o.Timeout = 50 * time.Millisecond }).Send(t.Context(), message())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
}

func TestNothingAfterTheServersWordChangesIt(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"drop", "hang", "421 planted", "550 planted", "nonsense"} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			s := (&server{security: mail.StartTLS, script: map[string]string{"QUIT": answer}}).start(t)
			ctx, cancel := context.WithCancel(t.Context())
			var waiting sync.WaitGroup
			defer waiting.Wait()
			defer cancel()
			waiting.Go(func() {
				select {
				case <-s.reached:
					cancel()
				case <-ctx.Done():
				}
			})
			if err := to(s).Send(ctx, message()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestWithoutSTARTTLSNothingIsSaid(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]map[string]string{
		"not offered":   {},
		"no extensions": {"EHLO": "502 planted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := (&server{security: mail.NoTLS, auth: "PLAIN LOGIN", script: script}).start(t)
			err := to(s, func(o *mail.SMTPOptions) { o.Security = mail.StartTLS }).Send(t.Context(), message())
			if err == nil || !strings.Contains(err.Error(), "STARTTLS: the server does not offer it") || errors.Is(err, mail.ErrRefused) {
				t.Fatalf("got %v", err)
			}
			commands, _ := s.seen()
			if slices.ContainsFunc(commands, func(c string) bool { return !slices.Contains([]string{"EHLO", "HELO", "QUIT"}, c) }) {
				t.Errorf("the server saw %q", commands)
			}
		})
	}
}

func TestAnUntrustedServerGetsNothing(t *testing.T) {
	t.Parallel()
	for _, security := range []string{mail.StartTLS, mail.TLS} {
		for name, change := range map[string]func(*mail.SMTPOptions){
			"unknown issuer": func(o *mail.SMTPOptions) { o.TLSConfig = nil },
			"another name":   func(o *mail.SMTPOptions) { o.Host = "localhost" }, // its certificate is for 127.0.0.1
		} {
			t.Run(security+" "+name, func(t *testing.T) {
				t.Parallel()
				s := (&server{security: security, auth: "PLAIN"}).start(t)
				err := to(s, change).Send(t.Context(), message())
				if err == nil || !strings.Contains(err.Error(), "certificate") || errors.Is(err, mail.ErrRefused) {
					t.Fatalf("got %v", err)
				}
				wantSilent(t, err)
				if commands, _ := s.seen(); slices.Contains(commands, "AUTH") || slices.Contains(commands, "MAIL") {
					t.Errorf("the server saw %q", commands)
				}
			})
		}
	}
}

func TestWithoutALoginThatCanBeUsedNothingIsSent(t *testing.T) {
	t.Parallel()
	for _, offer := range []string{"", "CRAM-MD5 XOAUTH2"} {
		t.Run(offer, func(t *testing.T) {
			t.Parallel()
			s := (&server{security: mail.StartTLS, auth: offer}).start(t)
			err := to(s, func(o *mail.SMTPOptions) { o.Username, o.Password = username, password }).Send(t.Context(), message())
			if err == nil || !strings.Contains(err.Error(), "neither PLAIN nor LOGIN") || errors.Is(err, mail.ErrRefused) {
				t.Fatalf("got %v", err)
			}
			if commands, _ := s.seen(); slices.Contains(commands, "AUTH") || slices.Contains(commands, "MAIL") {
				t.Errorf("the server saw %q", commands)
			}
		})
	}
}

func TestAServerThatAsksForMoreThanALoginGetsNoMore(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"PLAIN", "LOGIN"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			s := (&server{security: mail.StartTLS, auth: mechanism, script: map[string]string{"AUTH": "334 cGxhbnRlZA=="}}).start(t)
			err := to(s).Send(t.Context(), message())
			if err == nil || !strings.Contains(err.Error(), "mail: AUTH: ") || errors.Is(err, mail.ErrRefused) {
				t.Fatalf("got %v", err)
			}
			wantSilent(t, err)
			if commands, _ := s.seen(); slices.Contains(commands, "MAIL") {
				t.Errorf("the server saw %q", commands)
			}
		})
	}
}

func TestNoTLSIsForThisMachineOnly(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"192.0.2.1", "mx.invalid", "", "localhost.invalid"} {
		err := mail.NewSMTP(mail.SMTPOptions{Host: host, Port: 25, Security: mail.NoTLS, From: author}).Send(t.Context(), message())
		if err == nil || !strings.Contains(err.Error(), "on this machine") {
			t.Errorf("%s: got %v", host, err)
		}
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	t.Parallel()
	s := (&server{security: mail.StartTLS}).start(t)
	for name, change := range map[string]func(*mail.SMTPOptions){
		"unknown security": func(o *mail.SMTPOptions) { o.Security = "ssl" },
		"no author":        func(o *mail.SMTPOptions) { o.From = "" },
		"a bare name":      func(o *mail.SMTPOptions) { o.From = "planted" },
		"two authors":      func(o *mail.SMTPOptions) { o.From = "a@planted.example, b@planted.example" },
		"a long author":    func(o *mail.SMTPOptions) { o.From = strings.Repeat("planted ", 150) + "<a@b.example>" },
		"a line break":     func(o *mail.SMTPOptions) { o.From = "planted\r\nBcc: x@planted.example <a@planted.example>" },
	} {
		err := to(s, change).Send(t.Context(), message())
		if err == nil || errors.Is(err, mail.ErrRefused) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		wantSilent(t, err)
	}
	if commands, _ := s.seen(); len(commands) != 0 {
		t.Errorf("the server saw %q", commands)
	}
}

func TestInternationalAddresses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, to string
		utf8     bool
		refused  bool
		mail     string
		rcpt     string
	}{
		{"a domain goes to any server", "ann@bücher.example", false, false, "FROM:<privacy@acme.example>", "TO:<ann@xn--bcher-kva.example>"},
		{"a local part goes to a server that knows such", "änn@bücher.example", true, false, "FROM:<privacy@acme.example> BODY=8BITMIME SMTPUTF8", "TO:<änn@xn--bcher-kva.example>"},
		{"and to no other", "änn@example.com", false, true, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := (&server{security: mail.StartTLS, utf8: test.utf8}).start(t)
			m := message()
			m.To = test.to
			err := to(s).Send(t.Context(), m)
			_, mails := s.seen()
			if test.refused {
				if !errors.Is(err, mail.ErrRefused) || len(mails) != 0 {
					t.Fatalf("got %v and %d mails", err, len(mails))
				}
				wantSilent(t, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if mails[0].mail != test.mail || mails[0].rcpt != test.rcpt {
				t.Errorf("got MAIL %s, RCPT %s", mails[0].mail, mails[0].rcpt)
			}
		})
	}
}

func TestAMessageThatIsNoneReachesNoServer(t *testing.T) {
	t.Parallel()
	s := (&server{security: mail.StartTLS}).start(t)
	m := message()
	m.To = "ann@example.com>\r\nRCPT TO:<eve@example.com"
	if err := to(s).Send(t.Context(), m); !errors.Is(err, mail.ErrRefused) {
		t.Errorf("got %v", err)
	}
	if commands, _ := s.seen(); len(commands) != 0 {
		t.Errorf("the server saw %q", commands)
	}
}

// speak serves one connection with these bytes, again and again if endless.
func speak(t *testing.T, text string, endless bool) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for err == nil {
			if _, err = io.WriteString(conn, text); !endless {
				return
			}
		}
	})
	t.Cleanup(func() {
		ln.Close()
		serving.Wait()
	})
	return &server{security: mail.StartTLS, addr: ln.Addr().(*net.TCPAddr)}
}

func TestAServerThatDoesNotSpeakSMTP(t *testing.T) {
	t.Parallel()
	err := to(speak(t, "HTTP/1.1 400 planted\r\n", false)).Send(t.Context(), message())
	if err == nil || !strings.Contains(err.Error(), "not SMTP") || errors.Is(err, mail.ErrRefused) {
		t.Fatalf("got %v", err)
	}
	wantSilent(t, err)
}

func TestAServerThatDoesNotStopTalkingIsLeft(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"many lines": "220-planted\r\n", "one line": strings.Repeat("220", 1000)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := to(speak(t, text, true)).Send(t.Context(), message())
			if err == nil || !strings.Contains(err.Error(), "does not stop talking") || errors.Is(err, mail.ErrRefused) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().(*net.TCPAddr)
	ln.Close()
	err = to(&server{security: mail.StartTLS, addr: addr}).Send(t.Context(), message())
	if err == nil || !strings.Contains(err.Error(), "mail: connect:") || errors.Is(err, mail.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestManySendersAtOnce(t *testing.T) {
	t.Parallel()
	s := (&server{security: mail.StartTLS, auth: "LOGIN"}).start(t)
	sender := to(s)
	var sending sync.WaitGroup
	for range 8 {
		sending.Go(func() {
			if err := sender.Send(t.Context(), message()); err != nil {
				t.Error(err)
			}
		})
	}
	sending.Wait()
	if _, mails := s.seen(); len(mails) != 8 {
		t.Errorf("%d mails were taken", len(mails))
	}
}
