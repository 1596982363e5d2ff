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
	Prev, Next  string // paths
	Grounds     []explained
	Failed      []planFailure
	Elsewhere   []string // digests of entries on other pages that are ticked to be kept
	Problems    *page.Summary
	Decision    string // that came with something wrong in its form, or with a turn to another page
	Ground      string // that was chosen for it
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
	Kept  bool        // ticked to be kept
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
	p := newPlanPage(v, at, r.PostForm["keep"])
	p.Decision, p.Ground = r.PostForm.Get("decision"), r.PostForm.Get("ground")
	if change != nil {
		change(&p)
	}
	c.write(w, status, by(who), view{name: "plan.html", title: "Plan of job " + p.Job.Text, content: p})
	return nil
}

// newPlanPage makes one page of a plan, on which entries with the digests in keep are ticked.
func newPlanPage(v intake.PlanView, at int, keep []string) planPage {
	all := v.Plan.Entries
	p := planPage{
		Job: shortLink("jobs", v.Job), State: jobBadge(v.State), Waits: v.State == intake.Waiting, Preview: v.State == intake.Preview,
		Hash: v.Plan.Hash, Total: len(all), Pages: max(1, (len(all)+perPage-1)/perPage),
	}
	p.Decide = p.Job.Path + "/decide"
	p.Page = min(max(at, 1), p.Pages)
	if p.Page > 1 {
		p.Prev = p.Job.Path + "/plan?page=" + strconv.Itoa(p.Page-1) + "#entries"
	}
	if p.Page < p.Pages {
		p.Next = p.Job.Path + "/plan?page=" + strconv.Itoa(p.Page+1) + "#entries"
	}
	for _, n := range v.Plan.Requests {
		if n > 0 {
			p.People++
		} else {
			p.None++
		}
	}
	p.count(all)
	ticks := set(keep)
	from, to := (p.Page-1)*perPage, min(p.Page*perPage, len(all))
	p.show(all[from:to], ticks)
	for n, e := range all {
		if (n < from || n >= to) && ticks[e.Digest] {
			p.Elsewhere = append(p.Elsewhere, e.Digest)
		}
	}
	for _, f := range v.Plan.Failed {
		p.Failed = append(p.Failed, planFailure{f.Target, f.Area, undone(f.Doing), f.Fault, reason(f.Fault)})
	}
	return p
}

// Options are the grounds in the form of a decision.
func (p planPage) Options(decision string) []page.Choice {
	out := []page.Choice{{Value: "", Label: "no ground named"}}
	for _, g := range erase.Grounds {
		out = append(out, page.Choice{Value: g, Label: keeping(g), Checked: decision == p.Decision && g == p.Ground})
	}
	return out
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

func set(digests []string) map[string]bool {
	out := make(map[string]bool, len(digests))
	for _, d := range digests {
		out[d] = true
	}
	return out
}

// first is the request that an entry is shown with.
func first(e erase.Entry) string {
	if len(e.Requests) == 0 {
		return ""
	}
	return e.Requests[0]
}

// show makes groups of the entries of a page; ticks are the digests of those that are kept.
func (p *planPage) show(entries []erase.Entry, ticks map[string]bool) {
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
		row := planRow{Entry: e, Shown: legible(e.Name), Kept: ticks[e.Digest]}
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
	decision := f.Get("decision")
	word := erase.Word{Plan: f.Get("plan"), By: who, Approved: decision == "approve", Ground: f.Get("ground")}
	at, _ := strconv.Atoi(f.Get("page"))
	wrong := func(field, text string) error {
		return c.writePlan(w, r, who, http.StatusUnprocessableEntity, at, func(p *planPage) {
			p.Problems = &page.Summary{Title: "Nothing was decided", Errors: []page.FieldError{{Name: field, Text: text}}}
			if field == decision+"-looked" {
				p.Looked = text
			}
		})
	}
	switch {
	case decision != "approve" && decision != "reject":
		return wrong("decide", "Approve the plan, or reject it.")
	case f.Get("looked") != "yes":
		return wrong(decision+"-looked", "Look at the whole plan first, then tick the box that says so.")
	case word.Approved && len(f["keep"]) == 0:
		word.Ground = "" // its field is there all the same
	case word.Approved:
		v, err := c.Desk.Plan(r.Context(), id, false)
		if err != nil {
			return err
		}
		ticks := set(f["keep"])
		rest := slices.ContainsFunc(v.Plan.Entries, func(e erase.Entry) bool { return !ticks[e.Digest] })
		if v.Plan.Hash == word.Plan && !rest { // of another plan the desk says something else
			return wrong("reject-looked", "Everything in the plan is ticked to be kept. If you mean that, reject the plan.")
		}
		word.Keep = slices.Sorted(maps.Keys(ticks))
	}
	err := c.Desk.Decide(r.Context(), id, word)
	var invalid *intake.Invalid
	switch {
	case errors.As(err, &invalid) && slices.ContainsFunc(invalid.Fields, func(f intake.Field) bool { return f.Name == "keep" }):
		return wrong("entries", "Something was ticked to be kept that is not in the plan. Look at what is ticked now, then decide.")
	case errors.As(err, &invalid):
		return wrong(decision+"-ground", "Choose one of the grounds of the list, or none.")
	case fault.Is(err, fault.WrongPlan):
		job := shortLink("jobs", id)
		c.fail(w, by(who), err, page.Link{Text: "The plan that waits now", Path: job.Path + "/plan"}, page.Link{Text: "Job " + job.Text, Path: job.Path})
		return nil
	case err != nil:
		return err
	}
	return see(w, r, decision, "jobs", id)
}
