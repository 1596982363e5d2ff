package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/mail"
	"github.com/lethe-dsr/lethe/internal/outbox"
)

// callbacks lets requests be called back: the body is the event's id and status.
func (w *world) callbacks() {
	w.opts.Callback = func(_ context.Context, r ledger.Request, e ledger.Event, url string) ([]byte, http.Header, error) {
		return []byte(e.ID() + " " + string(e.Status)), http.Header{"X-Test": {"1"}}, nil
	}
}

func TestEveryChangeReachesWhomItConcerns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	crm, back := w.webhook("crm"), w.newHook()
	w.callbacks()
	r := w.request("R", ledger.Unverified)
	r.Callbacks = w.sealed("callbacks/R", `["`+back.url.String()+`"]`)
	w.file(r)
	w.pass()
	wantAll(t, "an unconfirmed request is told to", append(crm.got(), back.got()...))
	w.turn("R", ledger.Pending)
	w.turn("R", ledger.Running)
	w.turn("R", ledger.Pending) // a job gave it back
	w.pass()
	w.turn("R", ledger.Running)
	w.turn("R", ledger.InReview)
	w.turn("R", ledger.Partial)
	w.change("R", func(r *ledger.Request) { r.Report("due_soon") })
	w.change("R", func(r *ledger.Request) { r.Report("overdue") })
	w.change("R", func(r *ledger.Request) { r.Report("joined") })
	w.change("R", func(r *ledger.Request) {
		r.Extension = &ledger.Extension{Reason: "complexity", By: "kim", At: w.clock(), Before: r.Due}
		r.Report("extended")
	})
	w.end("R", ledger.Erased, "")
	if next := w.pass(); !next.IsZero() {
		t.Errorf("something is due at %v, and nothing waits", next)
	}
	w.wantWaiting(0)
	wantAll(t, "webhooks", crm.got(), "R-2 status pending", "R-3 status running", "R-4 status pending", "R-5 status running",
		"R-6 status in_review", "R-7 status partial", "R-8 due_soon partial", "R-9 overdue partial", "R-11 extended partial", "R-12 status erased")
	wantAll(t, "callbacks", back.got(), "R-2 pending", "R-3 running", "R-4 pending", "R-5 running", "R-6 in_review", "R-7 partial", "R-12 erased")
	if r, err := w.Request(t.Context(), "R"); err != nil || r.Callbacks != nil {
		t.Errorf("the callback addresses are kept: %t (%v)", r.Callbacks != nil, err)
	}
	// The address went with the end of the request: of the mails after the second pass only the last has one.
	wantAll(t, "mails", w.post.sent(), "R-1: Please confirm your request for erasure", "R-2: We have received your request for erasure",
		"R-12: Your request for erasure has been carried out")
	for _, m := range w.post.mails {
		if m.To != address || strings.Contains(m.Text+m.Subject, "marker") {
			t.Errorf("a mail to %s says %q", m.To, m.Text)
		}
	}
}

func TestAPersonIsToldOfAnExtensionAndThatTheyAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.request("R", ledger.Pending)
	r.Channel = "api"
	w.file(r)
	w.change("R", func(r *ledger.Request) { r.Report("joined") })
	w.change("R", func(r *ledger.Request) { r.Report("extended") })
	w.turn("R", ledger.Running)
	w.turn("R", ledger.Pending)
	w.pass()
	wantAll(t, "mails", w.post.sent(), "R-1: We have received your request for erasure", "R-2: We have received your request for erasure",
		"R-3: Your request for erasure takes longer")
	w.wantWaiting(0)
}

