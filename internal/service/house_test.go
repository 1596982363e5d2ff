package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/container"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/executions"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/steps"
)

// A failed execution is left for an hour to whoever redrives it. Then what it did is written down, and its requests are
// free.
func TestAJobIsClosedAnHourAfterItsExecutionFailed(t *testing.T) {
	t.Parallel()
	s := open(t, config.Erase, asl.Options{})
	id := s.file(0, "")
	s.failing("CloseJob", fault.New(fault.SealBroken, "on purpose"))
	const job = "3f0c5c9e-8a0b-4f6d-9d3a-0c4a4f3b2a11_7b1d2c3e-1111-2222-3333-444455556666" // as a schedule names executions
	if r := s.start(job, `{"sweep": true}`); r.Status != asl.Failed || r.Error != "JobNotClosed" {
		t.Fatalf("%+v", r)
	}
	s.failing("CloseJob", nil)
	s.pass(59 * time.Minute)
	if err := s.keep(); err != nil {
		t.Fatal(err)
	}
	if r := s.request(id); r.Job != job || len(s.working()) != 1 {
		t.Fatalf("too early: the request is %s, held by %q", r.Status, r.Job)
	}
	s.wantMetrics(map[string]float64{
		"OpenRequests Stack=lethe": 1, "Requests Stack=lethe Status=running": 1, "OverdueRequests Stack=lethe": 0, "WaitingPlans Stack=lethe": 0,
		"FiledRequests Stack=lethe Channel=api": 1, "SweepsBegun Stack=lethe": 1,
	})
	s.pass(2 * time.Minute)
	for range 2 { // twice is once
		if err := s.keep(); err != nil {
			t.Fatal(err)
		}
	}
	r := s.request(id)
	_, none := s.ledger.Certificate(t.Context(), id)
	if r.Job != "" || r.Status == ledger.Running || none != nil || s.job(job).Closed.IsZero() || len(s.working()) != 0 {
		t.Errorf("the request is %s, held by %q, certificate: %v; not closed: %v", r.Status, r.Job, none, s.working())
	}
	s.wantMetrics(map[string]float64{"ClosedRequests Stack=lethe": 1, "OpenRequests Stack=lethe": 1})
}

// A sweep or preview whose job could not be opened keeps others off for an hour, and not for a day.
func TestASweepWhoseJobWasNeverOpened(t *testing.T) {
	t.Parallel()
	for _, first := range []config.Mode{config.Erase, config.Preview} {
		t.Run(string(first), func(t *testing.T) {
			t.Parallel()
			s := open(t, config.Erase, asl.Options{})
			id := s.file(0, "")
			s.failing("OpenJob", fault.New(fault.BadInput, "on purpose"))
			sweep := func(mode config.Mode, want int) string {
				t.Helper()
				a := s.ask(role("jane"), http.MethodPost, "/sweeps", fmt.Sprintf(`{"mode": %q}`, mode))
				var begun struct{ Jobs []string }
				if err := json.Unmarshal([]byte(a.Body), &begun); err != nil || a.StatusCode != want {
					t.Fatalf("%d %s, want %d", a.StatusCode, a.Body, want)
				}
				return strings.Join(begun.Jobs, " ")
			}
			if r := s.settled(sweep(first, http.StatusAccepted)); r.Error != "JobNotOpened" {
				t.Fatalf("%+v", r)
			}
			s.failing("OpenJob", nil)
			job := ""
			for _, want := range []int{http.StatusConflict, http.StatusAccepted} {
				s.pass(59 * time.Minute)
				if err := s.keep(); err != nil {
					t.Fatal(err)
				}
				job = sweep(config.Erase, want)
			}
			s.settled(job)
			if r := s.request(id); r.Job != job && r.LastJob != job {
				t.Errorf("the next sweep did not take the request: %s, held by %q", r.Status, r.Job)
			}
		})
	}
}

