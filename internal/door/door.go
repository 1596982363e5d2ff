// Package door is the one HTTP handler of Lethe: privacy form, API, OpenDSR and console behind one guard. `lethe serve`
// listens with it, and API Gateway calls it.
package door

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/lethe-dsr/lethe/internal/api"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/console"
	"github.com/lethe-dsr/lethe/internal/form"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/opendsr"
	"github.com/lethe-dsr/lethe/internal/page"
	"github.com/lethe-dsr/lethe/internal/web"
	"github.com/lethe-dsr/lethe/statemachine"
)

// Options are what the door opens to.
type Options struct {
	Desk  intake.Desk   // its links say by which URL people reach the service
	Keys  []byte        // the keys that certificates are verified with, a JSON Web Key Set
	Board console.Board // progress of jobs
	Log   *slog.Logger

	// Behind a gateway: whom it let through, as web.Keys has it, and how long a live stream lasts, as console.Options has it.
	Gateway    func(r *http.Request, need config.Role) (web.Principal, bool)
	StreamTime time.Duration
}

// Door answers HTTP requests.
type Door struct {
	http.Handler
	opendsr *opendsr.Processor
	console *console.Console
	desk    intake.Desk
}

// New makes the door. The error is about the certificate of OpenDSR, the ledger or the pages.
func New(o Options) (*Door, error) {
	serve, base := o.Desk.Config.Serve, o.Desk.Links.Base
	keys := web.NewKeys(serve.Tokens, o.Desk.Seal.Digest, o.Desk.Now)
	keys.HTTPS, keys.Proxies, keys.Gateway = base.Scheme == "https", serve.Proxies, o.Gateway
	processor, err := opendsr.New(opendsr.Options{
		Base: o.Desk.Base, Desk: o.Desk, URL: base, Log: o.Log,
		Need: func(next http.Handler) http.Handler { return web.Need(config.RoleSubmit, keys, next) },
		Who:  func(ctx context.Context) string { return web.Who(ctx).Name },
	})
	if err != nil {
		return nil, err
	}
	public, err := form.New(form.Options{
		Desk: o.Desk, Config: o.Desk.Config, Now: o.Desk.Now, Log: o.Log,
		Client: func(r *http.Request) string { return web.Client(r, serve.Proxies) },
	})
	if err != nil {
		return nil, err
	}
	operator, err := console.New(console.Options{Desk: o.Desk, Controller: o.Desk.Config.Controller, Mode: o.Desk.Config.Mode, Machine: statemachine.Erasure, Now: o.Desk.Now, Log: o.Log, Keys: keys, Board: o.Board, StreamTime: o.StreamTime})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	page.Register(mux)
	public.Register(mux)
	operator.Register(mux)
	processor.Register(mux)
	api.New(api.Options{
		Desk: o.Desk, Tokens: keys, Keys: o.Keys, PhoneRegion: o.Desk.Config.PhoneRegion, Mode: o.Desk.Config.Mode, Log: o.Log,
	}).Register(mux)
	mux.Handle("GET /healthz", web.Health(func(ctx context.Context) error {
		_, err := o.Desk.Ledger.LastSweep(ctx)
		return err
	}))
	mux.Handle("GET /problems/{name}", web.Problems())
	return &Door{
		Handler: web.Guard(mux, web.GuardOptions{Hosts: hosts(base.Host), HTTPS: keys.HTTPS, Log: o.Log, Now: o.Desk.Now}),
		opendsr: processor, console: operator, desk: o.Desk,
	}, nil
}

// Close ends what would not end by itself: the console's live streams. Give it to http.Server.RegisterOnShutdown. Other
// requests are answered as before.
func (d *Door) Close() { d.console.Close() }

// hosts are the names of the service. This machine has several.
func hosts(host string) []string {
	name, port, err := net.SplitHostPort(host)
	if ip := net.ParseIP(name); err != nil || name != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return []string{host}
	}
	return []string{host, net.JoinHostPort("localhost", port), net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
}

// Callback makes the message by which a sender of OpenDSR learns of an event, for the outbox.
func (d *Door) Callback(ctx context.Context, r ledger.Request, e ledger.Event, url string) ([]byte, http.Header, error) {
	v, err := d.desk.Show(ctx, r.ID)
	if err != nil {
		return nil, nil, err
	}
	return d.opendsr.Callback(v, e, url)
}
