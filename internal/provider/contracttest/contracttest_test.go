package contracttest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/lethe-dsr/lethe/internal/provider/contracttest"
)

const spec = `
openapi: 3.0.3
info: {title: t, version: "1"}
security: [{key: []}]
paths:
  /things/{name}:
    parameters:
      - {name: name, in: path, required: true, schema: {type: string, maxLength: 5}}
    get:
      operationId: Get
      parameters: [{name: all, in: query, schema: {type: boolean}}]
      responses:
        "200":
          description: found
          content: {application/json: {schema: {type: object, required: [name], properties: {name: {type: string}}}}}
        "204": {description: nothing}
        "404": {description: not found}
    delete:
      operationId: Delete
      requestBody:
        required: true
        content: {application/json: {schema: {type: array, items: {type: string}}}}
      responses:
        "200": {description: deleted}
        "400": {description: refused}
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Key}
`

// notes is a testing.TB that keeps what a checker reports.
type notes struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (n *notes) Helper() {}

func (n *notes) Error(args ...any) { n.Errorf("%s", fmt.Sprint(args...)) }

func (n *notes) Errorf(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = append(n.said, fmt.Sprintf(format, args...))
}

type row struct {
	name, method, path, body, key string
	status                        int
	contentType, answer           string
	header                        string
	want                          string // in the report; "" for none
}

func (r row) run(t *testing.T, check func(testing.TB, []byte, http.Handler) http.Handler) string {
	t.Helper()
	n := &notes{TB: t}
	h := check(n, []byte(spec), http.HandlerFunc(func(w http.ResponseWriter, got *http.Request) {
		b, err := io.ReadAll(got.Body)
		if err != nil || string(b) != r.body {
			t.Errorf("%s: the handler got the body %q, %v, want %q", r.name, b, err, r.body)
		}
		if r.contentType != "" {
			w.Header().Set("Content-Type", r.contentType)
		}
		if r.header != "" {
			w.Header().Set(r.header, "x")
		}
		w.WriteHeader(r.status)
		fmt.Fprint(w, r.answer)
	}))
	req := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body))
	if r.key != "" {
		req.Header.Set("X-Key", r.key)
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if w.Code != r.status || w.Body.String() != r.answer {
		t.Errorf("%s: the caller got %d %q", r.name, w.Code, w.Body)
	}
	return strings.Join(n.said, "\n")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const js = "application/json"
	for _, r := range []row{
		{name: "well", method: "GET", path: "/things/a%2Fb?all=true", key: "k", status: 200, contentType: js, answer: `{"name":"a"}`},
		{name: "well, no body", method: "GET", path: "/things/a", key: "k", status: 404},
		{name: "well, with a request body", method: "DELETE", path: "/things/a", key: "k", body: `["a"]`, status: 200},
		{name: "unknown route", method: "GET", path: "/other", key: "k", status: 404, want: "not in the contract"},
		{name: "unknown method", method: "PUT", path: "/things/a", key: "k", status: 404, want: "not in the contract"},
		{name: "one segment too many", method: "GET", path: "/things/a/b", key: "k", status: 404, want: "not in the contract"},
		{name: "path parameter", method: "GET", path: "/things/abcdef", key: "k", status: 404, want: "maximum string length"},
		{name: "no credential", method: "GET", path: "/things/a", status: 404, want: "no credential"},
		{name: "query value", method: "GET", path: "/things/a?all=7x", key: "k", status: 404, want: "boolean"},
		{name: "unknown query", method: "GET", path: "/things/a?more=1", key: "k", status: 404, want: `"more" is not in the contract`},
		{name: "request body", method: "DELETE", path: "/things/a", key: "k", body: `{}`, status: 400, want: "array"},
		{name: "no request body", method: "DELETE", path: "/things/a", key: "k", status: 400, want: "required"},
		{name: "body where none belongs", method: "GET", path: "/things/a", key: "k", body: `[]`, status: 404, want: "body not allowed"},
		{name: "unknown status", method: "GET", path: "/things/a", key: "k", status: 201, want: "status is not supported"},
		{name: "answer without field", method: "GET", path: "/things/a", key: "k", status: 200, contentType: js, answer: `{}`, want: `"name" is missing`},
		{name: "answer of another type", method: "GET", path: "/things/a", key: "k", status: 200, contentType: "text/html", answer: `{}`, want: "text/html"},
		{name: "body in an empty answer", method: "GET", path: "/things/a", key: "k", status: 404, contentType: js, answer: `{}`, want: "has a body"},
		{name: "on purpose", method: "GET", path: "/things/a", key: "k", status: 200, contentType: js, answer: `{}`, header: contracttest.Deliberate},
	} {
		if got := r.run(t, contracttest.Check); r.want == "" && got != "" || !strings.Contains(got, r.want) {
			t.Errorf("%s: reported %q, want %q", r.name, got, r.want)
		}
	}
}

func TestCheckAnswersWantsBrokenRequestsRefused(t *testing.T) {
	t.Parallel()
	for _, r := range []row{
		{name: "unknown route, refused", method: "GET", path: "/other", key: "k", status: 404},
		{name: "unknown route, answered", method: "GET", path: "/other", key: "k", status: 200, want: "instead of a 4xx"},
		{name: "broken body, refused", method: "DELETE", path: "/things/a", key: "k", body: `{}`, status: 400},
		{name: "broken body, accepted", method: "DELETE", path: "/things/a", key: "k", body: `{}`, status: 200, want: "instead of a 4xx"},
	} {
		if got := r.run(t, contracttest.CheckAnswers); r.want == "" && got != "" || !strings.Contains(got, r.want) {
			t.Errorf("%s: reported %q, want %q", r.name, got, r.want)
		}
	}
}

func TestAnAbortedAnswerBreaksOffForTheCaller(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(contracttest.Check(t, []byte(spec), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		fmt.Fprint(w, "half")
		panic(http.ErrAbortHandler)
	})))
	t.Cleanup(srv.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/things/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Key", "k")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); string(b) != "half" || err == nil {
		t.Errorf("got %q, %v, want half and an error", b, err)
	}
}
