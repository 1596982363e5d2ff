package boot

import (
	"context"
	"log/slog"
	"strings"

	"github.com/lethe-dsr/lethe/internal/awsjson"
	"github.com/lethe-dsr/lethe/internal/fault"
)

// Alive gives a function that tells whether a job is being worked on: whether its execution runs, or is about to be
// redriven. Where Step Functions does not say, it does: a container that is taken from a running job costs an export, and
// one that is waited for costs time.
func (c *Cloud) Alive() func(ctx context.Context, job string) bool {
	client := awsjson.New(c.AWS, awsjson.StepFunctions())
	// arn:…:stateMachine:NAME becomes arn:…:execution:NAME:JOB.
	prefix := strings.Replace(c.Settings.StateMachine, ":stateMachine:", ":execution:", 1) + ":"
	return func(ctx context.Context, job string) bool {
		in := struct {
			ExecutionArn string `json:"executionArn"`
			IncludedData string `json:"includedData"`
		}{prefix + job, "METADATA_ONLY"}
		var out struct {
			Status string `json:"status"`
		}
		err := client.Call(ctx, "DescribeExecution", in, &out)
		switch {
		case err != nil && fault.Code(err) == "ExecutionDoesNotExist":
			return false
		case err != nil:
			err = Refused(ctx, client.Retryable, "Step Functions", err)
			slog.Warn("whether a job runs could not be asked; it is taken to run", "job", job, "error", err.Error())
			return true
		}
		return out.Status == "RUNNING" || out.Status == "PENDING_REDRIVE"
	}
}
