// Package tell is the function that tells people and systems what became of requests.
package tell

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/deliver"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/mail"
	"github.com/lethe-dsr/lethe/internal/opendsr"
	"github.com/lethe-dsr/lethe/internal/outbox"
	"github.com/lethe-dsr/lethe/internal/service"
	"github.com/lethe-dsr/lethe/internal/step"
)

const (
	// lease is how long one invocation has the outbox to itself before it says again that it works on it.
	lease = time.Minute
	// soon is how long an invocation waits for the next retry. What is due later is the schedule's.
	soon = 10 * time.Second
	// again is how long it waits for another invocation before it looks whether that one has ended.
	again = time.Second
)

// Telling is what one invocation of the function tell did.
type Telling struct {
	Passes int  `json:"passes"`
	Busy   bool `json:"busy,omitempty"` // another invocation worked on the outbox all the time
}

// Function makes the function. The table's stream wakes it when there is news, and a schedule for retries; what is in its
// input does not matter.
func Function(_ context.Context, c *boot.Cloud) (step.Step, error) {
	desk, err := service.Open(c)
	if err != nil {
		return step.Step{}, err
	}
	processor, err := opendsr.New(opendsr.Options{Base: c.Base, Desk: desk, URL: desk.Links.Base, Log: slog.Default()})
	if err != nil {
		return step.Step{}, err
	}
	callback := func(ctx context.Context, r ledger.Request, e ledger.Event, url string) ([]byte, http.Header, error) {
		v, err := desk.Show(ctx, r.ID)
		if err != nil {
			return nil, nil, err
		}
		return processor.Callback(v, e, url)
	}
	own := map[string]bool{}
	for _, w := range c.Base.Config.Serve.Webhooks {
		own[w.URL.String()] = true
	}
	out := outbox.New(outbox.Options{
		Base: c.Base, Mail: mailer(c), Links: desk.Links, Callback: callback, Random: rand.Float64, Log: slog.Default(),
		Client: deliver.NewClient(deliver.Options{Own: func(url string) bool { return own[url] }}), Strangers: deliver.NewClient(deliver.Options{}),
		Report: func(d outbox.Delivery) { c.Journal.Metrics.Message(d.Receiver, string(d.Result)) },
	})
	holder := c.Base.NewID() // of this process, which has one invocation at a time
	return step.New("Tell", func(ctx context.Context, _ struct{}) (t Telling, err error) {
		l := c.Base.Ledger
		defer func() { err = errors.Join(err, l.LetGo(context.WithoutCancel(ctx), "outbox", holder)) }()
		begun := c.Base.Now()
		for {
			now, began := c.Base.Now(), time.Now()
			held, err := l.Hold(ctx, "outbox", holder, now, now.Add(lease))
			if err != nil {
				return t, err
			}
			if t.Busy = !held; t.Busy {
				// The other one may be past the news that woke this one.
				if now.Sub(begun) < lease && service.Pause(ctx, again) {
					continue
				}
				return t, nil
			}
			next, err := passInTime(ctx, out, began)
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil { // receivers were slow
				next, err = c.Base.Now(), nil
			}
			if err != nil {
				return t, err
			}
			t.Passes++
			wait := next.Sub(c.Base.Now())
			if next.IsZero() || wait > soon || !service.Pause(ctx, max(0, wait)) {
				return t, nil
			}
		}
	}), nil
}

// passInTime works the outbox off once, with a lease that was asked for at a time.
func passInTime(ctx context.Context, out *outbox.Outbox, began time.Time) (time.Time, error) {
	ctx, cancel := context.WithDeadline(ctx, passEnd(ctx, began))
	defer cancel()
	return out.Pass(ctx)
}

// passEnd is when a pass stops: when its lease is over, because two passes at once would tell twice; and before the
// function's own time is, because what was sent and not written down is sent again.
func passEnd(ctx context.Context, began time.Time) time.Time {
	end := began.Add(lease)
	if deadline, ok := ctx.Deadline(); ok {
		if kept := deadline.Add(-min(service.KeepTime, time.Until(deadline)/2)); kept.Before(end) {
			return kept
		}
	}
	return end
}

// mailer makes the sender of mails: Amazon SES, unless the configuration names another server.
func mailer(c *boot.Cloud) mail.Sender {
	m := c.Base.Config.Serve.Mail
	switch s := m.SMTP; {
	case m.From == "":
		slog.Warn("people are told nothing, and nobody can use the form", "error", service.ErrNoMail.Error())
		return nil
	case s != nil:
		return mail.NewSMTP(mail.SMTPOptions{
			Host: s.Host, Port: s.Port, Security: s.Security, Username: s.Username, Password: s.Password.Reveal(), From: m.From,
		})
	}
	return mail.NewRelay(m.From, transfer(c.AWS))
}