// Somebody looks at everything by hand when the schedule's time comes: what that held is swept when it has ended.
func TestASweepThatIsDueDuringAPreview(t *testing.T) {
	t.Parallel()
	s := open(t, config.Erase, asl.Options{})
	id := s.file(0, "")
	stopped, going := make(chan struct{}), make(chan struct{})
	s.hold("ReviewFindings", stopped, going)
	done := make(chan asl.Result)
	go func() { done <- s.start("look", `{"sweep": true, "mode": "preview"}`) }()
	<-stopped
	if r := s.start("schedule", `{"sweep": true}`); r.Status != asl.Succeeded || s.request(id).Job != "look" {
		t.Errorf("%+v; the request is held by %q", r, s.request(id).Job)
	}
	s.pass(2 * time.Hour)
	if err := s.keep(); err != nil || len(s.working()) != 1 {
		t.Errorf("while it looks: %v (%v)", s.working(), err)
	}
	s.wantMetrics(map[string]float64{"HoursSinceSweep Stack=lethe": 0, "SweepsBegun Stack=lethe": 0}) // since it is first looked for
	close(going)
	if r := <-done; r.Status != asl.Succeeded {
		t.Errorf("the preview: %+v", r)
	}
	s.failing("OpenJob", fault.New(fault.BadInput, "on purpose")) // one search is enough
	for range 2 {                                                 // once
		if err := s.keep(); err != nil {
			t.Fatal(err)
		}
	}
	last, err := s.ledger.LastSweep(t.Context())
	if err != nil || len(last.Jobs) != 1 {
		t.Fatalf("%+v, %v", last, err)
	}
	var taken []string
	err = s.ledger.Members(t.Context(), last.Jobs[0], func(request string, _ ledger.Member) error { taken = append(taken, request); return nil })
	if err != nil || !slices.Equal(taken, []string{id}) {
		t.Errorf("the sweep takes %q (%v)", taken, err)
	}
	s.settled(last.Jobs[0])
	if err := s.ledger.Uninvite(t.Context(), last.Jobs[0]); err != nil {
		t.Fatal(err)
	}
	s.metrics()

	// A look at everything that the door is asked for is none, either.
	s.pass(time.Hour)
	a := s.ask(role("jane"), http.MethodPost, "/sweeps", `{"mode": "preview"}`)
	if a.StatusCode >= 300 {
		t.Fatalf("%d %s", a.StatusCode, a.Body)
	}
	if err := s.keep(); err != nil {
		t.Fatal(err)
	}
	s.wantMetrics(map[string]float64{"HoursSinceSweep Stack=lethe": 1})
}

