package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/internal/people"
	"github.com/lethe-dsr/lethe/internal/subject"
)

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
	cmd.Flags().StringVar(&c.data, "data", "lethe-data", "`DIR` of the ledger and its key")
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
func (w whom) read(io IO, region string, quiet bool) ([]subject.Subject, error) {
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
		if !quiet && result.Merged > 0 {
			fmt.Fprintf(io.Err, "%s of the people file are the same person as another row and were merged: %s\n", count(result.Merged, "row"), count(len(all), "person"))
		}
	}
	if !w.flags.Empty() {
		s, err := people.FromFlags(w.flags, region)
		if err != nil {
			return nil, usage(err)
		}
		all, short = append(all, s), short+people.Short(s)
	}
	if !quiet && short > 0 {
		fmt.Fprintf(io.Err, "%s shorter than 8 characters: matched as whole values only, not searched in texts\n", count(short, "identifier"))
	}
	return all, nil
}

// open reads the configuration and opens the data directory with it.
func (c common) open(io IO, create bool, o local.Options) (*local.House, config.Config, error) {
	var cfg config.Config
	if c.config == "" {
		return nil, cfg, usage(errors.New("--config FILE is missing; it names the targets to erase from"))
	}
	text, err := os.ReadFile(c.config)
	if err != nil {
		return nil, cfg, usage(fmt.Errorf("configuration: %w", err))
	}
	cfg, err = config.Parse(text, io.Env)
	if err != nil {
		return nil, cfg, usage(fmt.Errorf("configuration %s:\n%w", c.config, err))
	}
	o.Now = io.Now
	h, err := local.Open(c.data, create, o)
	if err != nil {
		return nil, cfg, err
	}
	if err := h.Configure(cfg); err != nil {
		return nil, cfg, errors.Join(err, h.Close())
	}
	return h, cfg, nil
}

func previewCommand(io IO) *cobra.Command {
	var c common
	var w whom
	cmd := &cobra.Command{
		Use:   "preview --config FILE (--email ADDRESS … | --from people.csv)",
		Short: "Find what would be deleted; delete nothing and keep no request",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			p := newProgress(io, c.json)
			h, cfg, err := c.open(io, true, p.options())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			all, err := w.read(io, cfg.PhoneRegion, c.json)
			if err != nil {
				return err
			}
			if len(all) == 0 {
				return usage(errors.New("nobody to look for; give --email, --phone, --user-id, --install-id, --property or --from"))
			}
			run, err := h.Preview(cmd.Context(), all)
			p.stop()
			if err != nil {
				return err
			}
			return showPreview(io, c, run)
		},
	}
	c.add(cmd)
	w.add(cmd)
	return cmd
}

func eraseCommand(io IO) *cobra.Command {
	var c common
	var w whom
	var mode string
	cmd := &cobra.Command{
		Use:   "erase --config FILE (--email ADDRESS … | --from people.csv)",
		Short: "Erase people; without anybody named, everybody whose request is still open",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			p := newProgress(io, c.json)
			h, cfg, err := c.open(io, true, p.options())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			all, err := w.read(io, cfg.PhoneRegion, c.json)
			if err != nil {
				return err
			}
			m := cfg.Mode
			switch config.Mode(mode) {
			case "":
			case config.Approve, config.Erase:
				m = config.Mode(mode)
			default:
				return usage(errors.New("--mode: approve or erase; `lethe preview` only looks"))
			}
			if m == config.Preview {
				if len(all) == 0 {
					return usage(errors.New("the configuration says mode: preview, and nobody was named to look for"))
				}
				run, err := h.Preview(cmd.Context(), all)
				p.stop()
				if err != nil {
					return err
				}
				return showPreview(io, c, run)
			}
			run, err := h.Erase(cmd.Context(), all, m)
			p.stop()
			if err != nil {
				return err
			}
			if run.Joined > 0 && !c.json {
				fmt.Fprintf(io.Err, "%s asked before; the open request goes on\n", count(run.Joined, "person"))
			}
			return finish(cmd.Context(), io, c, h, p, run, byPlace(run.Requests))
		},
	}
	c.add(cmd)
	w.add(cmd)
	cmd.Flags().StringVar(&mode, "mode", "", "`MODE` approve or erase, instead of the configuration's")
	return cmd
}

// finish asks for what waits where a person is there to answer, and reports.
func finish(ctx context.Context, io IO, c common, h *local.House, p *progress, run local.Run, who naming) error {
	for io.Terminal && !c.json {
		job, err := h.Base.Ledger.Job(ctx, run.Job)
		if err != nil || job.Plan == "" {
			break // nothing waits
		}
		plan, err := erase.LoadPlan(ctx, h.Base, run.Job, true)
		if err != nil {
			return err
		}
		showPlan(io, plan, who)
		answer, err := ask(io, "\nDelete all of this? [y]es, [n]o and keep it, or [l]ater: ")
		if err != nil || answer == later {
			break
		}
		p.start()
		err = h.Decide(ctx, run.Job, job.Plan, approver(), answer == yes)
		p.stop()
		if err != nil {
			return err
		}
	}
	return report(ctx, io, c, h, run, who)
}

type reply int

const (
	later reply = iota
	yes
	no
)

// ask puts a question to the person at the terminal; anything but a clear answer means later.
func ask(io IO, question string) (reply, error) {
	fmt.Fprint(io.Out, question)
	line, err := bufio.NewReader(io.In).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return yes, nil
	case "n", "no":
		return no, nil
	case "":
		return later, errEOF(err)
	}
	return later, nil
}

func errEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// approver is the name that goes into the approval: the account that ran the command.
func approver() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

func approveCommand(io IO) *cobra.Command {
	var c common
	var plan string
	var reject bool
	cmd := &cobra.Command{
		Use:   "approve JOB --plan HASH --config FILE",
		Short: "Approve the plan that waits in a job, and run the job on",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if plan == "" {
				return usage(errors.New("--plan HASH is missing; it says which plan you looked at"))
			}
			p := newProgress(io, c.json)
			h, _, err := c.open(io, false, p.options())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			job := args[0]
			run := local.Run{Job: job, Jobs: []string{job}}
			err = h.Base.Ledger.Members(cmd.Context(), job, func(id string, _ ledger.Member) error {
				run.Requests = append(run.Requests, id)
				return nil
			})
			if err != nil {
				return err
			}
			j, err := h.Base.Ledger.Job(cmd.Context(), job)
			if errors.Is(err, ledger.ErrNotFound) {
				return usage(fmt.Errorf("there is no job %s in %s", job, c.data))
			}
			if err != nil {
				return err
			}
			run.Mode = config.Mode(j.Mode)
			err = h.Decide(cmd.Context(), job, plan, approver(), !reject)
			p.stop()
			if err != nil {
				return err
			}
			return finish(cmd.Context(), io, c, h, p, run, byID)
		},
	}
	c.add(cmd)
	cmd.Flags().StringVar(&plan, "plan", "", "`HASH` of the plan")
	cmd.Flags().BoolVar(&reject, "reject", false, "reject the plan instead: what it lists is kept")
	return cmd
}
