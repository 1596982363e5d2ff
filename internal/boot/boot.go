// Package boot connects a Lambda function: it reads the settings that template.yaml puts into the environment, and makes
// the clients of AWS, the ledger, the sealer and the configuration that a step works with. All of that happens in the
// first invocation, not before: a start that fails is then an error with a name, which the state machine retries or
// catches, and a process that is started in advance costs no calls.
package boot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-dsr/lethe/internal/awsjson/kms"
	"github.com/lethe-dsr/lethe/internal/awsjson/secretsmanager"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamostore"
	"github.com/lethe-dsr/lethe/internal/provider"
	"github.com/lethe-dsr/lethe/internal/seal/kmskey"
	"github.com/lethe-dsr/lethe/internal/step"
	"github.com/lethe-dsr/lethe/internal/steps"
)

const (
	// fresh is how long a configuration is used before it is read again: a token that was replaced is in use everywhere
	// by then. A call to Secrets Manager costs $0.05 per 10,000.
	fresh = 5 * time.Minute
)

// Starter is what template.yaml puts into the secret, until somebody stores a configuration in its place.
const Starter = `{"controller": "the name of your company", "targets": []}`

var errStarter = fault.New(fault.BadInput, "no configuration is stored yet: the secret holds what the template put there; store one with the command of the stack's output Configure")

// Cloud is what a function's step is made of.
type Cloud struct {
	Base erase.Base // complete
	Link steps.Link // to the targets of the configuration

	Journal *Journal // the function's log and metrics

	Settings Settings
	AWS      aws.Config // for clients of further services; those that only some functions need are made outside of this package

	secrets *secretsmanager.Client
}

// Handler is a step that is made in the first invocation, and again when its configuration has become old. An input that
// does not decode is refused before: it costs no call, and is told from a configuration that cannot be used. It implements
// lambda.Handler.
type Handler struct {
	settings Settings
	name     string
	takes    func(payload []byte) error
	build    func(context.Context, *Cloud) (step.Step, error)
	patient  bool // it has nothing to do as long as there is no configuration
	now      func() time.Time
	journal  *Journal

	mu    sync.Mutex
	cloud *Cloud
	step  step.Step
	until time.Time
}

// New makes the handler of the step of a name, which build makes, and which takes an In. The process logs to the handler's
// journal from then on, also what others give to the packages log and slog.
func New[In any](s Settings, name string, build func(context.Context, *Cloud) (step.Step, error)) *Handler {
	j := NewJournal(s.Stack, os.Stdout, os.Getenv)
	slog.SetDefault(j.Log)
	takes := func(payload []byte) error {
		_, err := step.Decode[In](name, payload)
		return err
	}
	return &Handler{settings: s, name: name, takes: takes, build: build, now: time.Now, journal: j}
}

// NewPatient makes the handler of a function that the clock calls. As long as the secret holds the Starter it does nothing,
// says so in the log, and ends well: nobody waits for its answer, and a new stack has nothing to be told or tidied. Its
// input is any object.
func NewPatient(s Settings, name string, build func(context.Context, *Cloud) (step.Step, error)) *Handler {
	h := New[struct{}](s, name, build)
	h.patient = true
	return h
}

// Invoke runs the step on a JSON input. Its error is a messages.InvokeResponse_Error that carries the fault's name.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	end := h.journal.Begin(ctx, payload)
	if err := h.takes(payload); err != nil { // inputs are small: reading one twice costs less than to hand it on
		return end(h.name, nil, err)
	}
	s, err := h.made(ctx)
	if h.patient && errors.Is(err, errStarter) {
		h.journal.Log.Warn("nothing was done", "error", err.Error())
		return end("start", []byte("{}"), nil)
	}
	if err != nil {
		h.journal.Log.Error("the function could not start", "error", err.Error())
		return end("start", nil, step.Named("start", err))
	}
	output, err := s.Invoke(ctx, payload)
	return end(s.Name(), output, err)
}

// made gives the step, and makes it where that is due.
func (h *Handler) made(ctx context.Context) (step.Step, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now().Before(h.until) {
		return h.step, nil
	}
	if h.cloud == nil {
		c, err := connect(ctx, h.settings)
		if err != nil {
			return step.Step{}, err
		}
		c.keep(h.journal)
		h.cloud = c
	} else if err := h.cloud.configure(ctx); err != nil {
		return step.Step{}, err
	}
	s, err := h.build(ctx, h.cloud)
	if err != nil {
		return step.Step{}, err
	}
	h.step, h.until = s, h.now().Add(fresh)
	return s, nil
}

// connect makes the clients, each once for the life of the process, and what comes of the first calls: the sealer and the
// configuration, at the same time.
func connect(ctx context.Context, s Settings) (*Cloud, error) {
	c := &Cloud{Settings: s, AWS: fromEnvironment()}
	c.secrets = secretsmanager.New(c.AWS)
	db := dynamodb.NewFromConfig(c.AWS, func(o *dynamodb.Options) {
		// The SDK sums up what it reads and leaves the body of a write's answer unread, so that it warned of a wrong sum
		// after every write. TLS has its own sums.
		o.DisableValidateResponseChecksum = true
	})
	c.Base = erase.Base{
		Ledger: ledger.New(dynamostore.New(db, s.Table)),
		Now:    func() time.Time { return time.Now().UTC().Truncate(time.Millisecond) },
		NewID:  func() string { return ledger.NewID(time.Now(), rand.Reader) },
		Report: func(erase.Event) {},
	}
	// One for all targets and all configurations, so that connections stay open from one invocation to the next.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	c.Link = steps.Link{Paces: map[string]*provider.Pace{}, Transport: transport}

	both, ctx := errgroup.WithContext(ctx)
	var sealer *kmskey.Sealer
	both.Go(func() (err error) {
		sealer, err = kmskey.OpenSealer(ctx, kms.New(c.AWS), s.SealingKey, c.Base.Ledger.Keep, time.Now)
		return err
	})
	both.Go(func() error { return c.configure(ctx) })
	if err := both.Wait(); err != nil {
		return nil, err
	}
	c.Base.Seal = sealer
	return c, nil
}

// configure reads the configuration.
func (c *Cloud) configure(ctx context.Context) error {
	text, err := c.secrets.GetSecretValue(ctx, c.Settings.Config)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", Refused(ctx, c.secrets.Retryer(), "Secrets Manager", err))
	}
	if text == nil {
		return fault.New(fault.BadInput, "the secret of the configuration is binary; store the document as text")
	}
	if *text == Starter {
		return errStarter
	}
	cfg, err := config.Parse([]byte(*text), os.LookupEnv)
	if err != nil {
		return fmt.Errorf("the configuration: %w", err)
	}
	c.Base.Config, c.Link.Targets = cfg, cfg.Targets
	for _, t := range cfg.Targets {
		c.pace(t)
	}
	return nil
}

// Signer opens the signing key, and the public halves of the former ones.
func (c *Cloud) Signer(ctx context.Context) (*kmskey.Signer, error) {
	return kmskey.OpenSigner(ctx, kms.New(c.AWS), c.Settings.SigningKey, c.Settings.FormerSigningKeys...)
}

// Refused names what went wrong in a call to AWS, whose own text stays outside.
func Refused(ctx context.Context, retryer aws.Retryer, service string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	code := fault.Code(err)
	if retryer.IsErrorRetryable(err) {
		return fault.New(fault.Unavailable, "%s did not do a call after several tries (%s): it is throttled, fails or cannot be reached; run the step again", service, code)
	}
	return fmt.Errorf("%s refused a call (%s); check the region and what the function's role allows", service, code)
}
