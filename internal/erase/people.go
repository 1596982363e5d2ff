package erase

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/match"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// people opens the subjects of a job's requests, and adds what the devices of targets say of them: install ids always,
// user ids where the target allows it. Identifiers that somebody only typed into the form, and that nobody vouched for, are
// left out here, and so everywhere: they may be another person's.
func (b Base) people(ctx context.Context, job string, targets ...config.Target) ([]match.Person, error) {
	var out []match.Person
	at := map[string]int{}
	add := func(ref string, t config.Target, l learned) {
		n, ok := at[ref]
		if !ok {
			return
		}
		out[n].Installs = append(out[n].Installs, l.Installs...)
		if t.LearnUserID {
			out[n].UserIDs = append(out[n].UserIDs, l.UserIDs...)
		}
	}
	err := b.Ledger.RequestsOf(ctx, job, func(r ledger.Request) error {
		plain, err := b.Seal.Open(ctx, "request/"+r.ID, r.Subject)
		if err != nil {
			return err
		}
		s, err := subject.Decode(plain)
		if err != nil {
			return err
		}
		verified := slices.DeleteFunc(s.Identifiers, func(i subject.Identifier) bool { return claimed(r, i) })
		at[r.ID] = len(out)
		out = append(out, match.Person{Ref: r.ID, Identifiers: verified})
		former, err := b.openLearned(ctx, r)
		for _, t := range targets {
			add(r.ID, t, former[t.ID])
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		err := b.Ledger.Findings(ctx, job, t.ID, Devices, func(f ledger.Finding) error {
			if !teaches(f) {
				return nil
			}
			o, err := b.openObject(ctx, job, f)
			for id := range f.Requests {
				add(id, t, o.learned())
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// claimed tells whether nobody verified that an identifier is that of a request's person.
func claimed(r ledger.Request, i subject.Identifier) bool {
	return slices.Contains(r.Claimed, string(i.Type))
}

// teaches tells whether a device says something of its person. One that may be somebody else's does not, until a person
// has approved it. What is found through devices that wait for another reason waits with them.
func teaches(f ledger.Finding) bool {
	return !f.Rejected && (!slices.Contains(f.Grounds, SharedDevice) || f.Approved != "")
}

// learned is what a person's devices in one target say of the person.
type learned struct {
	Installs []string `json:"installs,omitempty"`
	UserIDs  []string `json:"user_ids,omitempty"`
}

// maxLearned is how many bytes of ids a request remembers, some 1,700 devices. Sealed and in base64, beside the person's
// identifiers and maxKept, they fit into one item of the ledger: a request that did not would keep its whole job from
// closing.
const maxLearned = 64 << 10

// size is about what it takes as JSON.
func (l learned) size() (n int) {
	for _, id := range slices.Concat(l.Installs, l.UserIDs) {
		n += len(id) + 3
	}
	return n
}

func (o object) learned() learned {
	l := learned{Installs: []string{o.ID}}
	if o.UserID != "" {
		l.UserIDs = []string{o.UserID}
	}
	return l
}

func (b Base) openLearned(ctx context.Context, r ledger.Request) (map[string]learned, error) {
	out := map[string]learned{}
	if r.Learned == nil {
		return out, nil
	}
	plain, err := b.Seal.Open(ctx, "learned/"+r.ID, r.Learned)
	if err == nil && json.Unmarshal(plain, &out) != nil {
		err = fault.New(fault.SealBroken, "what was learned for a request does not decode")
	}
	return out, err
}

// remember seals what a request that stays open has learned from devices, by target. What this job found is destroyed
// at its end, and a deleted device is in no later export: without its ids the next job would not recognise a
// notification that was sent to it, or place an order that failed. What is over maxLearned is left out.
func (b Base) remember(ctx context.Context, job ledger.Job, r ledger.Request, found map[[2]string][]*ledger.Finding) ([]byte, error) {
	all, err := b.openLearned(ctx, r)
	if err != nil {
		return nil, err
	}
	room := maxLearned
	for _, l := range all {
		room -= l.size()
	}
	for _, t := range job.Search {
		l := all[t]
		target, _ := b.Config.Target(t)
		for _, f := range found[[2]string{t, Devices}] {
			if f.Rejected || len(f.Grounds) > 0 && f.Approved == "" {
				continue // the next job may not have the device that makes it wait
			}
			o, err := b.openObject(ctx, job.ID, *f)
			if err != nil {
				return nil, err
			}
			more := o.learned()
			if !target.LearnUserID { // nobody may use them: a shared tablet's other user
				more.UserIDs = nil
			}
			if slices.Contains(l.Installs, o.ID) {
				more.Installs = nil
			}
			if more.size() > room {
				continue
			}
			room -= more.size()
			l.Installs, l.UserIDs = append(l.Installs, more.Installs...), append(l.UserIDs, more.UserIDs...)
		}
		l.Installs, l.UserIDs = sorted(l.Installs), sorted(l.UserIDs)
		if len(l.Installs) > 0 {
			all[t] = l
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	plain, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	return b.Seal.Seal(ctx, "learned/"+r.ID, plain)
}

// sorted gives each value once.
func sorted(values []string) []string {
	set := map[string]bool{}
	for _, v := range values {
		set[v] = true
	}
	return slices.Sorted(maps.Keys(set))
}
