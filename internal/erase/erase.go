// Package erase is the domain: the steps of the erasure state machine, one file each, and the rules they share. A step
// does a slice of its work, keeps where it stands in the ledger, and may be run twice or die anywhere without harm.
package erase

import (
	"context"
	"encoding/json"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// The areas of a target.
const (
	Devices       = "devices"
	Audiences     = "audiences"
	Notifications = "notifications"
	Profile       = "profile" // what a provider holds that only takes orders
)

// searched lists the areas of a target that can be searched, in the order of the work.
var searched = [...]string{Devices, Audiences, Notifications}

// Sealer seals what only steps may read and makes keyed digests. A value opens only under the scope it was sealed for.
type Sealer interface {
	Seal(ctx context.Context, scope string, plain []byte) ([]byte, error)
	Open(ctx context.Context, scope string, sealed []byte) ([]byte, error)
	Digest(scope, value string) string
}

// Base is what every step works with.
type Base struct {
	Ledger *ledger.Ledger
	Seal   Sealer
	Config config.Config
	Now    func() time.Time
	NewID  func() string // sortable by time, unguessable, ending in random characters
	Report func(Event)   // progress; called from several goroutines
	Count  func(Count)   // what is counted; called from several goroutines; nil for none
}

// Counted is what is counted.
type Counted string

// What is counted: findings and deletions when the ledger has them for the first time in their job, requests when a job has
// closed them or they end without one, sweeps when their jobs begin. What a step does again after a crash does not count again; what was written
// down in the moment before a crash may not have been counted at all.
const (
	Findings  Counted = "findings"  // objects that matched, and orders to be placed
	Deletions Counted = "deletions" // objects that the provider says are gone, and orders that it took
	Closings  Counted = "closings"
	Sweeps    Counted = "sweeps"
	Filings   Counted = "filings" // requests that came in, also those that nobody has confirmed
)

// Count is a number of things that happened.
type Count struct {
	What    Counted
	N       int
	Target  string        // of findings and deletions
	Area    string        // of findings and deletions
	Status  ledger.Status // of closings
	Channel string        // of filings
}

// Tally counts something where anybody counts.
func (b Base) Tally(c Count) {
	if b.Count != nil && c.N > 0 {
		b.Count(c)
	}
}

// Event is progress of a step, for people who watch.
type Event struct {
	Job    string `json:"job,omitempty"`
	Target string `json:"target"`
	Area   string `json:"area"`
	Doing  string `json:"doing"` // exporting, matching, listing, deleting, ordering, waiting
	Pass   int    `json:"pass"`
	Piece  int    `json:"piece,omitempty"` // of an export
	Done   int64  `json:"done"`            // of this step: bytes, objects or ids
	Total  int64  `json:"total,omitempty"` // 0 where nobody knows
	Found  int64  `json:"found,omitempty"`
	End    bool   `json:"end,omitempty"` // of this work in this pass
}

func (b Base) target(id string) (config.Target, error) {
	t, ok := b.Config.Target(id)
	if !ok {
		return t, UnknownTarget(id)
	}
	return t, nil
}

// UnknownTarget is the fault of a job that works on a target which the configuration does not have.
func UnknownTarget(id string) error {
	return fault.New(fault.UnknownTarget, "target %s: the job works on it, but the configuration does not have it; put it back and run again", id)
}

// targets lists the ids of the targets at a provider.
func (b Base) targets(p config.Provider) []string {
	ids := []string{}
	for _, t := range b.Config.Targets {
		if t.Provider == p {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

// object is what is sealed of a finding.
type object struct {
	ID     string `json:"id"`                // exactly as the provider wrote it
	Name   string `json:"name,omitempty"`    // what a person recognises it by, where that is not the id
	UserID string `json:"user_id,omitempty"` // carried by a device
}

func (b Base) sealObject(ctx context.Context, job string, o object) ([]byte, error) {
	plain, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return b.Seal.Seal(ctx, "job/"+job, plain)
}

func (b Base) openObject(ctx context.Context, job string, f ledger.Finding) (object, error) {
	var o object
	plain, err := b.Seal.Open(ctx, "job/"+job, f.Object)
	if err != nil {
		return o, err
	}
	if json.Unmarshal(plain, &o) != nil {
		return o, fault.New(fault.SealBroken, "%s: a sealed %s object does not decode", f.Target, f.Area)
	}
	return o, nil
}

func (b Base) objectDigest(target, area, id string) string {
	return b.Seal.Digest("object/"+target+"/"+area, id)
}

// Slice is the answer of a step that works in slices.
type Slice struct {
	Done bool `json:"done"`
}

// On is the input of a step that works on one target of a job.
type On struct {
	Job    string `json:"job"`
	Target string `json:"target"`
	Pass   int    `json:"pass"`
}

// keepTime is the most that a slice keeps for its last item: a call may wait for a whole window of the provider's pace
// (provider.Window), as long again for the calls of others that queue, and then for a Retry-After of half a minute. A wait
// of more than three quarters of it is not begun (provider.Pace).
const keepTime = 150 * time.Second

// timeLeft tells a slicing step whether to begin another item. It keeps a fifth of the step's time, at most keepTime, for
// the item under way and for writing down where the step stands.
func timeLeft(ctx context.Context) func() bool {
	deadline, ok := ctx.Deadline()
	if !ok {
		return func() bool { return ctx.Err() == nil }
	}
	keep := min(time.Until(deadline)/5, keepTime)
	return func() bool { return ctx.Err() == nil && time.Until(deadline) > keep }
}

// closed tells whether an area failed in this job for a reason that does not pass by itself: it is not tried again.
func (b Base) closed(ctx context.Context, on On, area string, forget bool) error {
	lanes, err := b.Ledger.Lanes(ctx, on.Job)
	if err != nil {
		return err
	}
	l := lanes[[2]string{on.Target, area}]
	name := fault.Name(l.Find)
	if forget {
		name = fault.Name(l.Forget)
	}
	if name == "" || passes(name) {
		return nil
	}
	return fault.New(name, "%s: %s failed earlier in this job for a reason that stays; it was not tried again", on.Target, area)
}

// passes tells whether a lane's fault may be gone at the next try. Names that are not ours come from the platform
// (States.Timeout, Lambda.Unknown) and may.
func passes(n fault.Name) bool { return n.Transient() || !n.Known() }