// Step Functions tells of an execution a moment after it began, and forgets it after 90 days. A token that it does not
// know keeps nobody from closing a job.
func TestAnExecutionThatStepFunctionsDoesNotKnow(t *testing.T) {
	t.Parallel()
	s := open(t, config.Erase, asl.Options{})
	id := s.file(0, "")
	ctx, l := t.Context(), s.ledger
	if err := l.Invite(ctx, "JOB", []string{id}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	job := ledger.Job{
		ID: "JOB", Mode: "erase", Opened: s.now(), Search: []string{}, Order: []string{},
		Plan: "hash", Token: "of another account", Approvals: []ledger.Approval{{Plan: "hash", Approved: true}},
	}
	if _, err := l.OpenJob(ctx, job); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Claim(ctx, "JOB", []string{id}, s.now()); err != nil {
		t.Fatal(err)
	}
	for _, free := range []bool{false, true} {
		if err := s.keep(); err != nil {
			t.Fatal(err)
		}
		if r := s.request(id); (r.Job == "") != free {
			t.Errorf("the request is held by %q after %s", r.Job, s.now().Sub(job.Opened))
		}
		s.pass(time.Hour)
	}
}

// Whoever takes a plan's answer may die before the execution hears it.
func TestAnAnswerThatGotLostIsSent(t *testing.T) {
	t.Parallel()
	s := open(t, config.Approve, asl.Options{})
	id := s.file(0, "")
	if r := s.start("job", `{"sweep": true}`); r.Status != asl.Waiting {
		t.Fatalf("%+v", r)
	}
	if err := s.keep(); err != nil || s.beats != 1 {
		t.Errorf("%d heartbeats while it waits, %v", s.beats, err)
	}
	s.wantMetrics(map[string]float64{"WaitingPlans Stack=lethe": 1, "Requests Stack=lethe Status=in_review": 1})
	word := erase.Word{Plan: s.job("job").Plan, By: "jane", Approved: true}
	if _, err := erase.Decide(t.Context(), s.boot.Base, "job", word); err != nil {
		t.Fatal(err)
	}
	if err := s.keep(); err != nil {
		t.Fatal(err)
	}
	if r := s.settled("job"); r.Status != asl.Succeeded {
		t.Fatalf("%+v", r)
	}
	if r := s.request(id); r.Status != ledger.Erased {
		t.Errorf("the request is %s", r.Status)
	}
}

// Nobody approves within 14 days, through which keep-house's heartbeats keep the plan alive, or nobody keeps house for 3:
// the job ends as not approved, and an approval that comes at that moment is refused before it is written down.
func TestAPlanThatNobodyApproves(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		kept []time.Duration // when house is kept, from the time before
		left time.Duration   // from then until the end
		how  string
	}{
		"14 days":               {slices.Repeat([]time.Duration{2*day + 23*time.Hour}, 4), 14*day - 4*(2*day+23*time.Hour), asl.Timeout},
		"no heartbeat":          {nil, 3 * day, asl.HeartbeatTimeout},
		"no heartbeat any more": {[]time.Duration{2 * day}, 3 * day, asl.HeartbeatTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			how := ""
			s := open(t, config.Approve, asl.Options{Observe: func(e asl.Event) {
				if e.Kind == asl.Caught {
					mu.Lock()
					how = e.Error
					mu.Unlock()
				}
			}})
			id := s.file(0, "")
			if r := s.start("job", `{"sweep": true}`); r.Status != asl.Waiting {
				t.Fatalf("%+v", r)
			}
			for _, later := range c.kept {
				s.pass(later)
				if err := s.keep(); err != nil {
					t.Fatal(err)
				}
			}
			s.pass(c.left - time.Minute)
			arn := s.boot.Settings.Execution("job") // who asks for an execution finds out that its time is over
			if _, err := s.calls.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn}); err != nil {
				t.Fatal(err)
			}
			if r := s.settled("job"); r.Status != asl.Waiting {
				t.Fatalf("too early: %+v", r)
			}
			s.pass(time.Minute)
			if a := s.ask(role("jane"), http.MethodPost, "/jobs/job/approve", fmt.Sprintf(`{"plan": %q}`, s.job("job").Plan)); a.StatusCode != http.StatusConflict {
				t.Errorf("approved at that moment: %d %s", a.StatusCode, a.Body)
			}
			if err := s.keep(); err != nil {
				t.Fatal(err)
			}
			if r := s.settled("job"); r.Status != asl.Succeeded {
				t.Fatalf("%+v", r)
			}
			mu.Lock()
			if how != c.how {
				t.Errorf("the definition caught %q, want %s", how, c.how)
			}
			mu.Unlock()
			j, r := s.job("job"), s.request(id)
			if j.Closed.IsZero() || len(j.Approvals) != 0 || r.Job != "" || r.Status != ledger.Partial {
				t.Errorf("the job has %+v, the request is %s", j.Approvals, r.Status)
			}
			outcomes, err := s.ledger.Outcomes(t.Context(), id)
			if err != nil || !strings.Contains(fmt.Sprint(outcomes), "not approved") {
				t.Errorf("the outcomes are %+v (%v)", outcomes, err)
			}
		})
	}
}

