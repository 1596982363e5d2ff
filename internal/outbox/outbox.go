// Package outbox tells people and systems what became of requests: it works off the events that the ledger keeps, by
// mail to the person, signed webhooks to the controller's systems and callbacks to whoever sent the request.
//
// Everybody is told at least once, and told the events of one request in their order. A receiver recognises what it gets
// twice, after a crash between sending and writing it down, by the webhook's id or the mail's Message-ID. A receiver that
// fails keeps nobody else waiting. After three days (deliver.GiveUp) an event is given up for whom it has not reached.
package outbox

import (
	"context"
	"log/slog"
	"net/http"
	"text/template"
	"time"

	"github.com/lethe-dsr/lethe/internal/deliver"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/link"
	"github.com/lethe-dsr/lethe/internal/mail"
)

// Options of an Outbox.
type Options struct {
	Base  erase.Base  // Ledger, Seal, Config and Now are used
	Mail  mail.Sender // nil: people are told nothing
	Links link.Maker  // for the links in mails

	Client    *deliver.Client // to the webhooks of the configuration
	Strangers *deliver.Client // to the callback addresses that came with requests

	// Callback makes the message for a callback address: a JSON body with its headers. It is called again with every
	// attempt, and its errors hold nothing personal. Nil: nobody is called back.
	Callback func(ctx context.Context, r ledger.Request, e ledger.Event, url string) (body []byte, h http.Header, err error)

	Random func() float64 // from [0, 1), so that retries do not come all at once
	Log    *slog.Logger
	Report func(Delivery) // what became of each attempt, for metrics; called from several goroutines; nil for none
}

// Delivery is what became of one attempt to tell one receiver of one event.
type Delivery struct {
	Receiver string // mail, webhook/NAME, or callback for all callback addresses
	Kind     string // of the event
	Result   Result
}

// Result of an attempt.
type Result string

// The results.
const (
	Told    Result = "told"
	Failed  Result = "failed"   // and is tried again later
	GivenUp Result = "given_up" // for good, maybe without an attempt
)

// At most 8 deliveries run at the same time. Each way has its own share, so that one that hangs leaves the others theirs.
const (
	mailsAtOnce     = 2
	webhooksAtOnce  = 3
	callbacksAtOnce = 3
)

// atLeast is how often Run looks into the outbox although nobody woke it.
const atLeast = time.Minute

// Outbox tells the ledger's events. New makes it.
type Outbox struct {
	Options
	letters   map[string]*template.Template // by language
	circuits  circuits
	mails     chan struct{} // slots
	webhooks  chan struct{}
	callbacks chan struct{}
}

// New makes an Outbox. It holds nothing that would have to be closed.
func New(o Options) *Outbox {
	if o.Report == nil {
		o.Report = func(Delivery) {}
	}
	return &Outbox{
		Options:   o,
		letters:   parseLetters(),
		circuits:  circuits{of: map[string]*circuit{}, random: o.Random},
		mails:     make(chan struct{}, mailsAtOnce),
		webhooks:  make(chan struct{}, webhooksAtOnce),
		callbacks: make(chan struct{}, callbacksAtOnce),
	}
}

// Run works off the outbox until ctx ends: when something comes on wake, when a retry is due, and every minute. A wake
// that comes while it works is kept if the channel has room for one.
func (o *Outbox) Run(ctx context.Context, wake <-chan struct{}) {
	for ctx.Err() == nil {
		next, err := o.Pass(ctx)
		if err != nil && ctx.Err() == nil {
			o.Log.Error("the outbox could not be worked off; it is tried again within a minute", "error", err)
		}
		wait := atLeast
		if !next.IsZero() {
			wait = min(wait, next.Sub(o.Base.Now()))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}
