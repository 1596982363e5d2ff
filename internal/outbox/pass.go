package outbox

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lethe-dsr/lethe/internal/deliver"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/mail"
)

const (
	// requestsInHand is how many requests are worked on at the same time: more than deliveries, so that those whose
	// webhook hangs have sent their mails and hold up nobody before its circuit opens.
	requestsInHand = 100
	// maxEvents of one request are looked at in a pass. The ones after them have to wait for them anyway.
	maxEvents = 100
	// maxStrangers is how many callbacks may fail in a pass before the others wait for the next, counted apart for first
	// attempts, so that old failures keep nothing new waiting. Everybody who may file requests can name any number of hosts
	// that do not answer.
	maxStrangers = 10
	strangerWait = 5 * time.Second
	// passTime is how long a pass takes up requests, those of people who look at their mailbox for a link to confirm, and
	// then the others. What a large sweep has left for the next pass lets new ones of the first kind through.
	passTime = 10 * time.Second
	// writeTime is how long it may take to write down what was sent.
	writeTime = 10 * time.Second
)

// Pass tells the events that are due, each receiver those of a request in their order, people who wait for a link first.
// It answers when there is something to do again, which is at once when its time was too short for all; the zero time
// when nothing waits. An error is the ledger's, or ctx has ended; that a receiver failed is no
// error. What was sent before an error may be sent again. One Pass may run at a time.
func (o *Outbox) Pass(ctx context.Context) (next time.Time, err error) {
	o.circuits.forget(o.Base.Now())
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p := &pass{Outbox: o}
	for _, unverified := range []bool{true, false} {
		err = p.work(ctx, stop, unverified)
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		if err != nil {
			return time.Time{}, err
		}
	}
	return p.next, nil
}

// pass is what one Pass keeps.
type pass struct {
	*Outbox
	strangers [2]atomic.Int32 // callbacks that failed: at the first attempt, and at a later one

	mu   sync.Mutex
	next time.Time
}

// work works off the requests whose events begin with a link to confirm, or all others. stop gets the workers' errors.
func (p *pass) work(ctx context.Context, stop context.CancelCauseFunc, unverified bool) error {
	requests := make(chan []ledger.Event)
	var wg sync.WaitGroup
	for range requestsInHand {
		wg.Go(func() {
			for events := range requests {
				if err := p.request(ctx, events); err != nil {
					stop(err) // who cannot write down what was sent must send no more
				}
			}
		})
	}
	err := p.scan(ctx, unverified, requests)
	close(requests)
	wg.Wait()
	if errors.Is(err, errTimeOver) {
		p.again(p.Base.Now())
		return nil
	}
	return err
}

var errTimeOver = errors.New("the time of the pass is over")

