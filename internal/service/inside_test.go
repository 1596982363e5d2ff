package service_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/awslocal/awstest"
	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/container"
	"github.com/lethe-dsr/lethe/internal/demo"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/executions"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/metric/metrictest"
	"github.com/lethe-dsr/lethe/internal/provider"
	"github.com/lethe-dsr/lethe/internal/service/frontdoor"
	"github.com/lethe-dsr/lethe/internal/service/house"
	"github.com/lethe-dsr/lethe/internal/service/tell"
	"github.com/lethe-dsr/lethe/internal/step"
	"github.com/lethe-dsr/lethe/internal/steps"
)

// clock is a test's.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at.UTC().Truncate(time.Millisecond)
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// printer takes what is printed.
type printer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *printer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(b)
}

// inside is a deployed stack whose functions run in this process, with a clock.
type inside struct {
	*awslocal.Cloud
	*clock
	t       *testing.T
	world   *demo.World
	machine *awslocal.Machine
	boot    *boot.Cloud
	ledger  *ledger.Ledger
	calls   *sfn.Client // of an operator
	printed printer
	door    step.Step // intake, made by the first call
	beats   int       // heartbeats that were sent

	mu   sync.Mutex
	held func(step string)
	fail map[string]error                                                             // of the steps, by name
	meet func(op string, send func() (*http.Response, error)) (*http.Response, error) // what becomes of calls to Step Functions and SES; nil for nothing special
}

const (
	insideURL  = "https://privacy.acme.example"
	crmToken   = "crm-token-0123456789"
	janeToken  = "jane-token-0123456789"
	withTokens = `  tokens:
    - {name: crm, role: submit, token: ` + crmToken + `}
    - {name: jane, role: approve, token: ` + janeToken + `}
`
)

// open deploys a stack in this process. mode is the configuration's.
func open(t *testing.T, mode config.Mode, o asl.Options) *inside {
	t.Helper()
	s := &inside{
		Cloud: awstest.Start(t), clock: &clock{at: time.Now().UTC().Truncate(time.Millisecond)}, t: t, fail: map[string]error{},
	}
	var err error
	if s.world, err = demo.Start(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.world.Close() })
	document := strings.Replace(string(s.world.Config()), "mode: approve", "mode: "+string(mode), 1) + serving + withTokens
	cfg, err := configfile.Parse([]byte(document), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	s.Configure(document)
	u, err := url.Parse(insideURL)
	if err != nil {
		t.Fatal(err)
	}
	calls := s.AWS()
	calls.HTTPClient = s
	calls.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.Backoff = 3, retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	s.ledger, s.calls = ledger.New(s.Store()), sfn.NewFromConfig(s.AWS())
	sealer, err := s.Sealer(t.Context(), s.ledger)
	if err != nil {
		t.Fatal(err)
	}
	journal := boot.NewJournal("lethe", &s.printed, func(string) string { return "" })
	ids := 0
	s.boot = &boot.Cloud{
		Base: erase.Base{Ledger: s.ledger, Seal: sealer, Config: cfg, Now: s.now, Report: func(erase.Event) {}, Count: journal.Counts, NewID: func() string {
			s.mu.Lock()
			defer s.mu.Unlock()
			ids++
			return fmt.Sprintf("01M81C17HPT7R498E952RG%04d", ids)
		}},
		Link:    steps.Link{Targets: cfg.Targets, Paces: map[string]*provider.Pace{}, Transport: http.DefaultTransport},
		Journal: journal, AWS: calls,
		Settings: boot.Settings{Stack: "lethe", SealingKey: s.SealingKey, SigningKey: s.SigningKey, StateMachine: awslocal.MachineARN, URL: u},
	}
	signer, err := s.Signer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	containers := steps.Containers(s.boot.Link, container.Open)
	tasks := map[string]asl.Task{}
	for _, one := range steps.All(s.boot.Base, s.boot.Link, containers, signer, executions.Alive(s.boot)) {
		tasks[one.Name()+"FunctionArn"] = func(ctx context.Context, in []byte) ([]byte, error) { return s.do(ctx, one, in) }
	}
	o.Now, o.Sleep = s.now, noWait
	if s.machine, err = s.Deploy(tasks, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.machine.Close)
	return s
}

// named is an error of a step as a state machine sees it.
type named struct{ messages.InvokeResponse_Error }

func (e named) ErrorName() string { return e.Type }
func (e named) Error() string     { return e.Message }

func (s *inside) do(ctx context.Context, one step.Step, in []byte) ([]byte, error) {
	s.mu.Lock()
	err, held := s.fail[one.Name()], s.held
	s.mu.Unlock()
	if held != nil {
		held(one.Name())
	}
	var out []byte
	if err == nil {
		out, err = one.Invoke(ctx, in)
	} else {
		err = step.Named(one.Name(), err)
	}
	var said messages.InvokeResponse_Error
	if errors.As(err, &said) {
		return nil, named{said}
	}
	return out, err
}

// hold stops a step when it is called for the first time, until going is closed.
func (s *inside) hold(step string, stopped chan<- struct{}, going <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var once sync.Once
	s.held = func(name string) {
		if name == step {
			once.Do(func() {
				close(stopped)
				<-going
			})
		}
	}
}

func (s *inside) failing(step string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[step] = err
}

