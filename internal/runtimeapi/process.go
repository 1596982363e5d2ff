package runtimeapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// What Lambda takes as input and as output. Its own messages give these figures:
// "payload is too large for the RequestResponse invocation type (limit 6291456 bytes)", "Response payload size exceeded
// maximum allowed payload size (6291556 bytes)".
const (
	maxInput  = 6 << 20
	maxOutput = 6<<20 + 100
)

// functionARN begins the ARN of every function; region and account in it are nobody's.
const functionARN = "arn:aws:lambda:eu-central-1:111122223333:function:"

// process is one process of a function and the server that it asks.
type process struct {
	cmd    *exec.Cmd
	server *http.Server
	served chan struct{}
	exited chan struct{}
	next   chan *call
	asked  chan struct{} // closed when the process asks for its first invocation
	ask    sync.Once
	arn    string

	mu      sync.Mutex
	ready   bool   // it has asked for an invocation
	current *call  // taken and not answered
	failed  *Error // at its start
}

// call is one invocation.
type call struct {
	id       string
	trace    string // for X-Ray, which samples nothing of it
	payload  []byte
	deadline time.Time
	done     chan answer // takes one
}

type answer struct {
	output []byte
	err    *Error
	last   bool // the process is of no use after it
}

func start(name, bootstrap string, env []string, log io.Writer) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the Lambda Runtime API: %w", err)
	}
	p := &process{
		served: make(chan struct{}), exited: make(chan struct{}), next: make(chan *call),
		asked: make(chan struct{}), arn: functionARN + name,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", p.serveNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", p.serveResponse)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", p.serveError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", p.serveInitError)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	path, err := filepath.Abs(bootstrap)
	if err == nil {
		p.cmd = exec.Command(path)
		p.cmd.Dir, p.cmd.SysProcAttr = filepath.Dir(path), withParent()
		p.cmd.Stdout, p.cmd.Stderr = log, log
		// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
		p.cmd.Env = append(env[:len(env):len(env)],
			"AWS_LAMBDA_RUNTIME_API="+l.Addr().String(), "AWS_LAMBDA_FUNCTION_NAME="+name, "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
			"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512", "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/"+name,
			"AWS_LAMBDA_LOG_STREAM_NAME="+rand.Text(), "LAMBDA_TASK_ROOT="+p.cmd.Dir, "_HANDLER=bootstrap", "TZ=:UTC")
		err = p.cmd.Start()
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("start the function %s: %w", name, err)
	}
	go func() {
		defer close(p.served)
		p.server.Serve(l) // until end closes it
	}()
	go func() {
		defer close(p.exited)
		p.cmd.Wait() // however it ended: it should not have
	}()
	return p, nil
}

// end kills the process, and returns when nothing of it is left.
func (p *process) end() {
	p.cmd.Process.Kill()
	<-p.exited
	p.server.Close()
	<-p.served
}

// invoke does one invocation; again tells whether the process can do another one.
func (p *process) invoke(ctx context.Context, payload []byte) (output []byte, again bool, err error) {
	deadline := time.Now().Add(longest)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	c := &call{id: uuid(), trace: trace(), payload: payload, deadline: deadline, done: make(chan answer, 1)}
	select {
	case p.next <- c:
	case <-p.exited:
		return nil, false, p.gone()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	select {
	case a := <-c.done:
		return a.given()
	case <-p.exited:
		select {
		case a := <-c.done: // it answered, and then ended
			output, _, err = a.given()
			return output, false, err
		default:
			return nil, false, p.gone()
		}
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

func (a answer) given() ([]byte, bool, error) {
	if a.err != nil {
		return nil, !a.last, a.err
	}
	return a.output, true, nil
}

// uuid is what Lambda's request ids look like.
func uuid() string {
	h := hexadecimal(16)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// trace is a tracing header: https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func trace() string {
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", time.Now().Unix(), hexadecimal(12), hexadecimal(8))
}

// hexadecimal gives n random bytes.
func hexadecimal(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// gone is the error of a process that ended.
func (p *process) gone() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return p.failed
	}
	return &Error{"Runtime.ExitError", "the function's process ended before it answered; its log says why"}
}

func (p *process) serveNext(w http.ResponseWriter, r *http.Request) {
	p.ask.Do(func() { close(p.asked) })
	p.mu.Lock()
	busy := p.current != nil
	p.ready = true
	p.mu.Unlock()
	if busy {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the last invocation is not answered")
		return
	}
	select {
	case c := <-p.next:
		p.mu.Lock()
		p.current = c
		p.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", c.id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(c.deadline.UnixMilli(), 10))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", p.arn)
		w.Header().Set("Lambda-Runtime-Trace-Id", c.trace)
		w.Write(c.payload)
	case <-r.Context().Done():
	}
}

func (p *process) serveResponse(w http.ResponseWriter, r *http.Request) {
	p.serveAnswer(w, r, func(body []byte) (answer, bool) { return answer{output: body}, json.Valid(body) })
}

func (p *process) serveError(w http.ResponseWriter, r *http.Request) {
	p.serveAnswer(w, r, func(body []byte) (answer, bool) {
		e, ok := readError(body)
		return answer{err: e}, ok
	})
}

// serveAnswer takes the answer to the current invocation. One that is too large ends the invocation as well.
func (p *process) serveAnswer(w http.ResponseWriter, r *http.Request, read func(body []byte) (answer, bool)) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOutput))
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.current
	if c == nil || c.id != r.PathValue("id") {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "no invocation of this id is under way")
		return
	}
	if err != nil {
		p.current = nil
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "an answer has at most 6 MB")
		c.done <- answer{err: &Error{"Function.ResponseSizeTooLarge", fmt.Sprintf("the answer has more than %d bytes", maxOutput)}, last: true}
		return
	}
	a, ok := read(body)
	if !ok {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "the body is not the JSON that is asked for")
		return
	}
	p.current = nil
	accept(w)
	c.done <- a
}

func (p *process) serveInitError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOutput))
	e, ok := readError(body)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil || !ok:
		refuse(w, http.StatusBadRequest, "InvalidRequest", "the body is not the JSON of an error")
	case p.ready:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the start was over when the first invocation was asked for")
	default:
		p.failed = e
		accept(w)
	}
}

func readError(body []byte) (*Error, bool) {
	var e Error
	err := json.Unmarshal(body, &e)
	return &e, err == nil && e.Type != ""
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, kind, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"errorType": kind, "errorMessage": text})
}
