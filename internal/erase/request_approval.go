package erase

import (
	"context"

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
		if err := b.Ledger.MarkRequests(ctx, in.Job, ledger.InReview); err != nil {
			return struct{}{}, err
		}
		_, err := b.Ledger.ChangeJob(ctx, in.Job, func(j *ledger.Job) error {
			j.Plan, j.Token = in.Plan, in.Token
			return nil
		})
		return struct{}{}, err
	}
}

// Decide writes down a person's word on the plan that waits in a job, and answers the task token that continues its
// execution. The plan must be the one that waits; fault.WrongPlan when it is another or none.
func Decide(ctx context.Context, b Base, jobID, plan, by string, approved bool) (token string, err error) {
	_, err = b.Ledger.ChangeJob(ctx, jobID, func(j *ledger.Job) error {
		switch {
		case j.Token == "" || j.Plan == "":
			return fault.New(fault.WrongPlan, "job %s: nothing waits for approval", jobID)
		case j.Plan != plan:
			return fault.New(fault.WrongPlan, "job %s: another plan waits than the one named; look at it again and approve its hash", jobID)
		}
		token = j.Token
		// The token stays until the next review: whoever dies before the execution goes on says the same again.
		for _, a := range j.Approvals {
			if a.Plan == plan && a.Approved != approved {
				return fault.New(fault.WrongPlan, "job %s: this plan was decided before, the other way", jobID)
			}
			if a.Plan == plan {
				return nil
			}
		}
		j.Approvals = append(j.Approvals, ledger.Approval{Plan: plan, Approved: approved, By: by, At: b.Now()})
		return nil
	})
	if err != nil {
		return "", err
	}
	return token, b.Ledger.MarkRequests(ctx, jobID, ledger.Running)
}
