package executions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// history makes events of "+State" and "-State", entered and left, or of a type; the first one first.
func history(said string) (out []types.HistoryEvent) {
	for _, w := range strings.Fields(said) {
		var e types.HistoryEvent
		switch name := w[1:]; w[0] {
		case '+':
			e.Type, e.StateEnteredEventDetails = types.HistoryEventTypeTaskStateEntered, &types.StateEnteredEventDetails{Name: &name}
		case '-':
			e.Type, e.StateExitedEventDetails = types.HistoryEventTypeTaskStateExited, &types.StateExitedEventDetails{Name: &name}
		default:
			e.Type = types.HistoryEventType(w)
		}
		out = append([]types.HistoryEvent{e}, out...)
	}
	return out
}

func TestWhichStatesAreAtWork(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for said, want := range map[string]string{
		"":                                             "[] false",
		"ExecutionStarted":                             "[] false",
		"ExecutionStarted +OpenJob":                    "[OpenJob] false",
		"+OpenJob TaskScheduled":                       "[OpenJob] false",
		"+OpenJob -OpenJob":                            "[] false",
		"+Find +Export +Export -Export":                "[Export Find] false", // one of two lanes
		"+Find +Export +Export -Export -Export":        "[Find] false",
		"+Export -Export +Wait -Wait +Export":          "[Export] false", // round and round
		"-Export +Match":                               "[Match] false",  // its begin is too long ago
		"+A -A -A -A +A":                               "[A] false",
		"+Close LambdaFunctionFailed":                  "[Close] false", // is tried again
		"+Close -Close +Done -Done ExecutionSucceeded": "[] true",
		"+Close LambdaFunctionFailed ExecutionFailed":  "[] true",
		"+Close ExecutionAborted":                      "[] true",
		"+Close ExecutionTimedOut":                     "[] true",
		"+Close LambdaFunctionFailed ExecutionTimedOut ExecutionRedriven": "[Close] false",
	} {
		p := progress("job", history(said), at)
		if got := fmt.Sprint(p.States, " ", p.Ended); got != want || p.Job != "job" || !p.At.Equal(at) {
			t.Errorf("%s: %s, want %s", said, got, want)
		}
	}
}

// Somebody waits, and API Gateway gives up: Step Functions does not get the time of all the SDK's tries.
func TestACallToStepFunctionsHasItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hangs := func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("the SDK says: %w", ctx.Err())
		}
		begun := time.Now()
		if err := within(t.Context(), hangs); !fault.Is(err, fault.Unavailable) || time.Since(begun) != answerTime {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := within(ctx, hangs); !errors.Is(err, context.Canceled) {
			t.Errorf("whoever asked has gone: %v", err)
		}
	})
}
