// Package gateway lets an http.Handler answer for an HTTP API of Amazon API Gateway, by its payload format 2.0
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
//
// It is own code because the library for it, aws-lambda-go-api-proxy, writes paths into the log, which hold the tokens of
// links here, and splits headers at their commas.
package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// maxAnswer is what Lambda takes of an answer, with what JSON adds to the body: 6 MB
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const maxAnswer = 6 << 20

// ErrEvent is an event that is no request of an HTTP API. It is a fault.BadInput.
var ErrEvent = fault.New(fault.BadInput, "the event is no request of an HTTP API in payload format 2.0; connect the function to a route of one")

// Event is a request as an HTTP API hands it to a function. Another event does not decode: the error is ErrEvent.
type Event struct {
	request *http.Request
	caller  Caller
}

// Answer lets h answer one event. Who the API's authorizer let through is in the context of the http.Request, for Caller.
// The address of the client is the one that the gateway saw; the host is the one that it was called by, whatever the
// header says. An answer that h broke off, or that is larger than Lambda takes, becomes a problem with status 500; the
// second is logged, because h knows nothing of it.
func Answer(ctx context.Context, h http.Handler, event Event, log *slog.Logger) (json.RawMessage, error) {
	r := event.request.WithContext(context.WithValue(ctx, callerKey{}, event.caller))
	w := &writer{header: http.Header{}, head: r.Method == http.MethodHead}
	if !serve(h, w, r) {
		return encode(broken("The answer broke off."))
	}
	out, err := encode(w.response())
	if err == nil && len(out) > maxAnswer {
		log.ErrorContext(ctx, "an answer was larger than Lambda hands on, and a problem was sent instead", "route", r.Pattern, "bytes", len(out), "limit", maxAnswer)
		return encode(broken("The answer has more than the 6 MB that AWS Lambda hands on. Ask for less at once, or look at the console."))
	}
	return out, err
}

// serve tells whether h answered to the end.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (whole bool) {
	defer func() {
		if up := recover(); up != nil && up != http.ErrAbortHandler {
			panic(up)
		}
	}()
	h.ServeHTTP(w, r)
	return true
}

// broken is the answer in the place of one that nobody must take for a whole one.
func broken(detail string) events.APIGatewayV2HTTPResponse {
	// As package web writes a problem of the kind internal; it always marshals.
	b, _ := json.Marshal(map[string]any{"type": "/problems/internal", "title": "Something went wrong here", "status": http.StatusInternalServerError, "detail": detail})
	return events.APIGatewayV2HTTPResponse{
		StatusCode: http.StatusInternalServerError, Body: string(b),
		Headers: map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store"},
	}
}

// encode writes an answer as JSON, without what would make it safe within HTML, which six bytes for each < cost.
func encode(a events.APIGatewayV2HTTPResponse) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(a)
	return b.Bytes(), err
}

// UnmarshalJSON makes the http.Request of an event.
func (event *Event) UnmarshalJSON(payload []byte) error {
	var e events.APIGatewayV2HTTPRequest
	if json.Unmarshal(payload, &e) != nil || e.Version != "2.0" || e.RequestContext.DomainName == "" {
		return ErrEvent
	}
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return ErrEvent
		}
	}
	// The path comes decoded or not, by what the client sent; a mux takes either.
	target := url.URL{Path: cmp.Or(e.RawPath, "/"), RawQuery: e.RawQueryString}
	if p, err := url.PathUnescape(e.RawPath); err == nil && p != e.RawPath {
		target.Path, target.RawPath = p, e.RawPath
	}
	r, err := http.NewRequest(cmp.Or(e.RequestContext.HTTP.Method, http.MethodGet), "/", bytes.NewReader(body))
	if err != nil {
		return ErrEvent
	}
	r.URL, r.RequestURI = &target, target.RequestURI()
	r.Host = e.RequestContext.DomainName
	r.RemoteAddr = net.JoinHostPort(e.RequestContext.HTTP.SourceIP, "0")
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	for name, value := range e.Headers { // those that came several times are joined by commas, as HTTP allows
		r.Header.Set(name, value)
	}
	r.Header.Del("Host")
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	event.request, event.caller = r, callerOf(e.RequestContext.Authorizer)
	return nil
}

// writer collects an answer.
type writer struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int
	head   bool // HEAD asks for the header alone
	body   bytes.Buffer
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *writer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if len(b) > 0 && w.sent.Get("Content-Type") == "" && w.sent.Get("Content-Encoding") == "" { // as net/http does
		w.sent.Set("Content-Type", http.DetectContentType(b))
	}
	if w.head {
		return len(b), nil
	}
	return w.body.Write(b)
}

// Flush is for streams: what they have sent comes with the whole answer.
func (w *writer) Flush() { w.WriteHeader(http.StatusOK) }

func (w *writer) response() events.APIGatewayV2HTTPResponse {
	w.WriteHeader(http.StatusOK)
	out := events.APIGatewayV2HTTPResponse{StatusCode: w.status, Headers: map[string]string{}, Cookies: w.sent["Set-Cookie"]}
	for name, values := range w.sent {
		if name != "Set-Cookie" {
			out.Headers[name] = strings.Join(values, ", ")
		}
	}
	if utf8.Valid(w.body.Bytes()) {
		out.Body = w.body.String()
	} else {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(w.body.Bytes()), true
	}
	return out
}
