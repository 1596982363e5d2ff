package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/container"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamostore"
	"github.com/lethe-dsr/lethe/internal/service/house"
	"github.com/lethe-dsr/lethe/internal/step"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// EventBridge may start keep-house twice, and a run that takes long meets the next. Whatever one does between two calls
// of the other, it is as if one of them had run.
func TestTwoRunsOfKeepHouse(t *testing.T) {
	t.Parallel()
	s := openUntidy(t)
	var calls []string
	s.round(true, func(untidy) { s.keeps(s.keeper(func(op string) { calls = append(calls, op) })) })
	// One comes whole between two calls of the other.
	points := 0
	for n, op := range calls {
		if op == "Query" && n%29 > 0 { // most are of lists that are read one after the other
			continue
		}
		if points++; points%8 != 1 { // jobs come in another order each time, so that the others have their turn
			continue
		}
		s.round(true, func(u untidy) {
			made := -1
			s.keeps(s.keeper(func(string) {
				if made++; made == n {
					s.keeps(s.keeper(func(string) {}))
					s.sweepsAgain(u)
				}
			}))
		})
		if t.Failed() {
			t.Fatalf("the other one came before call %d of %d, %s", n, len(calls), op)
		}
	}
	if points < 30 {
		t.Fatalf("only %d calls between which another run came; the test has lost its grip", points)
	}
	// They take turns call by call; the second begins some calls later than the first.
	for head := 0; head < len(calls); head += 60 {
		s.round(true, func(untidy) {
			turns := newTurns(head)
			var both sync.WaitGroup
			for n := range 2 {
				one := s.keeper(func(string) { turns.take(n) })
				both.Go(func() {
					defer turns.end(n)
					s.keeps(one)
				})
			}
			both.Wait()
		})
		if t.Failed() {
			t.Fatalf("the second one began %d calls later", head)
		}
	}
}

// turns lets two work by turns, call by call, after the first one had a number of calls for itself.
type turns struct {
	mu    sync.Mutex
	next  *sync.Cond
	whose int
	head  int
	ended [2]bool
}

func newTurns(head int) *turns {
	t := &turns{head: head}
	t.next = sync.NewCond(&t.mu)
	return t
}

func (t *turns) take(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.whose != n && !t.ended[1-n] {
		t.next.Wait()
	}
	if t.head > 0 && n == 0 {
		t.head--
		return
	}
	t.whose = 1 - n
	t.next.Broadcast()
}

func (t *turns) end(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended[n] = true
	t.next.Broadcast()
}

// still is a stack whose steps do nothing, so that what keep-house finds to do is quickly made.
type still struct {
	*inside
	rounds int
}

func openUntidy(t *testing.T) *still {
	t.Helper()
	s := &still{inside: open(t, config.Erase, asl.Options{})}
	s.machine.Close()
	var mu sync.Mutex
	asked := map[string]bool{} // jobs that waited
	job := func(in []byte) string {
		var on struct{ Job string }
		if err := json.Unmarshal(in, &on); err != nil {
			t.Error(err)
		}
		return on.Job
	}
	tasks := map[string]asl.Task{}
	for _, r := range awslocal.Resources() {
		tasks[r] = func(context.Context, []byte) ([]byte, error) { return []byte(`{}`), nil }
	}
	tasks["OpenJobFunctionArn"] = func(_ context.Context, in []byte) ([]byte, error) {
		if id := job(in); id[0] != 'W' {
			return nil, errors.New("on purpose")
		}
		return fmt.Appendf(nil, `{"job": %q, "pass": 1, "search": [], "order": [], "forgot": null, "empty": false}`, job(in)), nil
	}
	tasks["ReviewFindingsFunctionArn"] = func(_ context.Context, in []byte) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		decision := "approve"
		if asked[job(in)] {
			decision = "clean"
		}
		asked[job(in)] = true
		return fmt.Appendf(nil, `{"decision": %q, "plan": "p"}`, decision), nil
	}
	tasks["CloseJobFunctionArn"] = func(context.Context, []byte) ([]byte, error) {
		return []byte(`{"done": true, "left": "erased", "report": {"job": "j"}}`), nil
	}
	var err error
	if s.machine, err = s.Deploy(tasks, asl.Options{Now: s.now, Sleep: noWait}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.machine.Close)
	return s
}

// keeper is a keep-house whose calls to DynamoDB and Step Functions are each announced before they are made.
func (s *still) keeper(call func(op string)) step.Step {
	s.t.Helper()
	c := *s.boot
	c.AWS.HTTPClient = announced{s.inside, call}
	c.Base.Ledger = ledger.New(dynamostore.New(s.Dynamo.Client(func(o *dynamodb.Options) {
		o.HTTPClient, o.DisableValidateResponseChecksum = announced{s.inside, call}, true
	}), awslocal.Table))
	one, err := house.Function(s.t.Context(), &c, container.Open)
	if err != nil {
		s.t.Fatal(err)
	}
	return one
}

