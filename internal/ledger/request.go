package ledger

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
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

// Final tells whether the request has ended for good: by its status, or because all that is left of it was kept by a
// person's decision, which another try would not change.
func (r Request) Final() bool { return r.Status.Final() || r.Settled }

// ErrFinal answers a change of a request that has ended for good.
var ErrFinal = errors.New("ledger: the request has a final status")

// Request is one person's wish.
type Request struct {
	ID         string       `json:"id"`
	Status     Status       `json:"status"`
	Changed    time.Time    `json:"changed,omitzero"` // when it got this status
	Channel    string       `json:"channel"`          // how it came: cli, console, api, opendsr, form
	By         string       `json:"by,omitempty"`     // the name of the API token that filed it
	Regulation string       `json:"regulation"`
	Received   time.Time    `json:"received"`
	Due        time.Time    `json:"due"`
	Verified   time.Time    `json:"verified,omitzero"`  // when the person's identity was verified
	Claimed    []string     `json:"claimed,omitempty"`  // identifier types in it that nobody verified
	Vouched    *Vouch       `json:"vouched,omitempty"`  // what a person said about them
	Mode       string       `json:"mode,omitempty"`     // that it asks for; empty for the configuration's
	Urgent     bool         `json:"urgent,omitempty"`   // does not wait for a sweep
	Person     string       `json:"person"`             // keyed digest of the whole subject
	Subject    []byte       `json:"subject,omitempty"`  // sealed; destroyed with a final status
	Learned    []byte       `json:"learned,omitempty"`  // sealed: what devices that are deleted said; destroyed with it
	Keys       []string     `json:"keys,omitempty"`     // keyed digests of its identifiers, while it is open
	Job        string       `json:"job,omitempty"`      // the job that has claimed it
	LastJob    string       `json:"last_job,omitempty"` // the job that closed it last
	Attempts   int          `json:"attempts,omitempty"`
	Closed     time.Time    `json:"closed,omitzero"`   // when the last job closed it
	Settled    bool         `json:"settled,omitempty"` // partial for good: what is left was kept by a person's decision
	Kept       []KeptObject `json:"kept,omitempty"`    // what was decided to stay, while it is open
	Ground     string       `json:"ground,omitempty"`  // why it was denied
	Extension  *Extension   `json:"extension,omitempty"`
	Preview    bool         `json:"preview,omitempty"`

	// Whom to tell about changes: see Event.
	Tell      bool      `json:"tell,omitempty"`      // somebody wants to know: changes of status become events
	Events    int       `json:"events,omitempty"`    // events so far
	Contact   []byte    `json:"contact,omitempty"`   // sealed: the person's own address; goes into the last event
	Language  string    `json:"language,omitempty"`  // of mails to the person
	Callbacks []byte    `json:"callbacks,omitempty"` // sealed: addresses that the sender wants to be called at; destroyed with the last event
	External  string    `json:"external,omitempty"`  // the sender's own id of the request
	Told      string    `json:"told,omitempty"`      // the last news of its due date: due_soon or overdue
	Until     time.Time `json:"until,omitzero"`      // of an unverified request: when it is destroyed
	news      []string  // kinds of further events that this change makes
}

// Extension is more time for an answer (GDPR art. 12(3), 11 CCR 7021).
type Extension struct {
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Before time.Time `json:"before"` // the due date that it replaced
}

// Vouch is a person's word on the identifiers in a request that nothing verified.
type Vouch struct {
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Verified bool      `json:"verified"` // they are the person's; else they are left out
	Types    []string  `json:"types"`    // of the identifiers
}

// KeptObject is an object that a person decided to keep, by the digest of its name.
type KeptObject struct {
	Target string `json:"target"`
	Area   string `json:"area"`
	Digest string `json:"digest"`
	Ground string `json:"ground"`
}

func requestKey(id string) Key { return Key{"request/" + id, "request"} }

func (r Request) listKey() Key {
	if r.Preview {
		return Key{"previews", r.ID}
	}
	return Key{"requests/" + spread(r.ID), r.ID}
}
func (r Request) openKey() Key { return Key{"open/" + spread(r.ID), r.ID} }

