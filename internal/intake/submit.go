package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// keyTime is how long an idempotency key is remembered: a sender that was down over a weekend may still repeat itself.
const keyTime = 3 * 24 * time.Hour

// Submit files a request from a system, and acknowledges it. Under an idempotency key that came before it gives the first
// one's receipt. Somebody with an open request of the same sender joins that one, unless the new one has an id of its own.
// Errors: *Invalid, ledger.ErrReused.
func (d Desk) Submit(ctx context.Context, s Submission) (Receipt, error) {
	var once *ledger.Once
	if s.Key != "" {
		o := d.once(s.Channel, s.By, s.Key, string(s.Body))
		once = &o
		id, err := d.Ledger.Sent(ctx, o)
		if err == nil {
			return d.receipt(ctx, id, Receipt{Repeated: true})
		}
		if !errors.Is(err, ledger.ErrNotFound) {
			return Receipt{}, err
		}
	}
	if n := len(s.Subject.Identifiers); n == 0 || n > subject.MaxIdentifiers {
		return Receipt{}, &Invalid{[]Field{{"subject.identifiers", "count", "must be a list of 1 to 60"}}}
	}
	r, err := d.request(ctx, s)
	if err != nil {
		return Receipt{}, err
	}
	receipt := Receipt{}
	if s.External == "" && len(s.Callbacks) == 0 {
		mine := func(o ledger.Request) bool { return o.Channel == s.Channel && o.By == s.By }
		open, err := d.Ledger.OpenFor(ctx, r.Keys, mine)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return receipt, err
		}
		if err == nil {
			receipt.Joined = true
			if open, err = d.again(ctx, open, s); err != nil {
				return receipt, err
			}
			r = ledger.Request{ID: open.ID, Job: open.Job, Mode: open.Mode}
		}
	}
	switch {
	case once != nil:
		id, err := d.Ledger.FileOnce(ctx, r, *once)
		if err != nil {
			return receipt, err
		}
		if id != r.ID { // the same came at the same time
			return d.receipt(ctx, id, Receipt{Repeated: true})
		}
	case !receipt.Joined:
		if err := d.Ledger.File(ctx, []ledger.Request{r}); err != nil {
			return receipt, err
		}
	}
	if !receipt.Joined {
		d.Tally(erase.Count{What: erase.Filings, N: 1, Channel: r.Channel})
	}
	if s.Urgent && r.Job == "" {
		// Should this fail, the request is filed all the same, and the engine looks for urgent ones by itself.
		_, _ = d.Engine.Start(ctx, []string{r.ID}, config.Mode(r.Mode))
	}
	d.Engine.Tell()
	return d.receipt(ctx, r.ID, receipt)
}

// once makes the key under which a submission is recognised. A sender of OpenDSR asks by its own id for as long as the
// request is kept.
func (d Desk) once(channel, by, key, body string) ledger.Once {
	o := ledger.Once{
		Key:   d.Seal.Digest("idempotency/"+channel+"/"+by, key),
		Body:  d.Seal.Digest("submission", body),
		Until: d.Now().Add(keyTime),
	}
	if channel == "opendsr" {
		o.Until = d.Now().AddDate(1, 0, 0).Add(ledger.Retention) // which begins when the request ends
	}
	return o
}

// Sent shows the request that a sender submitted under a key; ledger.ErrNotFound.
func (d Desk) Sent(ctx context.Context, channel, by, key string) (View, error) {
	id, err := d.Ledger.Sent(ctx, d.once(channel, by, key, ""))
	if err != nil && !errors.Is(err, ledger.ErrReused) { // of course it had another body than none
		return View{}, err
	}
	return d.Show(ctx, id)
}

func (d Desk) receipt(ctx context.Context, id string, r Receipt) (Receipt, error) {
	var err error
	r.View, err = d.Show(ctx, id)
	return r, err
}

// request makes the ledger's record of a submission.
func (d Desk) request(ctx context.Context, s Submission) (ledger.Request, error) {
	r, err := erase.NewRequest(ctx, d.Base, s.Subject, s.Channel)
	if err != nil {
		return r, err
	}
	regulation := cmp.Or(s.Regulation, d.Config.Regulation)
	r.By, r.External, r.Urgent, r.Mode = s.By, s.External, s.Urgent, string(s.Mode)
	r.Regulation, r.Due = string(regulation), duty.Due(regulation, r.Received)
	if len(s.Callbacks) > 0 {
		urls, err := json.Marshal(s.Callbacks)
		if err != nil {
			return r, err
		}
		r.Tell = true
		if r.Callbacks, err = d.Seal.Seal(ctx, CallbacksScope(r.ID), urls); err != nil {
			return r, err
		}
	}
	return r, nil
}

// again is the same person asking again: an open request becomes urgent when the new one is, and waits for an approval when
// the new one would.
func (d Desk) again(ctx context.Context, open ledger.Request, s Submission) (ledger.Request, error) {
	join := func(r *ledger.Request) error {
		r.Urgent = r.Urgent || s.Urgent
		if r.Job == "" { // a job that works on it goes on in its own mode, and the receipt must not say another
			r.Mode = string(d.stricter(config.Mode(r.Mode), s.Mode))
		}
		return nil
	}
	after := open
	if _ = join(&after); after.Urgent == open.Urgent && after.Mode == open.Mode {
		return open, nil
	}
	r, err := d.Ledger.ChangeRequest(ctx, open.ID, d.Now(), join)
	if errors.Is(err, ledger.ErrFinal) { // it ended a moment ago
		return open, nil
	}
	return r, err
}

