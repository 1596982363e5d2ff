package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/demo"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/dynamotest"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/internal/people"
)

// demoSeed makes the demo's world; another one makes another.
const demoSeed = 20261122

// demoFiles are what a demo leaves in its directory, and what the next one removes there.
func demoFiles() []string {
	return []string{"config.yaml", "people.csv", "ledger.db", "lethe.key", "certificate-1.jws", "certificate-2.jws", "certificate-3.jws", "issuer.jwks.json"}
}

func demoCommand(io IO) *cobra.Command {
	var data, listen string
	var ask, serve bool
	var steps programs
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch the whole story against built-in simulators",
		Long: `Watch the whole story in a few seconds: three people are erased from simulators of App Center Push and Batch, which
run on this machine and speak the real protocols. The files of the story stay in the data directory.

With --functions each step is a process of its own, from the program that AWS Lambda would run, on DynamoDB and KMS of
this machine: the same story on the real artefacts. It needs Node.js, for dynalite.`,
		Example: `  lethe demo
  lethe demo --ask                               # you approve the plan
  lethe demo --serve                             # and then try the privacy form and the console
  lethe demo --functions build                   # after: make functions tools ARCH=amd64 (or arm64)`,
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if ask && !io.Terminal {
				return usage(errors.New("--ask needs a terminal to ask on"))
			}
			if err := steps.usable(serve, cmd.Flags().Changed("dynalite")); err != nil {
				return usage(err)
			}
			at := ""
			if serve {
				at = listen
			}
			s := &story{io: io, data: data, ask: ask, began: time.Now(), bars: newProgress(io, false)}
			if steps.dir != "" {
				s.programs = &steps
			}
			err := s.run(cmd.Context(), at)
			return interrupted(cmd.Context(), err, "`lethe demo` begins again from the start")
		},
	}
	cmd.Flags().StringVar(&data, "data", "lethe-demo", "`DIR` for the demo's ledger, key and certificates")
	cmd.Flags().BoolVar(&serve, "serve", false, "serve the privacy form, the API and the console of this world at the end")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "`HOST:PORT` for --serve; port 0 takes any that is free")
	cmd.Flags().BoolVar(&ask, "ask", false, "approve the plan yourself")
	cmd.Flags().StringVar(&steps.dir, "functions", "", "`DIR` that `make functions` wrote the steps' programs to; run those")
	cmd.Flags().StringVar(&steps.dynalite, "dynalite", dynamotest.Directory, "`DIR` that `make tools` installed DynamoDB's stand-in to, for --functions")
	return cmd
}

// story is one run of the demo.
type story struct {
	io       IO
	data     string
	ask      bool
	programs *programs // that run the steps; nil where this process does
	world    *demo.World
	house    *local.House
	bars     *progress
	began    time.Time
	part     int
}

// run tells the story, and then serves its world where an address is given to listen on.
func (s *story) run(ctx context.Context, listen string) (err error) {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.world.Close()) }()
	err = s.tell(ctx)
	if err != nil && ctx.Err() == nil && s.programs != nil {
		s.programs.said(s.io.Err)
	}
	if err = errors.Join(err, s.close()); err != nil || listen == "" {
		return err
	}
	return s.serve(ctx, listen)
}

// close ends what the story ran on, but for its world.
func (s *story) close() error {
	err := s.house.Close()
	if s.programs != nil {
		err = errors.Join(err, s.programs.close())
	}
	return err
}

// serve opens the door of the demo's world, with a token that is made for it.
func (s *story) serve(ctx context.Context, listen string) error {
	token := rand.Text()
	text := fmt.Appendf(s.world.Config(), `
serve:
  listen: %q
  contact: privacy@acme.example
  tokens: [{name: you, role: approve, token: %q}]
`, listen, token)
	cfg, err := configfile.Parse(text, s.io.Env)
	if err != nil {
		return usage(err)
	}
	s.head("The door: privacy form, API and console")
	return runServe(ctx, s.io, s.data, cfg, func(at local.Serving) {
		introduce(s.io, cfg, at)
		email, account := s.world.Bystander()
		s.say("\nAsk in the form for %s, account %s; the mail with the link is then in the folder. Sign in to the console with the token\n  %s", email, account, token)
	})
}

// prepare starts the providers and writes the two files that a user would write.
func (s *story) prepare(ctx context.Context) error {
	var err error
	if s.world, err = demo.Start(ctx, demoSeed); err != nil {
		return err
	}
	if err := s.clear(); err != nil {
		return errors.Join(err, s.world.Close())
	}
	if err := s.settle(ctx); err != nil {
		return errors.Join(err, s.world.Close())
	}
	return nil
}

