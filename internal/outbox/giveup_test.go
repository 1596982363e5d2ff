package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/deliver"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/mail"
	"github.com/lethe-dsr/lethe/internal/outbox"
)

func TestRetriesComeLessAndLessOftenAndEndAfterThreeDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	crm := w.webhook("crm")
	crm.answer = status(http.StatusInternalServerError)
	w.post.fail = func(mail.Message) error { return errors.New("mail: connect: failed") }
	w.file(w.request("R", ledger.Running))
	w.end("R", ledger.Erased, "") // R-2 has the address
	begin, last := w.clock(), w.clock()
	var waits []time.Duration
	for next := w.pass(); !next.IsZero(); next = w.pass() {
		if !next.After(last) {
			t.Fatalf("the pass at %v is followed by one at %v", last, next)
		}
		if left := w.waiting(); len(left[len(left)-1].Contact) == 0 {
			t.Error("the address is gone before the mail is sent or given up")
		}
		waits = append(waits, next.Sub(last))
		w.advance(next.Sub(last))
		last = next
	}
	if took := last.Sub(begin); took != deliver.GiveUp {
		t.Errorf("given up after %v", took)
	}
	w.wantWaiting(0) // with them the address is destroyed
	if waits[0] != 5*time.Second || waits[1] != 10*time.Second || len(waits) < 70 || len(waits) > 150 {
		t.Errorf("%d waits: %v", len(waits), waits)
	}
	for _, receiver := range []string{"mail", "webhook/crm"} {
		// R-1 was the webhook's alone, and held up R-2 until it was given up.
		want := map[string]int{"mail": 1, "webhook/crm": 2}[receiver]
		if n := w.results(receiver, outbox.GivenUp); n != want {
			t.Errorf("%d messages to %s are reported as given up, want %d", n, receiver, want)
		}
		if n := strings.Count(w.log.String(), `a message is given up" receiver=`+receiver); n != want {
			t.Errorf("%d messages to %s are logged as given up, want %d:\n%s", n, receiver, want, w.log)
		}
	}
}

// A service that stood still for a week tries once, and then lets go of the address.
func TestAnOldEventIsTriedOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fail  error
		mails int
	}{{"and told", nil, 1}, {"in vain", errors.New("mail: connect: failed"), 0}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.post.fail = func(mail.Message) error { return c.fail }
			w.file(w.request("R", ledger.Running))
			w.end("R", ledger.Erased, "")
			w.advance(7 * 24 * time.Hour)
			w.pass()
			w.wantWaiting(0)
			if n := len(w.post.sent()); n != c.mails {
				t.Errorf("%d mails, want %d", n, c.mails)
			}
		})
	}
}

// Without an attempt, because the receiver rests, an event is given up too: nothing stays for longer.
func TestARestingReceiverIsGivenUpInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	crm := w.webhook("crm")
	crm.answer = status(http.StatusInternalServerError)
	for n := range 20 {
		w.file(w.request(fmt.Sprintf("R%d", n), ledger.Running))
	}
	w.advance(deliver.GiveUp)
	w.pass()
	w.wantWaiting(0)
	if n := w.results("webhook/crm", outbox.GivenUp); n != 20 || len(crm.got()) != 5 {
		t.Errorf("%d events are given up after %d calls", n, len(crm.got()))
	}
}

func TestWhatCannotGoBetterIsGivenUpAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	crm, live := w.webhook("crm"), w.webhook("live")
	crm.answer = status(http.StatusGone)
	w.post.fail = func(mail.Message) error {
		return fmt.Errorf("mail: RCPT: the server answered 550: %w", mail.ErrRefused)
	}
	w.callbacks()
	r := w.request("R", ledger.Pending)
	r.Callbacks = w.sealed("callbacks/R", `["http://10.0.0.1/"]`)
	s := w.request("S", ledger.Pending)
	s.Callbacks = w.sealed("callbacks/R", `["https://cb.example/"]`) // sealed for another
	s.Contact = w.sealed("contact/R", address)
	w.file(r, s)
	w.pass()
	w.wantWaiting(0)
	for _, receiver := range []string{"mail", "webhook/crm", "callback"} {
		if n := w.results(receiver, outbox.GivenUp); n != 2 {
			t.Errorf("%d messages to %s were given up, want 2", n, receiver)
		}
	}
	if n := w.results("webhook/live", outbox.Told); n != 2 || len(live.got()) != 2 || len(crm.got()) != 2 {
		t.Errorf("live is told %d times", n)
	}
}