// A job that began is no failure because nobody heard of it.
func TestAStartWhoseAnswerGotLost(t *testing.T) {
	t.Parallel()
	s := open(t, config.Approve, asl.Options{})
	s.failing("OpenJob", fault.New(fault.BadInput, "on purpose")) // it ends soon
	lost := 0
	s.meets(func(op string, send func() (*http.Response, error)) (*http.Response, error) {
		answer, err := send()
		if op == "StartExecution" && lost == 0 {
			lost++
			var begun struct{ ExecutionArn string }
			if err := json.NewDecoder(answer.Body).Decode(&begun); err != nil {
				t.Error(err)
			}
			answer.Body.Close()
			s.settled(begun.ExecutionArn[strings.LastIndexByte(begun.ExecutionArn, ':')+1:]) // and it ends before anybody asks again
			return nil, errors.New("the connection broke")
		}
		return answer, err
	})
	a := s.ask(role("jane"), http.MethodPost, "/requests", s.submission(0, `, "mode": "preview"`))
	if a.StatusCode != http.StatusAccepted || lost != 1 {
		t.Fatalf("%d %s", a.StatusCode, a.Body)
	}
}

// A request that was acknowledged begins later; a preview that nobody will see leaves nothing behind.
func TestStepFunctionsIsThrottled(t *testing.T) {
	t.Parallel()
	s := open(t, config.Erase, asl.Options{})
	s.meets(func(op string, send func() (*http.Response, error)) (*http.Response, error) {
		if op != "StartExecution" {
			return send()
		}
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"X-Amzn-Errortype": {"ThrottlingException"}}, Body: io.NopCloser(strings.NewReader(`{}`))}, nil
	})
	id := s.file(0, `, "urgent": true`)
	if a := s.ask(role("jane"), http.MethodPost, "/requests", s.submission(1, `, "mode": "preview"`)); a.StatusCode != http.StatusServiceUnavailable || a.Headers["Retry-After"] == "" {
		t.Errorf("%d %v %s", a.StatusCode, a.Headers, a.Body)
	}
	previews := 0
	if err := s.ledger.Previews(t.Context(), func(string) error { previews++; return nil }); err != nil || previews != 0 {
		t.Errorf("%d people of previews are left, %v", previews, err)
	}
	s.meets(nil)
	for range 2 {
		if err := s.keep(); err != nil || s.request(id).Job != "" {
			t.Fatalf("it may be about to begin, and is started again (%v)", err)
		}
	}
	s.pass(3 * time.Minute)
	if err := s.keep(); err != nil {
		t.Fatal(err)
	}
	for _, job := range s.working() {
		s.settled(job)
	}
	if r := s.request(id); r.Job == "" && r.LastJob == "" {
		t.Errorf("no job took it: %s", r.Status)
	}
}

// What fails stops nothing else.
func TestTheRestOfTheHouseIsKept(t *testing.T) {
	t.Parallel()
	s := open(t, config.Approve, asl.Options{})
	s.file(0, "")
	if r := s.start("job", `{"sweep": true}`); r.Status != asl.Waiting {
		t.Fatalf("%+v", r)
	}
	s.metrics()
	s.meets(func(op string, send func() (*http.Response, error)) (*http.Response, error) {
		if op == "DescribeExecution" {
			return nil, context.DeadlineExceeded
		}
		return send()
	})
	s.pass(26 * 24 * time.Hour)
	if err := s.keep(); err == nil {
		t.Error("nobody learns that jobs could not be looked after")
	}
	s.wantMetrics(map[string]float64{"OpenRequests Stack=lethe": 1, "DueSoonRequests Stack=lethe": 1})
}

