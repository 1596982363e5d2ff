package executions

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/lethe-dsr/lethe/internal/live"
)

const (
	// recent is how many events of an execution are looked at, the last ones: what one call gives. A state that was entered
	// before them and is still at work is one that holds others, which are among them.
	recent   = 1000
	lookTime = 5 * time.Second
)

// Board shows the console which states of an execution are at work, by its history. It is a console.Board.
type Board struct{ Engine }

// Progress gives the states of a job that are at work; false where Step Functions does not say.
func (b Board) Progress(job string) (live.Progress, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	arn := b.settings.Execution(job)
	out, err := b.client.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{
		ExecutionArn: &arn, ReverseOrder: true, MaxResults: recent, IncludeExecutionData: new(bool),
	})
	if err != nil {
		slog.Warn("which states are at work could not be asked", "job", job, "error", b.refused(ctx, err).Error())
		return live.Progress{}, false
	}
	return progress(job, out.Events, b.Now()), true
}

// progress reads the events of an execution, the last one first.
func progress(job string, events []types.HistoryEvent, now time.Time) live.Progress {
	p := live.Progress{Job: job, At: now}
	left, working := map[string]int{}, map[string]bool{}
	for n, e := range events {
		if n == 0 {
			p.Ended = strings.HasPrefix(string(e.Type), "Execution") && e.Type != types.HistoryEventTypeExecutionStarted && e.Type != types.HistoryEventTypeExecutionRedriven
		}
		switch {
		case e.StateExitedEventDetails != nil && e.StateExitedEventDetails.Name != nil:
			left[*e.StateExitedEventDetails.Name]++
		case e.StateEnteredEventDetails != nil && e.StateEnteredEventDetails.Name != nil:
			if name := *e.StateEnteredEventDetails.Name; left[name] > 0 {
				left[name]--
			} else {
				working[name] = true
			}
		}
	}
	if !p.Ended {
		p.States = slices.Sorted(maps.Keys(working))
	}
	return p
}

// Watch calls do once: the answer goes out when it is whole, and the browser asks again.
func (b Board) Watch(ctx context.Context, job string, _ time.Duration, do func(live.Progress) bool) {
	if p, ok := b.Progress(job); ok && do(p) {
		<-ctx.Done()
	}
}
