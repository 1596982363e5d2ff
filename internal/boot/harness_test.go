package boot_test

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamostore"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamotest"
	"github.com/lethe-dsr/lethe/internal/runtimeapi"
	"github.com/lethe-dsr/lethe/internal/seal/kmskey"
	"github.com/lethe-dsr/lethe/internal/seal/kmstest"
)

const (
	secretARN  = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:lethe-config-AbCdEf"
	machineARN = "arn:aws:states:eu-central-1:111122223333:stateMachine:lethe"
)

// programs is where the functions' programs are built for this machine, in the repository so that the next run finds
// them: go build leaves what has not changed.
const programs = "../../build/host"

// build makes the programs as make does, but for their build ids, by which go build knows them again, and the function
// that does nothing.
var build = sync.OnceValue(func() error {
	if err := os.MkdirAll(programs, 0o755); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w",
		"-o", "build/host/", "./functions/...", "./internal/boot/testdata/empty")
	cmd.Dir, cmd.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the functions: %w\n%s", err, out)
	}
	return nil
})

// cloud is the part of AWS that functions call, at one address, as AWS_ENDPOINT_URL gives it.
type cloud struct {
	t      testing.TB
	url    string
	dynamo *dynamotest.Server
	kms    *kmstest.Server

	sealing, signing string // keys at KMS

	mu         sync.Mutex
	document   string            // the configuration in Secrets Manager
	reads      int               // of it
	executions map[string]string // status by ARN
	broken     string            // the error of every call to Secrets Manager and Step Functions
	log        bytes.Buffer
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{t: t, dynamo: dynamotest.Start(t), kms: kmstest.Start(t), executions: map[string]string{}}
	c.dynamo.Table(t, "ledger")
	c.sealing, c.signing = c.kms.SealingKey(), c.kms.SigningKey(elliptic.P256())
	front := httptest.NewServer(c)
	t.Cleanup(front.Close)
	c.url = front.URL
	return c
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch service {
	case "DynamoDB_20120810":
		c.dynamo.ServeHTTP(w, r)
	case "TrentService":
		c.kms.ServeHTTP(w, r)
	case "secretsmanager":
		c.serve(w, r, "application/x-amz-json-1.1", "secretsmanager", op, c.secret)
	case "AWSStepFunctions":
		c.serve(w, r, "application/x-amz-json-1.0", "states", op, c.execution)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// serve is the protocol that Secrets Manager and Step Functions have in common.
func (c *cloud) serve(w http.ResponseWriter, r *http.Request, kind, service, op string, do func(op string, in *json.Decoder) (any, string)) {
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v)
	}
	signed := strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/"+service+"/aws4_request,")
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != kind || !signed {
		answer(http.StatusBadRequest, map[string]string{"__type": "UnknownOperationException"})
		return
	}
	in := json.NewDecoder(r.Body)
	in.DisallowUnknownFields()
	c.mu.Lock()
	defer c.mu.Unlock()
	out, refused := do(op, in)
	if c.broken != "" {
		refused = c.broken
	}
	if refused != "" {
		answer(http.StatusBadRequest, map[string]string{"__type": refused, "message": "about " + secretARN})
		return
	}
	answer(http.StatusOK, out)
}

func (c *cloud) secret(op string, in *json.Decoder) (any, string) {
	var ask struct{ SecretId string }
	switch err := in.Decode(&ask); {
	case op != "GetSecretValue":
		return nil, "UnknownOperationException"
	case err != nil:
		return nil, "SerializationException"
	case ask.SecretId != secretARN:
		return nil, "ResourceNotFoundException"
	}
	c.reads++
	return map[string]string{"ARN": secretARN, "Name": "lethe-config", "SecretString": c.document}, ""
}

func (c *cloud) execution(op string, in *json.Decoder) (any, string) {
	var ask struct{ ExecutionArn, IncludedData string }
	switch err := in.Decode(&ask); {
	case op != "DescribeExecution":
		return nil, "UnknownOperationException"
	case err != nil:
		return nil, "SerializationException"
	case c.executions[ask.ExecutionArn] == "":
		return nil, "ExecutionDoesNotExist"
	}
	return map[string]any{"executionArn": ask.ExecutionArn, "stateMachineArn": machineARN, "status": c.executions[ask.ExecutionArn], "startDate": 1.7e9}, ""
}

// configure puts a document into the secret.
func (c *cloud) configure(document string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.document = document
}

func (c *cloud) failWith(with string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = with
}

// Write takes what functions log.
func (c *cloud) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Write(b)
}

func (c *cloud) logged() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.String()
}

// environment is a function's, without what Lambda sets.
func (c *cloud) environment() []string {
	return []string{
		"LETHE_TABLE=ledger", "LETHE_SEALING_KEY=" + c.sealing, "LETHE_SIGNING_KEY=" + c.signing,
		"LETHE_CONFIG=" + secretARN, "LETHE_STATE_MACHINE=" + machineARN,
		"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + c.url,
	}
}

// function runs the program of a folder until the test ends.
func (c *cloud) function(folder string, env []string) *runtimeapi.Function {
	c.t.Helper()
	if err := build(); err != nil {
		c.t.Fatal(err)
	}
	f := runtimeapi.New(folder, filepath.Join(programs, folder), env, c)
	c.t.Cleanup(f.Close)
	return f
}

// base is the ledger and the sealer of the functions, for the test.
func (c *cloud) base() erase.Base {
	c.t.Helper()
	l := ledger.New(dynamostore.New(c.dynamo.Client(), "ledger"))
	s, err := kmskey.OpenSealer(c.t.Context(), c.kms.Client(), c.sealing, l.Keep, time.Now)
	if err != nil {
		c.t.Fatal(err)
	}
	n := 0
	return erase.Base{Ledger: l, Seal: s, Now: time.Now, Report: func(erase.Event) {}, NewID: func() string {
		n++
		return fmt.Sprintf("request-%d", n)
	}}
}

// records keeps the runner's executions.
type records struct{ m sync.Map }

func (r *records) Load(_ context.Context, name string) ([]byte, error) {
	if b, ok := r.m.Load(name); ok {
		return b.([]byte), nil
	}
	return nil, asl.ErrNoExecution
}

func (r *records) Save(_ context.Context, name string, record []byte) error {
	r.m.Store(name, bytes.Clone(record))
	return nil
}
