package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// storedFinding is a finding as it is kept. One that names more people than fit into an item keeps the rest in parts, items
// of the same form that follow it, named by its digest, a slash and a number, and only written together with it.
type storedFinding struct {
	Finding
	Parts int `json:"parts,omitempty"`
}

// maxNames is how many bytes of Requests one item holds: some 4,000 people. The rest of an item is the object's.
const maxNames = 256 << 10

// maxParts are as many as one Write can hold, with the finding itself: it can name some 40,000 people.
const maxParts = MaxWrite/(maxNames+1<<10) - 2

func (f Finding) key(job string, b breadth) Key {
	return Key{findingPartition(job, f.Target, f.Area, b.of(f.Digest)), f.Digest}
}

func partKey(k Key, n int) Key { return Key{k.Partition, fmt.Sprintf("%s/%02d", k.Sort, n)} }

// Findings calls do for what a job found in an area.
func (l *Ledger) Findings(ctx context.Context, job, target, area string, do func(Finding) error) error {
	b, err := l.breadth(ctx, job)
	if err != nil {
		return err
	}
	for _, p := range b.partitions(func(s string) string { return findingPartition(job, target, area, s) }) {
		var whole *Finding // its parts come behind it
		give := func() error {
			if whole == nil {
				return nil
			}
			return do(*whole)
		}
		err := each(ctx, l, p, "", func(sort string, _ int64, f Finding) error {
			if whole != nil && strings.HasPrefix(sort, whole.Digest+"/") {
				maps.Copy(whole.Requests, f.Requests)
				return nil
			}
			err := give()
			whole = &f
			return err
		})
		if err == nil {
			err = give()
		}
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

// changeFindings changes findings each for itself: a step that is run again finds those that were not written. It gives how many were new.
func (l *Ledger) changeFindings(ctx context.Context, job string, found []Finding, change func(old *Finding, f Finding)) (fresh int, err error) {
	if len(found) == 0 {
		return 0, nil
	}
	b, err := l.breadth(ctx, job)
	if err != nil {
		return 0, err
	}
	// Findings are read partition by partition. In the order of their digests they are no longer.
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(a.Digest, b.Digest) })
	for chunk := range slices.Chunk(found, MaxChanges) {
		byKey := map[Key][]Finding{} // a step may see an object twice in one chunk
		for _, f := range chunk {
			k := f.key(job, b)
			byKey[k] = append(byKey[k], f)
		}
		n, err := l.changeChunk(ctx, byKey, change)
		if fresh += n; err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

func (l *Ledger) changeChunk(ctx context.Context, found map[Key][]Finding, change func(old *Finding, f Finding)) (fresh int, err error) {
	for range tries {
		there, err := l.findingsAt(ctx, slices.Collect(maps.Keys(found)))
		if err != nil {
			return fresh, err
		}
		var alone []Change
		for k, fs := range found {
			old := there[k]
			for _, f := range fs {
				change(&old.finding, f)
			}
			changes, err := old.changes(k)
			if err != nil {
				return fresh, err
			}
			if len(changes) == 1 {
				alone = append(alone, changes[0])
				continue
			}
			if err := l.store.Write(ctx, changes...); err == nil {
				delete(found, k)
				if old.item.Version == 0 {
					fresh++
				}
			} else if !errors.Is(err, ErrConflict) {
				return fresh, err
			}
		}
		again, err := l.store.WriteEach(ctx, alone...)
		if err != nil {
			return fresh, err
		}
		for n, c := range alone {
			if !slices.Contains(again, n) {
				delete(found, c.Key)
				if c.If == 0 {
					fresh++
				}
			}
		}
		if len(found) == 0 {
			return fresh, nil
		}
	}
	return fresh, fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on the findings; run the step again", tries)
}

// kept is a finding with the items that it is made of.
type kept struct {
	finding Finding
	item    Item
	parts   []Item
}

// findingsAt reads findings with their parts.
func (l *Ledger) findingsAt(ctx context.Context, keys []Key) (map[Key]kept, error) {
	items, err := l.store.Get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	out := map[Key]kept{}
	var more []Key
	whose := map[Key]Key{}
	for _, i := range items {
		var f storedFinding
		if err := decode(i, &f); err != nil {
			return nil, err
		}
		out[i.Key] = kept{finding: f.Finding, item: i}
		for n := range f.Parts {
			more = append(more, partKey(i.Key, n))
			whose[partKey(i.Key, n)] = i.Key
		}
	}
	if len(more) == 0 {
		return out, nil
	}
	if items, err = l.store.Get(ctx, more...); err != nil {
		return nil, err
	}
	for _, i := range items {
		var f Finding
		if err := decode(i, &f); err != nil {
			return nil, err
		}
		of := out[whose[i.Key]]
		maps.Copy(of.finding.Requests, f.Requests)
		of.parts = append(of.parts, i)
		out[whose[i.Key]] = of
	}
	return out, nil
}

// changes writes the finding in place of what is there: its item always, which keeps other writers off, and the parts that
// differ.
func (f kept) changes(k Key) ([]Change, error) {
	main := storedFinding{Finding: f.finding}
	names := f.finding.Requests
	var parts []map[string][]string
	main.Requests = map[string][]string{}
	into, size := main.Requests, 0
	for _, id := range slices.Sorted(maps.Keys(names)) {
		entry := len(encode(id)) + len(encode(names[id])) + 2
		if size += entry; size > maxNames {
			into, size = map[string][]string{}, entry
			parts = append(parts, into)
		}
		into[id] = names[id]
	}
	main.Parts = len(parts)
	data := encode(main)
	if len(parts) > maxParts || len(data) > MaxItem {
		return nil, fmt.Errorf("ledger: one %s finding names %d requests, too many to keep; run jobs of fewer people", f.finding.Area, len(names))
	}
	changes := []Change{{Key: k, Data: data, If: f.item.Version}}
	for n, p := range parts {
		c := Change{Key: partKey(k, n), Data: encode(Finding{Requests: p})}
		if n < len(f.parts) {
			if bytes.Equal(f.parts[n].Data, c.Data) {
				continue
			}
			c.If = f.parts[n].Version
		}
		changes = append(changes, c)
	}
	for n := len(parts); n < len(f.parts); n++ {
		changes = append(changes, Change{Key: f.parts[n].Key, If: f.parts[n].Version})
	}
	return changes, nil
}