// stricter is the mode of an open request that another one joins: an approval, when one of the two would have got one.
func (d Desk) stricter(open, joins config.Mode) config.Mode {
	if open != joins && (cmp.Or(open, d.Config.Mode) == config.Approve || cmp.Or(joins, d.Config.Mode) == config.Approve) {
		return config.Approve
	}
	return open
}

// Look begins a preview for a person: a job that deletes nothing and leaves no request behind. Its plan can be read for
// an hour.
func (d Desk) Look(ctx context.Context, s subject.Subject) (job string, err error) {
	r, err := erase.NewRequest(ctx, d.Base, s, "api")
	if err != nil {
		return "", err
	}
	r.Preview, r.Tell = true, false
	if err := d.Ledger.File(ctx, []ledger.Request{r}); err != nil {
		return "", err
	}
	if job, err = d.Engine.Start(ctx, []string{r.ID}, config.Preview); err != nil {
		return "", errors.Join(err, d.Ledger.Destroy(context.WithoutCancel(ctx), r))
	}
	return job, nil
}

// Cancel ends a request that no job works on; ledger.ErrHeld, ErrFinal, ErrNotFound.
func (d Desk) Cancel(ctx context.Context, id string) (View, error) {
	return d.end(ctx, id, ledger.Cancelled, "")
}

// Deny ends a request that no job works on, on a ground, and tells the person where their address is known. Errors:
// *Invalid for an unknown ground, ledger.ErrHeld, ErrFinal, ErrNotFound.
func (d Desk) Deny(ctx context.Context, id, ground string) (View, error) {
	switch ground {
	case NotIdentified, Unfounded, LegalDuty, LegalClaims:
	default:
		return View{}, &Invalid{[]Field{{"ground", "unknown", "must be one of not_identified, unfounded, legal_duty, legal_claims"}}}
	}
	return d.end(ctx, id, ledger.Denied, ground)
}

func (d Desk) end(ctx context.Context, id string, s ledger.Status, ground string) (View, error) {
	if _, err := d.Show(ctx, id); err != nil { // also for those that were never confirmed
		return View{}, err
	}
	if _, err := d.Ledger.End(ctx, id, s, ground, d.Now()); err != nil {
		return View{}, err
	}
	d.Tally(erase.Count{What: erase.Closings, N: 1, Status: s})
	d.Engine.Tell()
	return d.Show(ctx, id)
}

// Extend puts a request's due date off, once and before it is over, to as far as its regulation allows, and tells the
// person where their address is known. Errors: *Invalid for an unknown reason, ErrExtended, ledger.ErrFinal, ErrNotFound.
func (d Desk) Extend(ctx context.Context, id, reason, by string) (View, error) {
	if reason != Complexity && reason != Number {
		return View{}, &Invalid{[]Field{{"reason", "unknown", "must be one of complexity, number"}}}
	}
	if _, err := d.Show(ctx, id); err != nil {
		return View{}, err
	}
	now := d.Now()
	_, err := d.Ledger.ChangeRequest(ctx, id, now, func(r *ledger.Request) error {
		if r.Extension != nil || now.After(r.Due) {
			return ErrExtended
		}
		r.Extension = &ledger.Extension{Reason: reason, By: by, At: now, Before: r.Due}
		r.Due, r.Told = duty.Extended(config.Regulation(r.Regulation), r.Received), ""
		r.Report("extended")
		return nil
	})
	if err != nil {
		return View{}, err
	}
	d.Engine.Tell()
	return d.Show(ctx, id)
}

// Decide gives a person's word on the plan that waits in a job. Errors: *Invalid for a ground or a digest that is unknown
// (fields ground and keep), fault.WrongPlan, ledger.ErrNotFound.
func (d Desk) Decide(ctx context.Context, job string, w erase.Word) error {
	if _, err := d.Ledger.Job(ctx, job); err != nil {
		return err
	}
	err := d.Engine.Decide(ctx, job, w)
	if said := (*fault.Error)(nil); errors.As(err, &said) && said.Name == fault.BadInput {
		field, text, _ := strings.Cut(said.Detail, ": ")
		return &Invalid{[]Field{{field, "unknown", text}}}
	}
	return err
}

// Vouch is a person's word on the identifiers that somebody typed into the form and nothing verified: they are the
// person's, and count like those that the link verified, or they are left out. Nobody is told. Errors: *Invalid when there
// are none, ErrUsed when somebody said so before, ledger.ErrHeld, ErrFinal, ErrNotFound.
func (d Desk) Vouch(ctx context.Context, id, by string, verified bool) (View, error) {
	if _, err := d.Show(ctx, id); err != nil { // also for those that were never confirmed
		return View{}, err
	}
	now := d.Now()
	_, err := d.Ledger.ChangeRequest(ctx, id, now, func(r *ledger.Request) error {
		switch {
		case r.Vouched != nil:
			return ErrUsed
		case len(r.Claimed) == 0:
			return &Invalid{[]Field{{"verified", "not_allowed", "is for requests with identifiers that nobody verified; this one has none"}}}
		case r.Job != "":
			return ledger.ErrHeld
		}
		r.Vouched = &ledger.Vouch{By: by, At: now, Verified: verified, Types: r.Claimed}
		if verified {
			r.Claimed = nil
		}
		return nil
	})
	if err != nil {
		return View{}, err
	}
	return d.Show(ctx, id)
}
