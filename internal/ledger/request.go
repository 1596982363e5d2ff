package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Status of a request.
type Status string

// The statuses. Erased, NothingFound, Cancelled, Denied and Abandoned are final: they are never overwritten. Partial and
// Failed requests keep their sealed identifiers, because the next run takes them up.
const (
	Unverified   Status = "unverified"
	Pending      Status = "pending"
	Running      Status = "running"
	InReview     Status = "in_review"
	Erased       Status = "erased"
	NothingFound Status = "nothing_found"
	Partial      Status = "partial"
	Failed       Status = "failed"
	Cancelled    Status = "cancelled"
	Denied       Status = "denied"
	Abandoned    Status = "abandoned" // still partial or failed when its time was over; identifiers destroyed
)

// Final tells whether a request with this status has ended for good.
func (s Status) Final() bool {
	return slices.Contains([]Status{Erased, NothingFound, Cancelled, Denied, Abandoned}, s)
}

// ErrFinal answers a change of a request that has ended for good.
var ErrFinal = errors.New("ledger: the request has a final status")

// Request is one person's wish.
type Request struct {
	ID         string    `json:"id"`
	Status     Status    `json:"status"`
	Channel    string    `json:"channel"` // how it came: cli, console, api, form
	Regulation string    `json:"regulation"`
	Received   time.Time `json:"received"`
	Due        time.Time `json:"due"`
	Person     string    `json:"person"`             // keyed digest of the whole subject
	Subject    []byte    `json:"subject,omitempty"`  // sealed; destroyed with a final status
	Learned    []byte    `json:"learned,omitempty"`  // sealed: what devices that are deleted said; destroyed with it
	Keys       []string  `json:"keys,omitempty"`     // keyed digests of its identifiers, while it is open
	Job        string    `json:"job,omitempty"`      // the job that has claimed it
	LastJob    string    `json:"last_job,omitempty"` // the job that closed it last
	Attempts   int       `json:"attempts,omitempty"`
	Closed     time.Time `json:"closed,omitzero"` // when the last job closed it
	Preview    bool      `json:"preview,omitempty"`
}

// Unclaimed is the status of a request that a job gives back without having worked on it.
func (r Request) Unclaimed() Status {
	if r.LastJob != "" {
		return Partial
	}
	return Pending
}

func requestKey(id string) Key { return Key{"request/" + id, "request"} }

func (r Request) listKey() Key {
	if r.Preview {
		return Key{"previews", r.ID}
	}
	return Key{"requests/" + spread(r.ID), r.ID}
}
func (r Request) openKey() Key { return Key{"open/" + spread(r.ID), r.ID} }

// filing is the group of changes that brings a request into the ledger.
func (r Request) filing() []Change {
	changes := []Change{{Key: requestKey(r.ID), Data: encode(r)}, {Key: r.listKey(), Data: []byte(`{}`)}}
	if r.Preview {
		return changes
	}
	changes = append(changes, Change{Key: r.openKey(), Data: []byte(`{}`)})
	for _, k := range r.Keys {
		changes = append(changes, Change{Key: Key{"identifier/" + k, r.ID}, Data: []byte(`{}`)})
	}
	return changes
}

// File brings new requests into the ledger, each whole or not at all. Filing a request again is an error.
func (l *Ledger) File(ctx context.Context, requests []Request) error {
	all := make([][]Change, len(requests))
	for n, r := range requests {
		all[n] = r.filing()
	}
	return l.groups(ctx, all, func(n int) ([]Change, error) {
		switch _, err := l.Request(ctx, requests[n].ID); {
		case errors.Is(err, ErrNotFound):
			return all[n], nil
		case err != nil:
			return nil, err
		}
		return nil, fmt.Errorf("ledger: request %s is filed already", requests[n].ID)
	})
}

