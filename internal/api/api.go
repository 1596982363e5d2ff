// Package api is the way in for systems: JSON over HTTP, with bearer tokens. openapi.yaml describes it; the tests hold
// both to each other.
package api

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"sync"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/subject"
	"github.com/lethe-dsr/lethe/internal/web"
)

//go:embed openapi.yaml
var description []byte

// Desk is what the API needs of intake.Desk, where the contracts stand.
type Desk interface {
	Submit(ctx context.Context, s intake.Submission) (intake.Receipt, error)
	Look(ctx context.Context, s subject.Subject) (job string, err error)
	Show(ctx context.Context, id string) (intake.View, error)
	List(ctx context.Context, f intake.Filter) (page []intake.View, next string, err error)
	Certificate(ctx context.Context, id string) (string, error)
	Cancel(ctx context.Context, id string) (intake.View, error)
	Extend(ctx context.Context, id, reason, by string) (intake.View, error)
	Deny(ctx context.Context, id, ground string) (intake.View, error)
	Claims(ctx context.Context, id string) ([]intake.Identifier, error)
	Vouch(ctx context.Context, id, by string, verified bool) (intake.View, error)
	Job(ctx context.Context, id string) (intake.JobView, error)
	Jobs(ctx context.Context) (page []intake.JobView, more bool, err error)
	Plan(ctx context.Context, job string, reveal bool) (intake.PlanView, error)
	Decide(ctx context.Context, job string, w erase.Word) error
	Sweep(ctx context.Context, mode config.Mode) (jobs []string, err error)
}

// Options are what the API works with.
type Options struct {
	Desk        Desk
	Tokens      *web.Keys
	Keys        []byte      // the keys that certificates are verified with, a JSON Web Key Set
	PhoneRegion string      // of the configuration
	Mode        config.Mode // of the configuration: only approve tokens may ask for Erase where this is another
	Log         *slog.Logger
}

// API answers the API's routes.
type API struct{ o Options }

// New makes an API.
func New(o Options) *API { return &API{o} }

// Register puts the API's routes into a mux, which belongs behind web.Guard.
func (a *API) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /openapi.yaml", public("application/yaml", description)) // RFC 9512
	mux.HandleFunc("GET /.well-known/jwks.json", public("application/jwk-set+json", a.o.Keys))

	submit := a.routes(mux, config.RoleSubmit)
	submit("POST /requests", a.submit)
	submit("GET /requests/{id}", a.show)
	submit("DELETE /requests/{id}", a.cancel)
	submit("GET /requests/{id}/certificate", a.certificate)

	approve := a.routes(mux, config.RoleApprove)
	approve("GET /requests", a.list)
	approve("POST /requests/{id}/extension", a.extend)
	approve("POST /requests/{id}/denial", a.deny)
	approve("GET /requests/{id}/claims", a.claims)
	approve("POST /requests/{id}/claims", a.vouch)
	approve("GET /jobs", a.jobs)
	approve("GET /jobs/{id}", a.job)
	approve("GET /jobs/{id}/plan", a.plan)
	approve("POST /jobs/{id}/approve", a.approve)
	approve("POST /jobs/{id}/reject", a.reject)
	approve("POST /sweeps", a.sweep)
}

// handler answers, or gives the error to answer with.
type handler func(w http.ResponseWriter, r *http.Request) error

func (a *API) routes(mux *http.ServeMux, role config.Role) func(pattern string, h handler) {
	return func(pattern string, h handler) {
		mux.Handle(pattern, web.Need(role, a.o.Tokens, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				web.WriteError(w, err)
			}
		})))
	}
}

func public(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = w.Write(body)
	}
}

// idForm is the form of ids. Those that are made here are ULIDs; a job that Step Functions was asked for by others, and a
// request that came with it, are called as its execution. Whatever else stands in a path never reaches the ledger.
var idForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z_-]{1,80}$`) })

// id reads the id of a path; ledger.ErrNotFound for what cannot be one.
func id(r *http.Request) (string, error) {
	v := r.PathValue("id")
	if !idForm().MatchString(v) {
		return "", ledger.ErrNotFound
	}
	return v, nil
}

// read reads the id of a path and a body.
func read(r *http.Request, in any) (string, error) {
	id, err := id(r)
	if err != nil {
		return "", err
	}
	_, err = web.ReadJSON(r, in)
	return id, err
}

// query reads the query, whose parameters must be among the known ones and given once.
func query(r *http.Request, known ...string) (map[string]string, error) {
	given, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("query", "malformed", "cannot be read")
	}
	out := map[string]string{}
	for _, name := range known {
		values, ok := given[name]
		if ok && (len(values) != 1 || values[0] == "") {
			return nil, invalid(name, "count", "must be given once, and not be empty")
		}
		if ok {
			out[name] = values[0]
		}
		delete(given, name)
	}
	if len(given) > 0 {
		return nil, invalid("query", "unknown_field", "has an unknown parameter")
	}
	return out, nil
}

func invalid(field, code, text string) error {
	return &intake.Invalid{Fields: []intake.Field{{Name: field, Code: code, Text: text}}}
}
