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
		if !teaches(f) {
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

func teaches(f ledger.Finding) bool { return !f.Rejected && (len(f.Grounds) == 0 || f.Approved != "") }

// remember gives the sealed subject of a request that stays open, with the install ids of the person's devices added.
// What this job found is destroyed at its end, and a deleted device is in no later export: without its id the next job
// would not recognise a notification that was sent to it.
func (b Base) remember(ctx context.Context, job ledger.Job, r ledger.Request, found map[[2]string][]*ledger.Finding) ([]byte, error) {
	plain, err := b.Seal.Open(ctx, "request/"+r.ID, r.Subject)
	if err != nil {
		return nil, err
	}
	s, err := subject.Decode(plain)
	if err != nil {
		return nil, err
	}
	before := len(s.Identifiers)
	for _, t := range job.Search {
		for _, f := range found[[2]string{t, Devices}] {
			if !teaches(*f) {
				continue
			}
			o, err := b.openObject(ctx, job.ID, *f)
			if err != nil {
				return nil, err
			}
			if id, err := subject.New(subject.InstallID, "", o.ID, ""); err == nil { // others are not searched for
				s.Add(id)
			}
		}
	}
	if len(s.Identifiers) == before {
		return r.Subject, nil
	}
	return b.Seal.Seal(ctx, "request/"+r.ID, s.Encode())
}