// scan hands on the events, those of one request together, which the ledger lists one after the other.
func (p *pass) scan(ctx context.Context, unverified bool, requests chan<- []ledger.Event) error {
	var events []ledger.Event
	until := p.Base.Now().Add(passTime)
	hand := func() error {
		if len(events) == 0 || unverified != (events[0].Status == ledger.Unverified) {
			return nil
		}
		if !p.Base.Now().Before(until) {
			return errTimeOver
		}
		select {
		case requests <- events:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := p.Base.Ledger.Outbox(ctx, func(e ledger.Event) error {
		if len(events) > 0 && events[0].Request != e.Request {
			if err := hand(); err != nil {
				return err
			}
			events = nil
		}
		if len(events) < maxEvents {
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return hand()
}

// again notes that something waits until a time.
func (p *pass) again(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next.IsZero() || at.Before(p.next) {
		p.next = at
	}
}

// request works off the events of one request.
func (p *pass) request(ctx context.Context, events []ledger.Event) error {
	now := p.Base.Now()
	if !slices.ContainsFunc(events, func(e ledger.Event) bool { return !e.Next.After(now) }) {
		for _, e := range events {
			p.again(e.Next)
		}
		return nil
	}
	r, err := p.Base.Ledger.Request(ctx, events[0].Request)
	if errors.Is(err, ledger.ErrNotFound) { // nobody confirmed it in time, and there is nothing to tell any more
		for _, e := range events {
			if err := p.Base.Ledger.DropEvent(ctx, e); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	o := order{held: map[string]bool{}, freed: map[string]bool{}}
	for _, e := range events {
		if err := p.event(ctx, r, e, o); err != nil {
			return err
		}
	}
	return nil
}

// order keeps the events of a request in their order, receiver by receiver.
type order struct {
	held  map[string]bool // an earlier event has not reached this receiver
	freed map[string]bool // an earlier event that held it reached it in this pass
}

// event tells one event to all receivers that it has not reached, and writes down how far it has got.
func (p *pass) event(ctx context.Context, r ledger.Request, e ledger.Event, o order) error {
	now := p.Base.Now()
	end := e.At.Add(deliver.GiveUp)
	due, last := !e.Next.After(now), !now.Before(end)

	waiting := false
	var attempts []*attempt
	for _, to := range p.receivers(ctx, r, e) {
		switch {
		case slices.Contains(e.Done, to.name):
		case o.held[to.name], !due && !o.freed[to.name]:
			// Next is of all receivers: one that was held back until now has not failed, and need not wait for it.
			o.held[to.name], waiting = true, true
		default:
			attempts = append(attempts, &attempt{receiver: to})
		}
	}
	if !due {
		p.again(e.Next)
	}
	var wg sync.WaitGroup
	for _, a := range attempts {
		wg.Go(func() { p.try(ctx, e, a, last) })
	}
	wg.Wait()

	var done []string
	failed, gone, wait := false, false, time.Duration(0)
	for _, a := range attempts {
		gone = gone || a.result == GivenUp
		switch a.result {
		case Told, GivenUp:
			done = append(done, a.name)
			o.freed[a.name] = true
			continue
		case Failed:
			failed, wait = true, max(wait, a.wait)
		}
		o.held[a.name], waiting = true, true
	}
	// What was sent is written down also when ctx has ended meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	if gone && r.Channel == intake.Canary { // which looks whether its mail went out, and finds its request no more
		if err := p.Base.Ledger.Discard(ctx, r.ID); err != nil {
			return err
		}
	}
	if !waiting {
		return p.Base.Ledger.DropEvent(ctx, e)
	}
	if len(done) == 0 && !failed {
		return nil
	}
	e, err := p.Base.Ledger.ChangeEvent(ctx, e, func(e *ledger.Event) {
		e.Done = append(e.Done, done...)
		if failed {
			e.Tries++
			e.Next = p.Base.Now().Add(max(wait, deliver.Backoff(e.Tries, p.Random())))
			if e.Next.After(end) { // the last attempt
				e.Next = end
			}
		}
	})
	if errors.Is(err, ledger.ErrNotFound) { // it went with its unverified request
		return nil
	}
	if failed {
		p.again(e.Next)
	}
	return err
}

// attempt is one try to tell one receiver.
type attempt struct {
	receiver
	result Result        // empty: none was made, or it was interrupted
	wait   time.Duration // that the receiver asked for
}

// try makes an attempt. When it is the last one that there may be, the receiver is told now or given up.
func (p *pass) try(ctx context.Context, e ledger.Event, a *attempt, last bool) {
	rest, err := p.call(ctx, a.receiver)
	switch {
	case err == nil:
		a.result = Told
	case ctx.Err() != nil:
		return
	case last || final(err):
		a.result = GivenUp
		p.Log.Warn("a message is given up", "receiver", a.kind, "event", e.ID(), "kind", e.Kind, "error", err)
	case errors.Is(err, errResting):
		p.again(rest)
		return
	default:
		a.result = Failed
		a.wait, _ = deliver.RetryAfter(err)
	}
	p.Report(Delivery{a.kind, e.Kind, a.result})
}

var errResting = errors.New("too many calls failed, and no more are made for now")

// call sends to a receiver, unless it rests: then the error is errResting, with the time until which it does.
func (p *pass) call(ctx context.Context, to receiver) (rest time.Time, err error) {
	rest, ok := p.circuits.enter(ctx, to.circuit, p.Base.Now)
	if !ok {
		return rest, errResting
	}
	select {
	case to.slots <- struct{}{}:
		defer func() { <-to.slots }()
	case <-ctx.Done():
		p.circuits.interrupted(to.circuit)
		return time.Time{}, ctx.Err()
	}
	if to.strangers != nil && to.strangers.Load() >= maxStrangers {
		p.circuits.interrupted(to.circuit)
		return p.Base.Now().Add(strangerWait), errResting
	}
	err = to.send(ctx)
	if err != nil && ctx.Err() != nil {
		p.circuits.interrupted(to.circuit)
		return time.Time{}, err
	}
	// A receiver that takes others but not this message works: whoever may file requests can name addresses that it does
	// not take, and would keep everybody waiting.
	failed := err != nil && !final(err) && !errors.Is(err, mail.ErrDeferred)
	if failed && to.strangers != nil {
		to.strangers.Add(1)
	}
	wait, _ := deliver.RetryAfter(err)
	if p.circuits.leave(to.circuit, failed, wait, p.Base.Now()) {
		p.Log.Warn("a receiver fails again and again; it is called less often", "receiver", to.kind, "error", err)
	}
	return time.Time{}, err
}

// final tells whether another attempt cannot go better.
func final(err error) bool {
	return errors.Is(err, deliver.ErrGone) || errors.Is(err, deliver.ErrURL) || errors.Is(err, mail.ErrRefused) || fault.Is(err, fault.SealBroken)
}
