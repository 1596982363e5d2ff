package executions

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

const (
	// maxPreviews in an hour: each costs an export, of which App Center allows about 15 a day.
	maxPreviews = 20
	// answerTime is how long Step Functions may take for a call: somebody may wait for it, and API Gateway for 30 s.
	answerTime = 10 * time.Second
)

// Engine is the intake.Engine on Step Functions.
type Engine struct {
	erase.Base
	client   *sfn.Client
	settings boot.Settings
	refused  func(ctx context.Context, err error) error
}

// NewEngine makes an engine.
func NewEngine(c *boot.Cloud) Engine {
	client := sfn.NewFromConfig(c.AWS)
	return Engine{Base: c.Base, client: client, settings: c.Settings, refused: func(ctx context.Context, err error) error {
		var named *fault.Error
		if err == nil || errors.As(err, &named) {
			return err
		}
		return boot.Refused(ctx, client.Options().Retryer, "Step Functions", err)
	}}
}

// within gives a call to Step Functions its time.
func within(ctx context.Context, call func(context.Context) error) error {
	short, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	err := call(short)
	if err != nil && ctx.Err() == nil && short.Err() != nil {
		return fault.New(fault.Unavailable, "Step Functions did not do a call within %s; try again later", answerTime)
	}
	return err
}

// Start begins a job over requests. Its places are reserved before its execution begins; one that never begins leaves the
// requests free.
func (e Engine) Start(ctx context.Context, requests []string, mode config.Mode) (string, error) {
	if mode == config.Preview {
		ok, err := e.Ledger.Allow(ctx, "previews", maxPreviews, time.Hour, e.Now())
		if err != nil {
			return "", err
		}
		if !ok {
			return "", fault.New(fault.LedgerBusy, "%d previews were asked for in an hour; ask again later", maxPreviews)
		}
	}
	there := 0 // a sweep has thousands, so that they are not read one by one
	if err := e.Ledger.Each(ctx, requests, func(ledger.Request) error { there++; return nil }); err != nil {
		return "", err
	}
	if there < len(requests) {
		return "", fault.New(fault.BadInput, "requests: one of them is not in the ledger")
	}
	job := e.NewID()
	input, err := json.Marshal(erase.Input{Mode: mode})
	if err != nil {
		return "", err
	}
	if err := e.Ledger.Invite(ctx, job, requests, e.Now().Add(ledger.Retention)); err != nil {
		return "", err
	}
	text := string(input)
	err = within(ctx, func(ctx context.Context) error {
		_, err := e.client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &e.settings.StateMachine, Name: &job, Input: &text})
		return err
	})
	var begun *types.ExecutionAlreadyExists // by a call whose answer was lost: nobody else knows the name
	if err != nil && !errors.As(err, &begun) {
		return "", e.refused(ctx, err)
	}
	slog.InfoContext(ctx, "a job begins", "job", job, "requests", len(requests))
	return job, nil
}

// Decide writes down a person's word on a plan, and lets its execution go on. An execution that does not wait any more is
// found out before anything is written: what the evidence calls approved must not have been kept for lack of an answer.
func (e Engine) Decide(ctx context.Context, id string, word erase.Word) error {
	job, err := e.Ledger.Job(ctx, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return nothingWaits(id)
	case err != nil:
		return err
	case said(job, word):
		if job.Token == "" { // before, and the job has gone on since
			return nil
		}
	case job.Token == "":
		return nothingWaits(id)
	default:
		waits, err := e.Beat(ctx, job.Token)
		if err != nil {
			return err
		}
		if !waits {
			return nothingWaits(id)
		}
	}
	token, err := erase.Decide(ctx, e.Base, id, word)
	if fault.Is(err, fault.WrongPlan) {
		if job, again := e.Ledger.Job(ctx, id); again == nil && said(job, word) {
			return nil // by somebody else a moment ago
		}
	}
	if err != nil {
		return err
	}
	slog.InfoContext(ctx, "a plan was decided", "job", id, "approved", word.Approved, "by", word.By)
	return e.Answer(ctx, token)
}

// said tells whether this very word on a plan was given before.
func said(job ledger.Job, w erase.Word) bool { return slices.ContainsFunc(job.Approvals, w.Same) }

func nothingWaits(job string) error {
	return fault.New(fault.WrongPlan, "job %s: nothing waits for approval, or its time is over", job)
}

// Answer lets an execution go on whose plan was decided. It is no error when it has gone on already.
func (e Engine) Answer(ctx context.Context, token string) error {
	output := "{}"
	err := within(ctx, func(ctx context.Context) error {
		_, err := e.client.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: &output})
		return err
	})
	if over(err) {
		return nil
	}
	return e.refused(ctx, err)
}

// Beat tells Step Functions that somebody still knows of a plan that waits, and gives whether it does.
func (e Engine) Beat(ctx context.Context, token string) (waits bool, err error) {
	err = within(ctx, func(ctx context.Context) error {
		_, err := e.client.SendTaskHeartbeat(ctx, &sfn.SendTaskHeartbeatInput{TaskToken: &token})
		return err
	})
	if over(err) {
		return false, nil
	}
	return err == nil, e.refused(ctx, err)
}

// over tells whether a token's task does not wait any more.
func over(err error) bool {
	var timedOut *types.TaskTimedOut
	var unknown *types.TaskDoesNotExist
	return errors.As(err, &timedOut) || errors.As(err, &unknown)
}

// Tell does nothing: the table's stream wakes the function that tells.
func (Engine) Tell() {}

// Stopped tells since when an execution has ended, and whether it has. One that Step Functions does not know has ended at
// the zero time: it is forgotten, never was, or began a moment ago, for DescribeExecution lags behind
// (https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html).
func (e Engine) Stopped(ctx context.Context, job string) (at time.Time, ended bool, err error) {
	arn := e.settings.Execution(job)
	out, err := e.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn, IncludedData: types.IncludedDataMetadataOnly})
	var unknown *types.ExecutionDoesNotExist
	switch {
	case errors.As(err, &unknown):
		return time.Time{}, true, nil
	case err != nil:
		return time.Time{}, false, e.refused(ctx, err)
	case out.Status == types.ExecutionStatusRunning, out.Status == types.ExecutionStatusPendingRedrive, out.StopDate == nil:
		return time.Time{}, false, nil
	}
	return *out.StopDate, true, nil
}