// The body is a contract with other people's systems.
func TestAWebhookSaysWhatHappenedAndNamesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.now = time.Date(2097, 1, 31, 12, 0, 0, 0, time.UTC)
	crm := w.webhook("crm")
	r := w.request("R", ledger.Pending)
	r.Channel, r.External, r.By = "opendsr", "c0ffee", "crm-token"
	w.file(r)
	w.pass()
	w.advance(time.Hour)
	w.change("R", func(r *ledger.Request) {
		r.Extension = &ledger.Extension{Reason: "number", By: "kim", At: w.clock(), Before: r.Due}
		r.Due = r.Due.AddDate(0, 2, 0)
		r.Report("extended")
	})
	w.pass()
	w.change("R", func(r *ledger.Request) { r.Status, r.Closed = ledger.Partial, w.clock() })
	w.pass()
	w.advance(time.Hour)
	w.end("R", ledger.Denied, "unfounded")
	w.pass()
	data := `"channel":"opendsr","external":"c0ffee","regulation":"gdpr","received":"2097-01-31T12:00:00Z"`
	extension := `,"extension":{"reason":"number","at":"2097-01-31T13:00:00Z","before":"2097-02-28T12:00:00Z"}`
	var bodies []string
	for _, c := range crm.calls {
		bodies = append(bodies, c.body)
	}
	wantAll(t, "webhooks", bodies,
		`{"id":"R-1","type":"request.status","timestamp":"2097-01-31T12:00:00Z","data":{"request":"R","number":1,"status":"pending","settled":false,`+data+`,"due":"2097-02-28T12:00:00Z"}}`,
		`{"id":"R-2","type":"request.extended","timestamp":"2097-01-31T13:00:00Z","data":{"request":"R","number":2,"status":"pending","settled":false,`+data+`,"due":"2097-04-28T12:00:00Z"`+extension+`}}`,
		`{"id":"R-3","type":"request.status","timestamp":"2097-01-31T13:00:00Z","data":{"request":"R","number":3,"status":"partial","settled":false,`+data+`,"due":"2097-04-28T12:00:00Z"`+extension+`}}`,
		`{"id":"R-4","type":"request.status","timestamp":"2097-01-31T14:00:00Z","data":{"request":"R","number":4,"status":"denied","settled":false,`+data+`,"due":"2097-04-28T12:00:00Z","closed":"2097-01-31T14:00:00Z"`+extension+`}}`)
}

func TestALaterEventWaitsForAnEarlierOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow, quick := w.webhook("slow"), w.webhook("quick")
	slow.answer = func(rw http.ResponseWriter, _ *http.Request, c call) {
		if c.attempt <= 2 {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	w.file(w.request("R", ledger.Pending), w.request("S", ledger.Pending))
	w.turn("R", ledger.Running)
	w.pass() // R-1 and S-1 fail
	w.turn("R", ledger.Partial)
	if w.pass(); len(slow.got()) != 2 {
		t.Errorf("before a retry is due, slow got %q", slow.got())
	}
	wantAll(t, "quick", only("R", quick.got()), "R-1 status pending", "R-2 status running", "R-3 status partial")
	w.advance(time.Minute)
	w.pass()
	wantAll(t, "slow", only("R", slow.got()), "R-1 status pending", "R-1 status pending", "R-2 status running", "R-3 status partial")
	w.wantWaiting(0)
}

func only(request string, all []string) []string {
	var some []string
	for _, s := range all {
		if strings.HasPrefix(s, request+"-") {
			some = append(some, s)
		}
	}
	return some
}

// What one receiver's failures put off does not put off another, which waited for its turn only.
func TestWhoWaitedForAnEarlierEventDoesNotWaitForAnothersFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	crm := w.webhook("crm")
	crm.answer = func(rw http.ResponseWriter, _ *http.Request, c call) {
		if c.Data.Number == 2 {
			rw.Header().Set("Retry-After", "3600")
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	fail := true
	w.post.fail = func(mail.Message) error {
		if fail {
			return errors.New("mail: RCPT: the server answered 451")
		}
		return nil
	}
	w.file(w.request("R", ledger.Pending))
	w.change("R", func(r *ledger.Request) { r.Report("extended") })
	w.pass()
	fail = false
	w.advance(time.Minute)
	if next := w.pass(); !next.Equal(w.clock().Add(59 * time.Minute)) {
		t.Errorf("the next pass is due %v from now, want what the webhook asked for", next.Sub(w.clock()))
	}
	wantAll(t, "mails", w.post.sent(), "R-1: We have received your request for erasure", "R-2: Your request for erasure takes longer")
}

func TestACrashBetweenSendingAndWritingDownSendsTheSameTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	crm := w.webhook("crm")
	w.file(w.request("R", ledger.Pending))
	w.store.die(true)
	if _, err := w.outbox().Pass(t.Context()); !errors.Is(err, errDead) {
		t.Errorf("a pass that cannot write down what it did ends with %v", err)
	}
	w.store.die(false)
	w.advance(time.Minute)
	w.out = nil // another process
	w.pass()
	wantAll(t, "webhooks", crm.got(), "R-1 status pending", "R-1 status pending")
	wantAll(t, "mails", w.post.sent(), "R-1: We have received your request for erasure", "R-1: We have received your request for erasure")
	if a, b := w.post.mails[0], w.post.mails[1]; a != b {
		t.Errorf("the mails of one event differ: %v, %v", a, b)
	}
	w.wantWaiting(0)
}

// Who cannot write must not send on: the next pass would send everything again.
func TestADeadLedgerEndsThePass(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var rs []ledger.Request
	for n := range 400 {
		rs = append(rs, w.request(fmt.Sprintf("R%d", n), ledger.Pending))
	}
	w.file(rs...)
	w.store.die(true)
	if _, err := w.outbox().Pass(t.Context()); !errors.Is(err, errDead) {
		t.Errorf("got %v", err)
	}
	if n := len(w.post.sent()); n > 8 {
		t.Errorf("%d mails were sent that nobody could write down", n)
	}
	w.wantWaiting(400)
}

func TestAnInterruptedPassWritesDownWhatWasSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, interrupt := context.WithCancel(t.Context())
	mailing, release := make(chan struct{}), make(chan struct{})
	crm := w.webhook("crm")
	crm.answer = func(_ http.ResponseWriter, r *http.Request, _ call) {
		<-mailing
		interrupt()
		<-release
	}
	w.post.fail = func(mail.Message) error {
		close(mailing)
		<-ctx.Done() // the mail goes out nevertheless
		return nil
	}
	w.file(w.request("R", ledger.Pending))
	if _, err := w.outbox().Pass(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	left := w.waiting()
	if len(left) != 1 || strings.Join(left[0].Done, " ") != "mail" || left[0].Tries != 0 || !left[0].Next.IsZero() {
		t.Fatalf("the outbox holds %+v, want one event told to mail, without a failure", left)
	}
	crm.answer = nil
	w.pass()
	wantAll(t, "mails", w.post.sent(), "R-1: We have received your request for erasure")
	w.wantWaiting(0)
}

// The webhook answers only when all mails are out, and they go out only when three calls of it hang.
func TestAWebhookThatHangsDoesNotStopMails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const people = 60
	hanging, mailed := make(chan struct{}), make(chan struct{})
	var mails atomic.Int32
	w.post.fail = func(mail.Message) error {
		if <-hanging; mails.Add(1) == people {
			close(mailed)
		}
		return nil
	}
	crm := w.webhook("crm")
	crm.answer = func(rw http.ResponseWriter, r *http.Request, c call) {
		if c.attempt == 3 {
			close(hanging)
		}
		select {
		case <-mailed:
		case <-r.Context().Done():
			t.Error("mails wait for a webhook")
		}
	}
	for n := range people {
		w.file(w.request(fmt.Sprintf("R%d", n), ledger.Pending))
	}
	w.pass()
	w.wantWaiting(0)
	if crm.most+w.post.most > 8 {
		t.Errorf("%d webhooks and %d mails ran at the same time", crm.most, w.post.most)
	}
}

