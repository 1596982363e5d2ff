// Package awslocal is the part of AWS that Lethe's functions call, on this machine and at one address, as
// AWS_ENDPOINT_URL gives it: DynamoDB (dynalite), KMS, Secrets Manager, Step Functions and SES. With it the programs that
// run on Lambda run here, each behind the Lambda Runtime API: in tests, and in `lethe demo --functions`.
//
// A service more is a line in Cloud.ServeHTTP and a function that takes its calls.
package awslocal

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lethe-dsr/lethe/internal/awsfault"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamostore"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamotest"
	"github.com/lethe-dsr/lethe/internal/seal/kmskey"
	"github.com/lethe-dsr/lethe/internal/seal/kmstest"
)

// The names under which everything stands in the account.
const (
	Region     = "eu-central-1"
	Table      = "ledger"
	SecretARN  = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:lethe-config-AbCdEf"
	MachineARN = "arn:aws:states:eu-central-1:111122223333:stateMachine:lethe"
)

// Cloud is one account, in which a stack is deployed. Start makes it; its methods may be called from any goroutine.
type Cloud struct {
	URL                    string // for AWS_ENDPOINT_URL
	Dynamo                 *dynamotest.Server
	KMS                    *kmstest.Server
	SealingKey, SigningKey string // keys at KMS
	awsfault.List                 // what Secrets Manager, Step Functions and SES are ordered to fail at; Dynamo and KMS have their own

	server *http.Server
	served chan error

	mu       sync.Mutex
	document string // the configuration in Secrets Manager
	reads    int    // of it
	mails    []Mail
	status   func(execution string) string // of executions that somebody else runs
	machine  *Machine
	log      bytes.Buffer
}

// Start starts an account with a table and two keys. dynalite is the directory that dynalite is installed in;
// dynamotest.Check tells what is missing there. Everything is in memory and ends with Close.
func Start(ctx context.Context, dynalite string) (*Cloud, error) {
	c := &Cloud{KMS: kmstest.New(), served: make(chan error, 1), status: func(string) string { return "" }}
	var err error
	if c.Dynamo, err = dynamotest.Launch(dynalite); err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve AWS on this machine: %w", err), c.Dynamo.Close())
	}
	c.URL = "http://" + l.Addr().String()
	c.Dynamo.URL, c.KMS.URL = c.URL, c.URL
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	go func() { c.served <- c.server.Serve(l) }()
	c.SealingKey, c.SigningKey = c.KMS.SealingKey(), c.KMS.SigningKey(elliptic.P256())
	if err := c.Dynamo.CreateTable(ctx, Table); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close ends the account, and returns when nothing of it runs any more. Functions are closed before it.
func (c *Cloud) Close() error {
	err := c.server.Close()
	if served := <-c.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, c.Dynamo.Close())
}

// Environment is a function's, as KEY=value, without what Lambda sets.
func (c *Cloud) Environment() []string {
	return []string{
		"LETHE_TABLE=" + Table, "LETHE_SEALING_KEY=" + c.SealingKey, "LETHE_SIGNING_KEY=" + c.SigningKey,
		"LETHE_CONFIG=" + SecretARN, "LETHE_STATE_MACHINE=" + MachineARN, "LETHE_STACK=lethe",
		"AWS_REGION=" + Region, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + c.URL,
	}
}

// AWS is the configuration of the SDK's clients that call this account.
func (c *Cloud) AWS() aws.Config {
	return aws.Config{Region: Region, BaseEndpoint: &c.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
}

// Store is the functions' ledger, for a reader beside them.
func (c *Cloud) Store() ledger.Store { return dynamostore.New(c.Dynamo.Client(), Table) }

// Sealer seals and opens what functions open and seal. l is the ledger on Store.
func (c *Cloud) Sealer(ctx context.Context, l *ledger.Ledger) (*kmskey.Sealer, error) {
	return kmskey.OpenSealer(ctx, c.KMS.Client(), c.SealingKey, l.Keep, time.Now)
}

// Signer signs as functions do.
func (c *Cloud) Signer(ctx context.Context) (*kmskey.Signer, error) {
	return kmskey.OpenSigner(ctx, c.KMS.Client(), c.SigningKey)
}

// Configure puts a document into the secret of the configuration: as JSON, as `lethe check --json` writes it; as it is where
// it is no document.
func (c *Cloud) Configure(document string) {
	if b, err := configfile.JSON([]byte(document)); err == nil {
		document = string(b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.document = document
}

// Reads is how often the secret was read.
func (c *Cloud) Reads() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reads
}

// Write takes what functions print.
func (c *Cloud) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Write(b)
}

// Printed is all that functions printed.
func (c *Cloud) Printed() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.String()
}