// clear removes what an earlier demo left. A directory that holds anybody else's ledger is refused: its key must not go.
func (s *story) clear() error {
	mark, _, _ := bytes.Cut(s.world.Config(), []byte("\n"))
	_, noLedger := os.Stat(filepath.Join(s.data, "ledger.db"))
	_, noKey := os.Stat(filepath.Join(s.data, "lethe.key"))
	settings, err := os.ReadFile(filepath.Join(s.data, "config.yaml"))
	theirs := err == nil || noLedger == nil || noKey == nil
	if theirs && !bytes.HasPrefix(settings, mark) {
		return usage(fmt.Errorf("%s holds something else than a demo; name another directory with --data", s.data))
	}
	for _, f := range demoFiles() {
		if err := os.Remove(filepath.Join(s.data, f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(s.data, "mail")); err != nil {
		return err
	}
	return os.MkdirAll(s.data, 0o700)
}

func (s *story) settle(ctx context.Context) error {
	// The configuration first: it marks the directory as a demo's.
	for _, f := range []struct {
		name string
		text []byte
	}{{"config.yaml", s.world.Config()}, {"people.csv", s.world.PeopleCSV()}} {
		if err := os.WriteFile(filepath.Join(s.data, f.name), f.text, 0o600); err != nil {
			return err
		}
	}
	cfg, err := configfile.Parse(s.world.Config(), s.io.Env)
	if err != nil {
		return err
	}
	o := local.Options{Now: s.io.Now, Report: s.bars.report, Observe: s.bars.observe}
	if s.programs != nil {
		s.house, err = s.programs.open(ctx, s.world.Config(), o)
	} else {
		s.house, err = local.Open(s.data, true, o)
	}
	if err != nil {
		return err
	}
	if err := s.house.Configure(cfg); err != nil {
		return errors.Join(err, s.close())
	}
	return nil
}

// head opens a part of the story.
func (s *story) head(title string, commands ...string) {
	s.part++
	line := fmt.Sprintf("%d  %s", s.part, title)
	if s.io.Terminal {
		line = text.Bold.Sprint(line)
	}
	fmt.Fprintf(s.io.Out, "\n%s\n", line)
	for _, c := range commands {
		fmt.Fprintf(s.io.Out, "   $ lethe %s\n", c)
	}
}

// say prints prose, in lines that fit.
func (s *story) say(format string, args ...any) {
	width := 100
	if s.io.Width > 0 {
		width = min(width, s.io.Width)
	}
	fmt.Fprintln(s.io.Out, wrap(fmt.Sprintf(format, args...), width))
}

// names are what the demo calls its people, in the order of the people file.
func names() []string { return []string{"Ann", "Ben", "Chloé"} }

func (s *story) tell(ctx context.Context) error {
	before := s.world.Counts()
	s.say("Lethe erases people from push-notification providers, and proves it.\nEverything here runs on this machine; the providers are simulators that speak the real protocols.")

	s.head("What the providers hold")
	s.say("Ann, Ben and Chloé asked Acme Travel to be erased. Ben shares a tablet with Mia, who did not ask; Chloé may not be known at all.\n")
	held := newTable(s.io, "Target", "Area", "Objects")
	for _, c := range before {
		held.AppendRow(table.Row{c.Target, c.Area, c.Objects})
	}
	held.SetColumnConfigs([]table.ColumnConfig{rightAligned(3)})
	held.Render()

	csv, err := people.Read(bytes.NewReader(s.world.PeopleCSV()), "DE")
	if err != nil {
		return err
	}

	s.head("Look first: nothing is deleted", "preview --config config.yaml --from people.csv")
	var run local.Run
	err = s.bars.during(func() (err error) { run, err = s.house.Preview(ctx, csv.People); return err })
	if err != nil {
		return err
	}
	showPlan(s.io, run.Plan, func(id string) string { return names()[slices.Index(run.Requests, id)] })
	waiting := 0
	for _, e := range run.Plan.Entries {
		if len(e.Waits) > 0 {
			waiting++
		}
	}
	s.say("%s would go. %d of them may be other people's too: they wait for a person in every mode.", count(len(run.Plan.Entries), "object"), waiting)

	s.head("Erase: search, wait for approval, delete, search again until nothing is left", "erase --config config.yaml --from people.csv")
	err = s.bars.during(func() (err error) { run, err = s.house.Erase(ctx, csv.People, config.Approve); return err })
	if err != nil {
		return err
	}
	if err := s.approve(ctx, run); err != nil {
		return err
	}

	s.head("What became of each person", "requests", "show REQUEST")
	if err := s.outcomes(ctx, run.Requests); err != nil {
		return err
	}
	s.say("\nverified absent: deleted, searched again, gone. accepted: Batch took the order, and offers no way to look. The ledger does not know the names: it keeps identifiers sealed while a request is open, and keyed digests after it.")

	s.head("Before and after, as the simulators count it themselves")
	if err := s.compare(before, s.world.Counts()); err != nil {
		return err
	}

	s.head("The proof", "certificate REQUEST --out FILE", "verify FILE")
	if err := s.certify(ctx, run.Requests); err != nil {
		return err
	}
	calls := s.world.Calls()
	s.say("\nThree people took %d exports of each app's devices (preview, search 1, search 2), %d orders to Batch and %.1f seconds.",
		calls["StartExport"]/2, calls["BatchDelete"], time.Since(s.began).Seconds())
	if s.programs != nil {
		s.programs.ran(s)
	} else {
		s.say("Look around:        %s requests --data %s", s.io.Name, quoted(s.data))
	}
	s.say("For your own apps:  write a config.yaml like %s", filepath.Join(s.data, "config.yaml"))
	return nil
}

// approve shows and approves what waits, until nothing does.
func (s *story) approve(ctx context.Context, run local.Run) error {
	for {
		job, err := s.house.Base.Ledger.Job(ctx, run.Job)
		if err != nil {
			return err
		}
		if job.Plan == "" {
			s.say("Search %d found nothing more of theirs.", job.Pass)
			return nil
		}
		plan, err := erase.LoadPlan(ctx, s.house.Base, run.Job, true)
		if err != nil {
			return err
		}
		s.say("The same plan waits: %s. Nothing is deleted until somebody approves this very hash.", count(len(plan.Entries), "object"))
		if s.ask {
			if answer, err := ask(ctx, s.io, "Delete all of this? [y]es or [n]o: "); err != nil || answer != yes {
				return errors.New("not approved; nothing was deleted")
			}
		}
		fmt.Fprintf(s.io.Out, "   $ lethe approve %s --plan %.12s… --config config.yaml\n", run.Job, plan.Hash)
		err = s.bars.during(func() error {
			return s.house.Decide(ctx, run.Job, erase.Word{Plan: plan.Hash, By: approver(), Approved: true})
		})
		if err != nil {
			return err
		}
	}
}

// outcomes prints what became of the people, without the areas where somebody had nothing.
func (s *story) outcomes(ctx context.Context, requests []string) error {
	fmt.Fprintln(s.io.Out)
	t := newTable(s.io, "Person, target", "Area", "Deleted", "Outcome")
	for n, id := range requests {
		r, err := s.house.Base.Ledger.Request(ctx, id)
		if err != nil {
			return err
		}
		outcomes, err := s.house.Base.Ledger.Outcomes(ctx, id)
		if err != nil {
			return err
		}
		all := len(outcomes)
		outcomes = slices.DeleteFunc(outcomes, func(o ledger.Outcome) bool { return o.Word == ledger.Nothing })
		summary := ""
		if len(outcomes) == 0 {
			summary = fmt.Sprintf("in none of %d areas", all)
		}
		t.AppendRow(table.Row{names()[n], plainStatus(r.Status), "", summary})
		for _, o := range outcomes {
			t.AppendRow(table.Row{indent + o.Target, o.Area, deleted(o), strings.ReplaceAll(string(o.Word), "_", " ")})
		}
	}
	t.SetColumnConfigs([]table.ColumnConfig{rightAligned(3)})
	t.Render()
	return nil
}

// compare prints what the simulators lost, as they count it themselves.
func (s *story) compare(before, after []demo.Count) error {
	t := newTable(s.io, "Target", "Area", "Before", "After", "Deleted", "Theirs")
	left := 0
	for n, b := range before {
		a := after[n]
		t.AppendRow(table.Row{b.Target, b.Area, b.Objects, a.Objects, b.Objects - a.Objects, fmt.Sprintf("%d → %d", b.OfPeople, a.OfPeople)})
		left += a.OfPeople
	}
	t.SetColumnConfigs([]table.ColumnConfig{rightAligned(3), rightAligned(4), rightAligned(5), rightAligned(6)})
	t.Render()
	if left > 0 {
		return fmt.Errorf("%s of the three people are left at the providers: this is a mistake in Lethe, please report it", count(left, "object"))
	}
	return nil
}

// certify writes the certificates and checks them as anybody could, offline.
func (s *story) certify(ctx context.Context, requests []string) error {
	keys := filepath.Join(s.data, "issuer.jwks.json")
	if err := os.WriteFile(keys, s.house.Key.PublicSet(), 0o600); err != nil {
		return err
	}
	fmt.Fprintln(s.io.Out)
	t := newTable(s.io, "Person", "Certificate", "Says", "Signature")
	signer := ""
	for n, id := range requests {
		jws, err := s.house.Base.Ledger.Certificate(ctx, id)
		if err != nil {
			return err
		}
		name := filepath.Join(s.data, fmt.Sprintf("certificate-%d.jws", n+1))
		if err := os.WriteFile(name, []byte(jws+"\n"), 0o600); err != nil {
			return err
		}
		cert, kid, err := checkCertificate(jws, s.house.Key.PublicSet())
		if err != nil {
			return err
		}
		t.AppendRow(table.Row{names()[n], name, plainStatus(cert.Request.Status), "valid"})
		signer = kid
	}
	t.Render()
	s.say("All signed by key %.16s…, whose public half is in %s for whoever wants to check.", signer, keys)
	return nil
}