type announced struct {
	s    *inside
	call func(op string)
}

func (a announced) Do(r *http.Request) (*http.Response, error) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if op != "GetPublicKey" { // made when the function is
		a.call(op)
	}
	return a.s.Do(r)
}

func (s *still) keeps(one step.Step) {
	_, err := one.Invoke(s.t.Context(), []byte(`{}`))
	var named messages.InvokeResponse_Error
	if err != nil && !(errors.As(err, &named) && named.Type == string(fault.LedgerBusy)) { // the other one has it in hand
		s.t.Errorf("keep-house: %v", err)
	}
}

// untidy is what there is to do in a round.
type untidy struct {
	decided, waiting          string // jobs whose execution waits
	stopped, unopened         string // jobs whose execution has ended, before it closed or opened them
	late                      string // a job of a later sweep
	held                      []string
	urgent, old, due, preview string
	before                    map[string]ledger.Request
}

// round makes everything that keep-house has to do, has it done, and looks what became of it. inside tells whether this process
// does it, and counts.
func (s *still) round(inside bool, keep func(untidy)) {
	s.t.Helper()
	ctx, l := s.t.Context(), s.ledger
	s.rounds++
	s.set(time.Now().Add(-redrive - 2*24*time.Hour)) // so that it is now when house is kept, also for a program with a clock of its own
	u := untidy{before: map[string]ledger.Request{}}
	id := func(kind string) string { return fmt.Sprintf("%s-%04d", kind, s.rounds) }
	must := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	file := func(kind string, change func(*ledger.Request)) string {
		var who subject.Subject
		mail := id(kind) + "@example.com"
		one, err := subject.New(subject.Email, "", mail, "")
		must(err)
		who.Add(one)
		b := s.boot.Base
		b.NewID = func() string { return id(kind) }
		r, err := erase.NewRequest(ctx, b, who, "api")
		must(err)
		r.Tell = true
		r.Contact, err = s.boot.Base.Seal.Seal(ctx, intake.ContactScope(r.ID), []byte(mail))
		must(err)
		change(&r)
		must(l.File(ctx, []ledger.Request{r}))
		return r.ID
	}
	ago := func(d time.Duration) func(*ledger.Request) {
		return func(r *ledger.Request) { r.Received = s.now().Add(-d) }
	}
	job := func(kind string, change func(*ledger.Job)) string {
		j := ledger.Job{ID: id(kind), Mode: "erase", Opened: s.now(), Search: []string{}, Order: []string{}}
		change(&j)
		_, err := l.OpenJob(ctx, j)
		must(err)
		return j.ID
	}
	waits := func(kind string, approvals ...ledger.Approval) string {
		r := s.start(id(kind), `{}`)
		if r.Status != asl.Waiting {
			s.t.Fatalf("%+v", r)
		}
		return job(kind, func(j *ledger.Job) { j.Plan, j.Token, j.Approvals = "p", r.Token, approvals })
	}
	u.unopened = id("unopened")
	for _, name := range []string{u.unopened, id("looked")} {
		if r := s.start(name, `{}`); r.Status != asl.Failed {
			s.t.Fatalf("%+v", r)
		}
	}
	s.pass(redrive)
	u.decided = waits("W-decided", ledger.Approval{Plan: "p", Approved: true})
	u.waiting = waits("W-waiting")
	s.pass(2 * 24 * time.Hour)

	u.urgent = file("urgent", func(r *ledger.Request) { r.Urgent, r.Received = true, s.now().Add(-time.Hour) })
	u.old = file("old", ago(100*24*time.Hour))
	u.due = file("due", func(r *ledger.Request) { r.Due = s.now().Add(time.Hour) })
	u.preview = file("preview", func(r *ledger.Request) { r.Preview, r.Tell, r.Received = true, false, s.now().Add(-2*24*time.Hour) })
	// And a preview that was stopped.
	seen := file("seen", func(r *ledger.Request) { r.Preview, r.Tell = true, false })
	must(l.Invite(ctx, id("looked"), []string{seen}, time.Time{}))
	looked := job("looked", func(j *ledger.Job) { j.Opened, j.Mode = s.now().Add(-redrive), "preview" })
	_, err := l.Claim(ctx, looked, []string{seen}, s.now())
	must(err)
	u.held = []string{file("one", ago(time.Hour)), file("two", ago(time.Hour))}
	u.stopped, u.late = id("stopped"), id("late")
	must(l.Invite(ctx, u.stopped, u.held, time.Time{}))
	job("stopped", func(j *ledger.Job) { j.Opened = s.now().Add(-redrive) })
	_, err = l.Claim(ctx, u.stopped, u.held, s.now())
	must(err)
	must(l.Invite(ctx, u.unopened, []string{u.due}, time.Time{}))
	_, err = l.ChangeSweep(ctx, func(w *ledger.Sweep) error {
		*w = ledger.Sweep{Begun: ledger.Begun{Began: s.now().Add(-redrive), Jobs: []string{u.unopened}}, Whole: true}
		return nil
	})
	must(err)
	for _, r := range append(slices.Clone(u.held), u.urgent, u.old, u.due) {
		u.before[r] = s.request(r)
	}
	mails := len(s.Mails())
	s.metrics()

	keep(u)

	// Executions that wait: one has its answer, the other is alive for three more days.
	if r := s.settled(u.decided); r.Status != asl.Succeeded {
		s.t.Errorf("the answer that got lost was not sent: %+v", r)
	}
	s.pass(2 * 24 * time.Hour)
	arn := s.boot.Settings.Execution(u.waiting)
	if _, err := s.calls.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn}); err != nil {
		s.t.Error(err)
	}
	if r := s.settled(u.waiting); r.Status != asl.Waiting {
		s.t.Errorf("a heartbeat got lost: %+v", r)
	}
	// The job that was stopped is closed, once.
	if s.job(u.stopped).Closed.IsZero() || slices.Contains(s.working(), u.stopped) {
		s.t.Errorf("the stopped job: %+v", s.job(u.stopped))
	}
	news := func(id string, status ledger.Status, events int) {
		s.t.Helper()
		if r := s.request(id); r.Status != status || r.Job != "" || r.Events != u.before[id].Events+events {
			s.t.Errorf("%s is %s, held by %q, with %d events more, want %s with %d", id, r.Status, r.Job, r.Events-u.before[id].Events, status, events)
		}
	}
	for _, r := range u.held {
		news(r, ledger.NothingFound, 1)
		if _, err := l.Certificate(ctx, r); err != nil {
			s.t.Error(err)
		}
	}
	news(u.old, ledger.Abandoned, 1)
	news(u.due, ledger.Pending, 1)
	if inside {
		s.wantMetrics(map[string]float64{"ClosedRequests Stack=lethe": 3})
	}
	for _, r := range []string{u.preview, seen} {
		if _, err := l.Request(ctx, r); !errors.Is(err, ledger.ErrNotFound) {
			s.t.Errorf("a preview's person is left: %v", err)
		}
	}
	if _, err := l.Job(ctx, looked); !errors.Is(err, ledger.ErrNotFound) || slices.Contains(s.working(), looked) {
		s.t.Errorf("a preview's job is left: %v", err)
	}
	// The job that was never opened has no places; that of a later sweep keeps its own.
	places := func(job string) (n int) {
		must(l.Members(ctx, job, func(string, ledger.Member) error { n++; return nil }))
		return n
	}
	if n := places(u.unopened); n != 0 {
		s.t.Errorf("%d places of the job that was never opened", n)
	}
	if last, err := l.LastSweep(ctx); err != nil || slices.Contains(last.Jobs, u.late) && places(u.late) != 1 {
		s.t.Errorf("a later sweep has %d places, %v", places(u.late), err)
	}
	// Everybody was told once.
	s.tell()
	got := map[string]int{}
	for _, m := range s.Mails()[mails:] {
		to, text := letter(s.t, m)
		got[to+" "+text[:min(len(text), 40)]]++
	}
	for what, n := range got {
		if n > 1 {
			s.t.Errorf("%d mails: %q", n, what)
		}
	}
	if len(got) < 5 {
		s.t.Errorf("%d mails: %v", len(got), got)
	}
	// What is left is in nobody's way in the next round.
	for _, r := range []string{u.urgent, u.due} {
		_, err := l.End(ctx, r, ledger.Cancelled, "", s.now())
		must(err)
	}
	for _, j := range s.working() {
		must(l.NotWorking(ctx, j))
	}
	s.tell()
}

// redrive is more than the time in which somebody may redrive an execution.
const redrive = 61 * time.Minute

// sweepsAgain is a sweep that begins after a run of keep-house.
func (s *still) sweepsAgain(u untidy) {
	ctx := s.t.Context()
	if err := s.ledger.Invite(ctx, u.late, []string{u.due}, time.Time{}); err != nil {
		s.t.Error(err)
	}
	_, err := s.ledger.ChangeSweep(ctx, func(w *ledger.Sweep) error {
		*w = ledger.Sweep{Begun: ledger.Begun{Began: s.now(), Jobs: []string{u.late}}, Whole: true}
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
}
