package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// Finding is one object that matched, or one order to a provider that cannot be searched (area profile).
type Finding struct {
	Target   string              `json:"target"`
	Area     string              `json:"area"`
	Digest   string              `json:"digest"`   // keyed, of the object's id
	Object   []byte              `json:"object"`   // sealed: how the provider names it, and what was learned from it
	Requests map[string][]string `json:"requests"` // request id to the rules by which it matched
	Grounds  []string            `json:"grounds,omitempty"`
	Seen     int                 `json:"seen"`               // the last pass that saw it
	Cleared  int                 `json:"cleared,omitempty"`  // the pass in which the review cleared it for deletion
	Held     bool                `json:"held,omitempty"`     // waits for a person
	Approved string              `json:"approved,omitempty"` // what the plan said of it when a person approved
	Rejected bool                `json:"rejected,omitempty"`
	Ground   string              `json:"ground,omitempty"` // of the rejection
	Deleted  time.Time           `json:"deleted,omitzero"` // when the provider last confirmed its deletion or order
	InPass   int                 `json:"in_pass,omitempty"`
	Already  bool                `json:"already,omitempty"` // it was gone when the delete arrived
	Fault    string              `json:"fault,omitempty"`
	Token    string              `json:"token,omitempty"`
}

func findingPartition(job, target, area, s string) string {
	return "finding/" + job + "/" + target + "/" + area + "/" + s
}

func (f Finding) key(job string) Key {
	return Key{findingPartition(job, f.Target, f.Area, spread(f.Digest)), f.Digest}
}

// Findings calls do for what a job found in an area.
func (l *Ledger) Findings(ctx context.Context, job, target, area string, do func(Finding) error) error {
	for _, s := range spreads {
		err := each(ctx, l, findingPartition(job, target, area, string(s)), "", func(_ string, _ int64, f Finding) error { return do(f) })
		if err != nil {
			return err
		}
	}
	return nil
}

// Found writes findings, and gives how many of them were not there; after an error it is how many were written until then.
// One that is there already takes over the sight, the grounds and the further requests.
func (l *Ledger) Found(ctx context.Context, job string, found []Finding) (fresh int, err error) {
	return l.changeFindings(ctx, job, found, func(old *Finding, f Finding) {
		if old.Digest == "" {
			*old = f
			return
		}
		if old.Seen != f.Seen { // another pass: what it says of the object now counts
			old.Grounds = nil
		}
		for _, g := range f.Grounds {
			if !slices.Contains(old.Grounds, g) {
				old.Grounds = append(old.Grounds, g)
			}
		}
		old.Seen = max(old.Seen, f.Seen)
		old.Object = f.Object
		for id, rules := range f.Requests {
			for _, r := range rules {
				if !slices.Contains(old.Requests[id], r) {
					old.Requests[id] = append(old.Requests[id], r)
				}
			}
		}
	})
}

// SetFindings writes findings as the given ones say, whatever was there.
func (l *Ledger) SetFindings(ctx context.Context, job string, found []Finding) error {
	_, err := l.changeFindings(ctx, job, found, func(old *Finding, f Finding) { *old = f })
	return err
}

func (l *Ledger) changeFindings(ctx context.Context, job string, found []Finding, change func(old *Finding, f Finding)) (fresh int, err error) {
	for from := 0; from < len(found); from += MaxChanges {
		n, err := l.changeChunk(ctx, job, found[from:min(from+MaxChanges, len(found))], change)
		if fresh += n; err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

func (l *Ledger) changeChunk(ctx context.Context, job string, chunk []Finding, change func(old *Finding, f Finding)) (fresh int, err error) {
	keys := make([]Key, 0, len(chunk))
	byKey := map[Key][]Finding{} // a step may see an object twice in one chunk
	for _, f := range chunk {
		k := f.key(job)
		if byKey[k] == nil {
			keys = append(keys, k)
		}
		byKey[k] = append(byKey[k], f)
	}
	for range tries {
		items, err := l.store.Get(ctx, keys...)
		if err != nil {
			return 0, err
		}
		there := map[Key]Item{}
		for _, i := range items {
			there[i.Key] = i
		}
		changes := make([]Change, len(keys))
		for n, k := range keys {
			var old Finding
			if i, ok := there[k]; ok {
				if err := decode(i, &old); err != nil {
					return 0, err
				}
			}
			for _, f := range byKey[k] {
				change(&old, f)
			}
			data := encode(old)
			if len(data) > MaxItem {
				return 0, fmt.Errorf("ledger: one %s finding names too many requests to keep", old.Area)
			}
			changes[n] = Change{Key: k, Data: data, If: there[k].Version}
		}
		switch err := l.store.Write(ctx, changes...); {
		case err == nil:
			return len(keys) - len(there), nil
		case !errors.Is(err, ErrConflict):
			return 0, err
		}
	}
	return 0, fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on the findings; run the step again", tries)
}
