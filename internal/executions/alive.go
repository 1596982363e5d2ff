// Package executions asks Step Functions about the executions of the state machine. It is apart from boot because only
// programs that ask should start with the client for it.
package executions

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/lethe-dsr/lethe/internal/boot"
)

// Alive gives a function that tells whether a job is being worked on: whether its execution runs, or is about to be
// redriven. Where Step Functions does not say, it does: a container that is taken from a running job costs an export, and
// one that is waited for costs time.
func Alive(c *boot.Cloud) func(ctx context.Context, job string) bool {
	client := sfn.NewFromConfig(c.AWS)
	return func(ctx context.Context, job string) bool {
		arn := c.Settings.Execution(job)
		out, err := client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn, IncludedData: types.IncludedDataMetadataOnly})
		var unknown *types.ExecutionDoesNotExist
		switch {
		case errors.As(err, &unknown):
			return false
		case err != nil:
			err = boot.Refused(ctx, client.Options().Retryer, "Step Functions", err)
			c.Journal.Log.Warn("whether a job runs could not be asked; it is taken to run", "job", job, "error", err.Error())
			return true
		}
		return out.Status == types.ExecutionStatusRunning || out.Status == types.ExecutionStatusPendingRedrive
	}
}
