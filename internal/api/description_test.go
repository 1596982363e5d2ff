package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/web"
)

func TestMain(m *testing.M) {
	openapi3filter.RegisterBodyDecoder("application/jose", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/jwk-set+json", openapi3filter.JSONBodyDecoder)
	os.Exit(m.Run())
}

// described holds a service to the description: whatever it answers must be described there.
type described struct {
	t    *testing.T
	next http.Handler
	doc  *openapi3.T
	mux  *http.ServeMux // of the description's operations

	mu   sync.Mutex
	seen map[string]bool // operation and status
}

// exchange is a request with its answer, on its way to the operation that it belongs to.
type exchange struct {
	body   []byte
	answer *httptest.ResponseRecorder
}

type exchangeKey struct{}

func describe(t *testing.T, next http.Handler) *described {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err == nil {
		err = doc.Validate(t.Context()) // examples, too
	}
	if err != nil {
		t.Fatalf("the description is not valid: %v", err)
	}
	d := &described{t: t, next: next, doc: doc, mux: http.NewServeMux(), seen: map[string]bool{}}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			route := &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op}
			d.mux.HandleFunc(method+" "+path, func(_ http.ResponseWriter, r *http.Request) { d.check(route, r) })
		}
	}
	return d
}

func (d *described) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		d.t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	inner := r.Clone(r.Context()) // the service's own mux must not leave its path values in the description's request
	inner.Pattern = ""
	d.next.ServeHTTP(rec, inner)
	ctx := context.WithValue(r.Context(), exchangeKey{}, exchange{body, rec})
	if _, pattern := d.mux.Handler(r); pattern == "" && (rec.Code < 400 || rec.Code >= 500) {
		d.t.Errorf("%s %s is not described, and is answered with %d", r.Method, r.URL.Path, rec.Code)
	}
	d.mux.ServeHTTP(httptest.NewRecorder(), r.Clone(ctx))
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// byGuard are the statuses of any operation that the description tells once, as the default.
func byGuard(status int) bool {
	return slices.Contains([]int{413, 414, 421, 429, 431, 500, 503}, status)
}

func (d *described) check(route *routers.Route, r *http.Request) {
	x := r.Context().Value(exchangeKey{}).(exchange)
	op, status := route.Operation, x.answer.Code
	d.mu.Lock()
	d.seen[fmt.Sprint(op.OperationID, " ", status)] = true
	d.mu.Unlock()
	if op.Responses.Status(status) == nil && !byGuard(status) {
		d.t.Errorf("%s: the status %d is not described", op.OperationID, status)
	}
	params := map[string]string{}
	for _, p := range append(slices.Clone(op.Parameters), route.PathItem.Parameters...) {
		if p.Value.In == "path" {
			params[p.Value.Name] = r.PathValue(p.Value.Name)
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(x.body))
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true, AuthenticationFunc: bearer,
		},
	}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil && status < 400 {
		d.t.Errorf("%s: a request that is not as described is answered with %d: %.700v", op.OperationID, status, err)
	}
	if err := unknownQuery(op, r); err != nil && status < 400 {
		d.t.Errorf("%s: %v, and is answered with %d", op.OperationID, err, status)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: status, Header: x.answer.Header(), Options: in.Options}
	out.SetBodyBytes(x.answer.Body.Bytes())
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		d.t.Errorf("%s: the answer %d is not as described: %.700v", op.OperationID, status, err)
	}
}

func unknownQuery(op *openapi3.Operation, r *http.Request) error {
	for name := range r.URL.Query() {
		if op.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
			return errors.New("a query parameter is not described")
		}
	}
	return nil
}

func bearer(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	s, h := in.SecurityScheme, in.RequestValidationInput.Request.Header.Get("Authorization")
	if s.Type != "http" || s.Scheme != "bearer" || !strings.HasPrefix(h, "Bearer ") {
		return errors.New("no token")
	}
	return nil
}

