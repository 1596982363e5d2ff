package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/deliver"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// receiver is somebody who is told an event.
type receiver struct {
	name      string // in Event.Done: mail, webhook/NAME, callback/INDEX
	kind      string // in logs and metrics: the same, but callback without an index
	circuit   string
	slots     chan struct{}
	strangers *atomic.Int32 // counts failures of callbacks; nil for others
	send      func(context.Context) error
}

// receivers lists whom an event is told to, the reached ones too.
func (p *pass) receivers(ctx context.Context, r ledger.Request, e ledger.Event) []receiver {
	var all []receiver
	contact := e.Contact
	if len(contact) == 0 {
		// Gone when the request has ended. Then the mail of its last event, which has it, says more than this one would.
		contact = r.Contact
	}
	if letter := letterOf(r, e); letter != "" && len(contact) > 0 && p.Mail != nil {
		all = append(all, receiver{
			name: "mail", kind: "mail", circuit: "mail", slots: p.mails,
			send: func(ctx context.Context) error { return p.mail(ctx, r, e, letter, contact) },
		})
	}
	if e.Status == ledger.Unverified {
		return all
	}
	if kind := webhookType(e.Kind); kind != "" {
		for _, w := range p.Base.Config.Serve.Webhooks {
			name := "webhook/" + w.Name
			all = append(all, receiver{
				name: name, kind: name, circuit: name, slots: p.webhooks,
				send: func(ctx context.Context) error { return p.webhook(ctx, r, e, kind, w) },
			})
		}
	}
	if e.Kind != "status" || p.Callback == nil || len(r.Callbacks) == 0 {
		return all
	}
	urls, err := p.openCallbacks(ctx, r)
	for n, to := range urls {
		all = append(all, receiver{
			name: fmt.Sprintf("callback/%d", n), kind: "callback", circuit: "callback " + host(to),
			slots: p.callbacks, strangers: &p.strangers[min(e.Tries, 1)],
			send: func(ctx context.Context) error {
				if err != nil {
					return err
				}
				return p.callback(ctx, r, e, to)
			},
		})
	}
	return all
}

// openCallbacks gives the callback addresses of a request. With an error it gives one that stands for them, so that the
// event waits for them, and they are given up like anybody else.
func (p *pass) openCallbacks(ctx context.Context, r ledger.Request) ([]string, error) {
	plain, err := p.Base.Seal.Open(ctx, "callbacks/"+r.ID, r.Callbacks)
	if err != nil {
		return []string{""}, err
	}
	var urls []string
	if json.Unmarshal(plain, &urls) != nil {
		return []string{""}, fault.New(fault.SealBroken, "request %s: its sealed callback addresses do not decode", r.ID)
	}
	return urls, nil
}

// host is what callbacks that fail have in common.
func host(to string) string {
	u, err := url.Parse(to)
	if err != nil {
		return ""
	}
	return u.Host
}

func (p *pass) callback(ctx context.Context, r ledger.Request, e ledger.Event, to string) error {
	body, header, err := p.Callback(ctx, r, e, to)
	if err != nil {
		return err
	}
	return p.Strangers.Post(ctx, to, "application/json", body, header)
}

// webhookType is the type of the webhook that tells of a kind of event; "" for those that are the person's alone.
func webhookType(kind string) string {
	switch kind {
	case "status", "extended", "due_soon", "overdue":
		return "request." + kind
	}
	return ""
}

// webhookBody is what webhooks get. It names no person.
type webhookBody struct {
	ID        string      `json:"id"` // the event's, also in the header webhook-id
	Type      string      `json:"type"`
	Timestamp time.Time   `json:"timestamp"` // of the event
	Data      webhookData `json:"data"`
}

// webhookData is a request at an event. Status and settled are as of the event, everything else as of now.
type webhookData struct {
	Request    string            `json:"request"`
	Number     int               `json:"number"` // of the event among those of the request, from 1, some of which go to others
	Status     ledger.Status     `json:"status"`
	Settled    bool              `json:"settled"`
	Channel    string            `json:"channel"`
	External   string            `json:"external,omitempty"`
	Regulation string            `json:"regulation"`
	Received   time.Time         `json:"received"`
	Due        time.Time         `json:"due"`
	Closed     time.Time         `json:"closed,omitzero"` // when it ended for good
	Extension  *webhookExtension `json:"extension,omitempty"`
}

// webhookExtension leaves out who extended the request, who is a person too.
type webhookExtension struct {
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	Before time.Time `json:"before"` // the due date that it replaced
}

func (p *pass) webhook(ctx context.Context, r ledger.Request, e ledger.Event, kind string, w config.Webhook) error {
	b := webhookBody{ID: e.ID(), Type: kind, Timestamp: e.At.UTC(), Data: webhookData{
		Request: r.ID, Number: e.Number, Status: e.Status, Settled: e.Settled, Channel: r.Channel, External: r.External,
		Regulation: r.Regulation, Received: r.Received.UTC(), Due: r.Due.UTC(),
	}}
	if e.Status.Final() || e.Settled {
		b.Data.Closed = r.Closed.UTC()
	}
	if x := r.Extension; x != nil {
		b.Data.Extension = &webhookExtension{x.Reason, x.At.UTC(), x.Before.UTC()}
	}
	body, err := json.Marshal(b)
	if err != nil {
		return err
	}
	signature := deliver.SignWebhook([]byte(w.Secret.Reveal()), e.ID(), p.Base.Now(), body)
	return p.Client.Post(ctx, w.URL.String(), "application/json", body, signature)
}

func (p *pass) mail(ctx context.Context, r ledger.Request, e ledger.Event, letter string, contact []byte) error {
	to, err := p.Base.Seal.Open(ctx, "contact/"+r.ID, contact)
	if err != nil {
		return err
	}
	m, err := p.write(r, letter)
	if err != nil {
		return err
	}
	// The same id and date in every attempt: a mail that comes twice is the same mail.
	m.ID, m.To, m.Date = e.ID(), string(to), e.At
	return p.Mail.Send(ctx, m)
}
