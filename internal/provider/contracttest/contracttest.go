// Package contracttest holds HTTP servers and their callers to an OpenAPI 3 description, in tests.
package contracttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Deliberate is a response header with which a simulator marks an answer that breaks its contract on purpose, for a
// fault that a test asked for. Such an answer is not checked.
const Deliberate = "X-Deliberate-Fault"

// Check gives a handler that passes every request on to h, and fails t when the request or h's answer is not what the
// OpenAPI document specYAML describes: unknown routes, methods, query parameters and statuses, missing credentials,
// bodies that do not fit. It is for the tests of clients.
func Check(t testing.TB, specYAML []byte, h http.Handler) http.Handler {
	t.Helper()
	return &checker{t: t, doc: load(t, specYAML), next: h, strict: true}
}

// CheckAnswers is Check for the tests of simulators: a request may break the contract, and must then be answered with a
// 4xx.
func CheckAnswers(t testing.TB, specYAML []byte, h http.Handler) http.Handler {
	t.Helper()
	return &checker{t: t, doc: load(t, specYAML), next: h}
}

// CheckDocument is CheckAnswers against a document that was not made for the simulator: what the
// document does not know (routes, query parameters, statuses, bodies) passes.
func CheckDocument(t testing.TB, doc *openapi3.T, h http.Handler) http.Handler {
	t.Helper()
	return &checker{t: t, doc: doc, next: h, foreign: true}
}

func load(t testing.TB, specYAML []byte) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(specYAML)
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err != nil {
		t.Fatalf("the OpenAPI document is not valid: %v", err)
	}
	return doc
}

type checker struct {
	t       testing.TB
	doc     *openapi3.T
	next    http.Handler
	strict  bool // requests must keep the contract
	foreign bool // the document knows less than the server
}

func (c *checker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Errorf("%s: the request's body broke off: %v", r.Method, err)
	}
	in, broken := c.request(r, body)
	r.Body = io.NopCloser(bytes.NewReader(body))

	rec := &recorder{header: http.Header{}}
	defer func() {
		// A handler that gives up panics; what it had written goes out first, as it would without this middleware.
		up := recover()
		if up == nil {
			rec.WriteHeader(http.StatusOK)
		}
		rec.writeTo(w)
		if up != nil {
			panic(up)
		}
		if r.Context().Err() == nil && rec.header.Get(Deliberate) == "" {
			c.answer(in, broken, rec)
		}
	}()
	c.next.ServeHTTP(rec, r)
}

// request finds the operation and tells what is wrong with the request, if anything.
func (c *checker) request(r *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	route, params := c.find(r)
	if route == nil {
		err := fmt.Errorf("%s %s is not in the contract", r.Method, r.URL.Path)
		if c.strict {
			c.t.Error(err)
		}
		return nil, err
	}
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	in := &openapi3filter.RequestValidationInput{
		Request: copied, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			IncludeResponseStatus: !c.foreign, RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true,
			AuthenticationFunc: authenticated,
		},
	}
	err := openapi3filter.ValidateRequest(r.Context(), in)
	if err == nil && !c.foreign {
		err = declared(route, r.URL.Query())
	}
	if err != nil && c.strict {
		c.t.Errorf("a request breaks the contract of %s: %v", route.Operation.OperationID, err)
	}
	return in, err
}

func (c *checker) answer(in *openapi3filter.RequestValidationInput, broken error, rec *recorder) {
	refused := rec.status >= 400 && rec.status < 500
	switch {
	case in == nil && c.foreign:
	case in == nil && !refused:
		c.t.Errorf("a request outside the contract was answered with %d instead of a 4xx", rec.status)
	case in == nil:
	case broken != nil && !refused:
		c.t.Errorf("%s: a request that breaks the contract was answered with %d instead of a 4xx: %v", in.Route.Operation.OperationID, rec.status, broken)
	default:
		out := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: in, Status: rec.status, Header: rec.header, Options: in.Options,
		}
		out.SetBodyBytes(rec.body.Bytes())
		if err := openapi3filter.ValidateResponse(in.Request.Context(), out); err != nil {
			c.t.Errorf("%s: the answer %d breaks the contract: %v", in.Route.Operation.OperationID, rec.status, err)
		}
		if said := in.Route.Operation.Responses.Status(rec.status); !c.foreign && said != nil && len(said.Value.Content) == 0 && rec.body.Len() > 0 {
			c.t.Errorf("%s: the answer %d has a body, and the contract shows none", in.Route.Operation.OperationID, rec.status)
		}
	}
}

// find matches the escaped path, so that a name holding an escaped slash is one segment. Literal segments go before
// parameters.
func (c *checker) find(r *http.Request) (*routers.Route, map[string]string) {
	segments := strings.Split(r.URL.EscapedPath(), "/")
	paths := c.doc.Paths.Map()
	for _, path := range slices.SortedFunc(maps.Keys(paths), func(a, b string) int {
		return strings.Count(a, "{") - strings.Count(b, "{")
	}) {
		op := paths[path].GetOperation(r.Method)
		if params, ok := match(strings.Split(path, "/"), segments); ok && op != nil {
			return &routers.Route{Spec: c.doc, Path: path, PathItem: paths[path], Method: r.Method, Operation: op}, params
		}
	}
	return nil, nil
}

func match(pattern, segments []string) (map[string]string, bool) {
	if len(pattern) != len(segments) {
		return nil, false
	}
	params := map[string]string{}
	for i, p := range pattern {
		if !strings.HasPrefix(p, "{") {
			if p != segments[i] {
				return nil, false
			}
			continue
		}
		v, err := url.PathUnescape(segments[i])
		if err != nil || v == "" {
			return nil, false
		}
		params[strings.Trim(p, "{}")] = v
	}
	return params, true
}

func declared(route *routers.Route, query url.Values) error {
	for name := range query {
		known := func(ps openapi3.Parameters) bool { return ps.GetByInAndName(openapi3.ParameterInQuery, name) != nil }
		if !known(route.Operation.Parameters) && !known(route.PathItem.Parameters) {
			return fmt.Errorf("query parameter %q is not in the contract", name)
		}
	}
	return nil
}

// authenticated asks only that a credential is there; whether it is the right one is the server's business.
func authenticated(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	r, s := in.RequestValidationInput.Request, in.SecurityScheme
	if s.Type == "apiKey" && (s.In == "header" && r.Header.Get(s.Name) != "" || s.In == "query" && r.URL.Query().Get(s.Name) != "") {
		return nil
	}
	return errors.New("no credential " + s.Name)
}

// recorder keeps an answer until it has been checked.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

func (r *recorder) writeTo(w http.ResponseWriter) {
	if r.status == 0 {
		return
	}
	maps.Copy(w.Header(), r.header)
	w.WriteHeader(r.status)
	// An error means that the caller has gone, which is the caller's business.
	_, _ = w.Write(r.body.Bytes())
	_ = http.NewResponseController(w).Flush()
}
