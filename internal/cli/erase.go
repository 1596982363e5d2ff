package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/internal/people"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// defaultData is the data directory, in the working directory.
const defaultData = "lethe-data"

// common are the flags of the commands that work with providers.
type common struct {
	config, data string
	json, reveal bool
}

func (c *common) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.config, "config", "", "configuration `FILE`, YAML or JSON")
	c.addData(cmd)
	cmd.Flags().BoolVar(&c.json, "json", false, "print one JSON document, and progress as JSON lines on standard error")
	cmd.Flags().BoolVar(&c.reveal, "reveal", false, "show object names also in files, pipes and JSON")
}

func (c *common) addData(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.data, "data", defaultData, "`DIR` of the ledger and its key")
}

// names tells whether object names are shown: on a terminal, where somebody has to judge them, and when asked for.
func (c common) names(io IO) bool { return c.reveal || io.Terminal && !c.json }

// whom are the flags that say who is to be erased.
type whom struct {
	from  string
	flags people.Flags
}

func (w *whom) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&w.from, "from", "", "people `FILE`: CSV with the columns email, phone, user_id, install_id, property:NAME")
	f.StringArrayVar(&w.flags.Emails, "email", nil, "e-mail `ADDRESS` of the person")
	f.StringArrayVar(&w.flags.Phones, "phone", nil, "phone `NUMBER` of the person, with country code or in phone_region")
	f.StringArrayVar(&w.flags.UserIDs, "user-id", nil, "user `ID` of the person")
	f.StringArrayVar(&w.flags.InstallIDs, "install-id", nil, "install id, a `UUID`, of one of the person's devices")
	f.StringArrayVar(&w.flags.Properties, "property", nil, "custom property `NAME=VALUE` of the person")
}

// read gives the people of the flags and of the file. All flags of one call are one person.
func (w whom) read(io IO, region string, json bool) ([]subject.Subject, error) {
	var all []subject.Subject
	short := 0
	if w.from != "" {
		f, err := os.Open(w.from)
		if err != nil {
			return nil, usage(fmt.Errorf("people file: %w", err))
		}
		defer f.Close()
		result, err := people.Read(f, region)
		if err != nil {
			return nil, usage(fmt.Errorf("people file %s; nothing was deleted:\n%w", w.from, err))
		}
		all, short = result.People, result.Short
		if result.Merged > 0 {
			note(io, json, "merged %s of the people file with another row of the same person: %s", count(result.Merged, "row"), count(len(all), "person"))
		}
	}
	if !w.flags.Empty() {
		s, err := people.FromFlags(w.flags, region)
		if err != nil {
			return nil, usage(err)
		}
		all, short = append(all, s), short+people.Short(s)
	}
	if short > 0 {
		note(io, json, "%s with fewer than 8 characters: compared with whole values only, not searched for in texts", count(short, "identifier"))
	}
	return all, nil
}

// configuration reads the configuration.
func (c common) configuration(io IO) (config.Config, error) {
	if c.config == "" {
		return config.Config{}, usage(errors.New("--config FILE is missing; it names the targets to erase from, and `lethe demo` leaves an example"))
	}
	text, err := os.ReadFile(c.config)
	if err != nil {
		return config.Config{}, usage(fmt.Errorf("configuration: %w", err))
	}
	cfg, err := configfile.Parse(text, io.Env)
	if err != nil {
		return cfg, usage(fmt.Errorf("configuration %s; nothing was done:\n%w", c.config, err))
	}
	return cfg, nil
}

