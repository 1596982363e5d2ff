// Package deliver sends HTTP messages to other systems: signed webhooks and OpenDSR status callbacks. It does not let
// an address from a stranger reach this machine or its network. It knows no ledger and no request: it sends bytes once.
// What is sent when, and again, is the outbox's affair; Backoff, RetryAfter and GiveUp are its figures.
package deliver

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	defaultTimeout = 10 * time.Second
	maxHeader      = 64 << 10 // bytes of an answer's header
	maxAnswer      = 16 << 10 // bytes of an answer's body that are taken before the connection is closed
)

// Options of a Client. The zero value is a client for addresses given by strangers.
type Options struct {
	// Own tells whether a URL is one that the operator configured himself, to the letter: only that one may lead into
	// the operator's own network or to this machine, and with http:// to this machine only. A host and port would not
	// do: a stranger could then name another path there. Nil for none.
	Own      func(url string) bool
	Resolver *net.Resolver  // nil for net.DefaultResolver
	RootCAs  *x509.CertPool // nil for those of the system
	Timeout  time.Duration  // of one Post, from looking up the host to the end of the answer; 0 for ten seconds
}

// Client sends messages. It follows no redirects, keeps no cookies and no connections, and uses no proxy, whatever the
// environment says: a proxy would look the host up itself. It may be used by several goroutines.
type Client struct {
	allow   func(url string) bool
	timeout time.Duration

	// One Transport for each set of addresses, so that no connection made for the one is used for the other.
	public *http.Transport // a stranger's URL
	own    *http.Transport // the operator's, https
	plain  *http.Transport // the operator's, http: this machine and nothing else
}

// NewClient makes a client. Nothing of it has to be closed.
func NewClient(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	return &Client{
		allow:   o.Own,
		timeout: o.Timeout,
		public:  transport(o, public),
		own:     transport(o, func(netip.Addr) bool { return true }),
		plain:   transport(o, loopback),
	}
}

// transport connects to the permitted addresses only. It is used without an http.Client, which is what would follow
// redirects and keep cookies.
func transport(o Options, permitted func(netip.Addr) bool) *http.Transport {
	// The timeouts end what may go on after Post has returned.
	d := &net.Dialer{Timeout: o.Timeout, Resolver: o.Resolver, Control: control(permitted)}
	return &http.Transport{
		DialContext:            d.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs},
		TLSHandshakeTimeout:    o.Timeout,
		DisableKeepAlives:      true, // messages are rare; an idle connection is a place for an answer nobody asked for
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// control refuses addresses when the connection is about to be made. By then the host has been looked up for the last
// time, so that a name server that changes its answer (DNS rebinding) gains nothing.
func control(permitted func(netip.Addr) bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !permitted(to.Addr()) {
			return ErrAddress
		}
		return nil
	}
}

// Post sends one message and gives nil when the receiver answered 2xx. header is sent too; nil for none. Errors:
//
//   - ErrURL: the URL is not one to send to (see CheckURL). Do not try again.
//   - ErrGone and ErrRefused, as they say.
//   - Everything else may pass, ErrAddress among it: no connection, no answer in time, 408, 425, 429, 5xx and redirects.
//     RetryAfter tells when to try again, if the receiver said so.
//   - When ctx has ended, its error is wrapped.
//
// After an error of the last two kinds the message may have arrived: receivers tell a repeated one by its id. Errors
// hold a status code and the phase that failed, and nothing of the URL, the message or the answer's body.
func (c *Client) Post(ctx context.Context, url, contentType string, body []byte, header http.Header) error {
	u, own, err := parse(url, c.allow)
	if err != nil {
		return err
	}
	via := c.public
	switch {
	case own && u.Scheme == "http":
		via = c.plain
	case own:
		via = c.own
	}

	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var now phase
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(bounded, now.trace()), http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return unusable("is not a URL")
	}
	r.Header.Set("User-Agent", "Lethe")
	maps.Copy(r.Header, header)
	r.Header.Set("Content-Type", contentType)

	res, err := via.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("deliver: %s: %w", now.word(), cause(ctx, err))
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		// The body stays unread: after a 101 the connection belongs to nobody, and its reads never end.
		return newAnswer(res)
	}
	// The message has been taken, however the rest of the answer fares. Some servers count a connection that is closed
	// in the middle of their answer as an error.
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer)
	return nil
}

// Errors of connections hold addresses and whatever the other side sent; these are told instead.
var (
	errTimeout     = errors.New("timed out")
	errCertificate = errors.New("the receiver's certificate is not trusted, or not for this host")
	errFailed      = errors.New("failed")
)

// cause is why a call had no answer. ctx is the caller's, without the client's time limit.
func cause(ctx context.Context, err error) error {
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrAddress):
		return ErrAddress
	case errors.As(err, &certificate):
		return errCertificate
	case errors.As(err, &timeout) && timeout.Timeout():
		return errTimeout
	}
	return errFailed
}

// phase is how far a call has come, as httptrace tells from several goroutines.
type phase struct{ n atomic.Int32 }

var phases = [...]string{"prepare", "resolve", "connect", "handshake", "answer"}

func (p *phase) word() string { return phases[p.n.Load()] }

func (p *phase) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { p.n.Store(1) },
		ConnectStart:      func(_, _ string) { p.n.Store(2) },
		TLSHandshakeStart: func() { p.n.Store(3) },
		GotConn:           func(httptrace.GotConnInfo) { p.n.Store(4) },
	}
}
