package erase

import (
	"context"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// RequestApprovalIn is RequestApproval's input.
type RequestApprovalIn struct {
	Job   string `json:"job"`
	Plan  string `json:"plan"`  // hash
	Token string `json:"token"` // task token, which continues the execution
}

// RequestApproval notes that a plan waits, with the task token that continues the execution, and marks the requests with
// something waiting as in review. The ones with nothing waiting were closed before.
func RequestApproval(b Base) func(context.Context, RequestApprovalIn) (struct{}, error) {
	return func(ctx context.Context, in RequestApprovalIn) (struct{}, error) {
		if err := b.Ledger.MarkRequests(ctx, in.Job, ledger.InReview, b.Now()); err != nil {
			return struct{}{}, err
		}
		_, err := b.Ledger.ChangeJob(ctx, in.Job, func(j *ledger.Job) error {
			j.Plan, j.Token = in.Plan, in.Token
			return nil
		})
		return struct{}{}, err
	}
}

// Word is a person's word on a plan.
type Word struct {
	Plan     string // hash
	By       string
	Approved bool
	Ground   string   // of what is kept, by a rejection or by Keep: one of Grounds; empty for none named
	Keep     []string // digests of the objects of an approved plan that are kept all the same, at most MaxKeep
}

// kept are the digests of Keep, each once and in order.
func (w Word) kept() []string { return slices.Compact(slices.Sorted(slices.Values(w.Keep))) }

// Same tells whether an approval that was written down says the same, whoever said it.
func (w Word) Same(a ledger.Approval) bool {
	return a.Plan == w.Plan && a.Approved == w.Approved && a.Ground == w.Ground && slices.Equal(a.Kept, w.kept())
}

// MaxKeep is how many objects of an approved plan can be kept.
const MaxKeep = 1_000

// Decide writes down a person's word on the plan that waits in a job, and answers the task token that continues its
// execution. The plan must be the one that waits: fault.WrongPlan when it is another or none, or was decided otherwise.
// fault.BadInput, which begins with "ground: " or "keep: ", for a ground that is none of Grounds or goes with an approval of
// everything, and for digests that are not of the plan, too many, or go with a rejection.
func Decide(ctx context.Context, b Base, jobID string, w Word) (token string, err error) {
	keep := w.kept()
	switch {
	case w.Ground != "" && !slices.Contains(Grounds[:], w.Ground):
		return "", fault.New(fault.BadInput, "ground: not one of %s", strings.Join(Grounds[:], ", "))
	case w.Ground != "" && w.Approved && len(keep) == 0:
		return "", fault.New(fault.BadInput, "ground: an approval of everything has none; it says why something is kept")
	case len(keep) > 0 && !w.Approved:
		return "", fault.New(fault.BadInput, "keep: a rejection keeps everything")
	case len(w.Keep) > MaxKeep:
		return "", fault.New(fault.BadInput, "keep: names more than %d objects", MaxKeep)
	}
	if err := b.inPlan(ctx, jobID, w.Plan, keep); err != nil {
		return "", err
	}
	_, err = b.Ledger.ChangeJob(ctx, jobID, func(j *ledger.Job) error {
		if err := waitsFor(*j, w.Plan); err != nil {
			return err
		}
		token = j.Token
		// The token stays until the next review: whoever dies before the execution goes on says the same again.
		for _, a := range j.Approvals {
			switch {
			case a.Plan != w.Plan:
			case w.Same(a):
				return nil
			default:
				return fault.New(fault.WrongPlan, "job %s: this plan was decided before, the other way, on another ground, or with other objects kept", jobID)
			}
		}
		j.Approvals = append(j.Approvals, ledger.Approval{Plan: w.Plan, Approved: w.Approved, Ground: w.Ground, Kept: keep, By: w.By, At: b.Now()})
		return nil
	})
	if err != nil {
		return "", err
	}
	return token, b.Ledger.MarkRequests(ctx, jobID, ledger.Running, b.Now())
}

// waitsFor is fault.WrongPlan when another plan waits in a job than the one with this hash.
func waitsFor(j ledger.Job, hash string) error {
	switch {
	case j.Token == "" || j.Plan == "":
		return fault.New(fault.WrongPlan, "job %s: nothing waits for approval", j.ID)
	case j.Plan != hash:
		return fault.New(fault.WrongPlan, "job %s: another plan waits than the one named; look at it again and approve its hash", j.ID)
	}
	return nil
}

// inPlan checks that a plan waits in a job, and that these objects are in it.
func (b Base) inPlan(ctx context.Context, jobID, hash string, digests []string) error {
	if len(digests) == 0 {
		return nil
	}
	job, err := b.Ledger.Job(ctx, jobID)
	if err != nil {
		return err
	}
	if err := waitsFor(job, hash); err != nil {
		return err
	}
	there := map[string]bool{}
	err = b.eachFinding(ctx, job, func(f ledger.Finding) { there[f.Digest] = there[f.Digest] || f.Held })
	if err == nil && slices.ContainsFunc(digests, func(d string) bool { return !there[d] }) {
		err = fault.New(fault.BadInput, "keep: names an object that is not in the plan")
	}
	return err
}
