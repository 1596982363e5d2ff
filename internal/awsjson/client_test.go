package awsjson_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lethe-dsr/lethe/internal/awsjson"
	"github.com/lethe-dsr/lethe/internal/fault"
)

// server answers calls one after the other, the last answer for good.
type server struct {
	t       *testing.T
	mu      sync.Mutex
	answers []http.HandlerFunc
	calls   []string // bodies
	url     string
}

func serve(t *testing.T, answers ...http.HandlerFunc) *server {
	s := &server{t: t, answers: answers}
	front := httptest.NewServer(s)
	t.Cleanup(front.Close)
	s.url = front.URL
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	s.calls = append(s.calls, string(b))
	answer := s.answers[min(len(s.calls), len(s.answers))-1]
	s.mu.Unlock()
	answer(w, r)
}

func (s *server) made() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// config has three tries, and no time between them.
func (s *server) config() aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: &s.url, HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "session"),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
			})
		},
	}
}

func service() awsjson.Service {
	return awsjson.Service{ID: "Secrets Manager", Host: "secretsmanager", Name: "secretsmanager", Target: "secretsmanager", Version: "1.1"}
}

type document struct {
	Name string
	Data []byte
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func breaks(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestACallIsSignedJSON(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		signed := r.Header.Get("Authorization")
		if r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" ||
			r.Header.Get("X-Amz-Target") != "secretsmanager.Decrypt" || r.Header.Get("X-Amz-Security-Token") != "session" ||
			!strings.HasPrefix(signed, "AWS4-HMAC-SHA256 Credential=id/") || !strings.Contains(signed, "/eu-central-1/secretsmanager/aws4_request,") {
			t.Errorf("got %s %s %v", r.Method, r.URL, r.Header)
		}
		io.WriteString(w, `{"Name": "there", "Data": "Ynl0ZXM=", "More": 1}`)
	})
	var out document
	if err := awsjson.New(s.config(), service()).Call(t.Context(), "Decrypt", document{"here", []byte("bytes")}, &out); err != nil {
		t.Fatal(err)
	}
	if out.Name != "there" || string(out.Data) != "bytes" || s.made()[0] != `{"Name":"here","Data":"Ynl0ZXM="}` {
		t.Errorf("%+v, after %q", out, s.made())
	}
}

func TestAnOperationMayBeAPath(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/email/outbound-emails" || r.Header.Get("Content-Type") != "application/json" || r.Header["X-Amz-Target"] != nil ||
			!strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/ses/aws4_request,") {
			t.Errorf("got %s %v", r.URL, r.Header)
		}
		io.WriteString(w, `{"Name": "there"}`)
	})
	var out document
	mails := awsjson.Service{ID: "SESv2", Host: "email", Name: "ses"}
	if err := awsjson.New(s.config(), mails).Call(t.Context(), "/v2/email/outbound-emails", document{}, &out); err != nil || out.Name != "there" {
		t.Errorf("%+v, %v", out, err)
	}
	var at reached
	cfg := s.config()
	cfg.HTTPClient, cfg.BaseEndpoint = &at, nil
	if err := awsjson.New(cfg, mails).Call(t.Context(), "/v2/email/outbound-emails", document{}, &out); err != nil || at.url != "https://email.eu-central-1.amazonaws.com/v2/email/outbound-emails" {
		t.Errorf("%s, %v", at.url, err)
	}
}

func TestWhatMayPassIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]http.HandlerFunc{
		"throttled":   says(400, `{"__type": "ThrottlingException", "message": "slow"}`),
		"failed":      says(500, `{"__type": "com.amazonaws.kms#KMSInternalException"}`),
		"unavailable": says(503, `<html>`),
		"broken off":  breaks,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, failing, failing, says(200, `{"Name": "x"}`))
			var out document
			if err := awsjson.New(s.config(), service()).Call(t.Context(), "Sign", document{}, &out); err != nil || out.Name != "x" || len(s.made()) != 3 {
				t.Errorf("%+v, %v after %d calls", out, err, len(s.made()))
			}
			s = serve(t, failing)
			c := awsjson.New(s.config(), service())
			if err := c.Call(t.Context(), "Sign", document{}, &out); err == nil || !c.Retryer().IsErrorRetryable(err) || len(s.made()) != 3 {
				t.Errorf("%v after %d calls, want an error after 3", err, len(s.made()))
			}
		})
	}
}

