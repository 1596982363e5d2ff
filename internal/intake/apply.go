package intake

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// LinkTime is how long a link to confirm works; after it the request is destroyed.
const LinkTime = 48 * time.Hour

// Apply takes an application from the privacy form: an unverified request, and a mail with a link to confirm it. The
// answer is the same whether the person is known or not, and whether a mail was sent or too many had been sent to the
// address that day. Errors: *Invalid (fields email, phone, account), ErrTooMany.
func (d Desk) Apply(ctx context.Context, a Application) error {
	s, email, err := d.applicant(a)
	if err != nil {
		return err
	}
	limits, now := d.Config.Serve.Form, d.Now()
	// First without counting: when all submissions of an hour are spent, not even clients are written down any more.
	if spent, err := d.Ledger.Spent(ctx, "form", limits.All, now); err != nil {
		return err
	} else if spent {
		return ErrTooMany
	}
	for _, l := range []struct {
		what  string
		limit int
	}{
		{"client/" + d.Seal.Digest("limit/client", a.Client), limits.PerClient},
		{"form", limits.All},
	} {
		if ok, err := d.Ledger.Allow(ctx, l.what, l.limit, time.Hour, now); err != nil {
			return err
		} else if !ok {
			return ErrTooMany
		}
	}
	channel, base := "form", d.Base
	if id, ok := d.Links.ReadCanary(email); ok {
		// The mailbox is a simulator's: it may be filled, and its request is found by its id.
		channel, base.NewID = Canary, func() string { return id }
	} else if ok, err := d.Ledger.Allow(ctx, "address/"+d.Seal.Digest("limit/address", mailbox(email)), limits.PerAddress, 24*time.Hour, now); err != nil || !ok {
		return err // the page says the same: the mailbox is not ours to fill, and nobody learns of it
	}
	r, err := erase.NewRequest(ctx, base, s, channel)
	if err != nil {
		return err
	}
	r.Status, r.Until, r.Verified = ledger.Unverified, now.Add(LinkTime), time.Time{}
	r.Claimed = claimed(s)
	r.Tell, r.Language = true, language(a.Language)
	if r.Contact, err = d.Seal.Seal(ctx, ContactScope(r.ID), []byte(email)); err != nil {
		return err
	}
	if err := d.Ledger.File(ctx, []ledger.Request{r}); err != nil {
		return err
	}
	d.Tally(erase.Count{What: erase.Filings, N: 1, Channel: channel})
	d.Engine.Tell()
	return nil
}

// Canary is the channel of requests that prove that the form works, from its page to the mail. They are never confirmed.
const Canary = "canary"

// ContactScope is the scope under which a request's own address is sealed.
func ContactScope(request string) string { return "contact/" + request }

// CallbacksScope is the scope under which a request's callback addresses are sealed, as a JSON list.
func CallbacksScope(request string) string { return "callbacks/" + request }

// mailbox is an address without the tag that many providers ignore: ann+shop@example.com is delivered to ann@example.com.
func mailbox(email string) string {
	at := strings.LastIndexByte(email, '@')
	if plus := strings.IndexByte(email, '+'); plus > 0 && plus < at {
		return email[:plus] + email[at:]
	}
	return email
}

func language(l string) string {
	if slices.Contains([]string{"en", "de", "fr"}, l) {
		return l
	}
	return "en"
}