// missing lists the operations and statuses that are described and were not seen.
func (d *described) missing() (out []string) {
	for _, item := range d.doc.Paths.Map() {
		for _, op := range item.Operations() {
			for status := range op.Responses.Map() {
				if k := op.OperationID + " " + status; status != "default" && !d.seen[k] {
					out = append(out, k)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// TestTheAPIIsAsDescribedAndAllOfIt goes once through every operation with every status that the description names.
func TestTheAPIIsAsDescribedAndAllOfIt(t *testing.T) {
	t.Parallel()
	s := serve(t)
	d := describe(t, s.h)
	s.h = d

	// What is asked of every operation: tokens, ids, bodies.
	none := ulidOf(1)
	for _, o := range operations(none) {
		s.refused(401, ask(o.method, o.path, nobody, o.body))
		if o.role == "approve" {
			s.refused(403, ask(o.method, o.path, crm, o.body))
		}
		if strings.Contains(o.path, none) {
			s.refused(404, ask(o.method, o.path, officer, o.body))
		}
		if o.body != "" {
			s.refused(400, ask(o.method, o.path, officer, o.body[1:]))
			s.refused(415, ask(o.method, o.path, officer, o.body, "Content-Type", "text/plain"))
			s.refused(422, ask(o.method, o.path, officer, `{"unknown":1}`))
		}
	}
	s.refused(403, ask("POST", "/requests", crm, person("ann@x.example", `"mode":"erase"`)))
	s.refused(422, ask("GET", "/requests?status=unverified", officer, ""))
	s.refused(422, ask("GET", "/jobs/"+none+"/plan?reveal=maybe", officer, ""))
	s.must(200, ask("GET", "/openapi.yaml", nobody, ""))
	s.must(200, ask("GET", "/.well-known/jwks.json", nobody, ""))

	// A request's way: filed, extended, in review, approved, closed.
	s.must(200, ask("POST", "/sweeps", officer, ""))
	id := s.filed(crm, "ann@x.example")
	s.must(202, ask("POST", "/requests", crm, person("ann@x.example"), "Idempotency-Key", "k")) // joins
	s.must(202, ask("POST", "/requests", crm, person("ann@x.example"), "Idempotency-Key", "k")) // repeats
	s.must(200, ask("GET", "/requests/"+id, crm, ""))
	s.must(200, ask("GET", "/requests?status=pending&ended=false", officer, ""))
	s.claim(id)
	s.must(200, ask("GET", "/requests/"+id+"/claims", officer, ""))
	s.must(200, ask("POST", "/requests/"+id+"/claims", officer, `{"verified":false}`))
	s.refused(404, ask("GET", "/requests/"+id+"/claims", officer, ""))
	s.must(200, ask("GET", "/requests/"+id, crm, ""))
	s.must(200, ask("POST", "/requests/"+id+"/extension", officer, `{"reason":"number"}`))
	s.refused(409, ask("POST", "/requests/"+id+"/extension", officer, `{"reason":"number"}`))
	a, _ := s.must(202, ask("POST", "/sweeps", officer, `{"mode":"approve"}`))
	job := a.Jobs[0].(string)
	s.open(job)
	s.refused(409, ask("POST", "/sweeps", officer, `{}`))
	s.must(202, ask("GET", "/jobs/"+job+"/plan", officer, ""))
	s.must(200, ask("GET", "/jobs/"+job, officer, ""))
	s.wait(job)
	s.refused(409, ask("DELETE", "/requests/"+id, crm, ""))
	s.refused(409, ask("POST", "/requests/"+id+"/denial", officer, `{"ground":"unfounded"}`))
	s.must(200, ask("GET", "/jobs/"+job+"/plan?reveal=true", officer, ""))
	s.refused(409, ask("GET", "/jobs/"+job+"/plan?after="+plan+".1000", officer, ""))
	s.refused(409, ask("POST", "/jobs/"+job+"/approve", officer, `{"plan":"`+strings.Repeat("0", 64)+`"}`))
	s.must(202, ask("POST", "/jobs/"+job+"/approve", officer, `{"plan":"`+plan+`"}`))
	s.refused(409, ask("POST", "/jobs/"+job+"/reject", officer, `{"plan":"`+plan+`"}`))
	s.must(200, ask("GET", "/jobs", officer, ""))
	s.end(job)
	s.must(200, ask("GET", "/jobs/"+job, officer, ""))
	s.must(200, ask("GET", "/requests/"+id+"/certificate", crm, ""))
	s.must(200, ask("GET", "/requests/"+id, officer, ""))

	// Another one's: rejected.
	s.filed(crm, "bob@x.example")
	a, _ = s.must(202, ask("POST", "/sweeps", officer, ""))
	s.wait(a.Jobs[0].(string))
	s.must(202, ask("POST", "/jobs/"+a.Jobs[0].(string)+"/reject", officer, `{"plan":"`+plan+`","ground":"other_person"}`))
	s.must(200, ask("GET", "/jobs/"+a.Jobs[0].(string), officer, ""))
	s.end(a.Jobs[0].(string))

	// Another one's: approved, with an object that is kept.
	s.filed(crm, "cleo@x.example")
	a, _ = s.must(202, ask("POST", "/sweeps", officer, ""))
	s.wait(a.Jobs[0].(string))
	s.must(202, ask("POST", "/jobs/"+a.Jobs[0].(string)+"/approve", officer, `{"plan":"`+plan+`","keep":["digest"],"ground":"other_person"}`))
	s.must(200, ask("GET", "/jobs/"+a.Jobs[0].(string), officer, ""))

	// Cancelled, denied, previewed.
	carl := s.filed(crm, "carl@x.example")
	s.must(200, ask("DELETE", "/requests/"+carl, crm, ""))
	s.refused(409, ask("POST", "/requests/"+carl+"/claims", officer, `{"verified":true}`))
	s.must(200, ask("POST", "/requests/"+s.filed(crm, "dora@x.example")+"/denial", officer, `{"ground":"legal_duty"}`))
	a, _ = s.must(202, ask("POST", "/requests", officer, person("eve@x.example", `"mode":"preview"`)))
	s.must(202, ask("GET", a.Links["plan"], officer, ""))
	s.open(a.Job)
	s.end(a.Job)
	s.must(200, ask("GET", a.Links["plan"], officer, ""))
	s.must(200, ask("GET", "/requests?ended=true", officer, ""))

	if missing := d.missing(); len(missing) > 0 {
		t.Errorf("described and not exercised:\n%s", strings.Join(missing, "\n"))
	}
}

// operation is one of the API's, with a body that is well formed.
type operation struct {
	method, path, role, body string
}

func operations(id string) []operation {
	decision := `{"plan":"` + plan + `"}`
	return []operation{
		{"POST", "/requests", "submit", person("zoe@x.example")},
		{"GET", "/requests", "approve", ""},
		{"GET", "/requests/" + id, "submit", ""},
		{"DELETE", "/requests/" + id, "submit", ""},
		{"GET", "/requests/" + id + "/certificate", "submit", ""},
		{"POST", "/requests/" + id + "/extension", "approve", `{"reason":"complexity"}`},
		{"POST", "/requests/" + id + "/denial", "approve", `{"ground":"unfounded"}`},
		{"GET", "/requests/" + id + "/claims", "approve", ""},
		{"POST", "/requests/" + id + "/claims", "approve", `{"verified":true}`},
		{"GET", "/jobs", "approve", ""},
		{"GET", "/jobs/" + id, "approve", ""},
		{"GET", "/jobs/" + id + "/plan", "approve", ""},
		{"POST", "/jobs/" + id + "/approve", "approve", decision},
		{"POST", "/jobs/" + id + "/reject", "approve", decision},
		{"POST", "/sweeps", "approve", `{"mode":"approve"}`},
	}
}

func TestTheListOfOperationsIsWhole(t *testing.T) {
	t.Parallel()
	d := describe(t, http.NotFoundHandler())
	listed := map[string]bool{"GET /openapi.yaml": true, "GET /.well-known/jwks.json": true}
	for _, o := range operations("{id}") {
		listed[o.method+" "+o.path] = true
	}
	for path, item := range d.doc.Paths.Map() {
		for method := range item.Operations() {
			if !listed[method+" "+path] {
				t.Errorf("%s %s is described, and no test asks it", method, path)
			}
		}
	}
}

// TestEveryFieldIsDescribed compares what answers are made of with the description: the fields that are there only
// sometimes, too.
func TestEveryFieldIsDescribed(t *testing.T) {
	t.Parallel()
	schemas := describe(t, http.NotFoundHandler()).doc.Components.Schemas
	for name, c := range map[string]struct {
		v    any
		more []string // that the API adds
	}{
		"Request": {intake.View{}, []string{"joined", "repeated", "links"}}, "Job": {intake.JobView{}, []string{"links"}},
		"PlanOfJob": {intake.PlanView{}, []string{"total"}}, "Problem": {web.Problem{}, nil},
	} {
		compare(t, name, schemas[name], reflect.TypeOf(c.v), c.more...)
	}
}

func compare(t *testing.T, at string, s *openapi3.SchemaRef, v reflect.Type, more ...string) {
	t.Helper()
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice {
		v = v.Elem()
		if s.Value.Items != nil {
			s = s.Value.Items
		}
	}
	if v.Kind() != reflect.Struct || v == reflect.TypeFor[time.Time]() {
		return
	}
	for f := range v.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		inner := s.Value.Properties[name]
		if more = append(more, name); inner == nil {
			t.Errorf("%s.%s is not described", at, name)
			continue
		}
		compare(t, at+"."+name, inner, f.Type)
		if always := !strings.Contains(f.Tag.Get("json"), ",omit"); always != slices.Contains(s.Value.Required, name) {
			t.Errorf("%s.%s: is always there: %v, which is not how it is described", at, name, always)
		}
	}
	for name := range s.Value.Properties {
		if !slices.Contains(more, name) {
			t.Errorf("%s.%s is described, and is not there", at, name)
		}
	}
}