// meets says what becomes of the functions' calls to AWS.
func (s *inside) meets(meet func(op string, send func() (*http.Response, error)) (*http.Response, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meet = meet
}

// Do sends a call of the functions to AWS.
func (s *inside) Do(r *http.Request) (*http.Response, error) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if r.URL.Path == "/v2/email/outbound-emails" {
		op = "SendEmail"
	}
	s.mu.Lock()
	meet := s.meet
	if op == "SendTaskHeartbeat" {
		s.beats++
	}
	s.mu.Unlock()
	send := func() (*http.Response, error) { return http.DefaultClient.Do(r) }
	if meet != nil {
		return meet(op, send)
	}
	return send()
}

// function makes a function; every call of it is one of a new process.
func (s *inside) function(make func(context.Context, *boot.Cloud) (step.Step, error)) step.Step {
	s.t.Helper()
	made, err := make(s.t.Context(), s.boot)
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

// keep keeps house once.
func (s *inside) keep() error {
	s.t.Helper()
	function := func(ctx context.Context, c *boot.Cloud) (step.Step, error) {
		return house.Function(ctx, c, container.Open)
	}
	_, err := s.function(function).Invoke(s.t.Context(), []byte(`{}`))
	return err
}

// tell works the outbox off once: it has no time to wait for a retry.
func (s *inside) tell() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	if _, err := s.function(tell.Function).Invoke(ctx, []byte(`{}`)); err != nil {
		s.t.Fatal(err)
	}
}

// metrics are the numbers that were counted since the last call.
func (s *inside) metrics() map[string]float64 {
	s.t.Helper()
	s.printed.mu.Lock()
	s.printed.b.Reset()
	s.printed.mu.Unlock()
	s.boot.Journal.Metrics.Flush()
	s.printed.mu.Lock()
	defer s.printed.mu.Unlock()
	return metrictest.Extract(s.t, bytes.Clone(s.printed.b.Bytes()), time.Now())
}

// wantMetrics checks some of the numbers.
func (s *inside) wantMetrics(want map[string]float64) {
	s.t.Helper()
	got := s.metrics()
	for name, n := range want {
		if got[name] != n {
			s.t.Errorf("%s is %v, want %v; all: %v", name, got[name], n, got)
		}
	}
}

// authorizer is what API Gateway says of whom it let through.
type authorizer = events.APIGatewayV2HTTPRequestContextAuthorizerDescription

func role(name string) *authorizer {
	return &authorizer{IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{UserARN: "arn:aws:sts::111122223333:assumed-role/" + name + "/session"}}
}

func bearer(sub, scope string) *authorizer {
	return &authorizer{JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: map[string]string{"sub": sub, "scope": scope}}}
}

// ask calls the door as API Gateway does; the body comes as a form, or as JSON where it begins so.
func (s *inside) ask(by *authorizer, method, path, body string, header ...string) events.APIGatewayV2HTTPResponse {
	s.t.Helper()
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", Body: base64.StdEncoding.EncodeToString([]byte(body)), IsBase64Encoded: true, Headers: map[string]string{}}
	e.RawPath, e.RawQueryString, _ = strings.Cut(path, "?")
	e.RequestContext.DomainName, e.RequestContext.Authorizer = strings.TrimPrefix(insideURL, "https://"), by
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP = method, "203.0.113.7"
	if body != "" {
		e.Headers["content-type"] = "application/x-www-form-urlencoded"
		if strings.HasPrefix(body, "{") {
			e.Headers["content-type"] = "application/json"
		}
	}
	for n := 0; n < len(header); n += 2 {
		if header[n] == "cookie" {
			e.Cookies = append(e.Cookies, header[n+1])
			continue
		}
		e.Headers[header[n]] = header[n+1]
	}
	in, err := json.Marshal(e)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.door.Name() == "" {
		s.door = s.function(frontdoor.Function)
	}
	out, err := s.door.Invoke(s.t.Context(), in)
	if err != nil {
		s.t.Fatal(err)
	}
	var a events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(out, &a); err != nil {
		s.t.Fatal(err)
	}
	return a
}

// submission is the body of a request for one of the demo's people.
func (s *inside) submission(person int, more string) string {
	s.t.Helper()
	i := peopleOf(s.t, s.world)[person].Identifiers[0]
	return fmt.Sprintf(`{"subject": {"identifiers": [{"type": %q, "value": %q}]}%s}`, i.Type, i.Value(), more)
}

// file files a request for one of the demo's people.
func (s *inside) file(person int, more string) (id string) {
	s.t.Helper()
	a := s.ask(role("crm"), http.MethodPost, "/requests", s.submission(person, more))
	var filed struct{ ID string }
	if err := json.Unmarshal([]byte(a.Body), &filed); err != nil || a.StatusCode != http.StatusAccepted {
		s.t.Fatalf("%d %s", a.StatusCode, a.Body)
	}
	return filed.ID
}

// start starts an execution as an operator does, and waits until it ends or waits.
func (s *inside) start(name, input string) asl.Result {
	s.t.Helper()
	machine := awslocal.MachineARN
	if _, err := s.calls.StartExecution(s.t.Context(), &sfn.StartExecutionInput{StateMachineArn: &machine, Name: &name, Input: &input}); err != nil {
		s.t.Fatal(err)
	}
	return s.settled(name)
}

func (s *inside) settled(name string) asl.Result {
	s.t.Helper()
	r, err := s.machine.Settled(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *inside) request(id string) ledger.Request {
	s.t.Helper()
	r, err := s.ledger.Request(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *inside) job(id string) ledger.Job {
	s.t.Helper()
	j, err := s.ledger.Job(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

// working are the jobs that are not closed.
func (s *inside) working() []string {
	s.t.Helper()
	ids, err := s.ledger.Working(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.Clip(ids)
}