func TestARefusalIsNamedAndNotRepeated(t *testing.T) {
	t.Parallel()
	named := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", "NotFoundException:http://internal.amazon.com/")
		w.WriteHeader(400)
	}
	for want, answer := range map[string]http.HandlerFunc{
		"AccessDeniedException": says(400, `{"__type": "AccessDeniedException", "message": "about ann@example.com"}`),
		"DisabledException":     says(400, `{"__type": "com.amazonaws.kms#DisabledException"}`),
		"InvalidKey":            says(400, `{"code": "InvalidKey"}`),
		"NotFoundException":     named,
		"no name":               says(403, `ann@example.com`),
	} {
		s := serve(t, answer)
		c := awsjson.New(s.config(), service())
		err := c.Call(t.Context(), "Sign", document{}, &document{})
		var refused *awsjson.Error
		if !errors.As(err, &refused) || fault.Code(err) != want || c.Retryer().IsErrorRetryable(err) || strings.Contains(err.Error(), "ann@") || len(s.made()) != 1 {
			t.Errorf("got %v after %d calls, want %s", err, len(s.made()), want)
		}
	}
	s := serve(t, says(200, `ann@example.com`))
	if err := awsjson.New(s.config(), service()).Call(t.Context(), "Sign", document{}, &document{}); err == nil || strings.Contains(err.Error(), "ann@") {
		t.Errorf("no JSON: %v", err)
	}
}

// A machine whose clock is wrong signs by the service's, and says so no more than once for each call.
func TestAWrongClockIsMadeUpFor(t *testing.T) {
	t.Parallel()
	ahead := time.Hour
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil || time.Until(signed)-ahead > time.Minute || ahead-time.Until(signed) > time.Minute {
			w.WriteHeader(400)
			io.WriteString(w, `{"__type": "InvalidSignatureException"}`)
			return
		}
		io.WriteString(w, `{"Name": "x"}`)
	})
	c := awsjson.New(s.config(), service())
	for n, want := range []int{2, 3} { // the second call knows
		var out document
		if err := c.Call(t.Context(), "Sign", document{}, &out); err != nil || out.Name != "x" || len(s.made()) != want {
			t.Errorf("call %d: %+v, %v after %d requests, want %d", n, out, err, len(s.made()), want)
		}
	}
	refusing := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		w.WriteHeader(403)
		io.WriteString(w, `{"__type": "SignatureDoesNotMatch"}`)
	})
	if err := awsjson.New(refusing.config(), service()).Call(t.Context(), "Sign", document{}, &document{}); fault.Code(err) != "SignatureDoesNotMatch" || len(refusing.made()) > 3 {
		t.Errorf("%v after %d requests", err, len(refusing.made()))
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(500)
	})
	if err := awsjson.New(s.config(), service()).Call(ctx, "Sign", document{}, &document{}); !errors.Is(err, context.Canceled) || len(s.made()) != 1 {
		t.Errorf("got %v after %d calls", err, len(s.made()))
	}
}

// reached is the address of one call.
type reached struct{ url string }

func (r *reached) Do(in *http.Request) (*http.Response, error) {
	r.url = in.URL.String()
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

type own map[string]string

func (o own) GetServiceBaseEndpoint(_ context.Context, id string) (string, bool, error) {
	return o[id], o[id] != "", nil
}

func TestAServiceHasItsAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		region, base string
		own          own
		want         string
	}{
		{"eu-central-1", "", nil, "https://secretsmanager.eu-central-1.amazonaws.com/"},
		{"cn-north-1", "", nil, "https://secretsmanager.cn-north-1.amazonaws.com.cn/"},
		{"eusc-de-east-1", "", nil, "https://secretsmanager.eusc-de-east-1.amazonaws.eu/"},
		{"eu-central-1", "http://127.0.0.1:1", nil, "http://127.0.0.1:1/"},
		{"eu-central-1", "http://127.0.0.1:1", own{"Secrets Manager": "http://127.0.0.1:2/"}, "http://127.0.0.1:2/"},
		{"eu-central-1", "http://127.0.0.1:1", own{"KMS": "http://127.0.0.1:2"}, "http://127.0.0.1:1/"},
	} {
		var at reached
		cfg := (&server{}).config()
		cfg.Region, cfg.HTTPClient, cfg.BaseEndpoint = c.region, &at, nil
		if c.base != "" {
			cfg.BaseEndpoint = &c.base
		}
		if c.own != nil {
			cfg.ConfigSources = []any{c.own}
		}
		if err := awsjson.New(cfg, service()).Call(t.Context(), "GetSecretValue", document{}, &document{}); err != nil || at.url != c.want {
			t.Errorf("%+v: %s, %v", c, at.url, err)
		}
	}
}

// FuzzRefusal: whatever a service says of an error, only a name of letters is shown.
func FuzzRefusal(f *testing.F) {
	f.Add(`{"__type": "a#b"}`, "")
	f.Add(`{"__type": 1}`, "NotFoundException:x")
	f.Fuzz(func(t *testing.T, body, header string) {
		var at refusing
		at.body, at.header = body, header
		cfg := (&server{}).config()
		cfg.HTTPClient = at
		err := awsjson.New(cfg, service()).Call(t.Context(), "Sign", document{}, &document{})
		if code := fault.Code(err); code != "no name" && strings.Trim(strings.ToLower(code), "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("shown: %q", code)
		}
	})
}

type refusing struct{ body, header string }

func (r refusing) Do(*http.Request) (*http.Response, error) {
	h := http.Header{}
	if r.header != "" {
		h.Set("X-Amzn-Errortype", r.header)
	}
	return &http.Response{StatusCode: 400, Header: h, Body: io.NopCloser(strings.NewReader(r.body))}, nil
}
