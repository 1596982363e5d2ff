package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/page"
)

// statuses that requests are counted and filtered by, in the order of a request's life.
var statuses = [...]ledger.Status{
	ledger.Pending, ledger.Running, ledger.InReview, ledger.Partial, ledger.Failed,
	ledger.Erased, ledger.NothingFound, ledger.Cancelled, ledger.Denied, ledger.Abandoned,
}

// toCheck filters the requests whose details somebody should check.
const toCheck = "unchecked"

type overviewPage struct {
	Done     string
	Attend   []tile // what needs attention
	Counts   []tile // requests by status
	Waiting  []jobRow
	Filter   []page.Choice
	Filtered bool
	Whole    bool // all open requests were looked at
	Requests []requestRow
	Next     string // query of the next page
	Later    bool   // it is not the first page
	First    string // query of the first page
	Jobs     []jobRow
	More     bool // there are more jobs
}

type tile struct {
	Number int
	Text   string
	Path   string
	Class  string
}

type requestRow struct {
	Link          page.Link
	Status, Duty  badge
	Channel       string
	Urgent        bool
	Unchecked     bool // somebody should check its details
	Received, Due time.Time
	Job           *page.Link
}

type jobRow struct {
	Link           page.Link
	State          badge
	Opened, Closed time.Time
	People         int
	Waits          bool
	Plan           string // path of the plan that waits
}

func (c *Console) overview(w http.ResponseWriter, r *http.Request, who string) error {
	ctx := r.Context()
	o, err := c.Desk.Overview(ctx)
	if err != nil {
		return err
	}
	jobs, more, err := c.Desk.Jobs(ctx)
	if err != nil {
		return err
	}
	asked := r.URL.Query().Get("status")
	f := intake.Filter{After: r.URL.Query().Get("after"), Ended: asked == "all"}
	if slices.Contains(statuses[:], ledger.Status(asked)) {
		f.Status = ledger.Status(asked)
	}
	var list []intake.View
	next, whole := "", true
	if asked == toCheck {
		whole, err = c.open(ctx, func(v intake.View) {
			if unchecked(v) {
				list = append(list, v)
			}
		})
	} else {
		list, next, err = c.Desk.List(ctx, f)
	}
	if err != nil {
		return err
	}
	v := overviewPage{
		Done: doneAtOverview(r.URL.Query().Get("done")), Filter: filters(asked), Filtered: f.Ended || f.Status != "" || asked == toCheck, Whole: whole,
		Later: f.After != "", More: more, First: "?" + url.Values{"status": {asked}}.Encode(),
		Attend: []tile{
			{o.Overdue, "overdue", "/console#requests", "bad"},
			{o.DueSoon, "due soon", "/console#requests", "wait"},
			{o.Waiting, "waiting for approval", "#waiting", "wait"},
			{o.Claims, "details to check", "/console?status=" + toCheck + "#requests", "wait"},
		},
	}
	if o.Waiting == 0 {
		v.Attend[2].Path = "#jobs"
	}
	for _, s := range statuses {
		if n := o.ByStatus[s]; n > 0 {
			v.Counts = append(v.Counts, tile{n, statusBadge(s, false).Text, "/console?status=" + string(s) + "#requests", statusBadge(s, false).Class})
		}
	}
	for _, q := range list {
		v.Requests = append(v.Requests, c.requestRow(q))
	}
	if next != "" {
		v.Next = "?" + url.Values{"status": {asked}, "after": {next}}.Encode()
	}
	for _, j := range jobs {
		row := newJobRow(j)
		v.Jobs = append(v.Jobs, row)
		if row.Waits {
			v.Waiting = append(v.Waiting, row)
		}
	}
	c.write(w, http.StatusOK, by(who), view{name: "overview.html", title: "Overview", content: v})
	return nil
}

func (c *Console) requestRow(v intake.View) requestRow {
	row := requestRow{
		Link: shortLink("requests", v.ID), Status: statusBadge(v.Status, v.Settled), Duty: dutyBadge(v, c.Now()),
		Channel: channel(v.Channel), Urgent: v.Urgent && !v.Ended, Unchecked: unchecked(v), Received: v.Received, Due: v.Due,
	}
	if v.Job != "" {
		l := shortLink("jobs", v.Job)
		row.Job = &l
	}
	return row
}

func newJobRow(j intake.JobView) jobRow {
	row := jobRow{Link: shortLink("jobs", j.ID), State: jobBadge(j.State), Opened: j.Opened, Closed: j.Closed, Waits: j.State == intake.Waiting}
	for _, n := range j.Requests {
		row.People += n
	}
	row.Plan = row.Link.Path + "/plan"
	return row
}

func filters(asked string) []page.Choice {
	out := []page.Choice{{Value: "", Label: "all open ones"}, {Value: "all", Label: "all, also ended"}, {Value: toCheck, Label: "details to check"}}
	for _, s := range statuses {
		out = append(out, page.Choice{Value: string(s), Label: statusBadge(s, false).Text})
	}
	for n := range out {
		out[n].Checked = out[n].Value == asked
	}
	return out
}

func doneAtOverview(done string) string {
	switch done {
	case "swept":
		return "The sweep has begun, with a job for each mode that requests ask for."
	case "nothing":
		return "There was nothing to take: no job was started."
	}
	return ""
}

type sweepPage struct {
	Taken   int
	More    bool // there are more than Taken
	Claims  int  // not taken: their details wait to be checked
	Erases  bool
	Preview bool
}

// askSweep says how many requests a sweep would take, and how many it leaves to whoever checks their details.
func (c *Console) askSweep(w http.ResponseWriter, r *http.Request, who string) error {
	v := sweepPage{Erases: c.Mode == config.Erase, Preview: c.Mode == config.Preview}
	whole, err := c.open(r.Context(), func(q intake.View) {
		switch {
		case held(q):
		case c.waits(q):
			v.Claims++
		default:
			v.Taken++
		}
	})
	if err != nil {
		return err
	}
	v.More = !whole
	c.write(w, http.StatusOK, by(who), view{name: "sweep.html", title: "Start a sweep", content: v})
	return nil
}

const maxPages = 20 // of the open requests, that are looked at to find or count some of them

// open gives the open requests, the most urgent first. whole is false when there were more than it looks at.
func (c *Console) open(ctx context.Context, do func(intake.View)) (whole bool, err error) {
	f := intake.Filter{}
	for range maxPages {
		list, next, err := c.Desk.List(ctx, f)
		if err != nil {
			return false, err
		}
		for _, v := range list {
			do(v)
		}
		if f.After = next; next == "" {
			return true, nil
		}
	}
	return false, nil
}

func (c *Console) sweep(w http.ResponseWriter, r *http.Request, _ string) error {
	jobs, err := c.Desk.Sweep(r.Context(), "")
	switch {
	case err != nil:
		return err
	case len(jobs) == 0:
		return see(w, r, "nothing")
	case len(jobs) == 1:
		return see(w, r, "begun", "jobs", jobs[0])
	}
	return see(w, r, "swept")
}
