package console

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/page"
)

const (
	perPage = 500 // entries of a plan on one page
	perRow  = 20  // other requests that are named beside an entry
)

type planPage struct {
	Job         page.Link
	State       badge
	Waits       bool // it can be decided
	Preview     bool
	Hash        string
	Decide      string // path of the forms
	Total       int
	People      int // with something in it
	None        int // without
	Held        int // entries that the guard stopped
	Areas       []areaCount
	Groups      []planGroup
	Page, Pages int
	Prev, Next  string
	Grounds     []explained
	Failed      []planFailure
	Keep        []page.Choice
	Problems    *page.Summary
	Wrong       string // decision with something wrong in its form
	Looked      string // what is wrong with the box that says so
}

type areaCount struct {
	Target, Area string
	All, Held    int
}

// planGroup is what a page shows of one person at one target.
type planGroup struct {
	Request page.Link // without a path where the request cannot be shown
	Target  string
	Rows    []planRow
}

type planRow struct {
	erase.Entry
	Shown string
	Also  []page.Link // others whom it is about, too
	More  int
}

type explained struct{ Name, Meaning string }

type planFailure struct{ Target, Area, What, Name, Meaning string }

func (c *Console) plan(w http.ResponseWriter, r *http.Request, who string) error {
	at, _ := strconv.Atoi(r.URL.Query().Get("page"))
	return c.writePlan(w, r, who, http.StatusOK, at, nil)
}

// writePlan shows one page of the plan of a job; change may add what is wrong with a form.
func (c *Console) writePlan(w http.ResponseWriter, r *http.Request, who string, status, at int, change func(*planPage)) error {
	v, err := c.Desk.Plan(r.Context(), r.PathValue("id"), true)
	if err != nil {
		return err
	}
	p := newPlanPage(v, at)
	if change != nil {
		change(&p)
	}
	c.write(w, status, by(who), view{name: "plan.html", title: "Plan of job " + p.Job.Text, content: p})
	return nil
}

func newPlanPage(v intake.PlanView, at int) planPage {
	all := v.Plan.Entries
	p := planPage{
		Job: shortLink("jobs", v.Job), State: jobBadge(v.State), Waits: v.State == intake.Waiting, Preview: v.State == intake.Preview,
		Hash: v.Plan.Hash, Total: len(all), Pages: max(1, (len(all)+perPage-1)/perPage),
	}
	p.Decide = p.Job.Path + "/decide"
	p.Page = min(max(at, 1), p.Pages)
	if p.Page > 1 {
		p.Prev = "?page=" + strconv.Itoa(p.Page-1)
	}
	if p.Page < p.Pages {
		p.Next = "?page=" + strconv.Itoa(p.Page+1)
	}
	for _, n := range v.Plan.Requests {
		if n > 0 {
			p.People++
		} else {
			p.None++
		}
	}
	p.count(all)
	p.show(all[(p.Page-1)*perPage : min(p.Page*perPage, len(all))])
	for _, f := range v.Plan.Failed {
		p.Failed = append(p.Failed, planFailure{f.Target, f.Area, undone(f.Doing), f.Fault, reason(f.Fault)})
	}
	p.Keep = []page.Choice{{Value: "", Label: "no ground named"}}
	for _, g := range erase.Grounds {
		p.Keep = append(p.Keep, page.Choice{Value: g, Label: keeping(g)})
	}
	return p
}

// count sums the entries up, and puts them in the order of people, targets and areas, what waits first.
func (p *planPage) count(all []erase.Entry) {
	areas, grounds := map[[2]string]*areaCount{}, map[string]bool{}
	for _, e := range all {
		k := [2]string{e.Target, e.Area}
		if areas[k] == nil {
			areas[k] = &areaCount{Target: e.Target, Area: e.Area}
		}
		areas[k].All++
		if len(e.Waits) > 0 {
			areas[k].Held++
			p.Held++
		}
		for _, g := range e.Waits {
			grounds[g] = true
		}
	}
	for _, a := range areas {
		p.Areas = append(p.Areas, *a)
	}
	slices.SortFunc(p.Areas, func(a, b areaCount) int { return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Area, b.Area)) })
	for _, g := range slices.Sorted(maps.Keys(grounds)) {
		p.Grounds = append(p.Grounds, explained{g, ground(g)})
	}
	slices.SortStableFunc(all, func(a, b erase.Entry) int {
		return cmp.Or(cmp.Compare(first(a), first(b)), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Area, b.Area),
			-cmp.Compare(min(len(a.Waits), 1), min(len(b.Waits), 1)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Digest, b.Digest))
	})
}

// first is the request that an entry is shown with.
func first(e erase.Entry) string {
	if len(e.Requests) == 0 {
		return ""
	}
	return e.Requests[0]
}

// show makes groups of the entries of a page.
func (p *planPage) show(entries []erase.Entry) {
	link := func(id string) page.Link {
		l := shortLink("requests", id)
		if p.Preview { // its requests are gone
			l.Path = ""
		}
		return l
	}
	last := [2]string{}
	for n, e := range entries {
		if k := [2]string{first(e), e.Target}; n == 0 || k != last {
			last = k
			p.Groups = append(p.Groups, planGroup{Request: link(k[0]), Target: e.Target})
		}
		row := planRow{Entry: e, Shown: legible(e.Name)}
		for m, id := range e.Requests {
			switch {
			case m > perRow:
				row.More++
			case m > 0:
				row.Also = append(row.Also, link(id))
			}
		}
		g := &p.Groups[len(p.Groups)-1]
		g.Rows = append(g.Rows, row)
	}
}

// decide takes a person's word on the plan that they saw.
func (c *Console) decide(w http.ResponseWriter, r *http.Request, who string) error {
	id, f := r.PathValue("id"), r.PostForm
	decision, ground := f.Get("decision"), f.Get("ground")
	at, _ := strconv.Atoi(f.Get("page"))
	wrong := func(field, text string) error {
		return c.writePlan(w, r, who, http.StatusUnprocessableEntity, at, func(p *planPage) {
			p.Problems = &page.Summary{Title: "Nothing was decided", Errors: []page.FieldError{{Name: field, Text: text}}}
			if field == decision+"-looked" {
				p.Wrong, p.Looked = decision, text
			}
		})
	}
	switch {
	case decision != "approve" && decision != "reject":
		return wrong("decide", "Approve the plan, or reject it.")
	case f.Get("looked") != "yes":
		return wrong(decision+"-looked", "Look at the whole plan first, then tick the box that says so.")
	case decision == "approve":
		ground = ""
	}
	err := c.Desk.Decide(r.Context(), id, erase.Word{Plan: f.Get("plan"), By: who, Approved: decision == "approve", Ground: ground})
	var invalid *intake.Invalid
	switch {
	case errors.As(err, &invalid):
		return wrong("ground", "Choose one of the grounds of the list, or none.")
	case fault.Is(err, fault.WrongPlan):
		job := shortLink("jobs", id)
		c.fail(w, by(who), err, page.Link{Text: "The plan that waits now", Path: job.Path + "/plan"}, page.Link{Text: "Job " + job.Text, Path: job.Path})
		return nil
	case err != nil:
		return err
	}
	return see(w, r, decision, "jobs", id)
}
