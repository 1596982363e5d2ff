package awslocal_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/awsfault"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/awslocal/awstest"
)

// deployed is a state machine whose steps have nothing to search, and whose job waits for an approval.
type deployed struct {
	*awslocal.Machine
	cloud  *awslocal.Cloud
	client *sfn.Client
	asked  atomic.Int64
	clock  atomic.Int64 // seconds that the machine's clock is ahead
}

func deploy(t *testing.T) *deployed {
	t.Helper()
	d := &deployed{}
	tasks := map[string]asl.Task{}
	for _, r := range awslocal.Resources() {
		tasks[r] = func(context.Context, []byte) ([]byte, error) { return []byte(`{}`), nil }
	}
	answer := func(resource, with string) {
		tasks[resource] = func(context.Context, []byte) ([]byte, error) { return []byte(with), nil }
	}
	tasks["OpenJobFunctionArn"] = func(_ context.Context, in []byte) ([]byte, error) {
		if strings.Contains(string(in), "broken") {
			return nil, errors.New("broken")
		}
		return []byte(`{"job": "j", "pass": 1, "search": [], "order": [], "forgot": null, "empty": false}`), nil
	}
	tasks["ReviewFindingsFunctionArn"] = func(context.Context, []byte) ([]byte, error) {
		if d.asked.Load() > 0 {
			return []byte(`{"decision": "clean", "plan": "p"}`), nil
		}
		return []byte(`{"decision": "approve", "plan": "p"}`), nil
	}
	tasks["RequestApprovalFunctionArn"] = func(context.Context, []byte) ([]byte, error) {
		d.asked.Add(1)
		return []byte(`{}`), nil
	}
	answer("CloseJobFunctionArn", `{"done": true, "left": "erased", "report": {"job": "j"}}`)
	c := awstest.Start(t)
	d.cloud = c
	var err error
	d.Machine, err = c.Deploy(tasks, asl.Options{
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Now:   func() time.Time { return time.Now().Add(time.Duration(d.clock.Load()) * time.Second) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	d.client = sfn.NewFromConfig(c.AWS())
	return d
}

func (d *deployed) start(t *testing.T, name, input string) (*sfn.StartExecutionOutput, error) {
	return d.client.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(awslocal.MachineARN), Name: &name, Input: &input})
}

// waiting starts an execution and gives its ARN and the token that it waits for.
func (d *deployed) waiting(t *testing.T, name, input string) (arn, token string) {
	t.Helper()
	started, err := d.start(t, name, input)
	if err != nil {
		t.Fatal(err)
	}
	stands, err := d.Settled(t.Context(), name)
	if err != nil || stands.Status != asl.Waiting {
		t.Fatalf("%+v, %v; want it to wait", stands, err)
	}
	return *started.ExecutionArn, stands.Token
}

func (d *deployed) succeed(t *testing.T, token string) error {
	_, err := d.client.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{}`)})
	return err
}

func (d *deployed) beat(t *testing.T, token string) error {
	_, err := d.client.SendTaskHeartbeat(t.Context(), &sfn.SendTaskHeartbeatInput{TaskToken: &token})
	return err
}

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	var named smithy.APIError
	if !errors.As(err, &named) || named.ErrorCode() != code {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

func TestAnExecutionIsStartedOnce(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	arn, token := d.waiting(t, "job-1", `{"sweep": true}`)
	again, err := d.start(t, "job-1", `{"sweep": true}`)
	if err != nil || *again.ExecutionArn != arn {
		t.Errorf("the same again: %v, %v", again, err)
	}
	_, err = d.start(t, "job-1", `{"sweep": false}`)
	wantCode(t, "another input", err, "ExecutionAlreadyExists")
	_, err = d.start(t, "a b", `{}`)
	wantCode(t, "a bad name", err, "InvalidName")
	_, err = d.start(t, "job-2", `{`)
	wantCode(t, "a bad input", err, "InvalidExecutionInput")
	if err := d.succeed(t, token); err != nil {
		t.Fatal(err)
	}
	if stands, err := d.Settled(t.Context(), "job-1"); err != nil || stands.Status != asl.Succeeded {
		t.Errorf("%+v, %v", stands, err)
	}
	_, err = d.start(t, "job-1", `{"sweep": true}`)
	wantCode(t, "the same after its end", err, "ExecutionAlreadyExists")
	if n := d.asked.Load(); n != 1 {
		t.Errorf("the approval was asked for %d times", n)
	}
}

func TestATokenIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	_, token := d.waiting(t, "job-1", `{}`)
	wantCode(t, "another token", d.succeed(t, "x"), "InvalidToken")
	wantCode(t, "a beat for another token", d.beat(t, "x"), "InvalidToken")
	_, err := d.client.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{`)})
	wantCode(t, "no JSON", err, "InvalidOutput")
	if err := d.beat(t, token); err != nil {
		t.Error(err)
	}
	if err := d.succeed(t, token); err != nil {
		t.Error(err)
	}
	wantCode(t, "again", d.succeed(t, token), "TaskTimedOut")
	wantCode(t, "a beat after it", d.beat(t, token), "TaskTimedOut")
}

func TestATokenIsOfNoUseWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	_, token := d.waiting(t, "job-1", `{}`)
	_, other := d.waitingAgain(t, "job-2")
	d.clock.Store(15 * 24 * 3600)
	wantCode(t, "a beat", d.beat(t, token), "TaskTimedOut")
	wantCode(t, "an answer", d.succeed(t, other), "TaskTimedOut")
	for _, name := range []string{"job-1", "job-2"} { // States.Timeout leads to the closing
		if stands, err := d.Settled(t.Context(), name); err != nil || stands.Status != asl.Succeeded {
			t.Errorf("%s: %+v, %v", name, stands, err)
		}
	}
}

// A heartbeat gives a token three more days, and the two weeks of its task go on.
func TestAHeartbeatKeepsATokenAlive(t *testing.T) {
	t.Parallel()
	const day = 24 * 3600
	for name, c := range map[string]struct {
		beats []int64 // days
		until int64   // seconds at which a beat comes too late
		event string
	}{
		"none":                   {nil, 3 * day, "States.HeartbeatTimeout"},
		"one after two":          {[]int64{2}, 5 * day, "States.HeartbeatTimeout"},
		"until its time is over": {[]int64{2, 4, 6, 8, 10, 12}, 14 * day, "States.Timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deploy(t)
			arn, token := d.waiting(t, "job", `{}`)
			for _, at := range c.beats {
				d.clock.Store(at * day)
				if err := d.beat(t, token); err != nil {
					t.Fatalf("after %d days: %v", at, err)
				}
			}
			d.clock.Store(c.until - 60)
			if _, err := d.client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn}); err != nil { // looks at its time
				t.Fatal(err)
			}
			if r, err := d.Settled(t.Context(), "job"); err != nil || r.Status != asl.Waiting {
				t.Errorf("too early: %+v, %v", r, err)
			}
			d.clock.Store(c.until)
			wantCode(t, "a beat too late", d.beat(t, token), "TaskTimedOut")
			if r, err := d.Settled(t.Context(), "job"); err != nil || r.Status != asl.Succeeded { // by the closing
				t.Errorf("%+v, %v", r, err)
			}
			out, err := d.client.GetExecutionHistory(t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: &arn})
			if err != nil {
				t.Fatal(err)
			}
			n := slices.IndexFunc(out.Events, func(e types.HistoryEvent) bool { return e.Type == types.HistoryEventTypeTaskTimedOut })
			if n < 0 || *out.Events[n].TaskTimedOutEventDetails.Error != c.event {
				t.Errorf("no %s in the history", c.event)
			}
		})
	}
}

// waitingAgain is waiting for a further execution, whose review asks as well.
func (d *deployed) waitingAgain(t *testing.T, name string) (arn, token string) {
	d.asked.Store(0)
	return d.waiting(t, name, `{}`)
}

