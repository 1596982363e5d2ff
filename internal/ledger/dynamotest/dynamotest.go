// Package dynamotest serves DynamoDB on this machine: dynalite, a process of its own that speaks DynamoDB's protocol and
// has its limits and error messages, and in front of it a proxy that adds the one operation that dynalite lacks,
// TransactWriteItems, counts what calls cost, and can fail in the ways that DynamoDB fails.
package dynamotest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Region is the region that clients of a Server name; the Server takes any.
const Region = "eu-central-1"

// T is what this package needs of a testing.TB: programs that serve DynamoDB without a test do not link package testing.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Skip(...any)
	Error(...any)
	Fatal(...any)
}

// Start runs dynalite until the test ends. Where `make tools` has not been run the test is skipped, and fails where
// the environment says CI.
func Start(t T) *Server {
	t.Helper()
	dir := Installed(t)
	s, err := Launch(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Share(t)
}

// Installed gives the directory of dynalite. Where `make tools` has not been run the test is skipped, and fails where
// the environment says CI.
func Installed(t T) (dir string) {
	t.Helper()
	dir = filepath.Join(Root(t), Directory)
	if err := Check(dir); err != nil {
		if os.Getenv("CI") == "" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	return dir
}

// Share gives a Server with calls and faults of its own on the same dynalite, served until the test ends. Transactions of
// one are not kept apart from calls to the other: give each its own table.
func (s *Server) Share(t T) *Server {
	shared := newServer(s.dynalite)
	front := httptest.NewServer(shared)
	t.Cleanup(front.Close)
	shared.URL = front.URL
	return shared
}

// Root is the directory of go.mod, above the one in which go test runs the test.
func Root(t T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test's directory")
		}
		dir = filepath.Dir(dir)
	}
}

// Directory is where `make tools` installs it, in the repository.
const Directory = "internal/ledger/dynamostore/testdata/dynalite"

// Check tells what is missing for Launch: Node.js or dynalite.
func Check(dir string) error {
	if _, err := exec.LookPath("node"); err != nil {
		return errors.New("there is no node on the path, which runs dynalite, a DynamoDB on this machine; install Node.js 20 or later")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "dynalite")); err != nil {
		return fmt.Errorf("dynalite, a DynamoDB on this machine, is not installed in %s; run `make tools` in the repository", dir)
	}
	return nil
}

// Launch starts dynalite from the directory that it is installed in, and gives a Server in front of it, which the caller
// serves: it is a http.Handler, and its Client needs URL to be set. Close ends it. It also ends with this process, in
// whatever way that ends.
func Launch(dir string) (*Server, error) {
	cmd := exec.Command("node", "serve.js")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start dynalite: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	s := newServer("http://127.0.0.1:" + strings.TrimSpace(line))
	s.end = func() error {
		stdin.Close()
		io.Copy(io.Discard, stdout)
		return cmd.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("dynalite did not start: %w", errors.Join(err, s.Close()))
	}
	return s, nil
}

// Close ends dynalite where Launch started it, and returns when it has ended.
func (s *Server) Close() error {
	if err := s.end(); err != nil {
		return fmt.Errorf("dynalite: %w", err)
	}
	return nil
}

// Client is the SDK's client for the Server. Options come after its own.
func (s *Server) Client(options ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(s.URL),
		Region:       Region,
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
	}, options...)
}

// Table makes a table as CreateTable does.
func (s *Server) Table(t T, name string) {
	t.Helper()
	if err := s.CreateTable(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

// CreateTable makes a table as template.yaml describes the ledger's. (dynalite does not delete expired items, and
// DynamoDB may not for days.)
func (s *Server) CreateTable(ctx context.Context, name string) error {
	_, err := s.Client().CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
	})
	for err == nil {
		var out *dynamodb.DescribeTableOutput
		out, err = s.Client().DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
		if err == nil && out.Table.TableStatus == types.TableStatusActive {
			return nil
		}
	}
	return fmt.Errorf("make the table %s: %w", name, err)
}
