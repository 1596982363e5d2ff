package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// Export is a target's device export in a job.
type Export struct {
	Pass    int       `json:"pass"`
	ID      string    `json:"id,omitempty"`      // the provider's export id; empty until it answered
	Started time.Time `json:"started,omitzero"`  // the export, or the wait for its container
	Starts  int       `json:"starts"`            // in this job, counted before the call: an unclear answer may have started one
	Known   string    `json:"known,omitempty"`   // the id whose end was counted last
	Ended   int       `json:"ended"`             // of these starts, those whose end was seen
	Polls   int       `json:"polls"`             // looks at how far it is
	Retried bool      `json:"retried,omitempty"` // a Failed export was tried once more in this job
	Pieces  int       `json:"pieces"`            // how many pieces its blobs were cut into
	Ready   bool      `json:"ready,omitempty"`   // the pieces are written
}

// Next is the export of another pass: what counts for the whole job stays.
func (e Export) Next(pass int) Export {
	return Export{Pass: pass, Starts: e.Starts, Ended: e.Ended, Retried: e.Retried}
}

// End counts that the end of the present export was seen, once for each.
func (e *Export) End() {
	if e.ID != "" && e.ID != e.Known {
		e.Ended, e.Known = e.Ended+1, e.ID
	}
}

func exportKey(job, target string) Key { return Key{"job/" + job, "export/" + target} }

// Export reads a target's export; the zero Export where there is none.
func (l *Ledger) Export(ctx context.Context, job, target string) (Export, error) {
	e, _, err := read[Export](ctx, l, exportKey(job, target))
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return e, err
}

// ChangeExport lets change work on a target's export.
func (l *Ledger) ChangeExport(ctx context.Context, job, target string, change func(*Export)) (Export, error) {
	return update(ctx, l, exportKey(job, target), true, func(e *Export) error {
		change(e)
		return nil
	})
}

func pieceKey(job, target string, pass, n int) Key {
	return Key{"job/" + job, fmt.Sprintf("piece/%s/%d/%06d", target, pass, n)}
}

// SetPieces writes the sealed descriptions of an export's pieces, over any that were there.
func (l *Ledger) SetPieces(ctx context.Context, job, target string, pass int, sealed [][]byte) error {
	if err := l.clear(ctx, "piece/"+target+"/", "job/"+job); err != nil {
		return err
	}
	changes := make([]Change, len(sealed))
	for n, p := range sealed {
		changes[n] = Change{Key: pieceKey(job, target, pass, n), Data: encode(p)}
	}
	again, err := l.store.WriteEach(ctx, changes...)
	if err == nil && len(again) > 0 {
		err = fault.New(fault.LedgerBusy, "ledger: somebody else writes the pieces of the same export; run the step again")
	}
	return err
}

// Piece reads the sealed description of one piece.
func (l *Ledger) Piece(ctx context.Context, job, target string, pass, n int) ([]byte, error) {
	p, _, err := read[[]byte](ctx, l, pieceKey(job, target, pass, n))
	return p, err
}

// Lease says which job's export holds a container, and what lay in it before.
type Lease struct {
	Job    string   `json:"job"`
	Target string   `json:"target"`
	Before []string `json:"before"` // keyed digests of the blob names that the export did not write
	Over   bool     `json:"over"`   // its holder is done; what appeared since Before is still to be deleted
}

func leaseKey(container string) Key { return Key{"container/" + container, "lease"} }

// Lease reads who holds a container, named by its digest; ErrNotFound when nobody does.
func (l *Ledger) Lease(ctx context.Context, container string) (Lease, error) {
	v, _, err := read[Lease](ctx, l, leaseKey(container))
	return v, err
}

// TakeLease gives a container to a job if from, a lease read before, is still what is there; the zero Lease stands for
// none. ErrConflict when it is not.
func (l *Ledger) TakeLease(ctx context.Context, container string, from, to Lease) error {
	there, version, err := read[Lease](ctx, l, leaseKey(container))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if there.Job != from.Job || there.Target != from.Target {
		return ErrConflict
	}
	return l.store.Write(ctx, Change{Key: leaseKey(container), Data: encode(to), If: version})
}

// EndLease leaves a container to whoever takes it next, who has to delete what the export left.
func (l *Ledger) EndLease(ctx context.Context, container, job, target string) error {
	_, err := update(ctx, l, leaseKey(container), false, func(v *Lease) error {
		v.Over = v.Over || v.Job == job && v.Target == target
		return nil
	})
	return err
}

// DropLease ends a job's hold of a container; nothing happens when another holds it.
func (l *Ledger) DropLease(ctx context.Context, container, job, target string) error {
	there, version, err := read[Lease](ctx, l, leaseKey(container))
	if errors.Is(err, ErrNotFound) || err == nil && (there.Job != job || there.Target != target) {
		return nil
	}
	if err != nil {
		return err
	}
	return l.store.Write(ctx, Change{Key: leaseKey(container), If: version})
}
