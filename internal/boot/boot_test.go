package boot_test

import (
	"context"
	"crypto/elliptic"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"github.com/lethe-dsr/lethe/internal/awsfault"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/executions"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/metric/metrictest"
	"github.com/lethe-dsr/lethe/internal/seal"
	"github.com/lethe-dsr/lethe/internal/step"
)

// minimal is a configuration with one target, whose id is to be filled in.
const minimal = `{"controller": "Acme GmbH", "targets": [{"id": "ID", "provider": "batch", "api_key": "key", "rest_key": "key", "custom_id": "user_id"}]}`

func TestSettingsComeFromTheEnvironment(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"LETHE_TABLE": "ledger", "LETHE_SEALING_KEY": "a", "LETHE_SIGNING_KEY": "b", "LETHE_CONFIG": "c", "LETHE_STATE_MACHINE": awslocal.MachineARN, "LETHE_STACK": "lethe",
	}
	getenv := func(name string) string { return env[name] }
	want := boot.Settings{Table: "ledger", SealingKey: "a", SigningKey: "b", Config: "c", StateMachine: awslocal.MachineARN, Stack: "lethe", FormerSigningKeys: []string{}}
	if got, err := boot.Read(getenv); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, v := range []string{"d,e", " d , e,", "d e"} {
		got, err := boot.Read(func(n string) string {
			if n == "LETHE_FORMER_SIGNING_KEYS" {
				return v
			}
			return env[n]
		})
		if err != nil || !slices.Equal(got.FormerSigningKeys, []string{"d", "e"}) {
			t.Errorf("%q: got %q, %v", v, got.FormerSigningKeys, err)
		}
	}
	for name := range env {
		t.Run(name, func(t *testing.T) {
			_, err := boot.Read(func(n string) string {
				if n == name {
					return ""
				}
				return env[n]
			})
			if !fault.Is(err, fault.BadInput) || !strings.Contains(err.Error(), name+" is not set") {
				t.Errorf("got %v", err)
			}
		})
	}
	for _, wrong := range []string{"lethe", "arn:aws:states", awslocal.MachineARN + ":1", "arn:aws:states:eu-central-1::stateMachine:lethe", "arn:aws:lambda:eu-central-1:111122223333:stateMachine:x"} {
		_, err := boot.Read(func(n string) string {
			if n == "LETHE_STATE_MACHINE" {
				return wrong
			}
			return env[n]
		})
		if !fault.Is(err, fault.BadInput) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	env["LETHE_STATE_MACHINE"], env["LETHE_TABLE"] = "arn:aws:states:eu-central-1:111122223333:execution:lethe:job", ""
	if _, err := boot.Read(getenv); err == nil || !strings.Contains(err.Error(), "LETHE_STATE_MACHINE is not") || !strings.Contains(err.Error(), "LETHE_TABLE is not set") {
		t.Errorf("got %v, want everything that is wrong", err)
	}
}

