package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/awslocal/awstest"
	"github.com/lethe-dsr/lethe/internal/demo"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/people"
	"github.com/lethe-dsr/lethe/internal/runtimeapi"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// serving is the section of the configuration beside the demo's targets.
const serving = `
serve:
  mail: {from: "Acme Privacy <privacy@acme.example>"}
`

// stack is a deployed stack: the functions' programs, each a process behind the Lambda Runtime API, the state machine over
// them, and an HTTP API in front of the door.
type stack struct {
	*awslocal.Cloud
	t       *testing.T
	world   *demo.World
	machine *awslocal.Machine
	ledger  *ledger.Ledger
	api     *httptest.Server // the HTTP API
	calls   *sfn.Client      // of an operator

	settings  []string                        // of those around the state machine, beside the steps'
	functions map[string]*runtimeapi.Function // and they themselves
}

// deploy deploys a stack that ends with the test.
func deploy(t *testing.T, o asl.Options) *stack {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs all functions")
	}
	s := &stack{Cloud: awstest.Start(t), t: t, functions: map[string]*runtimeapi.Function{}}
	programs := awstest.Programs(t)
	var err error
	if s.world, err = demo.Start(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.world.Close() })
	s.Configure(string(s.world.Config()) + serving)
	steps := s.Functions(programs)
	t.Cleanup(steps.Close)
	if o.Sleep == nil {
		o.Sleep = noWait
	}
	if s.machine, err = s.Deploy(steps.Tasks(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.machine.Close)
	s.ledger, s.calls = ledger.New(s.Store()), sfn.NewFromConfig(s.AWS())

	s.api = httptest.NewTLSServer(s)
	t.Cleanup(s.api.Close)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.api.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s.settings = []string{"LETHE_URL=" + s.api.URL, "SSL_CERT_FILE=" + roots}
	for _, folder := range []string{"intake", "tell", "keep-house", "canary"} {
		f := s.Function(programs, folder, s.settings...)
		t.Cleanup(f.Close)
		s.functions[folder] = f
	}
	return s
}

func noWait(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// caller is the header by which a test's client says as which role of IAM it calls; the gateway takes its signature as
// right.
const caller = "X-Test-Role"

// ServeHTTP is the HTTP API: it hands requests on in payload format 2.0, and those of systems only with a caller.
func (s *stack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery, Headers: map[string]string{}, Body: string(body),
	}
	for name, values := range r.Header {
		if name != "Cookie" && name != caller {
			e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	for _, c := range r.Cookies() {
		e.Cookies = append(e.Cookies, c.Name+"="+c.Value)
	}
	e.RequestContext.DomainName = r.Host
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP = r.Method, "203.0.113.7"
	section, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if section == "requests" || section == "jobs" || section == "sweeps" {
		role := r.Header.Get(caller)
		if role == "" {
			http.Error(w, `{"message":"Forbidden"}`, http.StatusForbidden)
			return
		}
		e.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
			IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{UserARN: "arn:aws:sts::111122223333:assumed-role/" + role + "/session"},
		}
	}
	in, err := json.Marshal(e)
	if err != nil {
		s.t.Error(err)
	}
	out, err := s.functions["intake"].Invoke(r.Context(), in)
	if err != nil {
		http.Error(w, `{"message":"Internal Server Error"}`, http.StatusInternalServerError)
		return
	}
	var a events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(out, &a); err != nil {
		s.t.Error(err)
	}
	for name, value := range a.Headers {
		w.Header().Set(name, value)
	}
	for _, c := range a.Cookies {
		w.Header().Add("Set-Cookie", c)
	}
	w.WriteHeader(a.StatusCode)
	io.WriteString(w, a.Body)
}

// invoke runs a function once, as its schedule does.
func (s *stack) invoke(folder string) error {
	_, err := s.functions[folder].Invoke(s.t.Context(), []byte(`{}`))
	return err
}

// run runs a function, which must not fail.
func (s *stack) run(folder string) {
	s.t.Helper()
	if err := s.invoke(folder); err != nil {
		s.t.Fatalf("%s: %v; printed: %s", folder, err, s.Printed())
	}
}

// browse is a person's browser: it follows redirects and keeps cookies.
func (s *stack) browse(method, path string, typed url.Values) (status int, at, page string) {
	s.t.Helper()
	return s.ask(method, path, typed.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", s.api.URL)
}

// system calls the API as a role of IAM.
func (s *stack) system(role, method, path, body string) (status int, answer map[string]any) {
	s.t.Helper()
	header := []string{caller, role}
	if body != "" {
		header = append(header, "Content-Type", "application/json", "Idempotency-Key", "key-"+role)
	}
	status, _, text := s.ask(method, path, body, header...)
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		s.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	return status, answer
}

func (s *stack) ask(method, path, body string, header ...string) (status int, at, text string) {
	s.t.Helper()
	if !strings.HasPrefix(path, "https://") {
		path = s.api.URL + path
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, path, bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	answer, err := s.api.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, answer.Request.URL.Path, string(page)
}

// settled waits until a job has ended or waits for a person.
func (s *stack) settled(job string) asl.Result {
	s.t.Helper()
	r, err := s.machine.Settled(s.t.Context(), job)
	if err != nil {
		s.t.Fatalf("%v; printed: %s", err, s.Printed())
	}
	return r
}

// peopleOf are the demo's people, of the file that a user would write.
func peopleOf(t testing.TB, w *demo.World) []subject.Subject {
	t.Helper()
	read, err := people.Read(bytes.NewReader(w.PeopleCSV()), "DE")
	if err != nil {
		t.Fatal(err)
	}
	return read.People
}
