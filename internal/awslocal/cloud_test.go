package awslocal_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/lethe-dsr/lethe/internal/awsfault"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/awslocal/awstest"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamotest"
)

func TestTheSecretIsTheConfiguration(t *testing.T) {
	t.Parallel()
	c := awstest.Start(t)
	c.Configure(`{"mode": "approve"}`)
	client := secretsmanager.NewFromConfig(c.AWS())
	read := func(id string) (string, error) {
		out, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id})
		if err != nil {
			return "", err
		}
		return *out.SecretString, nil
	}
	if got, err := read(awslocal.SecretARN); err != nil || got != `{"mode": "approve"}` {
		t.Errorf("got %q, %v", got, err)
	}
	_, err := read("another")
	wantCode(t, "another secret", err, "ResourceNotFoundException")
	c.Fail(awsfault.Fault{Kind: "AccessDeniedException"})
	_, err = read(awslocal.SecretARN)
	wantCode(t, "broken", err, "AccessDeniedException")
	c.Heal()
	if _, err := read(awslocal.SecretARN); err != nil {
		t.Errorf("healed: %v", err)
	}
}

func TestMailsAreKept(t *testing.T) {
	t.Parallel()
	c := awstest.Start(t)
	send := func(path, body, service string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260301/eu-central-1/"+service+"/aws4_request, SignedHeaders=host, Signature=00")
		out, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		out.Body.Close()
		return out.StatusCode
	}
	const path = "/v2/email/outbound-emails"
	const simple = `{"FromEmailAddress": "a@example.com", "Destination": {"ToAddresses": ["b@example.com"]},
		"Content": {"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "text"}}, "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}]}}}`
	for what, c := range map[string]struct {
		path, body, service string
		want                int
	}{
		"a mail":          {path, simple, "ses", 200},
		"no content":      {path, `{"FromEmailAddress": "a@example.com"}`, "ses", 400},
		"an unknown word": {path, `{"From": "a@example.com"}`, "ses", 400},
		"another service": {path, simple, "states", 400},
		"another path":    {path + "/x", simple, "ses", 404},
	} {
		if got := send(c.path, c.body, c.service); got != c.want {
			t.Errorf("%s: %d, want %d", what, got, c.want)
		}
	}
	if got := c.Mails(); len(got) != 1 || got[0].To[0] != "b@example.com" || got[0].Subject != "Hello" || got[0].Text != "text" || got[0].Headers["Auto-Submitted"] == "" {
		t.Errorf("got %+v", got)
	}
	if got := send(path, `{"Content": {"Raw": {"Data": "SGk="}}}`, "ses"); got != 200 || string(c.Mails()[1].Raw) != "Hi" {
		t.Errorf("a raw one: %d, %+v", got, c.Mails())
	}
}

// All that is missing is said at once, before anything starts.
func TestWhatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	dynalite := dynamotest.Installed(t)
	nothing := t.TempDir()
	err := awslocal.Check(nothing, nothing)
	for _, want := range []string{"holds none of the functions' programs; run `make functions ARCH=", "run `make tools`"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
	if testing.Short() {
		t.Skip("builds all functions")
	}
	programs := awstest.Programs(t)
	if err := awslocal.Check(programs, dynalite); err != nil {
		t.Errorf("nothing is missing: %v", err)
	}
	some := t.TempDir()
	if err := os.Symlink(filepath.Join(programs, "open-job"), filepath.Join(some, "open-job")); err != nil {
		t.Fatal(err)
	}
	err = awslocal.Check(some, dynalite)
	if err == nil || strings.Contains(err.Error(), "open-job") || !strings.Contains(err.Error(), "no program of export-devices, match-subject") {
		t.Errorf("all but one are missing: %v", err)
	}
}
