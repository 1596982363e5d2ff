package boot

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/metric"
	"github.com/lethe-dsr/lethe/internal/provider"
)

// Journal is what a function writes on its standard output: log lines and metrics, both JSON. Lambda passes them on to
// CloudWatch as they are. An invocation at a time: Lambda gives a process no more.
type Journal struct {
	Log     *slog.Logger // each line with the function, the invocation under way, and its job and target
	Metrics *metric.Set

	invocation *atomic.Pointer[[]slog.Attr]
	now        func() time.Time
}

// NewJournal makes a journal of a stack's function on a writer. getenv gives what Lambda sets: the function's name, and the
// level that the function's configuration asks for (LogLevel), INFO where it asks for none.
func NewJournal(stack string, to io.Writer, getenv func(string) string) *Journal {
	level := map[string]slog.Level{
		"TRACE": slog.LevelDebug, "DEBUG": slog.LevelDebug, "WARN": slog.LevelWarn, "ERROR": slog.LevelError, "FATAL": slog.LevelError,
	}[getenv("AWS_LAMBDA_LOG_LEVEL")]
	invocation := &atomic.Pointer[[]slog.Attr]{}
	// The keys that Lambda looks for: timestamp, level, message.
	h := slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level, ReplaceAttr: lambdacontext.ReplaceAttr})
	return &Journal{
		Log:     slog.New(within{h, invocation}).With("function", getenv("AWS_LAMBDA_FUNCTION_NAME")),
		Metrics: metric.New(stack, to, time.Now), invocation: invocation, now: time.Now,
	}
}

// within puts what the invocation under way is about into every line that does not say it itself, so that code which knows
// nothing of Lambda logs it.
type within struct {
	slog.Handler
	invocation *atomic.Pointer[[]slog.Attr]
}

func (w within) Handle(ctx context.Context, r slog.Record) error {
	if about := w.invocation.Load(); about != nil {
		said := map[string]bool{}
		r.Attrs(func(a slog.Attr) bool {
			said[a.Key] = true
			return true
		})
		for _, a := range *about {
			if !said[a.Key] {
				r.AddAttrs(a)
			}
		}
	}
	return w.Handler.Handle(ctx, r)
}

func (w within) WithAttrs(attrs []slog.Attr) slog.Handler {
	return within{w.Handler.WithAttrs(attrs), w.invocation}
}

func (w within) WithGroup(name string) slog.Handler {
	return within{w.Handler.WithGroup(name), w.invocation}
}

// isID tells whether v is what a job or a target may be called in a log. An execution's name can be chosen by whoever starts it, and could be
// an address. Without a regular expression, as in metric.
func isID(v string) bool {
	return v != "" && len(v) <= 80 && !strings.ContainsFunc(v, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// Begin begins an invocation; end ends it: it logs how it went, counts a fault, writes the metrics, and gives the answer
// back as it is. name is what the function does: the step's name, or another function's.
func (j *Journal) Begin(ctx context.Context, payload []byte) (end func(name string, output []byte, err error) ([]byte, error)) {
	began := j.now()
	var about []slog.Attr
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		about = append(about, slog.String("request_id", lc.AwsRequestID))
	}
	var in struct{ Job, Target any }
	_ = json.Unmarshal(payload, &in) // what does not decode is for the step to refuse
	if job, ok := in.Job.(string); ok && isID(job) {
		about = append(about, slog.String("job", job))
	}
	if target, ok := in.Target.(string); ok && isID(target) {
		about = append(about, slog.String("target", target))
	}
	j.invocation.Store(&about) // until the next one: Lambda's library logs an error after its end
	return func(name string, output []byte, err error) ([]byte, error) {
		took := slog.Int64("duration_ms", j.now().Sub(began).Milliseconds())
		var named messages.InvokeResponse_Error
		switch {
		case errors.As(err, &named):
			j.Metrics.Add(metric.StepFaults, 1, metric.Of{Step: name, Fault: named.Type})
			j.Log.Error("failed", "step", name, took, "fault", named.Type, "error", named.Message)
		case err != nil: // its text was not checked for anything personal
			j.Metrics.Add(metric.StepFaults, 1, metric.Of{Step: name})
			j.Log.Error("failed", "step", name, took)
		default:
			var out struct{ Done *bool }
			if json.Unmarshal(output, &out) == nil && out.Done != nil {
				j.Log.Info("ended", "step", name, took, "done", *out.Done)
			} else {
				j.Log.Info("ended", "step", name, took)
			}
		}
		j.Metrics.Flush()
		return output, err
	}
}

// keep has everything that the cloud's steps do written into the journal.
func (c *Cloud) keep(j *Journal) {
	c.Journal, c.Base.Count, c.Link.Observe = j, j.Counts, j.Calls
}

// Counts counts what the steps count; it is erase.Base.Count.
func (j *Journal) Counts(c erase.Count) {
	name := map[erase.Counted]metric.Name{
		erase.Findings: metric.Findings, erase.Deletions: metric.Deletions, erase.Closings: metric.ClosedRequests, erase.Sweeps: metric.SweepsBegun,
		erase.Filings: metric.FiledRequests,
	}[c.What]
	j.Metrics.Add(name, c.N, metric.Of{Target: c.Target, Area: c.Area, Status: string(c.Status), Channel: c.Channel})
}

// Calls counts a call to a provider; it is steps.Link.Observe.
func (j *Journal) Calls(target string, o provider.Outcome) {
	of := metric.Of{Target: target}
	j.Metrics.Add(metric.ProviderCalls, 1, of)
	switch o {
	case provider.Throttled:
		j.Metrics.Add(metric.ProviderThrottles, 1, of)
	case provider.Refused:
		j.Metrics.Add(metric.ProviderRefusals, 1, of)
	case provider.Failed:
		j.Metrics.Add(metric.ProviderFailures, 1, of)
	}
}