func TestAnExecutionTellsHowItStands(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	describe := func(arn string, what types.IncludedData) (*sfn.DescribeExecutionOutput, error) {
		return d.client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn, IncludedData: what})
	}
	arn, token := d.waiting(t, "job-1", `{"requests": ["r"]}`)
	out, err := describe(arn, types.IncludedDataAllData)
	if err != nil || out.Status != types.ExecutionStatusRunning || *out.Name != "job-1" || *out.Input != `{"requests": ["r"]}` || out.StopDate != nil {
		t.Errorf("%+v, %v", out, err)
	}
	if err := d.succeed(t, token); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Settled(t.Context(), "job-1"); err != nil {
		t.Fatal(err)
	}
	out, err = describe(arn, types.IncludedDataAllData)
	if err != nil || out.Status != types.ExecutionStatusSucceeded || *out.Output != `{"job":"j"}` || out.StopDate == nil {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = describe(arn, types.IncludedDataMetadataOnly)
	if err != nil || out.Input != nil || out.Output != nil {
		t.Errorf("%+v, %v; want no data", out, err)
	}
	failed, err := d.start(t, "job-2", `{"broken": true}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Settled(t.Context(), "job-2"); err != nil {
		t.Fatal(err)
	}
	out, err = describe(*failed.ExecutionArn, types.IncludedDataMetadataOnly)
	if err != nil || out.Status != types.ExecutionStatusFailed || *out.Error != "JobNotOpened" {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = describe(strings.Replace(arn, "job-1", "job-3", 1), types.IncludedDataAllData)
	wantCode(t, "none of this name", err, "ExecutionDoesNotExist")
	_, err = describe(awslocal.MachineARN, types.IncludedDataAllData)
	wantCode(t, "no execution", err, "InvalidArn")
}

func TestAnExecutionHasAHistory(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	started, err := d.start(t, "job-1", `{"broken": true}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Settled(t.Context(), "job-1"); err != nil {
		t.Fatal(err)
	}
	history := func(in sfn.GetExecutionHistoryInput) (kinds []string, all []types.HistoryEvent) {
		in.ExecutionArn = started.ExecutionArn
		for {
			out, err := d.client.GetExecutionHistory(t.Context(), &in)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range out.Events {
				kinds, all = append(kinds, string(e.Type)), append(all, e)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return kinds, all
			}
		}
	}
	want := []string{"ExecutionStarted", "TaskStateEntered", "LambdaFunctionFailed", "FailStateEntered", "ExecutionFailed"}
	kinds, all := history(sfn.GetExecutionHistoryInput{MaxResults: 2})
	if !slices.Equal(kinds, want) {
		t.Fatalf("got %v, want %v", kinds, want)
	}
	if *all[1].StateEnteredEventDetails.Name != "OpenJob" || *all[2].LambdaFunctionFailedEventDetails.Error != "Error" || *all[4].ExecutionFailedEventDetails.Error != "JobNotOpened" {
		t.Errorf("the details are %+v", all)
	}
	if *all[0].ExecutionStartedEventDetails.Input != `{"broken": true}` || all[4].Id != 5 || all[4].PreviousEventId != 4 {
		t.Errorf("got %+v", all)
	}
	kinds, all = history(sfn.GetExecutionHistoryInput{MaxResults: 2, ReverseOrder: true, IncludeExecutionData: aws.Bool(false)})
	slices.Reverse(want)
	if !slices.Equal(kinds, want) || all[4].ExecutionStartedEventDetails.Input != nil {
		t.Errorf("backwards and without data: %v %+v", kinds, all[4])
	}
}

// A call that is said to have failed may have been done: whoever calls again must be ready for that.
func TestACallMayFailAfterItWasDone(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.cloud.Fail(awsfault.Fault{Op: "StartExecution", Times: 1, After: true, Kind: "AccessDeniedException"})
	_, err := d.start(t, "job-1", `{}`)
	wantCode(t, "a start that was done", err, "AccessDeniedException")
	if err != nil && !strings.Contains(err.Error(), awsfault.Echo) {
		t.Errorf("the text of %v repeats nothing", err)
	}
	d.waiting(t, "job-1", `{}`)
	if n := d.asked.Load(); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}