func TestAReceiverThatFailsNowAndThenIsCalledAsEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	crm := w.webhook("crm")
	crm.answer = func(rw http.ResponseWriter, _ *http.Request, c call) {
		if c.attempt%2 == 0 {
			rw.WriteHeader(http.StatusBadGateway)
		}
	}
	for n := range 40 {
		w.file(w.request(fmt.Sprintf("R%d", n), ledger.Running))
	}
	w.pass()
	if n := len(crm.got()); n != 40 {
		t.Errorf("crm was called %d times, want 40", n)
	}
}

func TestADeadReceiverIsCalledAFewTimesAndOthersAsEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dead, live := w.webhook("dead"), w.webhook("live")
	dead.answer = status(http.StatusBadGateway)
	for n := range 50 {
		w.file(w.request(fmt.Sprintf("R%d", n), ledger.Pending))
	}
	next := w.pass()
	if d, l, m := len(dead.got()), len(live.got()), len(w.post.sent()); d != 5 || l != 50 || m != 50 {
		t.Errorf("dead got %d calls, live %d, and %d mails were sent; want 5, 50 and 50", d, l, m)
	}
	if !next.Equal(w.clock().Add(5 * time.Second)) {
		t.Errorf("the next pass is due at %v, want the first failure's retry", next)
	}
	w.pass()
	if d := len(dead.got()); d != 5 {
		t.Errorf("dead was called %d times more at once", d-5)
	}
	w.advance(5 * time.Minute)
	if w.pass(); len(dead.got()) != 6 {
		t.Errorf("after a rest dead was called %d times, want once", len(dead.got())-5)
	}
	dead.answer = nil
	w.advance(5 * time.Minute)
	w.pass()
	w.wantWaiting(0)
	if l, m := len(live.got()), len(w.post.sent()); l != 50 || m != 50 {
		t.Errorf("live got %d calls, and %d mails were sent; want 50 and 50", l, m)
	}
	if n := strings.Count(w.log.String(), "again and again"); n != 1 {
		t.Errorf("the log says %d times that a receiver fails:\n%s", n, w.log.String())
	}
}

