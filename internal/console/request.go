package console

import (
	"errors"
	"net/http"
	"time"

	"github.com/lethe-dsr/lethe/internal/duty"
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
	Job        *page.Link
	Rows       []outcomeRow
	Acts       []page.Link // what can be done with it
	WhyNone    string      // why nothing can be
}

type extended struct {
	Reason, By string
	At, Before time.Time
}

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
		View: v, Done: doneWithRequest(r.URL.Query().Get("done")), Short: short(v.ID), Status: statusBadge(v.Status, v.Settled), Meaning: statusMeaning(v),
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

// acts are what can be done with a request, as links to pages that ask again; where nothing can be, it says why.
func acts(v intake.View) (links []page.Link, why string) {
	if v.Ended {
		return nil, "The request has ended. It does not change any more."
	}
	at := shortLink("requests", v.ID).Path + "/"
	if v.Extension == nil && v.Duty != duty.Overdue {
		links = append(links, page.Link{Text: "Extend the due date…", Path: at + "extend"})
	}
	if v.Status == ledger.Running || v.Status == ledger.InReview {
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
