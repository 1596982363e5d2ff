package cli

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
)

func checkCommand(io IO) *cobra.Command {
	var c common
	var aws bool
	var asJSON string
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Read a configuration and say what is wrong with it, without running anything",
		Long: `Read a configuration and say everything that is wrong with it, by field and line; then what it makes of it, and what a
second look is worth. Nothing is connected: whether tokens and addresses work, a preview tells. With --aws the document is
read as on AWS, where no environment variables are put in. With --json it is written to a file that only you can read, as
the JSON that functions on AWS take, when it is in order. Exit code 0 when it is in order, 2 when it is not.`,
		Example: `  lethe check --config config.yaml
  lethe check --config config.yaml --aws --json config.json   # what goes into the secret`,
		Args: nothing,
		RunE: func(*cobra.Command, []string) error {
			as := io
			if aws {
				as.Env = func(string) (string, bool) { return "", false }
			}
			cfg, err := c.configuration(as)
			if err != nil {
				return err
			}
			hints, ended := containers(cfg, io.Now())
			if ended != nil {
				return usage(fmt.Errorf("configuration %s:\n%w", c.config, ended))
			}
			if cfg.Serve.Mail.From == "" {
				hints = append(hints, "serve.mail.from is not set: no mail leaves, and nobody can confirm the privacy form")
			}
			if asJSON != "" {
				if err := writeJSON(c.config, asJSON); err != nil {
					return err
				}
			}
			describe(io, cfg)
			for _, h := range hints {
				fmt.Fprintf(io.Out, "Look again: %s.\n", h)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&c.config, "config", "", "configuration `FILE`, YAML or JSON")
	cmd.Flags().BoolVar(&aws, "aws", false, "read it as on AWS")
	cmd.Flags().StringVar(&asJSON, "json", "", "write it to `FILE` as JSON")
	return cmd
}

// writeJSON writes a configuration that is in order as JSON.
func writeJSON(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return usage(fmt.Errorf("configuration: %w", err))
	}
	out, err := configfile.JSON(text)
	if err != nil {
		return usage(fmt.Errorf("configuration %s: %w", from, err))
	}
	if err := os.WriteFile(to, out, 0o600); err != nil {
		return usage(fmt.Errorf("write the configuration as JSON: %w", err))
	}
	return nil
}

// describe says what a configuration comes to.
func describe(io IO, cfg config.Config) {
	row := func(what, is string) {
		if is != "" {
			fmt.Fprintf(io.Out, "  %-11s  %s\n", what, is)
		}
	}
	at, tokens := map[config.Provider][]string{}, []string(nil)
	for _, t := range cfg.Targets {
		at[t.Provider] = append(at[t.Provider], t.ID)
	}
	for _, t := range cfg.Serve.Tokens {
		tokens = append(tokens, fmt.Sprintf("%s (%s)", t.Name, t.Role))
	}
	fmt.Fprintln(io.Out, "The configuration is in order.")
	row("controller", cfg.Controller)
	row("mode", fmt.Sprintf("%s, due dates by %s", cfg.Mode, cfg.Regulation))
	row("App Center", strings.Join(at[config.AppCenter], ", "))
	row("Batch", strings.Join(at[config.Batch], ", "))
	row("tokens", strings.Join(tokens, ", "))
	row("mails from", cfg.Serve.Mail.From)
	row("sweeps", cfg.Serve.Schedule.Cron)
}

// soonOver is how long before its end a container's signature is worth a look.
const soonOver = 30 * 24 * time.Hour

// containers looks at when the signatures of the export containers end (se, RFC 3339 or a day,
// https://learn.microsoft.com/rest/api/storageservices/create-service-sas): ended names those whose time is over.
func containers(cfg config.Config, now time.Time) (hints []string, ended error) {
	for n, t := range cfg.Targets {
		u, err := url.Parse(t.ExportContainer.Reveal())
		if err != nil || t.Provider != config.AppCenter {
			continue
		}
		text := u.Query().Get("se")
		end, err := time.Parse(time.RFC3339, text)
		if err != nil {
			end, err = time.Parse(time.DateOnly, text)
		}
		switch {
		case err != nil: // a stored access policy says when, or another form
		case !end.After(now):
			ended = errors.Join(ended, fmt.Errorf("targets[%d].export_container: its signature ended on %s; make a new one for target %s", n, end.Format(time.DateOnly), t.ID))
		case end.Sub(now) < soonOver:
			hints = append(hints, fmt.Sprintf("the signature of target %s's export container ends on %s", t.ID, end.Format(time.DateOnly)))
		}
	}
	return hints, ended
}
