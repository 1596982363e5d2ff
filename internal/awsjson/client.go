// Package awsjson calls services of AWS that take and give JSON documents: by its JSON protocol, one POST to one address with
// the operation in a header, or by POST to a path of the operation. Signatures, the rules of retries and connections are the SDK's. Its modules for single services build
// tables of all their regions whenever a program starts, a twentieth of an empty function's start each; what every function
// starts with, and calls with one operation or two, is called by this package instead.
//
// Source: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
package awsjson

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// Service is how a service is addressed.
type Service struct {
	ID      string // the SDK's, by which AWS_ENDPOINT_URL_<ID> is found
	Host    string // what its host names begin with
	Name    string // what calls are signed for
	Target  string // what operations are named after, in X-Amz-Target; "" where an operation is a path
	Version string // of the JSON protocol: 1.0 or 1.1
}

// Client calls one service. New makes it; it is safe for concurrent use.
type Client struct {
	service Service
	url     string
	config  aws.Config
	signer  *v4.Signer
	retryer aws.RetryerV2
	skew    atomic.Int64 // nanoseconds by which the service's clock is ahead of this machine's, where that is much
}

// New uses a configuration's region, credentials, HTTP client, retryer (or its number of attempts) and base endpoint; a
// source of it that has GetServiceBaseEndpoint, as the SDK's clients ask for it, goes before the base endpoint. It knows the
// host names of AWS, China, GovCloud and the European Sovereign Cloud.
func New(c aws.Config, s Service) *Client {
	out := &Client{service: s, config: c, signer: v4.NewSigner()}
	domain := "amazonaws.com"
	switch {
	case strings.HasPrefix(c.Region, "cn-"):
		domain = "amazonaws.com.cn"
	case strings.HasPrefix(c.Region, "eusc-"):
		domain = "amazonaws.eu"
	}
	out.url = "https://" + s.Host + "." + c.Region + "." + domain
	if c.BaseEndpoint != nil {
		out.url = *c.BaseEndpoint
	}
	for _, source := range c.ConfigSources {
		own, ok := source.(interface {
			GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
		})
		if !ok {
			continue
		}
		if url, found, err := own.GetServiceBaseEndpoint(context.Background(), s.ID); found && err == nil {
			out.url = url
		}
	}
	out.url = strings.TrimSuffix(out.url, "/")
	out.retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		if c.RetryMaxAttempts > 0 {
			o.MaxAttempts = c.RetryMaxAttempts
		}
	})
	if c.Retryer != nil {
		if r, ok := c.Retryer().(aws.RetryerV2); ok {
			out.retryer = r
		}
	}
	return out
}

// Retryer tells which errors of Call may not come again, although several tries did not overcome them.
func (c *Client) Retryer() aws.Retryer { return c.retryer }

// Call does an operation, which is a path such as "/v2/email/outbound-emails" where the service has no Target. in and out are its documents, as encoding/json takes and gives them; bytes are base64 in both.
// The error is an *Error when the service refused.
func (c *Client) Call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s %s: %w", c.service.ID, operation, err)
	}
	release, err := c.retryer.GetAttemptToken(ctx)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, operation, body, out)
		release(err) // what was taken comes back after a success
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil || attempt == c.retryer.MaxAttempts() || !c.retryer.IsErrorRetryable(err) {
			return err
		}
		var none error
		if release, none = c.retryer.GetRetryToken(ctx, err); none != nil {
			return err
		}
		delay, none := c.retryer.RetryDelay(attempt, err)
		if none != nil {
			return err
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// maxAnswer is far above what the services that are called answer.
const maxAnswer = 8 << 20

func (c *Client) once(ctx context.Context, operation string, body []byte, out any) error {
	path, kind := operation, "application/json"
	if c.service.Target != "" {
		path, kind = "/", "application/x-amz-json-"+c.service.Version
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address of " + c.service.ID + " is no URL; check AWS_ENDPOINT_URL")
	}
	r.Header.Set("Content-Type", kind)
	if c.service.Target != "" {
		r.Header.Set("X-Amz-Target", c.service.Target+"."+operation)
	}
	credentials, err := c.config.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("credentials for %s: %w", c.service.ID, err)
	}
	sum := sha256.Sum256(body)
	if err := c.signer.SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), c.service.Name, c.config.Region, time.Now().Add(time.Duration(c.skew.Load()))); err != nil {
		return fmt.Errorf("sign a call to %s: %w", c.service.ID, err)
	}
	answer, err := c.config.HTTPClient.Do(r)
	if err != nil {
		return &smithyhttp.RequestSendError{Err: err}
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return &smithyhttp.RequestSendError{Err: err}
	}
	if answer.StatusCode != http.StatusOK {
		err := refusal(answer, b)
		if ahead, ok := skewOf(answer, err.code); ok && c.skew.Swap(int64(ahead)) != int64(ahead) {
			return skewed{err}
		}
		return err
	}
	if err := json.Unmarshal(b, out); err != nil {
		return errors.New(c.service.ID + " answered with something else than its JSON")
	}
	return nil
}

// Error is how a service refused a call. Its text is left out: it may repeat what was sent.
type Error struct {
	status int
	code   string
}

func (e *Error) Error() string { return fmt.Sprintf("refused: %s (HTTP %d)", fault.Code(e), e.status) }

// ErrorCode is what the service calls the error.
func (e *Error) ErrorCode() string { return e.code }

// HTTPStatusCode is the answer's.
func (e *Error) HTTPStatusCode() int { return e.status }

// skewed is a refusal of a signature by a clock that was wrong; the next one is made by the right time.
type skewed struct{ refused *Error }

// RetryableError is how the retryer knows it.
func (skewed) RetryableError() bool { return true }

func (e skewed) Error() string { return e.refused.Error() }

func (e skewed) Unwrap() error { return e.refused }

// maxSkew is how far clocks may be apart; services refuse signatures from 5 minutes on, as the SDK's middleware for retries
// notes.
const maxSkew = 4 * time.Minute

// skewOf tells by how much the service's clock is ahead, where it refused a signature and that may be why.
func skewOf(answer *http.Response, code string) (time.Duration, bool) {
	switch code {
	case "AuthFailure", "InvalidSignatureException", "RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed", "SignatureDoesNotMatch":
	default:
		return 0, false
	}
	at, err := http.ParseTime(answer.Header.Get("Date"))
	ahead := time.Until(at).Round(time.Second)
	return ahead, err == nil && ahead.Abs() > maxSkew
}

// refusal reads an error, which is named in a header, or in the body as NAMESPACE#NAME or NAME.
func refusal(answer *http.Response, body []byte) *Error {
	code := answer.Header.Get("X-Amzn-Errortype")
	if code == "" {
		var named struct {
			Type string `json:"__type"`
			Code string `json:"code"`
		}
		json.Unmarshal(body, &named) // a proxy's answer has no name
		if code = named.Type; code == "" {
			code = named.Code
		}
	}
	code, _, _ = strings.Cut(code, ":")
	if _, name, qualified := strings.Cut(code, "#"); qualified {
		code = name
	}
	return &Error{answer.StatusCode, code}
}