// claimed are the identifier types of an applicant that a link to the mailbox does not verify.
func claimed(s subject.Subject) []string {
	var out []string
	for _, i := range s.Identifiers {
		if t := string(i.Type); i.Type != subject.Email && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// applicant reads what was typed.
func (d Desk) applicant(a Application) (s subject.Subject, email string, err error) {
	bad := &Invalid{}
	add := func(field, code, text string, t subject.Type, value string, required bool) {
		value = strings.TrimSpace(value)
		if value == "" {
			if required {
				bad.Fields = append(bad.Fields, Field{field, "required", "is required"})
			}
			return
		}
		id, err := subject.New(t, "", value, phone.In(d.Config.PhoneRegion))
		if err != nil {
			bad.Fields = append(bad.Fields, Field{field, code, text})
			return
		}
		if t == subject.Email {
			email = id.Value()
		}
		s.Add(id)
	}
	add("email", "not_email", "is not an e-mail address", subject.Email, a.Email, true)
	add("phone", "not_phone", "is not a phone number; give it with its country code (+49 …)", subject.Phone, a.Phone, false)
	add("account", "bad_value", "is not an account id", subject.UserID, a.Account, false)
	if len(bad.Fields) > 0 {
		return s, "", bad
	}
	return s, email, nil
}

// applied finds the request of a link to confirm. Of one that was confirmed and joined another, it is that other.
func (d Desk) applied(ctx context.Context, token string) (ledger.Request, error) {
	id, ok := d.Links.ReadVerify(token)
	if !ok {
		return ledger.Request{}, ErrLink
	}
	joined, err := d.Ledger.Sent(ctx, d.joined(id, time.Time{}))
	if err == nil {
		id = joined
	} else if !errors.Is(err, ledger.ErrNotFound) {
		return ledger.Request{}, err
	}
	r, err := d.Ledger.Request(ctx, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound), err == nil && r.Status == ledger.Unverified && !d.Now().Before(r.Until):
		return r, ErrLink
	case err != nil:
		return r, err
	case r.Status != ledger.Unverified:
		return r, ErrUsed
	}
	return r, nil
}

func (d Desk) joined(id string, until time.Time) ledger.Once {
	return ledger.Once{Key: "joined/" + id, Until: until}
}

// Check is what a link to confirm leads to.
type Check struct {
	Claimed []string // types of the identifiers that were typed beside the address
	Status  string   // with ErrUsed: the token of the status page
}

// CheckVerify tells what the token of a link from a mail can confirm: ErrLink when nothing, ErrUsed when it did so before.
// It changes nothing.
func (d Desk) CheckVerify(ctx context.Context, token string) (Check, error) {
	r, err := d.applied(ctx, token)
	switch {
	case errors.Is(err, ErrUsed):
		return Check{Status: d.Links.StatusToken(r.ID)}, err
	case err != nil:
		return Check{}, err
	}
	return Check{Claimed: r.Claimed}, nil
}

// Confirm confirms a request by the token of the link in the mail, once, and gives the token of its status page: ErrLink,
// or ErrUsed together with the token of the status page. Somebody with an open request from the form joins that one; a
// request that a system filed is that system's, which may cancel it, and this one stays the person's own.
func (d Desk) Confirm(ctx context.Context, token string) (statusToken string, err error) {
	r, err := d.applied(ctx, token)
	if errors.Is(err, ErrUsed) {
		return d.Links.StatusToken(r.ID), err
	}
	if err != nil {
		return "", err
	}
	if r.Channel == Canary {
		return "", ErrLink
	}
	// Its own request is no other: a second click may have come at the same time.
	other := func(o ledger.Request) bool { return o.Channel == r.Channel && o.ID != r.ID }
	open, err := d.Ledger.OpenFor(ctx, r.Keys, other)
	if err == nil {
		// The link goes on to lead there for as long as it would have worked.
		if err := d.Ledger.Join(ctx, r.ID, open.ID, d.joined(r.ID, r.Until), d.Now()); !errors.Is(err, ledger.ErrFinal) {
			d.Engine.Tell()
			return d.Links.StatusToken(open.ID), err
		}
		// It ended a moment ago, and this is a wish of its own.
	} else if !errors.Is(err, ledger.ErrNotFound) {
		return "", err
	}
	now := d.Now()
	_, err = d.Ledger.ChangeRequest(ctx, r.ID, now, func(r *ledger.Request) error {
		if r.Status != ledger.Unverified {
			return ErrUsed
		}
		r.Status, r.Verified = ledger.Pending, now
		return nil
	})
	if err != nil && !errors.Is(err, ErrUsed) {
		return "", err
	}
	d.Engine.Tell()
	return d.Links.StatusToken(r.ID), err
}

// ByLink shows the request of a status link; ErrLink.
func (d Desk) ByLink(ctx context.Context, statusToken string) (View, error) {
	id, ok := d.Links.ReadStatus(statusToken)
	if !ok {
		return View{}, ErrLink
	}
	v, err := d.Show(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		err = ErrLink
	}
	return v, err
}
