package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/internal/seal"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// reading opens a data directory for a command that only looks.
func (c common) reading(io IO, do func(h *local.House) error) (err error) {
	h, err := local.Open(c.data, false, local.Options{Now: io.Now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return do(h)
}

// listed is a request as it is shown: no identifier, sealed or not.
type listed struct {
	ID         string           `json:"id"`
	Status     ledger.Status    `json:"status"`
	Settled    bool             `json:"settled,omitempty"` // partial for good: what stays was decided by a person
	Channel    string           `json:"channel"`
	Regulation string           `json:"regulation"`
	Received   time.Time        `json:"received"`
	Due        time.Time        `json:"due"`
	Closed     time.Time        `json:"closed,omitzero"`
	Job        string           `json:"job,omitempty"`
	Person     string           `json:"person"`
	Place      int              `json:"place,omitempty"` // of the person among those that were named
	Outcomes   []ledger.Outcome `json:"outcomes,omitempty"`
}

func (l listed) ended() bool { return l.Status.Final() || l.Settled }

func list(r ledger.Request) listed {
	job := r.Job
	if job == "" {
		job = r.LastJob
	}
	return listed{r.ID, r.Status, r.Settled, r.Channel, r.Regulation, r.Received, r.Due, r.Closed, job, r.Person, 0, nil}
}

func requestsCommand(io IO) *cobra.Command {
	var c common
	var w whom
	var open bool
	cmd := &cobra.Command{
		Use:   "requests",
		Short: "List requests, the most urgent first, or those of people",
		Long: `List requests, the most urgent first.

With people named, list their requests: an open one by its identifiers, an ended one, whose identifiers are destroyed,
by the keyed digest of exactly the identifiers that were given then.`,
		Example: `  lethe requests
  lethe requests --open --json
  lethe requests --from people.csv --config config.yaml   # whose request is whose`,
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			region := ""
			if c.config != "" { // for phone numbers without a country code
				cfg, err := c.configuration(io)
				if err != nil {
					return err
				}
				region = cfg.PhoneRegion
			}
			named, err := w.read(io, region, c.json)
			if err != nil {
				return err
			}
			return c.reading(io, func(h *local.House) error {
				all, err := allRequests(ctx, h, open)
				if err != nil {
					return err
				}
				if len(named) > 0 {
					if all, err = requestsOf(ctx, h, all, named); err != nil {
						return err
					}
				}
				return showRequests(io, c, all, len(named) > 0)
			})
		},
	}
	c.addData(cmd)
	w.add(cmd)
	cmd.Flags().StringVar(&c.config, "config", "", "configuration `FILE`, for its phone_region")
	cmd.Flags().BoolVar(&c.json, "json", false, "print one JSON document")
	cmd.Flags().BoolVar(&open, "open", false, "only those that have not ended for good")
	return cmd
}

// allRequests lists what is in the ledger, the open ones first and of those the most urgent.
func allRequests(ctx context.Context, h *local.House, open bool) ([]listed, error) {
	all := []listed{}
	err := h.Base.Ledger.Requests(ctx, func(id string) error {
		r, err := h.Base.Ledger.Request(ctx, id)
		if err == nil && !(open && r.Final()) {
			all = append(all, list(r))
		}
		if errors.Is(err, ledger.ErrNotFound) { // its time of keeping is over
			return nil
		}
		return err
	})
	slices.SortFunc(all, func(a, b listed) int {
		if a.ended() != b.ended() {
			if a.ended() {
				return 1
			}
			return -1
		}
		return cmp.Or(a.Due.Compare(b.Due), strings.Compare(a.ID, b.ID))
	})
	return all, err
}

// requestsOf keeps the requests of the people that were named, and numbers them by their place.
func requestsOf(ctx context.Context, h *local.House, all []listed, named []subject.Subject) ([]listed, error) {
	out := []listed{}
	for n, s := range named {
		joined, err := erase.OpenRequestOf(ctx, h.Base, s)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return nil, err
		}
		digest := h.Base.PersonDigest(s)
		for _, r := range all {
			if r.Person == digest || r.ID == joined.ID {
				r.Place = n + 1
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func showRequests(io IO, c common, all []listed, named bool) error {
	if c.json {
		return printJSON(io, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(io.Out, "No requests.")
		return nil
	}
	wide := io.Width == 0 || io.Width >= 95 // the request tells its job too
	head := []any{"Request", "Status", "Received", "Due"}
	if wide {
		head = append(head, "Job")
	}
	if named {
		head = append([]any{"Person"}, head...)
	}
	t := newTable(io, head...)
	for _, r := range all {
		row := table.Row{r.ID, plainStatus(r.Status), day(r.Received), day(r.Due)}
		if wide {
			row = append(row, r.Job)
		}
		if named {
			row = append(table.Row{fmt.Sprintf("person %d", r.Place)}, row...)
		}
		t.AppendRow(row)
	}
	t.Render()
	return nil
}

func day(t time.Time) string { return t.Format(time.DateOnly) }

func showCommand(io IO) *cobra.Command {
	var c common
	cmd := &cobra.Command{
		Use:     "show REQUEST | JOB",
		Short:   "Show one request, or one job with what waits in it",
		Example: `  lethe show 01M8182P1HQZ5ZE619HKRRTF1T`,
		Args:    one("request or job"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.reading(io, func(h *local.House) error {
				r, err := h.Base.Ledger.Request(cmd.Context(), args[0])
				if err == nil {
					return showRequest(cmd.Context(), io, c, h, r)
				}
				if !errors.Is(err, ledger.ErrNotFound) {
					return err
				}
				job, err := h.Base.Ledger.Job(cmd.Context(), args[0])
				if errors.Is(err, ledger.ErrNotFound) {
					return usage(fmt.Errorf("there is no such request or job in %s; `lethe requests` lists them", c.data))
				}
				if err != nil {
					return err
				}
				return showJob(cmd.Context(), io, c, h, job)
			})
		},
	}
	c.addData(cmd)
	cmd.Flags().BoolVar(&c.json, "json", false, "print one JSON document")
	cmd.Flags().BoolVar(&c.reveal, "reveal", false, "show object names also in files, pipes and JSON")
	return cmd
}

func showRequest(ctx context.Context, io IO, c common, h *local.House, r ledger.Request) error {
	outcomes, err := h.Base.Ledger.Outcomes(ctx, r.ID)
	if err != nil {
		return err
	}
	l := list(r)
	l.Outcomes = outcomes
	if c.json {
		return printJSON(io, l)
	}
	fmt.Fprintf(io.Out, "Request   %s\nStatus    %s\nReceived  %s by %s, due %s (%s)\n", r.ID, plainStatus(r.Status), day(r.Received), r.Channel, day(r.Due), strings.ToUpper(r.Regulation))
	fmt.Fprintf(io.Out, "Person    digest %s; identifiers %s\n", r.Person, map[bool]string{true: "sealed until the request ends", false: "destroyed"}[r.Subject != nil])
	if l.Job != "" {
		fmt.Fprintf(io.Out, "Job       %s\n", l.Job)
	}
	rows := make([]outcome, len(outcomes))
	for n, o := range outcomes {
		rows[n] = outcome{r.ID, r.Status, o}
	}
	showOutcomes(io, rows, false, byID(io))
	before := "\n"
	for _, o := range outcomes {
		for _, token := range o.Tokens {
			fmt.Fprintf(io.Out, "%sTransaction token of %s: %s\n", before, o.Target, clean(token))
			before = ""
		}
	}
	return nil
}

func showJob(ctx context.Context, io IO, c common, h *local.House, job ledger.Job) error {
	plan, err := erase.LoadPlan(ctx, h.Base, job.ID, c.names(io))
	if err != nil {
		return err
	}
	requests := map[string]ledger.Status{}
	err = h.Base.Ledger.Members(ctx, job.ID, func(id string, m ledger.Member) error {
		requests[id] = m.Status
		if m.Status != "" {
			return nil
		}
		r, err := h.Base.Ledger.Request(ctx, id)
		requests[id] = r.Status
		return err
	})
	if err != nil {
		return err
	}
	if c.json {
		out := struct {
			Job      string                   `json:"job"`
			Mode     string                   `json:"mode"`
			Opened   time.Time                `json:"opened"`
			Closed   time.Time                `json:"closed,omitzero"`
			Searches int                      `json:"searches"`
			Requests map[string]ledger.Status `json:"requests"`
			Plan     *erase.Plan              `json:"plan,omitempty"`
		}{job.ID, job.Mode, job.Opened, job.Closed, job.Pass, requests, nil}
		if job.Plan != "" {
			out.Plan = &plan
		}
		return printJSON(io, out)
	}
	state := "open"
	switch {
	case !job.Closed.IsZero():
		state = "closed " + job.Closed.Format(time.RFC3339)
	case job.Plan != "":
		state = "waits for approval"
	}
	fmt.Fprintf(io.Out, "Job       %s\nMode      %s\nOpened    %s\nState     %s\nSearches  %d\n", job.ID, job.Mode, job.Opened.Format(time.RFC3339), state, job.Pass)
	for _, a := range job.Approvals {
		word := "Approved"
		if !a.Approved {
			word = "Rejected"
		}
		fmt.Fprintf(io.Out, "%s  by %s at %s, plan %s%s\n", word, clean(a.By), a.At.Format(time.RFC3339), a.Plan, exceptions(a))
	}
	fmt.Fprintln(io.Out)
	t := newTable(io, "Request", "Status")
	for _, id := range sortedIDs(requests) {
		t.AppendRow(table.Row{id, plainStatus(requests[id])})
	}
	t.Render()
	if job.Plan != "" {
		showPlan(io, plan, byID(io))
		howToApprove(io, c, job.ID, job.Plan)
	}
	return nil
}

func sortedIDs(m map[string]ledger.Status) []string {
	var ids []string
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func certificateCommand(io IO) *cobra.Command {
	var c common
	var out string
	cmd := &cobra.Command{
		Use:   "certificate REQUEST",
		Short: "Print the signed certificate of a request",
		Example: `  lethe certificate REQUEST
  lethe certificate REQUEST --out ann.jws        # and the public key in ann.jwks.json`,
		Args: one("request"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.reading(io, func(h *local.House) error {
				jws, err := h.Base.Ledger.Certificate(cmd.Context(), args[0])
				if errors.Is(err, ledger.ErrNotFound) {
					return usage(fmt.Errorf("there is no certificate of such a request in %s; a request gets one when its job ends, and `lethe requests` lists them", c.data))
				}
				if err != nil {
					return err
				}
				if out == "" {
					_, err = fmt.Fprintln(io.Out, jws)
					return err
				}
				if err := os.WriteFile(out, []byte(jws+"\n"), 0o600); err != nil {
					return err
				}
				keys := strings.TrimSuffix(out, ".jws") + ".jwks.json"
				if err := os.WriteFile(keys, h.Key.PublicSet(), 0o600); err != nil {
					return err
				}
				fmt.Fprintf(io.Out, "%s  the certificate\n%s  the public key to check it with\n", out, keys)
				return nil
			})
		},
	}
	c.addData(cmd)
	cmd.Flags().StringVar(&out, "out", "", "write it to `FILE`, and the public key beside it")
	return cmd
}

func verifyCommand(io IO) *cobra.Command {
	var c common
	var keys string
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a certificate offline, against the issuer's public key",
		Example: `  lethe verify ann.jws
  lethe verify ann.jws --key ann.jwks.json       # anywhere, without the data directory`,
		Args: one("file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return usage(err)
			}
			var trusted []byte
			if keys != "" {
				if trusted, err = os.ReadFile(keys); err != nil {
					return usage(err)
				}
			} else if err := c.reading(io, func(h *local.House) error { trusted = h.Key.PublicSet(); return nil }); err != nil {
				return fmt.Errorf("%w; or give the issuer's public key with --key FILE%s", err, keysBeside(args[0]))
			}
			cert, kid, err := checkCertificate(string(text), trusted)
			if err != nil && c.json {
				return errors.Join(exit{code: OtherError}, printJSON(io, map[string]any{"valid": false, "reason": err.Error()}))
			}
			if err != nil {
				return fmt.Errorf("%s is NOT valid: %w", args[0], err)
			}
			if c.json {
				return printJSON(io, struct {
					Valid       bool              `json:"valid"`
					Key         string            `json:"key"`
					Certificate erase.Certificate `json:"certificate"`
				}{true, kid, cert})
			}
			showCertificate(io, cert, kid)
			return nil
		},
	}
	c.addData(cmd)
	cmd.Flags().StringVar(&keys, "key", "", "`FILE` with the issuer's public keys (JWKS); default: the key of the data directory")
	cmd.Flags().BoolVar(&c.json, "json", false, "print what the certificate says as JSON")
	return cmd
}

// keysBeside points to the key that `lethe certificate --out` wrote beside a certificate. It is not taken by itself:
// whoever forges a certificate can put a key beside it.
func keysBeside(file string) string {
	beside := strings.TrimSuffix(file, ".jws") + ".jwks.json"
	if _, err := os.Stat(beside); err != nil {
		return ""
	}
	return "; " + beside + " lies beside it, if you trust where the two come from"
}

// checkCertificate checks a certificate's signature, and reads it.
func checkCertificate(jws string, trusted []byte) (c erase.Certificate, kid string, err error) {
	payload, kid, err := seal.Verify(jws, trusted)
	if err != nil {
		return c, kid, err
	}
	if err := json.Unmarshal(payload, &c); err != nil || c.Request.ID == "" {
		return c, kid, errors.New("it is signed, but it is no certificate of erasure")
	}
	return c, kid, nil
}

// exceptions says what an approval or rejection adds to its word.
func exceptions(a ledger.Approval) string {
	text := ""
	if n := len(a.Kept); n > 0 {
		text = fmt.Sprintf(", %s kept", count(n, "object"))
	}
	if a.Ground != "" {
		text += " (" + a.Ground + ")"
	}
	return text
}

// showCertificate prints what a checked certificate says.
func showCertificate(io IO, c erase.Certificate, kid string) {
	r := c.Request
	fmt.Fprintf(io.Out, "Valid: signed by key %s\n\n", kid)
	fmt.Fprintf(io.Out, "Controller  %s\nRequest     %s: %s\nReceived    %s, due %s, completed %s (%s)\nPerson      digest %s\n",
		clean(c.Controller), r.ID, plainStatus(r.Status), day(r.Received), day(r.Due), r.Completed.Format(time.RFC3339), strings.ToUpper(r.Regulation), c.Person.Digest)
	for _, a := range c.Approvals {
		word := "Approved"
		if !a.Approved {
			word = "Rejected"
		}
		fmt.Fprintf(io.Out, "%s    by %s at %s, plan %.12s…%s\n", word, clean(a.By), a.At.Format(time.RFC3339), a.Plan, exceptions(a))
	}
	var rows []outcome
	for _, t := range c.Scope {
		for _, o := range t.Areas {
			rows = append(rows, outcome{r.ID, r.Status, o})
		}
	}
	showOutcomes(io, rows, false, byID(io))
	fmt.Fprintln(io.Out)
	for _, o := range c.OutOfScope {
		fmt.Fprintf(io.Out, "Not in scope: %s (%s)\n", o.Target, o.Why)
	}
	fmt.Fprintf(io.Out, "Issued %s by %s, kept until %s\n", c.Issued.Format(time.RFC3339), c.Software, day(c.KeptUntil))
}
