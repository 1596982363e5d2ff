package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
)

func approveCommand(io IO) *cobra.Command {
	var c common
	var plan, ground string
	var keep []string
	var reject bool
	cmd := &cobra.Command{
		Use:   "approve JOB --plan HASH --config FILE",
		Short: "Approve the plan that waits in a job, and run the job on",
		Long: `Approve the plan that waits in a job, and run the job on. The hash is the one that the plan was shown with: what
changed since then needs a new approval. What --keep names stays, and the rest is approved.`,
		Example: `  lethe show JOB                                          # the plan that waits, with its hash
  lethe approve JOB --plan HASH --config config.yaml
  lethe approve JOB --plan HASH --config config.yaml --keep DIGEST --ground other_person
  lethe approve JOB --plan HASH --config config.yaml --reject --ground legal_claims`,
		Args: one("job"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ctx, job := cmd.Context(), args[0]
			if plan == "" {
				return usage(errors.New("--plan HASH is missing; it says which plan you looked at, and `lethe show JOB` shows it"))
			}
			if reject && len(keep) > 0 {
				return usage(errors.New("--reject keeps everything; --keep goes without it, and approves the rest"))
			}
			if ground != "" && (!reject && len(keep) == 0 || !slices.Contains(erase.Grounds[:], ground)) {
				return usage(fmt.Errorf("--ground goes with --reject or --keep, and is one of %s", strings.Join(erase.Grounds[:], ", ")))
			}
			cfg, err := c.configuration(io)
			if err != nil {
				return err
			}
			p := newProgress(io, c.json)
			h, err := c.open(io, cfg, false, p)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			j, err := h.Base.Ledger.Job(ctx, job)
			if errors.Is(err, ledger.ErrNotFound) {
				return usage(fmt.Errorf("there is no such job in %s; `lethe requests --json` lists requests with their jobs", c.data))
			}
			if err != nil {
				return err
			}
			run := local.Run{Job: job, Jobs: []string{job}, Mode: config.Mode(j.Mode)}
			err = h.Base.Ledger.Members(ctx, job, func(id string, _ ledger.Member) error {
				run.Requests = append(run.Requests, id)
				return nil
			})
			if err != nil {
				return err
			}
			err = p.during(func() error {
				return h.Decide(ctx, job, erase.Word{Plan: plan, By: approver(), Approved: !reject, Ground: ground, Keep: keep})
			})
			if err != nil {
				return interrupted(ctx, err, fmt.Sprintf("your word is noted; `lethe erase --config %s%s` goes on where it stopped", quoted(c.config), c.dataFlag()))
			}
			return finish(ctx, io, c, h, p, run, byID(io))
		},
	}
	c.add(cmd)
	cmd.Flags().StringVar(&plan, "plan", "", "`HASH` of the plan")
	cmd.Flags().StringArrayVar(&keep, "keep", nil, "`DIGEST` of an object that is kept, as --json shows it; may stand several times")
	cmd.Flags().BoolVar(&reject, "reject", false, "reject the plan instead: what it lists is kept")
	cmd.Flags().StringVar(&ground, "ground", "", "why it is kept: "+strings.Join(erase.Grounds[:], ", "))
	return cmd
}

// approver is the name that goes into the approval: the account that ran the command.
func approver() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

// finish asks for what waits where a person is there to answer, and reports.
func finish(ctx context.Context, io IO, c common, h *local.House, p *progress, run local.Run, who naming) error {
	shown := "" // hash of the last plan that was shown
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
		shown = plan.Hash
		answer, err := ask(ctx, io, "\nDelete all of this? [y]es, [n]o and keep it, or [l]ater: ")
		if err != nil {
			return interrupted(ctx, err, goesOn)
		}
		if answer == later {
			break
		}
		err = p.during(func() error {
			return h.Decide(ctx, run.Job, erase.Word{Plan: job.Plan, By: approver(), Approved: answer == yes})
		})
		if err != nil {
			return interrupted(ctx, err, goesOn)
		}
	}
	return report(ctx, io, c, h, run, who, shown)
}

type reply int

const (
	later reply = iota
	yes
	no
)

// ask puts a question to the person at the terminal; anything but a clear answer means later. Its error is that of ctx.
func ask(ctx context.Context, io IO, question string) (reply, error) {
	fmt.Fprint(io.Out, question)
	answer := make(chan string, 1)
	go func() { answer <- readLine(io.In) }()
	select {
	case <-ctx.Done(): // the reader is left behind: nothing can wake it
		fmt.Fprintln(io.Out)
		return later, ctx.Err()
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return yes, nil
		case "n", "no":
			return no, nil
		}
		return later, nil
	}
}

// readLine reads up to the end of a line and no further, so that the next question gets the next line.
func readLine(r io.Reader) string {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := r.Read(b)
		if n == 1 && b[0] != '\n' {
			line = append(line, b[0])
		}
		if err != nil || n == 1 && b[0] == '\n' {
			return string(line)
		}
	}
}
