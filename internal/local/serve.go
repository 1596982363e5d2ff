package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"golang.org/x/net/netutil"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/deliver"
	"github.com/lethe-dsr/lethe/internal/door"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/link"
	"github.com/lethe-dsr/lethe/internal/live"
	"github.com/lethe-dsr/lethe/internal/mail"
	"github.com/lethe-dsr/lethe/internal/outbox"
)

// maxConnections at the same time; more wait for a place.
const maxConnections = 1000

// stopTime is what a stop leaves to answers under way.
const stopTime = 10 * time.Second

// Serving says where a service is.
type Serving struct {
	URL        *url.URL // by which people reach it
	Listen     string   // host:port
	MailFolder string   // where mails go instead of to people; "" when an SMTP server takes them
}

// Serve is the door on one machine: it takes requests in, works them off and tells who wants to know, until the context
// ends. Options' Report and Observe are its own. ready is called once, when it listens.
func Serve(ctx context.Context, dir string, cfg config.Config, o Options, log *slog.Logger, ready func(Serving)) (err error) {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	board := live.NewBoard(now)
	o.Report, o.Observe, o.Serving = board.Report, board.Observe, true
	h, err := Open(dir, true, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if err := h.Configure(cfg); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.Serve.Listen)
	if err != nil {
		return fmt.Errorf("the service has no place to listen: %w", err)
	}
	defer listener.Close()
	at := Serving{URL: cfg.Serve.URL, Listen: listener.Addr().String()}
	if at.URL == nil { // any port
		at.URL = &url.URL{Scheme: "http", Host: at.Listen}
	}
	sender, err := h.mailer(dir, cfg.Serve.Mail, &at)
	if err != nil {
		return err
	}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	links := link.Maker{Base: at.URL, Digest: h.Base.Seal.Digest}
	e := newEngine(ctx, h, board, log)
	desk := intake.Desk{Base: h.Base, Engine: e, Links: links}
	d, err := door.New(door.Options{Desk: desk, Keys: h.Key.PublicSet(), Board: board, Log: log})
	if err != nil {
		return err
	}
	out := outbox.New(outbox.Options{
		Base: h.Base, Mail: sender, Links: links, Callback: d.Callback, Random: rand.Float64, Log: log,
		Client: deliver.NewClient(deliver.Options{Own: ownWebhooks(cfg.Serve.Webhooks)}), Strangers: deliver.NewClient(deliver.Options{}),
	})
	answering, leave := context.WithCancel(context.WithoutCancel(ctx)) // a stop lets answers under way end
	defer leave()
	server := &http.Server{
		Handler: d, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), BaseContext: func(net.Listener) context.Context { return answering },
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	server.RegisterOnShutdown(d.Close)
	ended := make(chan error, 3)
	go func() { out.Run(ctx, e.told); ended <- nil }()
	go func() { ended <- e.run(ctx, desk) }()
	go func() {
		err := server.Serve(netutil.LimitListener(listener, maxConnections))
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		ended <- err
	}()
	log.Info("serving", "url", at.URL.String(), "listen", at.Listen, "software", Version, "data", dir)
	defer func() { log.Info("stopped") }()
	ready(at)
	// The first one to end ends the others: by the context, or by an error that leaves nothing to go on with.
	left := 3
	select {
	case <-ctx.Done():
	case err = <-ended:
		left--
	}
	stop()
	last, cancel := context.WithTimeout(answering, stopTime)
	defer cancel()
	if server.Shutdown(last) != nil { // somebody is still being answered
		err = errors.Join(err, server.Close())
	}
	leave()
	for range left {
		err = errors.Join(err, <-ended)
	}
	return err
}

// mailer makes the sender that the configuration asks for.
func (h *House) mailer(dir string, m config.Mail, at *Serving) (mail.Sender, error) {
	if s := m.SMTP; s != nil {
		return mail.NewSMTP(mail.SMTPOptions{
			Host: s.Host, Port: s.Port, Security: s.Security, Username: s.Username, Password: s.Password.Reveal(), From: m.From,
		}), nil
	}
	at.MailFolder = filepath.Join(dir, "mail")
	from := m.From
	if from == "" {
		from = "Lethe <lethe@localhost>"
	}
	return mail.NewFolder(at.MailFolder, from)
}

// ownWebhooks tells whether a URL is one of the configuration's.
func ownWebhooks(hooks []config.Webhook) func(string) bool {
	own := map[string]bool{}
	for _, w := range hooks {
		own[w.URL.String()] = true
	}
	return func(url string) bool { return own[url] }
}
