package cli

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/local"
)

func serveCommand(io IO) *cobra.Command {
	var c common
	var listen string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Take requests in: privacy form, API, OpenDSR, console and sweeps",
		Long: `Take requests in by the privacy form, the API and OpenDSR, work them off by schedule or at once, show plans for approval
on the console, and tell people and systems what became of them. It runs until it is interrupted; what is under way then
is taken up at the next start. What was done is logged on standard error, as JSON lines where that is no terminal.`,
		Example: `  lethe serve --config config.yaml
  lethe serve --config config.yaml --listen 127.0.0.1:9000`,
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.configuration(io)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("listen") {
				if err := listenOn(&cfg, listen); err != nil {
					return usage(err)
				}
			}
			return runServe(cmd.Context(), io, c.data, cfg, func(s local.Serving) { introduce(io, cfg, s) })
		},
	}
	cmd.Flags().StringVar(&c.config, "config", "", "configuration `FILE`, YAML or JSON")
	c.addData(cmd)
	cmd.Flags().StringVar(&listen, "listen", config.DefaultListen, "`HOST:PORT` on this machine to listen on, instead of the configuration's")
	return cmd
}

// listenOn sets where to listen. A service without a URL of its own is reached there.
func listenOn(cfg *config.Config, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	ip := net.ParseIP(host)
	if err != nil || port == "" || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("--listen must be an address of this machine with a port, such as 127.0.0.1:8080; for others, serve.url and serve.listen in the configuration say how people reach the service")
	}
	if cfg.Serve.URL != nil && cfg.Serve.URL.Host == cfg.Serve.Listen {
		cfg.Serve.URL = nil
	}
	cfg.Serve.Listen = listen
	return nil
}

// runServe serves until it is interrupted, which is how a service ends well.
func runServe(ctx context.Context, io IO, data string, cfg config.Config, ready func(local.Serving)) error {
	logger := slog.New(slog.NewJSONHandler(io.Err, nil))
	if io.Terminal {
		logger = slog.New(slog.NewTextHandler(io.Err, nil))
	}
	// net/http writes to the standard log what a server says out of turn.
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(logger.Handler(), slog.LevelWarn).Writer())
	return local.Serve(ctx, data, cfg, local.Options{Now: io.Now}, logger, ready)
}

// introduce tells where everything is, and what is missing for more than a try.
func introduce(io IO, cfg config.Config, s local.Serving) {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-9s %s\n", what, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "Lethe takes requests in for %s. Ctrl-C ends it.\n", cfg.Controller)
	line("Form", "%s", s.URL)
	line("Console", "%s", s.URL.JoinPath("console"))
	line("API", "%s", s.URL.JoinPath("openapi.yaml"))
	if s.URL.Host != s.Listen {
		line("Listens", "on %s", s.Listen)
	}
	if s.MailFolder != "" {
		line("Mail", "goes into the folder %s, and to nobody: set serve.mail.smtp", s.MailFolder)
	}
	if next := cfg.Serve.Schedule.Next(io.Now()); next.IsZero() {
		line("Sweeps", "none by themselves: set serve.schedule, or start them on the console")
	} else {
		line("Sweeps", "next on %s", next.Format("Monday, 2 January 2006, 15:04 MST"))
	}
	if s.URL.Scheme == "https" && cfg.Serve.Proxies == 0 {
		line("Proxies", "none: all who come through a reverse proxy count as one client. Set serve.proxies")
	}
	if cfg.Serve.Contact == "" {
		line("Contact", "none: the pages name no address for questions. Set serve.contact")
	}
	if !hasApprover(cfg) {
		line("Tokens", "nobody can sign in: set serve.tokens, one with the role approve")
	}
	fmt.Fprint(io.Out, b.String())
}

func hasApprover(cfg config.Config) bool {
	for _, t := range cfg.Serve.Tokens {
		if t.Role == config.RoleApprove {
			return true
		}
	}
	return false
}