func TestAReceiverThatNamesATimeIsCalledThen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	crm := w.webhook("crm")
	crm.answer = func(rw http.ResponseWriter, _ *http.Request, _ call) {
		rw.Header().Set("Retry-After", "600")
		rw.WriteHeader(http.StatusTooManyRequests)
	}
	w.file(w.request("R", ledger.Running))
	if next := w.pass(); !next.Equal(w.clock().Add(10 * time.Minute)) {
		t.Errorf("the next pass is due %v from now", next.Sub(w.clock()))
	}
	w.file(w.request("S", ledger.Running)) // another one is not for now either
	w.advance(9 * time.Minute)
	if w.pass(); len(crm.got()) != 1 {
		t.Errorf("crm was called %d times", len(crm.got()))
	}
	crm.answer = nil
	w.advance(time.Minute)
	w.pass()
	w.wantWaiting(0)
}

func TestOutdatedMailsAreNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	down := errors.New("mail: connect: failed")
	w.post.fail = func(mail.Message) error { return down }
	w.file(w.request("confirmed", ledger.Unverified), w.request("ended", ledger.Pending), w.request("destroyed", ledger.Unverified))
	w.pass()
	down = nil
	w.turn("confirmed", ledger.Pending)
	w.end("ended", ledger.NothingFound, "")
	destroyed, err := w.Request(t.Context(), "destroyed")
	must(t, err)
	must(t, w.Destroy(t.Context(), destroyed))
	w.advance(10 * time.Minute)
	w.pass()
	w.wantWaiting(0)
	for _, got := range w.post.sent() {
		if got != "confirmed-2: We have received your request for erasure" && got != "ended-2: The answer to your request for erasure" {
			t.Errorf("outdated: %s", got)
		}
	}
	if n := len(w.post.sent()); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
}

// Anybody who may file requests can name addresses that do not answer: they cost a pass a few calls, and others nothing.
func TestDeadCallbackAddressesDoNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.callbacks()
	live := w.newHook()
	for n := range 60 {
		r := w.request(fmt.Sprintf("R%d", n), ledger.Pending)
		dead := strings.Replace(live.url.String(), "127.0.0.1", fmt.Sprintf("127.0.1.%d", n), 1) // nobody listens there
		w.operators[dead] = true
		r.Callbacks = w.sealed("callbacks/"+r.ID, fmt.Sprintf("[%q]", dead))
		s := w.request(fmt.Sprintf("S%d", n), ledger.Pending)
		s.Callbacks = w.sealed("callbacks/"+s.ID, fmt.Sprintf("[%q]", live.url))
		w.file(r, s)
	}
	w.pass()
	if n := w.results("callback", outbox.Failed); n < 10 || n > 10+2 {
		t.Errorf("%d callbacks failed in one pass", n)
	}
	if n := len(w.post.sent()); n != 120 {
		t.Errorf("%d mails, want 120", n)
	}
	// Ten first attempts that fail end the callbacks of a pass, so that in the worst order the sixth pass has tried the last
	// of the dead, and the seventh tells all others.
	passes := 1
	for ; len(live.got()) < 60 && passes < 7; passes++ {
		w.advance(5 * time.Second)
		w.pass()
	}
	if n := len(live.got()); n != 60 {
		t.Errorf("%d callbacks arrived in %d passes, want 60", n, passes)
	}
}

func TestACallbackThatCannotBeMadeIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	back := w.newHook()
	fails := 1
	w.opts.Callback = func(context.Context, ledger.Request, ledger.Event, string) ([]byte, http.Header, error) {
		if fails--; fails >= 0 {
			return nil, nil, errors.New("the signing key cannot be read")
		}
		return []byte("{}"), nil, nil
	}
	r := w.request("R", ledger.Pending)
	r.Callbacks = w.sealed("callbacks/R", `["`+back.url.String()+`"]`)
	w.file(r)
	w.pass()
	w.advance(time.Minute)
	w.pass()
	wantAll(t, "callbacks", back.got(), "{}")
}

// Whoever fails, and however: no address, no link, no URL and no secret is in a log line or an error.
func TestLogsNameNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.callbacks()
	echo := func(code int) func(http.ResponseWriter, *http.Request, call) {
		return func(rw http.ResponseWriter, r *http.Request, c call) {
			rw.Header().Set("Location", r.URL.String())
			rw.WriteHeader(code)
			fmt.Fprint(rw, address, c.body)
		}
	}
	for n, code := range []int{http.StatusBadRequest, http.StatusGone, http.StatusBadGateway, http.StatusFound} {
		w.webhook(fmt.Sprintf("crm%d", n)).answer = echo(code)
	}
	back := w.newHook()
	back.answer = echo(http.StatusInternalServerError)
	w.post.fail = func(m mail.Message) error { return mail.ErrRefused }
	for n := range 10 {
		r := w.request(fmt.Sprintf("R%d", n), ledger.Pending)
		r.Callbacks = w.sealed("callbacks/"+r.ID, `["`+back.url.String()+`","https://marker.invalid/url-marker","ftp://marker"]`)
		w.file(r)
	}
	w.pass()
	w.advance(deliver.GiveUp)
	w.pass()
	w.wantWaiting(0)
	w.file(w.request("late", ledger.Pending))
	w.store.die(true)
	_, err := w.outbox().Pass(t.Context())
	said := w.log.String() + fmt.Sprint(err)
	for _, personal := range []string{"marker", "example.com", "127.0.0.1", "bWFya2Vy", w.opts.Links.StatusToken("R1"), w.opts.Links.VerifyToken("R1")} {
		if strings.Contains(said, personal) {
			t.Errorf("%q is in what was logged:\n%s", personal, said)
		}
	}
	if !strings.Contains(said, "given up") {
		t.Error("nothing was logged; the test looks at the wrong place")
	}
}

// What a person's callback addresses say is kept until they are called for the last time, or given up, and no longer.
func TestCallbackAddressesAreKeptUntilTheLastCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		after time.Duration
		calls int // that arrive
	}{{"told", time.Minute, 2}, {"given up", deliver.GiveUp, 0}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.callbacks()
			back := w.newHook()
			var works atomic.Bool
			back.answer = func(rw http.ResponseWriter, _ *http.Request, _ call) {
				if !works.Load() {
					rw.WriteHeader(http.StatusBadGateway)
				}
			}
			r := w.request("R", ledger.Pending)
			r.Callbacks = w.sealed("callbacks/R", `["`+back.url.String()+`"]`)
			w.file(r)
			w.end("R", ledger.Denied, "unfounded")
			kept := func() bool {
				r, err := w.Request(t.Context(), "R")
				must(t, err)
				return r.Callbacks != nil
			}
			w.pass()
			if !kept() {
				t.Error("nobody was called, and the addresses are gone")
			}
			works.Store(c.calls > 0)
			before := len(back.got())
			w.advance(c.after)
			w.pass()
			w.wantWaiting(0)
			if n := w.results("callback", outbox.Told); kept() || n != c.calls || len(back.got()) == before {
				t.Errorf("after %d calls that arrived, want %d, the addresses are kept: %t", n, c.calls, kept())
			}
		})
	}
}
