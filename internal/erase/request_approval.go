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
	Ground   string // of a rejection: one of Grounds; empty for none named
	Keep     []string // digests of the objects of an approved plan that are kept all the same
}

// Decide writes down a person's word on the plan that waits in a job, and answers the task token that continues its
// execution. The plan must be the one that waits: fault.WrongPlan when it is another or none, or was decided otherwise.
// fault.BadInput for a ground that is none of Grounds, or goes with an approval.
func Decide(ctx context.Context, b Base, jobID string, w Word) (token string, err error) {
	switch {
	case w.Ground != "" && !slices.Contains(Grounds[:], w.Ground):
		return "", fault.New(fault.BadInput, "ground: not one of %s", strings.Join(Grounds[:], ", "))
	case w.Ground != "" && w.Approved:
		return "", fault.New(fault.BadInput, "ground: an approval has none; it says why something is kept")
	}
	_, err = b.Ledger.ChangeJob(ctx, jobID, func(j *ledger.Job) error {
		switch {
		case j.Token == "" || j.Plan == "":
			return fault.New(fault.WrongPlan, "job %s: nothing waits for approval", jobID)
		case j.Plan != w.Plan:
			return fault.New(fault.WrongPlan, "job %s: another plan waits than the one named; look at it again and approve its hash", jobID)
		}
		token = j.Token
		// The token stays until the next review: whoever dies before the execution goes on says the same again.
		for _, a := range j.Approvals {
			switch {
			case a.Plan != w.Plan:
			case a.Approved != w.Approved:
				return fault.New(fault.WrongPlan, "job %s: this plan was decided before, the other way", jobID)
			case a.Ground != w.Ground:
				return fault.New(fault.WrongPlan, "job %s: this plan was rejected before, on another ground", jobID)
			default:
				return nil
			}
		}
		j.Approvals = append(j.Approvals, ledger.Approval{Plan: w.Plan, Approved: w.Approved, Ground: w.Ground, By: w.By, At: b.Now()})
		return nil
	})
	if err != nil {
		return "", err
	}
	return token, b.Ledger.MarkRequests(ctx, jobID, ledger.Running, b.Now())
}