// A sweep of many ends in many mails at once; somebody at the form waits for one.
func TestALinkToConfirmDoesNotWaitForASweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.post.fail = func(mail.Message) error {
		w.advance(time.Second)
		return nil
	}
	var rs []ledger.Request
	for n := range 300 {
		rs = append(rs, w.request(fmt.Sprintf("R%d-0", n), ledger.Pending)) // the last character decides on the place
	}
	w.file(rs...)
	if next := w.pass(); next.IsZero() || next.After(w.clock()) {
		t.Errorf("a pass that has work left ends with %v", next)
	}
	before := len(w.post.sent())
	w.file(w.request("V-o", ledger.Unverified))
	w.pass()
	if got := w.post.sent(); before > 150 || len(got) > 2*150 || !slices.Contains(got, "V-o-1: Please confirm your request for erasure") {
		t.Errorf("after %d and %d mails the link was not sent", before, len(got)-before)
	}
	for range 3 {
		w.pass()
	}
	w.wantWaiting(0)
	if n := len(w.post.sent()); n != 301 {
		t.Errorf("%d mails, want 301", n)
	}
}

func TestManyEventsOfOneRequestAreToldInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	crm := w.webhook("crm")
	w.file(w.request("R", ledger.Running))
	want := []string{"R-1 status running"}
	for n := range 130 {
		w.change("R", func(r *ledger.Request) { r.Report("due_soon") })
		want = append(want, fmt.Sprintf("R-%d due_soon running", n+2))
	}
	w.pass()
	w.pass()
	wantAll(t, "webhooks", crm.got(), want...)
}

func TestRunWorksWhenWokenWhenDueAndEveryMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		w.opts.Base.Now = time.Now
		w.now = time.Now()
		fails := 1
		w.post.fail = func(mail.Message) error {
			if fails--; fails >= 0 {
				return errors.New("mail: connect: failed")
			}
			return nil
		}
		ctx, end := context.WithCancel(t.Context())
		wake, ended := make(chan struct{}, 1), make(chan struct{})
		go func() {
			outbox.New(w.opts).Run(ctx, wake)
			close(ended)
		}()
		synctest.Wait()
		wants := func(when string, n int) {
			t.Helper()
			synctest.Wait()
			if got := w.post.sent(); len(got) != n {
				t.Errorf("%s: %d mails, want %d", when, len(got), n)
			}
		}
		must(t, w.File(ctx, []ledger.Request{w.request("R", ledger.Pending)}))
		wake <- struct{}{}
		wants("at a failure", 0)
		time.Sleep(5 * time.Second)
		wants("when the retry is due", 1)
		must(t, w.File(ctx, []ledger.Request{w.request("S", ledger.Pending)}))
		wake <- struct{}{}
		wants("when woken", 2)
		must(t, w.File(ctx, []ledger.Request{w.request("T", ledger.Pending)}))
		wants("not woken", 2)
		time.Sleep(time.Minute)
		wants("a minute later", 3)
		before := time.Now()
		end()
		<-ended
		if took := time.Since(before); took > 0 {
			t.Errorf("Run ended after %v", took)
		}
	})
}

// While deliveries hang, the ledger is read no further than a page beyond the requests in hand.
func TestALargeOutboxIsReadInPieces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var rs []ledger.Request
	for n := range 2000 {
		rs = append(rs, w.request(fmt.Sprintf("R%04d-%x", n, n%16), ledger.Pending))
	}
	w.file(rs...)
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		w.post.fail = func(mail.Message) error {
			<-ctx.Done()
			return ctx.Err()
		}
		ended := make(chan error)
		go func() {
			_, err := outbox.New(w.opts).Pass(ctx)
			ended <- err
		}()
		synctest.Wait()
		read := w.store.read - 2000 // looking for links to confirm first
		if read < 100 || read > 600 {
			t.Errorf("%d of 2000 events are in memory", read)
		}
		end()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	w.wantWaiting(2000)
}
