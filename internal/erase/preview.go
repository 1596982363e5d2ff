package erase

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// previewTime is how long the plan of a preview can be read.
const previewTime = time.Hour

// keptPlan is a plan as it is kept.
type keptPlan struct {
	Plan
	Requests map[string]int `json:"requests"`
}

func previewScope(job string) string { return "preview/" + job }

// keepPreview keeps what a preview found, before its requests and its job are destroyed. What a closing before this one
// kept stays: the requests may be gone already. Half a plan does not: nothing was destroyed before it was whole.
func (b Base) keepPreview(ctx context.Context, job string) error {
	_, err := PreviewPlan(ctx, b, job, false)
	if !errors.Is(err, ledger.ErrNotFound) && !fault.Is(err, fault.SealBroken) {
		return err
	}
	p, err := LoadPlan(ctx, b, job, true)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(keptPlan{p, p.Requests})
	if err != nil {
		return err
	}
	sealed, err := b.Seal.Seal(ctx, previewScope(job), plain)
	if err != nil {
		return err
	}
	err = b.Ledger.KeepPreview(ctx, job, sealed, b.Now().Add(previewTime))
	if errors.Is(err, ledger.ErrConflict) {
		return fault.New(fault.LedgerBusy, "job %s: another run of this step keeps what it found; run it again", job)
	}
	return err
}

// PreviewPlan reads what a preview found, for an hour after its end; reveal adds the objects' names. ledger.ErrNotFound
// when there is none, or its time is over.
func PreviewPlan(ctx context.Context, b Base, job string, reveal bool) (Plan, error) {
	sealed, err := b.Ledger.PreviewOf(ctx, job)
	if err != nil {
		return Plan{}, err
	}
	plain, err := b.Seal.Open(ctx, previewScope(job), sealed)
	if err != nil {
		return Plan{}, err
	}
	var k keptPlan
	if json.Unmarshal(plain, &k) != nil {
		return Plan{}, fault.New(fault.SealBroken, "job %s: the plan of a preview does not decode", job)
	}
	p := k.Plan
	p.Requests = k.Requests
	if !reveal {
		for n := range p.Entries {
			p.Entries[n].Name = ""
		}
	}
	return p, nil
}
