package console

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/page"
)

type jobPage struct {
	intake.JobView
	Done      string
	Short     string
	Badge     badge
	Mode      string
	Plan      string // path, while a plan waits
	Events    string // path, while there is something to follow
	At        time.Time
	Reload    string
	Counts    []tile
	Links     []page.Link // to its requests
	More      int         // requests that are not among the links
	Lanes     []laneRow
	Approvals []approvalRow
	Lit       []string
	Boxes     []box
	Flow      []box // of these, what does the work when nothing fails
	News      []newsRow
}

type laneRow struct {
	ledger.Lane
	Faults []laneFault
}

type laneFault struct{ What, Name, Meaning string }

type approvalRow struct {
	ledger.Approval
	Badge badge
	Short string
	Why   string // how much is kept, and on what ground
}

type newsRow struct {
	erase.Event
	Text string
}

func (c *Console) job(w http.ResponseWriter, r *http.Request, who string) error {
	id := r.PathValue("id")
	j, err := c.Desk.Job(r.Context(), id)
	if err != nil {
		return err
	}
	if j.State == intake.Preview { // its job went when it ended; its plan stays for an hour
		return see(w, r, "", "jobs", id, "plan")
	}
	path := shortLink("jobs", id).Path
	p := jobPage{
		JobView: j, Done: doneWithJob(r.URL.Query().Get("done")), Short: short(id), Badge: jobBadge(j.State), Mode: mode(j.Mode), At: c.Now(), Reload: path,
		Links: make([]page.Link, len(j.Members)),
	}
	switch j.State {
	case intake.Waiting:
		p.Plan, p.Lit = path+"/plan", c.machine.waiting()
	case intake.Working:
		p.Events = path + "/events"
		now, _ := c.Board.Progress(id)
		p.Lit = now.States
		for _, e := range now.Lanes {
			p.News = append(p.News, newsRow{e, news(e)})
		}
	}
	p.Boxes = c.machine.boxes(p.Lit)
	p.Flow = c.machine.flow(p.Lit)
	for _, s := range statuses {
		if n := j.Requests[s]; n > 0 {
			b := statusBadge(s, false)
			p.Counts, p.More = append(p.Counts, tile{n, b.Text, "", b.Class}), p.More+n
		}
	}
	p.More -= len(j.Members)
	for n, m := range j.Members {
		p.Links[n] = shortLink("requests", m)
		if j.Mode == config.Preview { // most of its requests are its own, and not shown
			p.Links[n].Path = ""
		}
	}
	for _, l := range j.Lanes {
		p.Lanes = append(p.Lanes, newLaneRow(l))
	}
	for _, a := range j.Approvals {
		row := approvalRow{Approval: a, Badge: badge{"approved", "ok"}, Short: a.Plan[:min(12, len(a.Plan))]}
		if !a.Approved {
			row.Badge = badge{"rejected", "wait"}
		}
		var why []string
		if len(a.Kept) > 0 {
			why = append(why, number(int64(len(a.Kept)))+" kept of it")
		}
		if a.Ground != "" {
			why = append(why, keeping(a.Ground))
		}
		row.Why = strings.Join(why, ": ")
		p.Approvals = append(p.Approvals, row)
	}
	c.write(w, http.StatusOK, by(who), view{name: "job.html", title: "Job " + p.Short, script: p.Events != "", content: p})
	return nil
}

func newLaneRow(l ledger.Lane) laneRow {
	row := laneRow{Lane: l}
	for _, f := range []struct{ what, name string }{
		{"The search failed", l.Find}, {"Deleting failed", l.Forget}, {"Exported files are left", l.Left},
	} {
		if f.name != "" {
			row.Faults = append(row.Faults, laneFault{f.what, f.name, reason(f.name)})
		}
	}
	return row
}

// news says how far a lane is. live.js says the same.
func news(e erase.Event) string {
	text := ""
	switch {
	case e.Doing == "waiting": // Total is the limit
		return fmt.Sprintf("for the limit of %s calls a minute", number(e.Total))
	case e.Total > 0:
		text = fmt.Sprintf("%s of %s", number(e.Done), number(e.Total))
	case e.Done > 0:
		text = number(e.Done)
	}
	if e.Found > 0 {
		if text != "" {
			text += ", "
		}
		text += number(e.Found) + " found"
	}
	if e.End {
		if text != "" {
			text += ", "
		}
		text += "done"
	}
	return text
}

func doneWithJob(done string) string {
	switch done {
	case "begun":
		return "The sweep has begun: this is its job."
	case "approve":
		return "The plan is approved. The job goes on."
	case "reject":
		return "The plan is rejected. What it named is kept, and the job goes on."
	}
	return ""
}
