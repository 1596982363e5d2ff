// Package console is the operator's pages: which requests are open and how long they may be, what each job is doing, and
// the plan that waits for a person's word. Its pages need the role approve and no script; a small one of its own keeps
// the picture of a running job up to date.
package console

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/live"
	"github.com/lethe-dsr/lethe/internal/page"
	"github.com/lethe-dsr/lethe/internal/web"
)

// policy is the Content-Security-Policy of the console: web.Policy, and the console's own script with its connection.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

//go:embed templates/*.html
var templates embed.FS

// ids are of requests and jobs; nothing else is looked up in the ledger.
var ids = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z_-]{1,80}$`) })

// Desk is what the console asks for; intake.Desk says what its methods do, and which errors they give.
type Desk interface {
	Overview(ctx context.Context) (intake.Overview, error)
	List(ctx context.Context, f intake.Filter) (page []intake.View, next string, err error)
	Show(ctx context.Context, id string) (intake.View, error)
	Certificate(ctx context.Context, id string) (string, error)
	Cancel(ctx context.Context, id string) (intake.View, error)
	Extend(ctx context.Context, id, reason, by string) (intake.View, error)
	Deny(ctx context.Context, id, ground string) (intake.View, error)
	Claims(ctx context.Context, id string) ([]intake.Identifier, error)
	Vouch(ctx context.Context, id, by string, verified bool) (intake.View, error)

	Jobs(ctx context.Context) (page []intake.JobView, more bool, err error)
	Job(ctx context.Context, id string) (intake.JobView, error)
	Plan(ctx context.Context, job string, reveal bool) (intake.PlanView, error)
	Decide(ctx context.Context, job string, w erase.Word) error
	Sweep(ctx context.Context, mode config.Mode) (jobs []string, err error)
}

// Board has the progress of jobs that run now, as live.Board does.
type Board interface {
	Progress(job string) (live.Progress, bool)
	Watch(ctx context.Context, job string, gap time.Duration, do func(live.Progress) bool)
}

// Options are what the console works with.
type Options struct {
	Desk       Desk
	Board      Board
	Keys       *web.Keys
	Controller string      // who answers for the erasure
	Mode       config.Mode // of sweeps
	Machine    []byte      // the state machine's definition, in Amazon States Language
	Now        func() time.Time
	Log        *slog.Logger // for what goes wrong here

	// StreamTime is how long a live stream lasts, after which the browser opens the next. 0: an hour. A short one is for
	// where an answer arrives only when it is whole.
	StreamTime time.Duration
}

// Console answers below /console. Make it with New.
type Console struct {
	Options
	pages   *page.Set
	machine machine
	style   string        // URL of the style sheet
	script  string        // and of the script
	streams chan struct{} // one place for each live stream
	closed  context.Context
	close   context.CancelFunc
}

// New makes the operator's pages. The error is a definition of the state machine that cannot be drawn.
func New(o Options) (*Console, error) {
	pages, err := page.Parse(templates, nil, "templates/*.html")
	if err != nil {
		return nil, err
	}
	m, err := readMachine(o.Machine)
	if err != nil {
		return nil, fmt.Errorf("console: the state machine: %w", err)
	}
	o.StreamTime = cmp.Or(o.StreamTime, streamTime)
	closed, cancel := context.WithCancel(context.Background())
	return &Console{
		Options: o, pages: pages, machine: m, style: versioned(stylePath, style), script: versioned(scriptPath, script),
		streams: make(chan struct{}, maxStreams), closed: closed, close: cancel,
	}, nil
}

// Close ends the live streams, also those that begin later. http.Server.Shutdown would wait for them: give it to
// RegisterOnShutdown. Pages are answered as before.
func (c *Console) Close() { c.close() }

// Register adds the console's routes.
func (c *Console) Register(mux *http.ServeMux) {
	mux.Handle("GET "+scriptPath, static(scriptPath, script, "text/javascript; charset=utf-8"))
	mux.Handle("GET "+stylePath, static(stylePath, style, "text/css; charset=utf-8"))
	mux.HandleFunc("GET /console/sign-in", c.signIn)
	mux.HandleFunc("POST /console/sign-in", c.takeToken)
	for route, h := range c.routes() {
		mux.HandleFunc(route, c.signedIn(h))
	}
}

// handler answers somebody who is signed in. An error becomes a page.
type handler func(w http.ResponseWriter, r *http.Request, by string) error

// routes are all that only somebody may see who is signed in.
func (c *Console) routes() map[string]handler {
	return map[string]handler{
		"GET /console":                           c.overview,
		"GET /console/sweep":                     c.askSweep,
		"POST /console/sweep":                    c.sweep,
		"GET /console/sign-out":                  c.askSignOut,
		"POST /console/sign-out":                 c.signOut,
		"GET /console/requests":                  c.find,
		"GET /console/requests/{id}":             c.request,
		"GET /console/requests/{id}/certificate": c.certificate,
		"GET /console/requests/{id}/{act}":       c.askAct,
		"POST /console/requests/{id}/{act}":      c.act,
		"GET /console/jobs/{id}":                 c.job,
		"GET /console/jobs/{id}/events":          c.events,
		"GET /console/jobs/{id}/plan":            c.plan,
		"POST /console/jobs/{id}/plan":           c.plan, // another page of it, with what was ticked on this one
		"POST /console/jobs/{id}/decide":         c.decide,
		"GET /console/{rest...}":                 func(http.ResponseWriter, *http.Request, string) error { return ledger.ErrNotFound },
	}
}

// signedIn lets only sessions of the role approve through; others are sent to sign in, and come back from there.
func (c *Console) signedIn(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		who, ok := c.Keys.Session(r)
		if !ok || !who.May(config.RoleApprove) {
			to := "/console/sign-in"
			if r.Method == http.MethodGet && r.URL.Path != "/console" && !strings.HasSuffix(r.URL.Path, "/events") {
				to += "?to=" + url.QueryEscape(r.URL.RequestURI())
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
		var err error
		if id := r.PathValue("id"); id != "" && !ids().MatchString(id) {
			err = ledger.ErrNotFound
		}
		if err == nil && r.Method == http.MethodPost && r.ParseForm() != nil {
			err = web.ErrMalformed
		}
		if err == nil {
			err = h(w, r, who.Name)
		}
		if err != nil {
			c.fail(w, by(who.Name), err)
		}
	}
}

// by is the frame of pages for somebody who is signed in.
type by string

// view is a page to write.
type view struct {
	name, title string
	script      bool
	content     any
}

func (c *Console) write(w http.ResponseWriter, status int, who by, v view) {
	p := page.Page{
		Title: v.title + " – Console", Language: page.English, Controller: c.Controller, Home: "/console", Wide: true, NoIndex: true,
		Content: struct {
			Style string
			Page  any
		}{c.style, v.content},
	}
	if v.script {
		p.Script = c.script
	}
	if who != "" {
		p.Nav = []page.Link{
			{Text: "Overview", Path: "/console", Current: v.name == "overview.html"},
			{Text: "Sign out", Path: "/console/sign-out", Current: v.name == "sign_out.html"},
		}
		p.Footer = "Signed in as " + string(who) + "."
	}
	if err := c.pages.Write(w, status, v.name, p); err != nil {
		c.Log.Error("a console page could not be made", "page", v.name, "error", err.Error())
	}
}

// failure is the page of an error.
type failure struct {
	Title, Detail string
	Links         []page.Link
}

// fail answers with the page of an error, and links to where it goes on from there.
func (c *Console) fail(w http.ResponseWriter, who by, err error, links ...page.Link) {
	f := failure{Links: append(links, page.Link{Text: "Overview", Path: "/console"})}
	p := web.ProblemOf(err)
	f.Title, f.Detail = told(err)
	if p.Status >= http.StatusInternalServerError {
		c.Log.Error("the console could not answer", "error", err.Error())
	}
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Seconds())))
	}
	c.write(w, p.Status, who, view{name: "failure.html", title: f.Title, content: f})
}

// see sends the browser to a page of the console, after a change; done is one of the messages there.
func see(w http.ResponseWriter, r *http.Request, done string, parts ...string) error {
	to := "/console"
	for _, p := range parts {
		to += "/" + url.PathEscape(p)
	}
	if done != "" {
		to += "?done=" + done
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// short is how people tell an id from others: the end is random, the beginning is the time.
func short(id string) string {
	if len(id) <= 8 {
		return id
	}
	return "…" + id[len(id)-7:]
}

// shortLink leads to the page of a request or job.
func shortLink(kind, id string) page.Link {
	return page.Link{Text: short(id), Path: path.Join("/console", kind, id)}
}

// local tells whether a path leads to a page of the console that somebody may be sent to.
func local(to string) bool {
	u, err := url.Parse(to)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && !strings.Contains(to, `\`) &&
		(u.Path == "/console" || strings.HasPrefix(u.Path, "/console/")) && path.Clean(u.Path) == u.Path &&
		!slices.Contains([]string{"/console/sign-in", "/console/sign-out"}, u.Path)
}
