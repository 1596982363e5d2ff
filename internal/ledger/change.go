package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// ErrHeld answers an end of a request that a job works on.
var ErrHeld = errors.New("ledger: a job works on the request")

// Report makes this change of the request known to whoever wants to know, by a kind of its own ("extended"). A change of
// status is made known by itself.
func (r *Request) Report(kind string) { r.news = append(r.news, kind) }

// follow is the group of changes that puts a request in the place of its old record at a version: what is told about it,
// and where it has ended for good, what goes with that.
func (r *Request) follow(old Request, version int64, at time.Time) []Change {
	var changes []Change
	if r.Status != old.Status || r.Settled != old.Settled {
		r.Changed = at
		r.news = append(r.news, "status")
	}
	if r.Status != Unverified {
		r.Until = time.Time{}
	}
	expires, unverified := r.Until, old.Status == Unverified
	switch {
	case r.Final():
		expires = r.expires()
		r.Subject, r.Learned, r.Keys, r.Kept = nil, nil, nil, nil
		if !r.Tell { // no event will need them
			r.Callbacks = nil
		}
		// The list of all requests loses it when its record goes.
		listed := Change{Key: r.listKey(), Data: []byte(`{}`), Expires: expires}
		if !unverified { // which was found by nothing so far
			listed.If = 1 // written when it was filed or confirmed, and not since
			changes = append(changes, old.unindex()...)
		}
		changes = append(changes, listed)
	case unverified && r.Status != Unverified:
		changes = append(changes, r.index()...)
	}
	for n, kind := range r.news {
		e, ok := r.event(kind, at)
		if !ok {
			break
		}
		if r.Final() && n == len(r.news)-1 {
			e.Contact = r.Contact
		}
		changes = append(changes, e.change())
	}
	r.news = nil
	if r.Final() {
		r.Contact = nil // the last event took it along
	}
	return append(changes, Change{Key: requestKey(r.ID), Data: encode(r), If: version, Expires: expires})
}

// expires is when the record of a request that has ended goes. Its status is the last thing that changed.
func (r Request) expires() time.Time { return r.Changed.Add(Retention) }

// unindex removes the entries by which an open request is found.
func (r Request) unindex() []Change {
	changes := []Change{{Key: r.openKey()}}
	for _, k := range r.Keys {
		changes = append(changes, Change{Key: Key{"identifier/" + k, r.ID}})
	}
	return changes
}

// ChangeRequest lets change work on a request that has not ended, at a time; ErrFinal when it has, ErrNotFound when it is
// not there. An error of change ends it with nothing written.
func (l *Ledger) ChangeRequest(ctx context.Context, id string, at time.Time, change func(*Request) error) (Request, error) {
	for range tries {
		old, version, err := read[Request](ctx, l, requestKey(id))
		if err != nil {
			return old, err
		}
		if old.Final() {
			return old, ErrFinal
		}
		r := old
		r.Kept = slices.Clone(old.Kept)
		if err := change(&r); err != nil {
			return old, err
		}
		changes := r.follow(old, version, at)
		if r.Final() {
			kept, err := l.store.Get(ctx, evidenceKey(id))
			if err != nil {
				return old, err
			}
			for _, i := range kept { // of an earlier job
				changes = append(changes, Change{Key: i.Key, Data: i.Data, If: i.Version, Expires: at.Add(Retention)})
			}
		}
		err = l.store.Write(ctx, changes...)
		if !errors.Is(err, ErrConflict) {
			return r, err
		}
	}
	return Request{}, fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on one request; try again", tries)
}

// End ends a request that no job holds with a final status, for a ground or "": its identifiers are destroyed. ErrHeld
// when a job works on it, ErrFinal when it has ended, ErrNotFound when it is not there.
func (l *Ledger) End(ctx context.Context, id string, status Status, ground string, at time.Time) (Request, error) {
	if !status.Final() {
		return Request{}, fmt.Errorf("ledger: a request cannot end as %s", status)
	}
	return l.ChangeRequest(ctx, id, at, func(r *Request) error {
		if r.Job != "" {
			return ErrHeld
		}
		r.Status, r.Ground, r.Closed = status, ground, at
		return nil
	})
}

// Closing is one request at the end of a job.
type Closing struct {
	Request     Request // its id, and what the job decides: Status, Settled, Closed, Learned and Kept
	Outcomes    []Outcome
	Certificate string

	Ended bool // set by CloseRequests: that call ended it, and no other
}

// CloseRequests writes the end of requests in their job: status, outcomes and certificate; with a final status the
// sealed subject and the index entries go. Requests that have ended already, or that another job holds, are left as they
// are.
func (l *Ledger) CloseRequests(ctx context.Context, job string, closings []Closing) error {
	b, err := l.breadth(ctx, job)
	if err != nil {
		return err
	}
	closing := func(closings ...Closing) ([][]Change, error) {
		var keys []Key
		for _, c := range closings {
			k := closingKeys(job, c.Request.ID, b)
			keys = append(keys, k[:]...)
		}
		items, err := l.store.Get(ctx, keys...)
		if err != nil {
			return nil, err
		}
		there := make(map[Key]Item, len(items))
		for _, i := range items {
			there[i.Key] = i
		}
		all := make([][]Change, len(closings))
		for n, c := range closings {
			if all[n], err = c.changes(job, closingKeys(job, c.Request.ID, b), there); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	all, err := closing(closings...)
	if err != nil {
		return err
	}
	for n := range closings {
		closings[n].Ended = len(all[n]) > 0
	}
	return l.groups(ctx, all, func(n int) ([]Change, error) {
		one, err := closing(closings[n])
		if err != nil {
			return nil, err
		}
		closings[n].Ended = len(one[0]) > 0
		return one[0], nil
	})
}

// closingKeys are the items that the end of a request in a job needs: the request, its place in the job, and its evidence.
func closingKeys(job, id string, b breadth) [3]Key {
	return [3]Key{requestKey(id), memberKey(job, id, b), evidenceKey(id)}
}

// changes is the group that ends one request in its job; none when there is nothing to end.
func (c Closing) changes(job string, keys [3]Key, there map[Key]Item) ([]Change, error) {
	var old Request
	if i, ok := there[keys[0]]; ok {
		if err := decode(i, &old); err != nil {
			return nil, err
		}
	}
	if old.ID == "" || old.Final() || old.Job != job {
		return nil, nil
	}
	// What else changed since the job read the request, its due date or how many events it had, is none of the job's.
	r := old
	r.Status, r.Settled, r.Closed = c.Request.Status, c.Request.Settled, c.Request.Closed
	r.Learned, r.Kept = c.Request.Learned, c.Request.Kept
	r.Job, r.LastJob = "", job
	until := r.Closed.Add(Retention)
	changes := []Change{{Key: keys[1], Data: encode(Member{Status: r.Status}), If: there[keys[1]].Version, Expires: until}}
	changes = append(changes, r.follow(old, there[keys[0]].Version, r.Closed)...)
	if !r.Final() {
		until = time.Time{}
	}
	return append(changes, Change{Key: keys[2], Data: evidence{c.Outcomes, c.Certificate}.pack(), If: there[keys[2]].Version, Expires: until}), nil
}