// filing is the group of changes that brings a request into the ledger. An unverified one is in no list and found by
// nobody, and goes by itself when its time is over.
func (r Request) filing() []Change {
	r.Changed = r.Received
	changes := []Change{{Key: requestKey(r.ID), Expires: r.Until}}
	if e, ok := r.event("status", r.Changed); ok {
		changes = append(changes, e.change())
	}
	changes[0].Data = encode(r)
	if r.Status != Unverified {
		changes = append(changes, r.index()...)
	}
	return changes
}

// index are the entries by which a request is found: the one in the list of all stays as long as its record, the others
// while it is open.
func (r Request) index() []Change {
	changes := []Change{{Key: r.listKey(), Data: []byte(`{}`)}}
	if r.Preview {
		return changes
	}
	changes = append(changes, Change{Key: r.openKey(), Data: []byte(`{}`)})
	for _, k := range r.Keys {
		changes = append(changes, Change{Key: Key{"identifier/" + k, r.ID}, Data: []byte(`{}`)})
	}
	return changes
}

// File brings new requests into the ledger, each whole or not at all. Filing another request under the same id is an error.
func (l *Ledger) File(ctx context.Context, requests []Request) error {
	all := make([][]Change, len(requests))
	for n, r := range requests {
		all[n] = r.filing()
	}
	return l.groups(ctx, all, func(n int) ([]Change, error) {
		there, err := l.store.Get(ctx, requestKey(requests[n].ID))
		switch {
		case err != nil:
			return nil, err
		case len(there) == 0:
			return all[n], nil
		case bytes.Equal(there[0].Data, all[n][0].Data): // written, and the answer was lost
			return nil, nil
		}
		return nil, fmt.Errorf("ledger: request %s is filed already", requests[n].ID)
	})
}

// OpenFor finds an open request that already holds all the identifiers with these digests, the same person asking
// again, and that suits; nil for any. ErrNotFound where there is none.
func (l *Ledger) OpenFor(ctx context.Context, keys []string, suits func(Request) bool) (Request, error) {
	var found *Request
	if len(keys) == 0 {
		return Request{}, ErrNotFound
	}
	err := each(ctx, l, "identifier/"+keys[0], "", func(id string, _ int64, _ struct{}) error {
		r, err := l.Request(ctx, id)
		if errors.Is(err, ErrNotFound) { // an entry that outlived its request hides no other
			return nil
		}
		if err != nil || found != nil || r.Final() || r.Status == Unverified || suits != nil && !suits(r) {
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

// Discard removes a request that was never confirmed; one that was confirmed meanwhile stays.
func (l *Ledger) Discard(ctx context.Context, id string) error {
	for range tries {
		r, version, err := read[Request](ctx, l, requestKey(id))
		if errors.Is(err, ErrNotFound) || err == nil && r.Status != Unverified {
			return nil
		}
		if err != nil {
			return err
		}
		err = l.store.Write(ctx, Change{Key: requestKey(id), If: version})
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on one request; try again", tries)
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

// evidence is what a request's last job says of it. It is one item, because both are always written together, and packed,
// because begun kilobytes cost: some 4 KB of JSON become less than 3.
type evidence struct {
	Outcomes    []Outcome `json:"outcomes"`
	Certificate string    `json:"certificate"`
}

// maxEvidence is how many bytes of JSON are read out of an item, far more than MaxItem packs.
const maxEvidence = 100 * MaxItem

func evidenceKey(request string) Key { return Key{"request/" + request, "evidence"} }

func (e evidence) pack() []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err == nil {
		_, err = w.Write(encode(e))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		panic("ledger: a buffer takes everything: " + err.Error())
	}
	return b.Bytes()
}

func (l *Ledger) evidence(ctx context.Context, id string) (e evidence, err error) {
	items, err := l.store.Get(ctx, evidenceKey(id))
	if err == nil && len(items) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return e, err
	}
	data, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(items[0].Data)), maxEvidence))
	if err != nil {
		return e, fmt.Errorf("ledger: the evidence of request %s does not unpack: %w", id, err)
	}
	return e, decode(Item{Key: items[0].Key, Data: data}, &e)
}

// Outcomes reads what became of a request, in the order of targets and areas; none before its first job closed it.
func (l *Ledger) Outcomes(ctx context.Context, id string) ([]Outcome, error) {
	e, err := l.evidence(ctx, id)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return e.Outcomes, err
}

// Certificate reads a request's signed certificate, a compact JWS; ErrNotFound where there is none.
func (l *Ledger) Certificate(ctx context.Context, id string) (string, error) {
	e, err := l.evidence(ctx, id)
	return e.Certificate, err
}
