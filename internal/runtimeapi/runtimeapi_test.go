package runtimeapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/lethe-dsr/lethe/internal/runtimeapi"
)

// TestMain makes the test's own program the bootstrap of a function.
func TestMain(m *testing.M) {
	if os.Getenv("ROLE") == "" {
		os.Exit(m.Run())
	}
	switch os.Getenv("ROLE") {
	case "rude":
		rude()
	case "broken":
		broken()
	}
	n := 0
	lambda.Start(func(ctx context.Context, in string) (any, error) {
		n++
		deadline, _ := ctx.Deadline()
		switch in {
		case "fail":
			return nil, messages.InvokeResponse_Error{Type: "Throttled", Message: "slow down"}
		case "exit":
			os.Exit(3)
		case "hang":
			time.Sleep(time.Hour)
		case "pid":
			return os.Getpid(), nil
		case "large":
			return strings.Repeat("x", 6<<20+99), nil // and two quotation marks
		case "largest":
			return strings.Repeat("x", 6<<20+98), nil
		case "trace":
			return os.Getenv("_X_AMZN_TRACE_ID"), nil
		}
		c, _ := lambdacontext.FromContext(ctx)
		return map[string]any{"echo": in, "n": n, "seconds": time.Until(deadline).Seconds(), "id": c.AwsRequestID, "arn": c.InvokedFunctionArn}, nil
	})
}

// rude is a bootstrap that breaks the protocol, and prints the statuses that it gets.
func rude() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"
	post := func(path, body string) {
		res, err := http.Post(api+path, "application/json", strings.NewReader(body))
		if err != nil {
			os.Exit(1)
		}
		res.Body.Close()
		fmt.Print(res.StatusCode, " ")
	}
	get := func() string {
		res, err := http.Get(api + "invocation/next")
		if err != nil {
			os.Exit(1)
		}
		res.Body.Close()
		fmt.Print(res.StatusCode, " ")
		return res.Header.Get("Lambda-Runtime-Aws-Request-Id")
	}
	post("invocation/none/response", `{}`)
	post("invocation", `{}`)
	post("init/error", `{}`)
	id := get()
	get()
	post("invocation/other/response", `{}`)
	post("invocation/"+id+"/response", `{`)
	post("invocation/"+id+"/error", `{"errorMessage":"without a type"}`)
	post("invocation/"+id+"/response", `"well"`)
	post("invocation/"+id+"/response", `"again"`)
	post("init/error", `{"errorType":"Extension.Broken","errorMessage":"no"}`)
	os.Exit(0)
}

// broken is a bootstrap that cannot start, and says why.
func broken() {
	http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json",
		strings.NewReader(`{"errorType":"Extension.Broken","errorMessage":"no"}`))
	os.Exit(1)
}

// log is what the processes of a function print.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func function(t *testing.T, role string, to io.Writer) *runtimeapi.Function {
	f := runtimeapi.New("echo", os.Args[0], []string{"ROLE=" + role}, to)
	t.Cleanup(f.Close)
	return f
}

func TestAFunctionAnswers(t *testing.T) {
	t.Parallel()
	f := function(t, "good", io.Discard)
	ids := map[string]bool{}
	for n := 1; n <= 3; n++ {
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		b, err := f.Invoke(ctx, []byte(`"hello"`))
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Echo, ID, ARN string
			N             int
			Seconds       float64
		}
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatal(err)
		}
		if out.Echo != "hello" || out.N != n || !strings.HasSuffix(out.ARN, ":function:echo") {
			t.Errorf("%s, want the same process to answer %d times", b, n)
		}
		if out.Seconds < 20 || out.Seconds > 40 {
			t.Errorf("%f seconds to go, want those of the context", out.Seconds)
		}
		ids[out.ID] = true
	}
	if len(ids) != 3 {
		t.Errorf("three invocations have the ids %v", ids)
	}
}

