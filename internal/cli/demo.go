package cli

import (
	"context"
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
	"github.com/lethe-dsr/lethe/internal/demo"
	"github.com/lethe-dsr/lethe/internal/erase"
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
	var data string
	var ask bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch the whole story against built-in simulators",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), io, data, ask && io.Terminal)
		},
	}
	cmd.Flags().StringVar(&data, "data", "lethe-demo", "`DIR` for the demo's ledger, key and certificates")
	cmd.Flags().BoolVar(&ask, "ask", false, "approve the plan yourself")
	return cmd
}

// story is one run of the demo.
type story struct {
	io    IO
	data  string
	ask   bool
	world *demo.World
	house *local.House
	bars  *progress
	began time.Time
	part  int
}

func runDemo(ctx context.Context, io IO, data string, ask bool) (err error) {
	s := &story{io: io, data: data, ask: ask, began: time.Now(), bars: &progress{io: io, said: map[string]time.Time{}}}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.house.Close(), s.world.Close()) }()
	return s.tell(ctx)
}

// prepare starts the providers and writes the two files that a user would write.
func (s *story) prepare(ctx context.Context) error {
	for _, f := range demoFiles() {
		if err := os.Remove(filepath.Join(s.data, f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return err
	}
	var err error
	if s.world, err = demo.Start(ctx, demoSeed); err != nil {
		return err
	}
	for name, text := range map[string][]byte{"config.yaml": s.world.Config(), "people.csv": s.world.PeopleCSV()} {
		if err := os.WriteFile(filepath.Join(s.data, name), text, 0o600); err != nil {
			return err
		}
	}
	cfg, err := config.Parse(s.world.Config(), s.io.Env)
	if err != nil {
		return err
	}
	if s.house, err = local.Open(s.data, true, local.Options{Now: s.io.Now, Report: s.bars.report}); err != nil {
		return err
	}
	return s.house.Configure(cfg)
}

// head opens a part of the story.
func (s *story) head(title, command string) {
	s.part++
	line := fmt.Sprintf("%d  %s", s.part, title)
	if s.io.Terminal {
		line = text.Bold.Sprint(line)
	}
	fmt.Fprintf(s.io.Out, "\n%s\n", line)
	if command != "" {
		fmt.Fprintf(s.io.Out, "   $ lethe %s\n", command)
	}
}

func (s *story) say(format string, args ...any) { fmt.Fprintf(s.io.Out, format+"\n", args...) }

func (s *story) tell(ctx context.Context) error {
	before := s.world.Counts()
	s.say("Lethe erases people from push-notification providers, and proves it.\nEverything here runs on this machine; the providers are simulators that speak the real protocols.")

	s.head("What the providers hold", "")
	s.say("Ann, Ben and Chloé have asked Acme Travel to be erased. Ben shares a tablet with somebody; Chloé may not be known at all.\n")
	held := newTable(s.io, "Target", "Area", "Objects")
	for _, c := range before {
		held.AppendRow(table.Row{c.Target, c.Area, c.Objects})
	}
	held.SetColumnConfigs([]table.ColumnConfig{rightAligned(3)})
	held.Render()

	csv, err := people.Read(strings.NewReader(string(s.world.PeopleCSV())), "DE")
	if err != nil {
		return err
	}

	s.head("Look first: nothing is deleted", "preview --config config.yaml --from people.csv")
	s.bars.start()
	run, err := s.house.Preview(ctx, csv.People)
	s.bars.stop()
	if err != nil {
		return err
	}
	names := []string{"Ann", "Ben", "Chloé"}
	showPlan(s.io, run.Plan, func(id string) string { return names[slices.Index(run.Requests, id)] })
	waiting := 0
	for _, e := range run.Plan.Entries {
		if len(e.Waits) > 0 {
			waiting++
		}
	}
	s.say("%s would be deleted or ordered deleted.\n%d of them name or belong to other people too: in every mode, those wait for a person.", count(len(run.Plan.Entries), "object"), waiting)

	s.head("Erase: find again, wait for approval, delete, search again until nothing is left", "erase --config config.yaml --from people.csv")
	s.bars.start()
	run, err = s.house.Erase(ctx, csv.People, config.Approve)
	s.bars.stop()
	if err != nil {
		return err
	}
	if err := s.approve(ctx, run); err != nil {
		return err
	}

	s.head("What became of each person", "requests; lethe show REQUEST")
	var all []outcome
	for n, id := range run.Requests {
		r, err := s.house.Base.Ledger.Request(ctx, id)
		if err != nil {
			return err
		}
		outcomes, err := s.house.Base.Ledger.Outcomes(ctx, id)
		if err != nil {
			return err
		}
		for _, o := range outcomes {
			all = append(all, outcome{names[n] + ": " + plainStatus(r.Status), r.Status, o})
		}
	}
	showOutcomes(s.io, all)
	s.say("\nThe names are the demo's: the ledger has only sealed identifiers while a request is open, and keyed digests after it.")

	s.head("Before and after", "")
	s.compare(before, s.world.Counts())

	s.head("The proof", "certificate REQUEST --out FILE; lethe verify FILE")
	if err := s.certify(ctx, run.Requests); err != nil {
		return err
	}
	calls := s.world.Calls()
	s.say("\n%d device exports per app for three people (preview, find, find again), %d orders to Batch, %.1f seconds.",
		calls["StartExport"]/2, calls["BatchDelete"], time.Since(s.began).Seconds())
	s.say("Look around: lethe requests --data %s. For your own providers, write a config.yaml like %s.", s.data, filepath.Join(s.data, "config.yaml"))
	return nil
}

// approve shows and approves what waits, until nothing does.
func (s *story) approve(ctx context.Context, run local.Run) error {
	for {
		job, err := s.house.Base.Ledger.Job(ctx, run.Job)
		if err != nil || job.Plan == "" {
			return err
		}
		plan, err := erase.LoadPlan(ctx, s.house.Base, run.Job, true)
		if err != nil {
			return err
		}
		s.say("The same plan waits for approval: %s.\nNothing is deleted until somebody approves this very hash.", count(len(plan.Entries), "object"))
		if s.ask {
			if answer, err := ask(s.io, "Delete all of this? [y]es or [n]o: "); err != nil || answer != yes {
				return errors.New("not approved; nothing was deleted")
			}
		}
		s.say("   $ lethe approve %s --plan %.16s… --config config.yaml", run.Job, plan.Hash)
		s.bars.start()
		err = s.house.Decide(ctx, run.Job, plan.Hash, approver(), true)
		s.bars.stop()
		if err != nil {
			return err
		}
	}
}

// compare prints what the simulators lost, as they count it themselves.
func (s *story) compare(before, after []demo.Count) {
	t := newTable(s.io, "Target", "Area", "Before", "After", "Deleted", "About the three, before", "after")
	for n, b := range before {
		a := after[n]
		t.AppendRow(table.Row{b.Target, b.Area, b.Objects, a.Objects, b.Objects - a.Objects, b.OfPeople, a.OfPeople})
	}
	t.SetColumnConfigs([]table.ColumnConfig{rightAligned(3), rightAligned(4), rightAligned(5), rightAligned(6), rightAligned(7)})
	t.Render()
}

// certify writes the certificates and checks the first as anybody could, offline.
func (s *story) certify(ctx context.Context, requests []string) error {
	keys := filepath.Join(s.data, "issuer.jwks.json")
	if err := os.WriteFile(keys, s.house.Key.PublicSet(), 0o600); err != nil {
		return err
	}
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
		s.say("%s  valid, %s, signed by key %.16s…", name, plainStatus(cert.Request.Status), kid)
	}
	s.say("%s  the issuer's public key", keys)
	return nil
}
