// Package provider is what the clients of all providers share: one HTTP call with its credentials, limit, retries and
// bounds, and errors that hold nothing of the request or the answer.
package provider

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/lethe-dsr/lethe/internal/fault"
)

const (
	maxAnswer = 64 << 20         // bytes of one answer; the largest real ones are lists of notifications
	maxWait   = 30 * time.Second // a longer Retry-After is left to the state machine's Retry
	attempts  = 4
)

// Options of a Client.
type Options struct {
	Base      *url.URL          // scheme, host and an optional path prefix
	Header    http.Header       // sent with every call: the credentials
	Pace      *Pace             // shared by all clients of one target; nil for none
	Transport http.RoundTripper // nil for a clone of http.DefaultTransport
	RetryWait time.Duration     // before the first retry, doubling after; 0 for one second
	Observe   func(Outcome)     // how each attempt ended; called from several goroutines; nil for none
}

// Client calls one provider. It follows no redirects: credentials go to Base's host only.
type Client struct {
	base   *url.URL
	header http.Header
	most   int64 // bytes of an answer
	http   *retryablehttp.Client
}

// New makes a client.
func New(o Options) *Client { return bounded(o, maxAnswer) }

// bounded is New with another limit for answers.
func bounded(o Options, most int64) *Client {
	next := o.Transport
	if next == nil {
		next = http.DefaultTransport.(*http.Transport).Clone()
	}
	wait := o.RetryWait
	if wait == 0 {
		wait = time.Second
	}
	c := retryablehttp.NewClient()
	c.Logger = nil // its log lines hold URLs
	c.RetryMax = attempts - 1
	c.RetryWaitMin, c.RetryWaitMax = wait, maxWait
	c.Backoff = backoff
	c.HTTPClient = &http.Client{
		Transport:     transport{o.Pace, next, most, o.Observe},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.CheckRetry = checkRetry
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	return &Client{base: o.Base, header: o.Header, most: most, http: c}
}

// Base is where the client's calls go.
func (c *Client) Base() *url.URL { return c.base }

type onceKey struct{}

// Once marks the calls under the context as not to be sent again when nobody knows whether they had an effect: only
// after a 429 are they.
func Once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

func checkRetry(ctx context.Context, res *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	once := ctx.Value(onceKey{}) != nil
	if err != nil {
		return !once && !errors.As(err, &noPlace{}), nil
	}
	again := res.StatusCode == http.StatusTooManyRequests ||
		res.StatusCode >= 500 && res.StatusCode != http.StatusNotImplemented && !once
	wait := retryAfter(res.Header)
	deadline, ok := ctx.Deadline()
	return again && wait <= maxWait && (!ok || time.Now().Add(wait).Before(deadline)), nil
}

// backoff is the wait before the next attempt: what the provider asked for, or least doubled with every attempt.
func backoff(least, most time.Duration, attempt int, res *http.Response) time.Duration {
	if res != nil {
		if wait := retryAfter(res.Header); wait > 0 {
			return wait
		}
	}
	return min(least<<attempt, most)
}

// retryAfter reads both forms of the header (RFC 9110, 10.2.3); 0 where there is none.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.ParseUint(v, 10, 64); err == nil {
		return time.Duration(min(s, 365*24*3600)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}

// Answer is a provider's whole answer.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Call sends one request to Base's path plus path, which is already escaped, and gives the answer whatever its status.
// in, when not nil, is sent as JSON. Failed connections, 429 and 5xx are tried again a few times with growing waits,
// Retry-After honoured. An error is a fault.Unavailable (no answer), a fault.MalformedAnswer (too large) or Pace.Take's.
func (c *Client) Call(ctx context.Context, method, path string, query url.Values, in any) (Answer, error) {
	u := *c.base
	u.RawQuery = query.Encode()
	raw := strings.TrimSuffix(c.base.EscapedPath(), "/") + path
	decoded, err := url.PathUnescape(raw)
	if err != nil {
		return Answer{}, fault.New(fault.BadInput, "%s: a path that does not unescape", method)
	}
	u.Path, u.RawPath = decoded, raw
	return c.do(ctx, method, &u, in)
}

// Follow gets a link that an earlier answer gave. A link to another scheme or host is refused with fault.ForeignLink:
// following it would hand over the credentials.
func (c *Client) Follow(ctx context.Context, from *url.URL, link string) (Answer, *url.URL, error) {
	u, err := c.Resolve(from, link)
	if err != nil {
		return Answer{}, nil, err
	}
	a, err := c.do(ctx, http.MethodGet, u, nil)
	return a, u, err
}

// Resolve makes a link that came with the page at from absolute, and refuses it like Follow without calling anything.
// The error is a fault.ForeignLink, or a fault.MalformedAnswer where the link is no URL.
func (c *Client) Resolve(from *url.URL, link string) (*url.URL, error) {
	ref, err := url.Parse(link)
	if err != nil {
		return nil, fault.New(fault.MalformedAnswer, "the provider gave a next link that is no URL")
	}
	u := from.ResolveReference(ref)
	u.Fragment, u.RawFragment = "", ""
	if u.User != nil || !sameOrigin(u, c.base) {
		return nil, fault.New(fault.ForeignLink, "the provider gave a next link to another host; it was not followed, because the token would have gone there")
	}
	return u, nil
}

func sameOrigin(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		switch {
		case u.Port() == "" && u.Scheme == "https":
			return "443"
		case u.Port() == "" && u.Scheme == "http":
			return "80"
		}
		return u.Port()
	}
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func (c *Client) do(ctx context.Context, method string, u *url.URL, in any) (Answer, error) {
	var body any
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return Answer{}, fault.New(fault.BadInput, "%s: the body does not marshal", method)
		}
		body = b
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return Answer{}, fault.New(fault.BadInput, "%s: not a usable URL", method)
	}
	for k, v := range c.header {
		req.Header[k] = v
	}
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Answer{}, unreachable(ctx, u.Host, err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	switch n, err := b.ReadFrom(res.Body); { // from memory: transport has read it
	case err != nil:
		return Answer{}, unreachable(ctx, u.Host, err)
	case n > c.most:
		return Answer{}, fault.New(fault.MalformedAnswer, "%s answered with more than %d bytes", u.Host, c.most)
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: b.Bytes()}, nil
}

// unreachable tells the kind of a transport error without its text, which holds the URL.
func unreachable(ctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var unsent noPlace
	if errors.As(err, &unsent) {
		return unsent.error
	}
	why := "the connection broke off"
	var dns *net.DNSError
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &dns):
		why = "its name does not resolve"
	case errors.As(err, &cert):
		why = "its certificate is not trusted"
	case errors.As(err, &timeout) && timeout.Timeout():
		why = "no answer in time"
	case errors.As(err, &op) && op.Op == "dial":
		why = "it refuses connections"
	}
	return fault.New(fault.Unavailable, "%s cannot be reached: %s", host, why)
}
