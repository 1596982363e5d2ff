// Package dynamotest serves DynamoDB to tests: dynalite, a process of its own that speaks DynamoDB's protocol and has
// its limits and error messages, and in front of it a proxy that adds the one operation that dynalite lacks,
// TransactWriteItems, counts what calls cost, and can fail in the ways that DynamoDB fails.
package dynamotest

import (
	"bufio"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Region is the region that clients of a Server name; the Server takes any.
const Region = "eu-central-1"

// Start runs dynalite until the test ends. Where `make tools` has not been run the test is skipped, and fails where
// the environment says CI.
func Start(t testing.TB) *Server {
	t.Helper()
	dir := filepath.Join(root(t), "internal", "ledger", "dynamostore", "testdata", "dynalite")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "dynalite")); err != nil {
		const missing = "dynalite, the DynamoDB of the tests, is not installed; run: make tools"
		if os.Getenv("CI") == "" {
			t.Skip(missing)
		}
		t.Fatal(missing)
	}
	s := &Server{dynalite: "http://127.0.0.1:" + launch(t, dir)}
	return s.Share(t)
}

// Share gives a Server with calls and faults of its own on the same dynalite. Transactions of one are not kept apart from
// calls to the other: give each its own table.
func (s *Server) Share(t testing.TB) *Server {
	shared := &Server{dynalite: s.dynalite, tokens: map[string]string{}, hand: map[string]bool{}}
	front := httptest.NewServer(shared)
	t.Cleanup(front.Close)
	shared.URL = front.URL
	return shared
}

// root is the directory of go.mod, above the one in which go test runs the test.
func root(t testing.TB) string {
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

// launch starts the process and gives its port. It ends with its standard input, so also when the test is killed.
func launch(t testing.TB, dir string) (port string) {
	cmd := exec.Command("node", "serve.js")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start dynalite: %v; Node.js 20 or later has to be on the path", err)
	}
	t.Cleanup(func() {
		stdin.Close()
		io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil {
			t.Errorf("dynalite: %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("dynalite did not start: %v", err)
	}
	return strings.TrimSpace(line)
}

// Client is the SDK's client for the Server. Options come after its own.
func (s *Server) Client(options ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(s.URL),
		Region:       Region,
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
	}, options...)
}

// Table makes a table as template.yaml describes the ledger's. (dynalite does not delete expired items, and DynamoDB
// may not for days.)
func (s *Server) Table(t testing.TB, name string) {
	t.Helper()
	_, err := s.Client().CreateTable(t.Context(), &dynamodb.CreateTableInput{
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
	if err != nil {
		t.Fatal(err)
	}
	for {
		out, err := s.Client().DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &name})
		if err != nil {
			t.Fatal(err)
		}
		if out.Table.TableStatus == types.TableStatusActive {
			return
		}
	}
}
