package outbox_test

import (
	"fmt"
	"maps"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/mail"
	"github.com/lethe-dsr/lethe/internal/outbox"
)

// relay is a mail server on this machine. Addresses that begin with rcpt and with data are put off, at RCPT and after
// the text, and those that begin with gone are refused.
type relay struct {
	mu       sync.Mutex
	closed   bool // it answers 421 to everybody
	patient  bool // it puts off nobody
	visitors int
	took     map[string]int // mails by address
}

// relay starts one, and lets the outbox send through it.
func (w *world) relay() *relay {
	w.Helper()
	r := &relay{took: map[string]int{}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(w, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { r.serve(textproto.NewConn(conn)) })
		}
	})
	w.Cleanup(func() {
		ln.Close()
		serving.Wait() // every client hangs up
	})
	w.opts.Mail = mail.NewSMTP(mail.SMTPOptions{
		Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, Security: mail.NoTLS, From: "privacy@acme.example",
	})
	return r
}

func (r *relay) change(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// seen is how often it was called, and a copy of what it took.
func (r *relay) seen() (visitors int, took map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.visitors, maps.Clone(r.took)
}

func (r *relay) serve(c *textproto.Conn) {
	defer c.Close()
	closed, patient := false, false
	r.change(func() { r.visitors++; closed, patient = r.closed, r.patient })
	if closed {
		_ = c.PrintfLine("421 relay.example closes")
		return
	}
	puts := func(off, to string) bool { return !patient && strings.HasPrefix(to, off) }
	to := ""
	for answer := "220 relay.example"; c.PrintfLine("%s", answer) == nil; {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		answer = "250 ok"
		switch verb, rest, _ := strings.Cut(line, " "); verb {
		case "RCPT":
			to = strings.Trim(strings.TrimPrefix(rest, "TO:"), "<>")
			if puts("rcpt", to) {
				answer = "451 4.7.1 greylisted"
			} else if strings.HasPrefix(to, "gone") {
				answer = "550 5.1.1 no such mailbox"
			}
		case "DATA":
			_ = c.PrintfLine("354 go on")
			if _, err := c.ReadDotBytes(); err != nil {
				return
			}
			if puts("data", to) {
				answer = "452 4.2.2 the mailbox is full"
				break
			}
			r.change(func() { r.took[to]++ })
		case "QUIT":
			_ = c.PrintfLine("221 bye")
			return
		}
	}
}

// asks is somebody at the form, who waits for a link.
func (w *world) asks(id string) {
	w.Helper()
	r := w.request(id, ledger.Unverified)
	r.Contact = w.sealed("contact/"+id, id+"@example.com")
	w.file(r)
}

// Anybody can type addresses into the form that the mail server puts off: greylisted, a full mailbox, a domain whose
// server is down. They have their own retries, and everybody else gets the link at once.
func TestAddressesThatArePutOffKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	relay := w.relay()
	const off = 60
	for n := range off {
		w.asks(fmt.Sprintf("%s-%d", []string{"rcpt", "data"}[n%2], n))
	}
	for n := range 30 {
		id := fmt.Sprintf("good-%d", n)
		w.asks(id)
		w.pass()
		if _, took := relay.seen(); took[id+"@example.com"] != 1 || len(took) != n+1 {
			t.Errorf("after %d minutes: %d mails to somebody who just asked, and %d people have one, want %d", n, took[id+"@example.com"], len(took), n+1)
		}
		w.advance(time.Minute)
	}
	// 5 seconds, doubling: less often in half an hour than every minute.
	if n := w.results("mail", outbox.Failed); n < 7*off || n > 10*off {
		t.Errorf("%d addresses were tried %d times", off, n)
	}
	relay.change(func() { relay.patient = true })
	w.advance(time.Hour)
	w.pass()
	w.wantWaiting(0)
	_, took := relay.seen()
	for address, mails := range took {
		if mails != 1 {
			t.Errorf("%d mails to %s", mails, address)
		}
	}
	if len(took) != off+30 || strings.Contains(w.log.String(), "again and again") {
		t.Errorf("%d people have a mail, want %d; the log says:\n%s", len(took), off+30, w.log)
	}
}

func TestAddressesThatAreRefusedKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	relay := w.relay()
	for n := range 20 {
		w.asks(fmt.Sprintf("gone-%d", n))
	}
	w.pass()
	w.wantWaiting(0)
	w.asks("good")
	w.pass()
	if visitors, took := relay.seen(); visitors != 20+1 || took["good@example.com"] != 1 {
		t.Errorf("after %d calls: %d mails", visitors, took["good@example.com"])
	}
}

func TestAMailServerThatIsDownIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	relay := w.relay()
	relay.change(func() { relay.closed = true })
	for n := range 40 {
		w.asks(fmt.Sprintf("good-%d", n))
	}
	w.pass()
	if visitors, _ := relay.seen(); visitors != 5 || strings.Count(w.log.String(), "again and again") != 1 {
		t.Errorf("it was called %d times, want 5; the log says:\n%s", visitors, w.log)
	}
	relay.change(func() { relay.closed = false })
	w.advance(5 * time.Minute)
	w.pass()
	if _, took := relay.seen(); len(took) != 40 {
		t.Errorf("%d people have a mail, want 40", len(took))
	}
	w.wantWaiting(0)
}

// The first call after a rest may be for somebody who is put off: it shows that the server is back.
func TestAnAddressThatIsPutOffEndsARest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	relay := w.relay()
	relay.change(func() { relay.closed = true })
	for n := range 5 {
		w.asks(fmt.Sprintf("rcpt-%d", n))
	}
	w.pass()
	relay.change(func() { relay.closed = false })
	w.advance(5 * time.Minute)
	w.asks("good")
	w.pass()
	if visitors, took := relay.seen(); took["good@example.com"] != 1 || visitors != 5+6 {
		t.Errorf("%d mails after %d calls", took["good@example.com"], visitors)
	}
}