func TestAWarmProcessTakesTheNextInvocation(t *testing.T) {
	t.Parallel()
	f := function(t, "echo", &log{})
	if err := f.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Warm(t.Context()); err != nil { // which waits already
		t.Fatal(err)
	}
	out, err := f.Invoke(t.Context(), []byte(`"x"`))
	if err != nil || !strings.Contains(string(out), `"n":1`) {
		t.Errorf("%s, %v", out, err)
	}
	f.Close()
	if err := f.Warm(t.Context()); err == nil {
		t.Error("a closed function is warm")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := function(t, "rude", &log{}).Warm(gone); err == nil {
		t.Error("a function is warm that nobody waits for")
	}
}

func wantError(t *testing.T, err error, name string) {
	t.Helper()
	var e *runtimeapi.Error
	if !errors.As(err, &e) || e.ErrorName() != name {
		t.Errorf("got %v, want %s", err, name)
	}
}

func TestAnErrorKeepsItsName(t *testing.T) {
	t.Parallel()
	f := function(t, "good", io.Discard)
	_, err := f.Invoke(t.Context(), []byte(`"fail"`))
	wantError(t, err, "Throttled")
	if err == nil || err.Error() != "slow down" {
		t.Errorf("its text is %v", err)
	}
	if _, err := f.Invoke(t.Context(), []byte(`"hello"`)); err != nil {
		t.Errorf("after an error: %v", err)
	}
}

func TestAProcessThatEndsIsReplaced(t *testing.T) {
	t.Parallel()
	f := function(t, "good", io.Discard)
	_, err := f.Invoke(t.Context(), []byte(`"exit"`))
	wantError(t, err, "Runtime.ExitError")
	if _, err := f.Invoke(t.Context(), []byte(`"hello"`)); err != nil {
		t.Errorf("after an exit: %v", err)
	}
}

func TestAProcessWhoseTimeIsOverIsKilled(t *testing.T) {
	t.Parallel()
	f := function(t, "good", io.Discard)
	before, err := f.Invoke(t.Context(), []byte(`"pid"`))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Invoke(ctx, []byte(`"hang"`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's end", err)
	}
	again, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	after, err := f.Invoke(again, []byte(`"pid"`))
	if err != nil || bytes.Equal(before, after) {
		t.Errorf("the process %s that hung goes on as %s, %v", before, after, err)
	}
}

// As on Lambda, invocations at the same time have a process each.
func TestAProcessDoesOneInvocationAtATime(t *testing.T) {
	t.Parallel()
	f := function(t, "good", io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	var hanging sync.WaitGroup
	hanging.Go(func() { f.Invoke(ctx, []byte(`"hang"`)) })
	if _, err := f.Invoke(t.Context(), []byte(`"hello"`)); err != nil {
		t.Error(err)
	}
	cancel()
	hanging.Wait()
}

func TestAClosedFunctionAnswersNobody(t *testing.T) {
	t.Parallel()
	f := function(t, "good", io.Discard)
	var hanging sync.WaitGroup
	hanging.Go(func() {
		if _, err := f.Invoke(t.Context(), []byte(`"hang"`)); err == nil {
			t.Error("what was under way ended well")
		}
	})
	f.Invoke(t.Context(), []byte(`"hello"`))
	f.Close()
	hanging.Wait()
	if _, err := f.Invoke(t.Context(), []byte(`"hello"`)); err == nil {
		t.Error("a closed function answered")
	}
}

func TestABootstrapThatIsNotThere(t *testing.T) {
	t.Parallel()
	f := runtimeapi.New("none", t.TempDir()+"/none", nil, io.Discard)
	if _, err := f.Invoke(t.Context(), []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "start the function none") {
		t.Errorf("got %v", err)
	}
}

// What Lambda would refuse is refused here.
func TestTheProtocolIsKept(t *testing.T) {
	t.Parallel()
	var l log
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	f := function(t, "rude", &l)
	out, err := f.Invoke(ctx, []byte(`{}`))
	if err != nil || string(out) != `"well"` {
		t.Errorf("%s, %v", out, err)
	}
	_, err = f.Invoke(ctx, []byte(`{}`))
	wantError(t, err, "Runtime.ExitError")
	if want := "400 404 400 200 403 400 400 400 202 400 403 "; l.String() != want {
		t.Errorf("the statuses are %s, want %s", l.String(), want)
	}
}

func TestAFunctionThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	_, err := function(t, "broken", io.Discard).Invoke(t.Context(), []byte(`{}`))
	wantError(t, err, "Extension.Broken")
}

// Lambda takes 6 MB as input and 100 bytes more as output.
func TestPayloadsHaveALimit(t *testing.T) {
	t.Parallel()
	f := function(t, "good", io.Discard)
	input := func(n int) []byte { return []byte(`"` + strings.Repeat("x", n-2) + `"`) }
	if _, err := f.Invoke(t.Context(), input(6<<20)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("an echo of the largest input: got %v, want it to be too large", err)
	}
	_, err := f.Invoke(t.Context(), input(6<<20+1))
	wantError(t, err, "RequestTooLargeException")
	_, err = f.Invoke(t.Context(), []byte(`"large"`))
	wantError(t, err, "Function.ResponseSizeTooLarge")
	if out, err := f.Invoke(t.Context(), []byte(`"largest"`)); err != nil || len(out) != 6<<20+100 {
		t.Errorf("the largest answer: %d bytes, %v", len(out), err)
	}
}

func TestEveryInvocationHasATraceOfItsOwn(t *testing.T) {
	t.Parallel()
	f := function(t, "good", io.Discard)
	seen := map[string]bool{}
	for range 2 {
		out, err := f.Invoke(t.Context(), []byte(`"trace"`))
		if err != nil || !regexp.MustCompile(`^"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0"$`).Match(out) {
			t.Errorf("%s, %v", out, err)
		}
		seen[string(out)] = true
	}
	if len(seen) != 2 {
		t.Errorf("two invocations have the traces %v", seen)
	}
}
