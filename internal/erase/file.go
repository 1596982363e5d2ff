package erase

import (
	"context"
	"errors"
	"slices"

	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// Filing is what became of people who were filed.
type Filing struct {
	Requests []string // ids, one for each person, in their order
	Joined   int      // how many joined a request that was open already
}

// File turns people into requests, their identifiers sealed. Somebody with an open request that knows all the given
// identifiers joins it, and so does somebody whose request closed in one of the jobs under way: asking again while a
// job runs or waits is not another wish. preview marks requests that must not outlive their job.
func File(ctx context.Context, b Base, channel string, preview bool, people []subject.Subject, underWay ...string) (Filing, error) {
	var out Filing
	var fresh []ledger.Request
	filed, err := b.closedIn(ctx, underWay)
	if err != nil {
		return out, err
	}
	for _, s := range people {
		person := b.PersonDigest(s)
		if id, ok := filed[person]; ok {
			out.Requests = append(out.Requests, id)
			continue
		}
		if !preview {
			r, err := OpenRequestOf(ctx, b, s)
			if err == nil {
				out.Requests, out.Joined = append(out.Requests, r.ID), out.Joined+1
				continue
			}
			if !errors.Is(err, ledger.ErrNotFound) {
				return out, err
			}
		}
		r, err := NewRequest(ctx, b, s, channel)
		if err != nil {
			return out, err
		}
		r.Preview = preview
		fresh = append(fresh, r)
		filed[person] = r.ID
		out.Requests = append(out.Requests, r.ID)
	}
	err = b.Ledger.File(ctx, fresh)
	if err == nil {
		b.Tally(Count{What: Filings, N: len(fresh), Channel: channel})
	}
	return out, err
}

// NewRequest makes a request of a person that came by a channel (cli, console, api, opendsr, form), received now, its
// identifiers sealed; it is not filed yet. The error is fault.BadInput for a person with no identifier or too many.
func NewRequest(ctx context.Context, b Base, s subject.Subject, channel string) (ledger.Request, error) {
	s = s.Canonical()
	if len(s.Identifiers) == 0 || len(s.Identifiers) > subject.MaxIdentifiers {
		return ledger.Request{}, fault.New(fault.BadInput, "a person has %d identifiers; 1 to %d can be worked on", len(s.Identifiers), subject.MaxIdentifiers)
	}
	id, now := b.NewID(), b.Now()
	sealed, err := b.Seal.Seal(ctx, "request/"+id, s.Encode())
	if err != nil {
		return ledger.Request{}, err
	}
	return ledger.Request{
		ID: id, Status: ledger.Pending, Channel: channel, Regulation: string(b.Config.Regulation),
		Received: now, Due: duty.Due(b.Config.Regulation, now), Verified: now,
		Person: b.PersonDigest(s), Subject: sealed, Keys: b.keys(s), Tell: len(b.Config.Serve.Webhooks) > 0,
	}, nil
}

// keys are the keyed digests by which a person's identifiers are found.
func (b Base) keys(s subject.Subject) []string {
	keys := make([]string, len(s.Identifiers))
	for n, id := range s.Identifiers {
		keys[n] = b.Seal.Digest("identifier", id.Key())
	}
	return keys
}

// PersonDigest is the keyed digest by which requests and certificates know a person: whoever has the identifiers and
// the key can tell whose request it is, also after the identifiers were destroyed.
func (b Base) PersonDigest(s subject.Subject) string {
	return b.Seal.Digest("person", string(s.Canonical().Encode()))
}

// OpenRequestOf finds the open request that a person would join: one that is worked on by all of the person's identifiers.
// ledger.ErrNotFound where there is none.
func OpenRequestOf(ctx context.Context, b Base, s subject.Subject) (ledger.Request, error) {
	verified := func(r ledger.Request) bool {
		return !slices.ContainsFunc(s.Identifiers, func(i subject.Identifier) bool { return claimed(r, i) })
	}
	return b.Ledger.OpenFor(ctx, b.keys(s.Canonical()), verified)
}

// closedIn gives the requests that have ended in these jobs by all their identifiers, by the digest of their person.
func (b Base) closedIn(ctx context.Context, jobs []string) (map[string]string, error) {
	out := map[string]string{}
	for _, job := range jobs {
		err := b.Ledger.Members(ctx, job, func(id string, m ledger.Member) error {
			if m.Status == "" {
				return nil
			}
			r, err := b.Ledger.Request(ctx, id)
			if err == nil && r.Final() && len(r.Claimed) == 0 {
				out[r.Person] = r.ID
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