// OpenFor finds the open request that already holds all the identifiers with these digests: the same person asking
// again. ErrNotFound where there is none.
func (l *Ledger) OpenFor(ctx context.Context, keys []string) (Request, error) {
	var found *Request
	if len(keys) == 0 {
		return Request{}, ErrNotFound
	}
	err := each(ctx, l, "identifier/"+keys[0], "", func(id string, _ int64, _ struct{}) error {
		r, err := l.Request(ctx, id)
		if err != nil || found != nil || r.Status.Final() || r.Status == Unverified {
			return err
		}
		for _, k := range keys {
			if !slices.Contains(r.Keys, k) {
				return nil
			}
		}
		found = &r
		return nil
	})
	if err != nil {
		return Request{}, err
	}
	if found == nil {
		return Request{}, ErrNotFound
	}
	return *found, nil
}

// Request reads one request; ErrNotFound where there is none.
func (l *Ledger) Request(ctx context.Context, id string) (Request, error) {
	r, _, err := read[Request](ctx, l, requestKey(id))
	return r, err
}

// ChangeRequest lets change work on a request that has not ended; ErrFinal when it has, ErrNotFound when it is not there.
func (l *Ledger) ChangeRequest(ctx context.Context, id string, change func(*Request) error) (Request, error) {
	return update(ctx, l, requestKey(id), false, func(r *Request) error {
		if r.Status.Final() {
			return ErrFinal
		}
		return change(r)
	})
}

// Requests calls do for the ids of all requests, open and closed, by no particular order.
func (l *Ledger) Requests(ctx context.Context, do func(id string) error) error {
	return l.spreadIDs(ctx, "requests/", do)
}

// OpenRequests calls do for the ids of the requests that have not ended for good.
func (l *Ledger) OpenRequests(ctx context.Context, do func(id string) error) error {
	return l.spreadIDs(ctx, "open/", do)
}

// Previews calls do for the ids of the subjects that a preview registered and has not destroyed yet.
func (l *Ledger) Previews(ctx context.Context, do func(id string) error) error {
	return each(ctx, l, "previews", "", func(id string, _ int64, _ struct{}) error { return do(id) })
}

func (l *Ledger) spreadIDs(ctx context.Context, prefix string, do func(id string) error) error {
	for _, s := range spreads {
		err := each(ctx, l, prefix+string(s), "", func(id string, _ int64, _ struct{}) error { return do(id) })
		if err != nil {
			return err
		}
	}
	return nil
}

// Destroy removes the requests of previews and everything that was written about them.
func (l *Ledger) Destroy(ctx context.Context, requests ...Request) error {
	all := make([][]Change, len(requests))
	for n, r := range requests {
		all[n] = []Change{{Key: requestKey(r.ID)}, {Key: r.listKey()}}
	}
	return l.groups(ctx, all, func(n int) ([]Change, error) { return all[n], nil })
}

// Word says what became of a request in one target and area.
type Word string

// The words.
const (
	VerifiedAbsent Word = "verified_absent" // deleted, searched again, gone
	Accepted       Word = "accepted"        // the provider took the order and offers no way to look
	ProviderClosed Word = "provider_closed"
	Nothing        Word = "nothing_found"
	Kept           Word = "kept"
	NotDone        Word = "failed"
)

// Outcome is what became of a request in one target and area.
type Outcome struct {
	Target   string    `json:"target"`
	Provider string    `json:"provider"`
	Area     string    `json:"area"`
	Word     Word      `json:"word"`
	Reason   string    `json:"reason,omitempty"` // fault name, or the ground why something is kept
	Found    int       `json:"found"`
	Deleted  int       `json:"deleted"`
	Ordered  int       `json:"ordered,omitempty"`        // orders that the provider took; it does not say whether it knew the id
	Already  int       `json:"already_absent,omitempty"` // gone when its delete arrived
	Kept     int       `json:"kept,omitempty"`
	Earlier  int       `json:"earlier,omitempty"` // deleted, gone or ordered by earlier jobs of the request
	Tokens   []string  `json:"tokens,omitempty"`  // the provider's own transaction tokens
	Searched int       `json:"searches"`          // whole searches of the area in the last job
	Seen     int64     `json:"seen,omitempty"`    // objects looked at by the last search
	Skipped  int64     `json:"unreadable,omitempty"`
	At       time.Time `json:"at"`
}

