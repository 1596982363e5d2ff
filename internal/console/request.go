package console

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/page"
)

type requestPage struct {
	intake.View
	Done       string
	Short      string
	Status     badge
	Meaning    string
	Duty       badge
	Channel    string
	Verified   string
	Regulation string
	Mode       string
	Ground     string
	Extended   *extended
	Details    string // what was typed beside the address, and who verified it
	Claims     *claims
	Job        *page.Link
	Rows       []outcomeRow
	Acts       []page.Link // what can be done with it
	WhyNone    string      // why nothing can be
}

type extended struct {
	Reason, By string
	At, Before time.Time
}

// claims ask for a person's word on what nobody verified.
type claims struct {
	What    string
	Several bool
	Typed   []typed
	Then    string // what comes with a word, or without one
	Acts    []page.Link
}

// typed is one identifier of a request, for whoever has to say whose it is.
type typed struct{ What, Value, Verified string }

type outcomeRow struct {
	ledger.Outcome
	Badge   badge
	Meaning string
	Why     string // the reason, explained
}

func (c *Console) request(w http.ResponseWriter, r *http.Request, who string) error {
	v, err := c.Desk.Show(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	p := requestPage{
		View: v, Done: doneWithRequest(r.URL.Query().Get("done")), Short: short(v.ID), Status: statusBadge(v.Status, v.Settled), Meaning: c.statusMeaning(v),
		Duty: dutyBadge(v, c.Now()), Channel: channel(v.Channel), Verified: verified(v), Regulation: regulation(v.Regulation),
	}
	if v.By != "" {
		p.Channel += ", by " + v.By
	}
	if v.Mode != "" {
		p.Mode = mode(v.Mode)
	}
	if v.Ground != "" {
		p.Ground = denial(v.Ground)
	}
	if e := v.Extension; e != nil {
		p.Extended = &extended{extension(e.Reason), e.By, e.At, e.Before}
	}
	p.Details, p.Claims = vouched(v), c.claims(v)
	if p.Claims != nil {
		if p.Claims.Typed, err = c.typed(r.Context(), v.ID, who); err != nil {
			return err
		}
	}
	if v.Job != "" {
		l := shortLink("jobs", v.Job)
		p.Job = &l
	}
	for _, o := range v.Outcomes {
		p.Rows = append(p.Rows, outcomeRow{o, wordBadge(o.Word), wordMeaning(o.Word), reason(o.Reason)})
	}
	p.Acts, p.WhyNone = acts(v)
	c.write(w, http.StatusOK, by(who), view{name: "request.html", title: "Request " + p.Short, content: p})
	return nil
}

// verified says how the person's identity was verified.
func verified(v intake.View) string {
	on := ""
	if !v.Verified.IsZero() {
		on = " on " + page.Moment(page.English, v.Verified)
	}
	switch {
	case on == "":
		return "Not verified"
	case v.Channel == "form":
		return "By a link sent to the e-mail address," + on
	case v.By != "":
		return "By " + v.By + ", who filed it," + on
	}
	return "By whoever filed it," + on
}

// vouched says who verified what was typed into the form beside the address.
func vouched(v intake.View) string {
	if w := v.Vouched; w != nil {
		on := ", said " + w.By + " on " + page.Moment(page.English, w.At)
		if w.Verified {
			return "The " + details(w.Types) + ": this person's" + on
		}
		return "The " + details(w.Types) + ": left out" + on
	}
	switch {
	case len(v.Claimed) == 0:
		return ""
	case v.Status == ledger.Pending:
		return "The " + details(v.Claimed) + ": nobody verified"
	}
	return "The " + details(v.Claimed) + ": nobody verified, and left out"
}

// unchecked tells whether a person may still say whose the details are that nobody verified.
func unchecked(v intake.View) bool { return len(v.Claimed) > 0 && v.Vouched == nil && !v.Ended }

// waits tells whether sweeps leave a request alone because of that: as erase.Ready does.
func (c *Console) waits(v intake.View) bool {
	return unchecked(v) && !held(v) && c.Now().Before(v.Verified.Add(erase.ClaimTime))
}

// held tells whether a job works on a request.
func held(v intake.View) bool { return v.Status == ledger.Running || v.Status == ledger.InReview }

func (c *Console) claims(v intake.View) *claims {
	if !unchecked(v) {
		return nil
	}
	out := &claims{What: details(v.Claimed), Several: len(v.Claimed) > 1}
	switch {
	case held(v):
		out.Then = "A job works on the request now, without these details. Wait until the job has ended."
		return out
	case c.waits(v):
		out.Then = "Until " + page.Moment(page.English, v.Verified.Add(erase.ClaimTime)) + " the request waits for your word. Then it is worked on without these details."
	case v.Status == ledger.Pending:
		out.Then = "The request has waited for seven days: the next sweep takes it. Without your word it leaves these details out."
	default:
		out.Then = "The request was worked on without these details. When they are this person's, the next sweep searches by them, too."
	}
	at := shortLink("requests", v.ID).Path + "/"
	out.Acts = []page.Link{{Text: "They are this person's…", Path: at + "vouch"}, {Text: "Leave them out…", Path: at + "leave-out"}}
	return out
}

// typed shows the identifiers of a request that waits for a word on them. That somebody saw them is written down.
func (c *Console) typed(ctx context.Context, id, who string) (out []typed, err error) {
	all, err := c.Desk.Claims(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) { // somebody said a word a moment ago
		return nil, nil
	}
	for _, i := range all {
		t := typed{details([]string{string(i.Type)}), legible(i.Value), "nobody verified it"}
		if i.Verified {
			t.Verified = "verified by the link"
		}
		out = append(out, t)
	}
	if err == nil {
		c.Log.Info("the details of a request were shown, because a word on them is waited for", "request", id, "to", who)
	}
	return out, err
}

// find leads to a request by its number, as people quote it.
func (c *Console) find(w http.ResponseWriter, r *http.Request, _ string) error {
	id := strings.ToUpper(strings.TrimSpace(r.URL.Query().Get("id")))
	if !ids().MatchString(id) {
		return ledger.ErrNotFound
	}
	http.Redirect(w, r, shortLink("requests", id).Path, http.StatusSeeOther)
	return nil
}

// acts are what can be done with a request, as links to pages that ask again; where nothing can be, it says why.
func acts(v intake.View) (links []page.Link, why string) {
	if v.Ended {
		return nil, "The request has ended. It does not change any more."
	}
	at := shortLink("requests", v.ID).Path + "/"
	if v.Extension == nil && v.Duty != duty.Overdue {
		links = append(links, page.Link{Text: "Extend the due date…", Path: at + "extend"})
	}
	if held(v) {
		return links, "While a job works on the request, it cannot be cancelled or denied."
	}
	return append(links, page.Link{Text: "Deny…", Path: at + "deny"}, page.Link{Text: "Cancel…", Path: at + "cancel"}), ""
}

func doneWithRequest(done string) string {
	switch done {
	case "cancel":
		return "The request is cancelled."
	case "deny":
		return "The request is denied. Where the person's address is known, a mail is on its way."
	case "vouch":
		return "It is written down that the details are this person's. They are used from now on."
	case "leave-out":
		return "It is written down that the details are left out."
	case "extend":
		return "The due date is extended. Where the person's address is known, a mail is on its way."
	}
	return ""
}

func (c *Console) certificate(w http.ResponseWriter, r *http.Request, _ string) error {
	id := r.PathValue("id")
	jws, err := c.Desk.Certificate(r.Context(), id)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jose")
	w.Header().Set("Content-Disposition", `attachment; filename="certificate-`+id+`.jws"`)
	_, _ = w.Write([]byte(jws + "\n"))
	return nil
}

// actPage asks once more before something is done with a request.
type actPage struct {
	Short, Back, Path   string
	Title, Text, Button string
	Danger              bool
	Choices             *page.Radios
	Problems            *page.Summary
}

// asked is the page that asks whether to do something; false for what cannot be done.
func asked(act, id string) (actPage, bool) {
	link := shortLink("requests", id)
	p := actPage{Short: link.Text, Back: link.Path, Path: link.Path + "/" + act}
	switch act {
	case "cancel":
		p.Title, p.Button, p.Danger = "Cancel the request?", "Cancel the request", true
		p.Text = "Nothing is searched or deleted for it any more, and its identifiers are destroyed. This cannot be undone."
	case "deny":
		p.Title, p.Button, p.Danger = "Deny the request?", "Deny the request", true
		p.Text = "Its identifiers are destroyed, and the person is told the ground where their address is known. This cannot be undone."
		p.Choices = &page.Radios{Name: "ground", Legend: "On what ground?"}
		for _, g := range []string{intake.NotIdentified, intake.Unfounded, intake.LegalDuty, intake.LegalClaims} {
			p.Choices.Choices = append(p.Choices.Choices, page.Choice{Value: g, Label: denial(g)})
		}
	case "extend":
		p.Title, p.Button = "Extend the due date?", "Extend the due date"
		p.Text = "It is put off once, as far as the regulation allows, and the person is told the reason where their address is known. This cannot be undone."
		p.Choices = &page.Radios{Name: "reason", Legend: "For what reason?"}
		for _, e := range []string{intake.Complexity, intake.Number} {
			p.Choices.Choices = append(p.Choices.Choices, page.Choice{Value: e, Label: extension(e)})
		}
	case "vouch":
		p.Title, p.Button = "Are they this person's?", "They are this person's"
		p.Text = "Say so only when your own records show that these details and the mailbox belong to the same person: what they lead to is searched and deleted as this person's. This cannot be undone."
	case "leave-out":
		p.Title, p.Button = "Leave them out?", "Leave them out"
		p.Text = "The request is worked on without these details, and its status page tells the person that they could not be verified. This cannot be undone."
	default:
		return p, false
	}
	return p, true
}

func (c *Console) askAct(w http.ResponseWriter, r *http.Request, who string) error {
	p, ok := asked(r.PathValue("act"), r.PathValue("id"))
	if !ok {
		return ledger.ErrNotFound
	}
	if _, err := c.Desk.Show(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	c.write(w, http.StatusOK, by(who), view{name: "act.html", title: p.Title, content: p})
	return nil
}

func (c *Console) act(w http.ResponseWriter, r *http.Request, who string) error {
	ctx, id, act := r.Context(), r.PathValue("id"), r.PathValue("act")
	p, ok := asked(act, id)
	if !ok {
		return ledger.ErrNotFound
	}
	var err error
	switch act {
	case "cancel":
		_, err = c.Desk.Cancel(ctx, id)
	case "deny":
		_, err = c.Desk.Deny(ctx, id, r.PostForm.Get("ground"))
	case "vouch", "leave-out":
		_, err = c.Desk.Vouch(ctx, id, who, act == "vouch")
	case "extend":
		_, err = c.Desk.Extend(ctx, id, r.PostForm.Get("reason"), who)
	}
	var invalid *intake.Invalid
	switch {
	case errors.As(err, &invalid) && p.Choices != nil:
		p.Choices.Error = "Choose one of these."
		p.Problems = &page.Summary{Title: "Nothing was changed", Errors: []page.FieldError{{Name: p.Choices.Name, Text: p.Choices.Legend + " " + p.Choices.Error}}}
		c.write(w, http.StatusUnprocessableEntity, by(who), view{name: "act.html", title: p.Title, content: p})
	case errors.Is(err, ledger.ErrNotFound):
		return err
	case err != nil:
		c.fail(w, by(who), err, page.Link{Text: "Request " + p.Short, Path: p.Back})
	default:
		return see(w, r, act, "requests", id)
	}
	return nil
}
