package erase

import (
	"context"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/match"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// people opens the subjects of a job's requests.
func (b Base) people(ctx context.Context, job string) ([]match.Person, error) {
	var out []match.Person
	err := b.Ledger.RequestsOf(ctx, job, func(r ledger.Request) error {
		plain, err := b.Seal.Open(ctx, "request/"+r.ID, r.Subject)
		if err != nil {
			return err
		}
		s, err := subject.Decode(plain)
		out = append(out, match.Person{Ref: r.ID, Identifiers: s.Identifiers})
		return err
	})
	return out, err
}

// learn adds to the people what the devices found in a target say of them: install ids always, user ids where the
// target allows it. A device that waits for review teaches nothing: it may be somebody else's.
func (b Base) learn(ctx context.Context, job string, t config.Target, people []match.Person) error {
	at := map[string]int{}
	for n, p := range people {
		at[p.Ref] = n
	}
	return b.Ledger.Findings(ctx, job, t.ID, Devices, func(f ledger.Finding) error {
		if f.Rejected || len(f.Grounds) > 0 && f.Approved == "" {
			return nil
		}
		o, err := b.openObject(ctx, job, f)
		if err != nil {
			return err
		}
		for id := range f.Requests {
			n, ok := at[id]
			if !ok {
				continue
			}
			people[n].Installs = append(people[n].Installs, o.ID)
			if t.LearnUserID && o.UserID != "" {
				people[n].UserIDs = append(people[n].UserIDs, o.UserID)
			}
		}
		return nil
	})
}