// Closing is one request at the end of a job.
type Closing struct {
	Request     Request // with its new status
	Outcomes    []Outcome
	Certificate string
}

// CloseRequests writes the end of requests in their job: status, outcomes and certificate; with a final status the
// sealed subject and the index entries go. Requests that have ended already, or that another job holds, are left as they
// are.
func (l *Ledger) CloseRequests(ctx context.Context, job string, closings []Closing) error {
	all := make([][]Change, len(closings))
	for n, c := range closings {
		var err error
		if all[n], err = l.closing(ctx, job, c); err != nil {
			return err
		}
	}
	return l.groups(ctx, all, func(n int) ([]Change, error) { return l.closing(ctx, job, closings[n]) })
}

// closing is the group of changes that ends one request in its job; none when there is nothing to end.
func (l *Ledger) closing(ctx context.Context, job string, c Closing) ([]Change, error) {
	id := c.Request.ID
	outcomesKey, certificateKey := Key{"request/" + id, "outcomes"}, Key{"request/" + id, "certificate"}
	items, err := l.store.Get(ctx, requestKey(id), memberKey(job, id), outcomesKey, certificateKey)
	if err != nil {
		return nil, err
	}
	versions := map[Key]int64{}
	var old Request
	for _, i := range items {
		versions[i.Key] = i.Version
		if i.Key == requestKey(id) {
			if err := decode(i, &old); err != nil {
				return nil, err
			}
		}
	}
	if old.ID == "" || old.Status.Final() || old.Job != job {
		return nil, nil
	}
	r := c.Request
	r.Job, r.LastJob = "", job
	var expires time.Time
	changes := []Change{{Key: memberKey(job, id), Data: encode(Member{Status: r.Status}), If: versions[memberKey(job, id)]}}
	if r.Status.Final() {
		r.Subject, r.Learned, r.Keys = nil, nil, nil
		expires = r.Closed.Add(Retention)
		changes = append(changes, old.unindex()...)
	}
	return append(changes,
		Change{Key: requestKey(id), Data: encode(r), If: versions[requestKey(id)], Expires: expires},
		Change{Key: outcomesKey, Data: encode(c.Outcomes), If: versions[outcomesKey], Expires: expires},
		Change{Key: certificateKey, Data: encode(c.Certificate), If: versions[certificateKey], Expires: expires},
	), nil
}

// unindex removes the entries by which an open request is found.
func (r Request) unindex() []Change {
	changes := []Change{{Key: r.openKey()}}
	for _, k := range r.Keys {
		changes = append(changes, Change{Key: Key{"identifier/" + k, r.ID}})
	}
	return changes
}

// Abandon ends an open request that no job holds: its sealed subject and index entries go.
func (l *Ledger) Abandon(ctx context.Context, id string, at time.Time) error {
	r, version, err := read[Request](ctx, l, requestKey(id))
	if err != nil || r.Status.Final() || r.Job != "" {
		return err
	}
	changes := r.unindex()
	r.Status, r.Closed, r.Subject, r.Learned, r.Keys = Abandoned, at, nil, nil, nil
	kept, err := l.store.Get(ctx, Key{"request/" + id, "outcomes"}, Key{"request/" + id, "certificate"})
	if err != nil {
		return err
	}
	for _, i := range kept {
		changes = append(changes, Change{Key: i.Key, Data: i.Data, If: i.Version, Expires: at.Add(Retention)})
	}
	changes = append(changes, Change{Key: requestKey(id), Data: encode(r), If: version, Expires: at.Add(Retention)})
	return l.store.Write(ctx, changes...)
}

// Outcomes reads what became of a request, in the order of targets and areas; none before its first job closed it.
func (l *Ledger) Outcomes(ctx context.Context, id string) ([]Outcome, error) {
	out, _, err := read[[]Outcome](ctx, l, Key{"request/" + id, "outcomes"})
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return out, err
}

// Certificate reads a request's signed certificate, a compact JWS; ErrNotFound where there is none.
func (l *Ledger) Certificate(ctx context.Context, id string) (string, error) {
	c, _, err := read[string](ctx, l, Key{"request/" + id, "certificate"})
	return c, err
}