// An execution that is stopped while it reads exports leaves everybody's devices in the containers. One that cannot be
// cleared keeps nobody from clearing the other.
func TestAStoppedExecutionLeavesNoExport(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breaks func(s *inside, target int) // the first one's container
		left   string                      // what its outcome says, where its files stay
		heals  bool
	}{
		"the containers are there": {},
		"one is in no configuration": {left: string(fault.UnknownTarget), breaks: func(s *inside, n int) {
			s.boot.Link.Targets = slices.Delete(slices.Clone(s.boot.Link.Targets), n, n+1)
		}},
		"one cannot be used": {left: string(fault.BadInput), breaks: func(s *inside, n int) {
			s.boot.Link.Targets = slices.Clone(s.boot.Link.Targets)
			t := &s.boot.Link.Targets[n]
			t.ExportContainer = config.NewSecret(t.ExportContainer.Reveal() + "#fragment")
		}},
		"one fails for now": {heals: true, breaks: func(s *inside, n int) {
			s.boot.Link.Transport = without{s.boot.Link.Transport, s.boot.Link.Targets[n].Container()}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, config.Erase, asl.Options{})
			id := s.file(0, "")
			ctx, l := t.Context(), s.ledger
			works := s.boot.Link
			containers := steps.Containers(works, container.Open)
			var targets []string
			first := -1
			for n, t := range works.Targets {
				if t.Provider == config.AppCenter {
					if targets = append(targets, t.ID); first < 0 {
						first = n
					}
				}
			}
			files := func(target string) int {
				t.Helper()
				c, err := containers(target)
				if err != nil {
					t.Fatal(err)
				}
				blobs, err := c.List(ctx, 10)
				if err != nil {
					t.Fatal(err)
				}
				return len(blobs)
			}
			if err := l.Invite(ctx, "JOB", []string{id}, time.Time{}); err != nil { // of an execution that nobody knows any more
				t.Fatal(err)
			}
			if _, err := l.OpenJob(ctx, ledger.Job{ID: "JOB", Mode: "erase", Opened: s.now(), Search: targets, Order: []string{}}); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Claim(ctx, "JOB", []string{id}, s.now()); err != nil {
				t.Fatal(err)
			}
			export := steps.ExportDevices(s.boot.Base, steps.Apps(works), containers, executions.Alive(s.boot))
			for _, target := range targets {
				for done := false; !done; {
					out, err := export.Invoke(ctx, []byte(`{"job": "JOB", "target": "`+target+`", "pass": 1}`))
					var said erase.ExportDevicesOut
					if err = errors.Join(err, json.Unmarshal(out, &said)); err != nil {
						t.Fatal(err)
					}
					done = said.Done
				}
				if files(target) == 0 {
					t.Fatal("nothing was exported")
				}
				for _, area := range []string{erase.Devices, erase.Audiences, erase.Notifications} { // and searched: its outcomes have nothing else to say
					if _, err := l.ChangeLane(ctx, "JOB", target, area, func(l *ledger.Lane) { l.Searched, l.Times = 1, 1 }); err != nil {
						t.Fatal(err)
					}
				}
			}
			if c.breaks != nil {
				c.breaks(s, first)
			}
			s.pass(61 * time.Minute)
			if c.heals {
				if err := s.keep(); err == nil || s.request(id).Job == "" {
					t.Errorf("the job was closed with its files still there: %v", err)
				}
				if files(targets[0]) == 0 || files(targets[1]) != 0 {
					t.Errorf("%d files are left of what fails, %d of the other", files(targets[0]), files(targets[1]))
				}
				s.boot.Link = works
			}
			if err := s.keep(); err != nil {
				t.Fatal(err)
			}
			if gone := files(targets[0]) == 0; gone != (c.left == "") || files(targets[1]) != 0 {
				t.Errorf("%d files are left of the first, %d of the other", files(targets[0]), files(targets[1]))
			}
			outcomes, err := l.Outcomes(ctx, id)
			if s.request(id).Job != "" || err != nil || len(outcomes) == 0 {
				t.Errorf("the request is held by %q, outcomes %+v (%v)", s.request(id).Job, outcomes, err)
			}
			for _, o := range outcomes {
				want := ""
				if o.Target == targets[0] && o.Area == erase.Devices {
					want = c.left
				}
				if o.Reason != want && o.Area != erase.Profile {
					t.Errorf("%s %s: %s because of %q, want %q", o.Target, o.Area, o.Word, o.Reason, want)
				}
			}
		})
	}
}

// without is a network that does not reach a container.
type without struct {
	http.RoundTripper
	container string
}

func (w without) RoundTrip(r *http.Request) (*http.Response, error) {
	if at := *r.URL; strings.HasPrefix(at.Scheme+"://"+at.Host+at.EscapedPath(), w.container) {
		return nil, errors.New("refused")
	}
	return w.RoundTripper.RoundTrip(r)
}
