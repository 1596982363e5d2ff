package erase

import (
	"context"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/match"
	"github.com/lethe-dsr/lethe/internal/phone"
)

// matcher knows the people of the job and what this target's devices said of them.
func (b Base) matcher(ctx context.Context, in On) (*match.Matcher, error) {
	t, err := b.target(in.Target)
	if err != nil {
		return nil, err
	}
	people, err := b.people(ctx, in.Job, t)
	if err != nil {
		return nil, err
	}
	return match.New(people, phone.In(t.PhoneRegion)), nil
}

// textFinding adds an audience or notification to found if it matched.
func (b Base) textFinding(ctx context.Context, in On, area string, o object, v match.Verdict, found []ledger.Finding) ([]ledger.Finding, error) {
	if len(v.Hits) == 0 {
		return found, nil
	}
	sealed, err := b.sealObject(ctx, in.Job, o)
	f := ledger.Finding{
		Target: in.Target, Area: area, Digest: b.objectDigest(in.Target, area, o.ID),
		Object: sealed, Requests: requestsOf(v.Hits), Seen: in.Pass,
	}
	if v.Others {
		f.Grounds = []string{NamesOthers}
	}
	return append(found, f), err
}