// open opens the data directory with a configuration.
func (c common) open(io IO, cfg config.Config, create bool, p *progress) (*local.House, error) {
	h, err := local.Open(c.data, create, local.Options{Now: io.Now, Report: p.report, Observe: p.observe})
	if err != nil {
		return nil, err
	}
	if err := h.Configure(cfg); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// dataFlag is what a hint must add to name the data directory.
func (c common) dataFlag() string {
	if c.data == defaultData {
		return ""
	}
	return " --data " + quoted(c.data)
}

// quoted is a path as a shell takes it.
func quoted(path string) string {
	if path != "" && !strings.ContainsFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-+,=:@%", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

func previewCommand(io IO) *cobra.Command {
	var c common
	var w whom
	cmd := &cobra.Command{
		Use:   "preview --config FILE (--email ADDRESS … | --from FILE)",
		Short: "Find what would be deleted; delete nothing and keep no request",
		Long: `Find what would be deleted, and show it with the reasons. Nothing is deleted, and no request is kept.
All flags of one call are one person; a people file has one person a row.`,
		Example: `  lethe preview --config config.yaml --email ann@example.com --user-id 4711
  lethe preview --config config.yaml --from people.csv --json`,
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.configuration(io)
			if err != nil {
				return err
			}
			all, err := w.read(io, cfg.PhoneRegion, c.json)
			if err != nil {
				return err
			}
			return runPreview(cmd.Context(), io, c, cfg, all)
		},
	}
	c.add(cmd)
	w.add(cmd)
	return cmd
}

func runPreview(ctx context.Context, io IO, c common, cfg config.Config, all []subject.Subject) (err error) {
	if len(all) == 0 {
		return usage(errors.New("nobody to look for; give --email, --phone, --user-id, --install-id, --property or --from"))
	}
	p := newProgress(io, c.json)
	h, err := c.open(io, cfg, true, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	var run local.Run
	err = p.during(func() (err error) { run, err = h.Preview(ctx, all); return err })
	noteStuck(io, c.json, run)
	if err != nil {
		return interrupted(ctx, err, "nothing was deleted, and the next command removes what this one began")
	}
	return showPreview(io, c, run)
}

func eraseCommand(io IO) *cobra.Command {
	var c common
	var w whom
	var mode string
	cmd := &cobra.Command{
		Use:   "erase --config FILE [--email ADDRESS … | --from FILE]",
		Short: "Erase people; without anybody named, everybody whose request is still open",
		Long: `Erase people: search, show, delete, and search again until nothing is left. In mode approve the plan is shown first,
and whatever the mode, so is what may be somebody else's or is more than the limits. Without anybody named, everybody
whose request is still open is taken up again. All flags of one call are one person; a people file has one person a row.`,
		Example: `  lethe erase --config config.yaml --email ann@example.com --phone '+49 171 3920042'
  lethe erase --config config.yaml --from people.csv --json
  lethe erase --config config.yaml                             # everybody whose request is open`,
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			switch config.Mode(mode) {
			case "", config.Approve, config.Erase:
			default:
				return usage(errors.New("--mode: approve or erase; `lethe preview` only looks"))
			}
			cfg, err := c.configuration(io)
			if err != nil {
				return err
			}
			all, err := w.read(io, cfg.PhoneRegion, c.json)
			if err != nil {
				return err
			}
			m := cmp.Or(config.Mode(mode), cfg.Mode)
			if m == config.Preview {
				if len(all) == 0 {
					return usage(errors.New("the configuration says mode: preview, and nobody was named to look for"))
				}
				return runPreview(ctx, io, c, cfg, all)
			}
			p := newProgress(io, c.json)
			h, err := c.open(io, cfg, true, p)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			var run local.Run
			err = p.during(func() (err error) { run, err = h.Erase(ctx, all, m); return err })
			noteStuck(io, c.json, run)
			if err != nil {
				return interrupted(ctx, err, goesOn)
			}
			if run.Joined > 0 {
				note(io, c.json, "%s asked before; the open request goes on", count(run.Joined, "person"))
			}
			who := byID(io) // a place means nothing where nobody was named
			if run.Named {
				who = byPlace(run.Requests)
			}
			return finish(ctx, io, c, h, p, run, who)
		},
	}
	c.add(cmd)
	w.add(cmd)
	cmd.Flags().StringVar(&mode, "mode", "", "`MODE` approve or erase, instead of the configuration's")
	return cmd
}