// settings puts the environment of a function around the test, which must not be parallel then.
func settings(t *testing.T, c *cloud) boot.Settings {
	t.Helper()
	env := map[string]string{}
	for _, e := range c.Environment() {
		name, v, _ := strings.Cut(e, "=")
		env[name] = v
		t.Setenv(name, v)
	}
	s, err := boot.Read(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A token that was replaced in the secret is used soon, though the process goes on.
func TestTheConfigurationIsReadAgain(t *testing.T) {
	c := newCloud(t)
	now := time.Now()
	h := boot.New[struct{}](settings(t, c), "Name", func(_ context.Context, c *boot.Cloud) (step.Step, error) {
		id := c.Link.Targets[0].ID
		return step.New("Name", func(context.Context, struct{}) (string, error) { return id, nil }), nil
	})
	h.At(func() time.Time { return now })
	h.To(c)
	var started lambda.Handler = h
	for _, call := range []struct {
		configured string
		later      time.Duration
		want       string
		reads      int
	}{
		{"first", 0, "first", 1},
		{"second", 4 * time.Minute, "first", 1},
		{"second", 2 * time.Minute, "second", 2},
		{"second", time.Minute, "second", 2},
	} {
		c.Configure(strings.Replace(minimal, "ID", call.configured, 1))
		now = now.Add(call.later)
		out, err := started.Invoke(t.Context(), []byte(`{}`))
		if err != nil || string(out) != `"`+call.want+`"` {
			t.Fatalf("%s, %v, want %s", out, err, call.want)
		}
		if n := c.Reads(); n != call.reads {
			t.Errorf("the secret was read %d times, want %d", n, call.reads)
		}
	}
	if n := len(c.KMS.Calls()); n != 2 {
		t.Errorf("%d calls to KMS, want one that makes the key for digests and one that opens it", n)
	}
}

// Between the deployment and the configuration nothing fails that nobody called; steps and the door say what is missing.
func TestWithoutAConfigurationThereIsNothingToDo(t *testing.T) {
	c := newCloud(t)
	s := settings(t, c)
	build := func(context.Context, *boot.Cloud) (step.Step, error) {
		return step.New("Name", func(context.Context, struct{}) (string, error) { return "done", nil }), nil
	}
	for _, call := range []struct {
		make       func(boot.Settings, string, func(context.Context, *boot.Cloud) (step.Step, error)) *boot.Handler
		configured string
		want       string // a part of the error, or the answer
		logged     string
	}{
		{boot.NewPatient, boot.Starter, `{}`, `"level":"WARN","message":"nothing was done"`},
		{boot.NewPatient, "controller: x\ntargets: []\n", "BadInput", `"level":"ERROR"`}, // which somebody stored
		{boot.New[struct{}], boot.Starter, "no configuration is stored yet", "output Configure"},
		{boot.NewPatient, strings.Replace(minimal, "ID", "acme", 1), `"done"`, `"level":"INFO"`},
	} {
		c.Configure(call.configured)
		var log strings.Builder
		h := call.make(s, "Name", build)
		h.To(&log)
		out, err := h.Invoke(t.Context(), []byte(`{}`))
		if got := fmt.Sprint(string(out), err); !strings.Contains(got, call.want) || (err == nil) == strings.Contains(log.String(), `"level":"ERROR"`) {
			t.Errorf("%.20q: got %s", call.configured, got)
		}
		if !strings.Contains(log.String(), call.logged) {
			t.Errorf("%.20q: logged %s", call.configured, log.String())
		}
	}
}

// As with the SDK's own reader, a service's own address goes before the common one.
func TestAServiceMayHaveAnAddressOfItsOwn(t *testing.T) {
	c := newCloud(t)
	c.Configure(strings.Replace(minimal, "ID", "acme", 1))
	s := settings(t, c)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	for _, service := range []string{"KMS", "DYNAMODB", "SECRETS_MANAGER"} {
		t.Setenv("AWS_ENDPOINT_URL_"+service, c.URL)
	}
	if _, err := boot.Connect(t.Context(), s, c); err != nil {
		t.Error(err)
	}
}

// An execution that only may have ended keeps its container.
// A certificate is checked by what the door publishes, also after the signing key was replaced.
func TestFormerSigningKeysStayPublished(t *testing.T) {
	c := newCloud(t)
	c.Configure(strings.Replace(minimal, "ID", "acme", 1))
	before, err := c.Signer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	jws, err := before.Sign(t.Context(), []byte("payload"), "x")
	if err != nil {
		t.Fatal(err)
	}
	s := settings(t, c)
	s.SigningKey, s.FormerSigningKeys = c.KMS.SigningKey(elliptic.P256()), []string{c.KMS.SigningKey(elliptic.P256()), c.SigningKey}
	after, err := boot.Connect(t.Context(), s, c)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := after.Signer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, kid, err := seal.Verify(jws, signer.PublicSet()); err != nil || kid != before.Public().KeyID {
		t.Errorf("what the former key signed: by %q, %v", kid, err)
	}
	if signer.Public().KeyID == before.Public().KeyID {
		t.Error("the former key signs")
	}
}

func TestAJobIsAliveWhileItsExecutionRuns(t *testing.T) {
	c := newCloud(t)
	c.Configure(strings.Replace(minimal, "ID", "acme", 1))
	connected, err := boot.Connect(t.Context(), settings(t, c), c)
	if err != nil {
		t.Fatal(err)
	}
	alive := executions.Alive(connected)
	for status, want := range map[string]bool{
		"RUNNING": true, "PENDING_REDRIVE": true, "SUCCEEDED": false, "FAILED": false, "TIMED_OUT": false, "ABORTED": false, "": false,
	} {
		c.Executions(func(name string) string { return map[string]string{"job-1": status}[name] })
		if got := alive(t.Context(), "job-1"); got != want {
			t.Errorf("%q: alive %t", status, got)
		}
	}
	c.Fail(awsfault.Fault{Kind: "AccessDeniedException"})
	if !alive(t.Context(), "job-1") {
		t.Error("nobody knows whether it runs, and it is not alive")
	}
}

func TestWhatAWSRefusesHasANameAndNoText(t *testing.T) {
	t.Parallel()
	refuse := func(ctx context.Context, code string) error {
		return boot.Refused(ctx, retry.NewStandard(), "Secrets Manager", &smithy.GenericAPIError{Code: code, Message: "about " + awslocal.SecretARN})
	}
	if err := refuse(t.Context(), "ThrottlingException"); !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), awslocal.SecretARN) {
		t.Errorf("throttled: %v", err)
	}
	err := refuse(t.Context(), "AccessDeniedException")
	if !fault.Is(err, fault.Internal) || !strings.Contains(err.Error(), "AccessDeniedException") || strings.Contains(err.Error(), awslocal.SecretARN) {
		t.Errorf("denied: %v", err)
	}
	if err := refuse(t.Context(), "not a code"); strings.Contains(err.Error(), "not a code") {
		t.Errorf("what is no code: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := refuse(ended, "ThrottlingException"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// All processes share a target's limit by the ledger. One that is changed holds when the configuration is read again.
func TestTheFunctionsShareATargetsLimit(t *testing.T) {
	c := newCloud(t)
	s, now := settings(t, c), time.Now()
	process := func() (take func(want fault.Name)) {
		h := boot.New[struct{}](s, "Take", func(_ context.Context, c *boot.Cloud) (step.Step, error) {
			return step.New("Take", func(ctx context.Context, _ struct{}) (string, error) {
				ended, err := c.Link.Paces["acme"].Take(ctx)
				if err == nil {
					ended()
				}
				return "", err
			}), nil
		})
		h.At(func() time.Time { return now })
		h.To(c)
		return func(want fault.Name) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := h.Invoke(ctx, []byte(`{}`))
			if want != "" {
				wantNamed(t, err, want)
			} else if err != nil {
				t.Error(err)
			}
		}
	}
	first, second := process(), process()
	limited := func(perMinute int) {
		doc := strings.Replace(minimal, `"ID"`, fmt.Sprintf(`"acme", "requests_per_minute": %d`, perMinute), 1)
		c.Configure(doc)
		now = now.Add(6 * time.Minute)
	}
	limited(1)
	first("")
	second(fault.Throttled)
	first(fault.Throttled)
	limited(2)
	second("")
	first(fault.Throttled)
	limited(0)
	first("")
	first("")
}

func wantNamed(t *testing.T, err error, name fault.Name) {
	t.Helper()
	var named messages.InvokeResponse_Error
	if !errors.As(err, &named) || named.Type != string(name) {
		t.Errorf("got %v, want %s", err, name)
	}
}

// A start that fails is tried again by the next invocation.
func TestAStartThatFailsIsAnErrorWithAName(t *testing.T) {
	c := newCloud(t)
	h := boot.New[struct{}](settings(t, c), "Nothing", func(context.Context, *boot.Cloud) (step.Step, error) {
		return step.New("Nothing", func(context.Context, struct{}) (string, error) { return "", nil }), nil
	})
	h.To(c)
	invoke := func() error {
		_, err := h.Invoke(t.Context(), []byte(`{}`))
		return err
	}
	c.Fail(awsfault.Fault{Kind: "AccessDeniedException"})
	wantNamed(t, invoke(), fault.Internal)
	c.Heal()
	c.Configure(`{"controller": "Acme GmbH"}`)
	err := invoke()
	wantNamed(t, err, fault.BadInput)
	if err == nil || !strings.Contains(err.Error(), "targets") {
		t.Errorf("%v does not say what is wrong", err)
	}
	c.Configure(strings.Replace(minimal, "ID", "acme", 1))
	if err := invoke(); err != nil {
		t.Errorf("after that: %v", err)
	}
	j := readJournal(t, c.Printed())
	metrictest.Want(t, j.sums, map[string]float64{
		"StepFaults Stack=lethe": 2, "StepFaults Stack=lethe Step=start Fault=Internal": 1, "StepFaults Stack=lethe Step=start Fault=BadInput": 1,
	})
	if len(j.lines) != 5 || !strings.Contains(fmt.Sprint(j.lines[0]["error"]), "AccessDeniedException") {
		t.Errorf("the log does not say why, or too much: %v", j.lines)
	}
}
