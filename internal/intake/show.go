package intake

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

func (d Desk) view(r ledger.Request) View {
	v := View{
		ID: r.ID, Status: r.Status, Settled: r.Settled, Ended: r.Final(), Channel: r.Channel, By: r.By,
		Regulation: config.Regulation(r.Regulation), Mode: config.Mode(r.Mode), Urgent: r.Urgent,
		Received: r.Received, Verified: r.Verified, Claimed: r.Claimed, Vouched: r.Vouched, Due: r.Due, Extension: r.Extension,
		Changed: r.Changed, Closed: r.Closed, Ground: r.Ground, Job: cmp.Or(r.Job, r.LastJob), External: r.External,
	}
	var ended time.Time
	if v.Ended {
		ended = r.Closed
	}
	v.Duty = duty.At(r.Due, ended, d.Now())
	return v
}

// Show shows a request; ledger.ErrNotFound, also for unverified ones.
func (d Desk) Show(ctx context.Context, id string) (View, error) {
	r, err := d.Ledger.Request(ctx, id)
	if err == nil && (r.Status == ledger.Unverified || r.Preview) {
		err = ledger.ErrNotFound
	}
	if err != nil {
		return View{}, err
	}
	v := d.view(r)
	if v.Outcomes, err = d.Ledger.Outcomes(ctx, id); err != nil {
		return View{}, err
	}
	_, err = d.Ledger.Certificate(ctx, id)
	if v.Certificate = err == nil; errors.Is(err, ledger.ErrNotFound) {
		err = nil
	}
	return v, err
}

// Certificate gives a request's signed certificate, a compact JWS; ledger.ErrNotFound.
func (d Desk) Certificate(ctx context.Context, id string) (string, error) {
	return d.Ledger.Certificate(ctx, id)
}

// Plan shows what a job would do, or what a preview found; reveal adds the objects' names. While a job is working the plan
// is empty. ledger.ErrNotFound, also for jobs that are closed, whose findings are destroyed.
func (d Desk) Plan(ctx context.Context, job string, reveal bool) (PlanView, error) {
	v := PlanView{Job: job, State: Preview}
	var err error
	if v.Plan, err = erase.PreviewPlan(ctx, d.Base, job, reveal); !errors.Is(err, ledger.ErrNotFound) {
		return v, err
	}
	j, err := d.Job(ctx, job)
	if err != nil {
		return PlanView{}, err
	}
	v.State = j.State
	switch j.State {
	case Closed:
		return PlanView{}, ledger.ErrNotFound
	case Waiting:
		v.Plan, err = erase.LoadPlan(ctx, d.Base, job, reveal)
	}
	return v, err
}

// Job shows a job, or that a preview has a plan that can be read; ledger.ErrNotFound.
func (d Desk) Job(ctx context.Context, id string) (JobView, error) {
	j, err := d.Ledger.Job(ctx, id)
	missing := errors.Is(err, ledger.ErrNotFound)
	if err != nil && !missing {
		return JobView{}, err
	}
	v := jobView(j)
	v.ID = id
	if err := d.fill(ctx, &v); err != nil {
		return JobView{}, err
	}
	if missing && len(v.Members) == 0 { // invited ones are there from the moment the job was asked for
		_, err := d.Ledger.PreviewOf(ctx, id)
		v.State, v.Mode = Preview, config.Preview
		return v, err
	}
	return v, nil
}

// fill counts a job's requests, and adds its lanes.
func (d Desk) fill(ctx context.Context, v *JobView) error {
	err := d.Ledger.Members(ctx, v.ID, func(request string, m ledger.Member) error {
		if len(v.Members) < MaxMembers {
			v.Members = append(v.Members, request)
		}
		status := m.Status
		if status == "" { // not closed here yet
			status = ledger.Running
			if v.State == Waiting {
				status = ledger.InReview
			}
		}
		v.Requests[status]++
		return nil
	})
	if err != nil || v.State == Closed { // its lanes are gone
		return err
	}
	lanes, err := d.Ledger.Lanes(ctx, v.ID)
	v.Lanes = slices.SortedFunc(maps.Values(lanes), func(a, b ledger.Lane) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Area, b.Area))
	})
	return err
}

func jobView(j ledger.Job) JobView {
	v := JobView{
		ID: j.ID, State: Working, Mode: config.Mode(j.Mode), Opened: j.Opened, Closed: j.Closed, Pass: j.Pass,
		Approvals: j.Approvals, Requests: map[ledger.Status]int{},
	}
	switch {
	case !j.Closed.IsZero():
		v.State = Closed
	case j.Waits():
		v.State, v.Plan = Waiting, j.Plan
	}
	return v
}

// Jobs shows the jobs that were opened in this month and the last, newest first, at most PageSize, and tells whether there
// are more. What waits or works is always among them, however old it is, and before the others when there are too many;
// previews are not.
func (d Desk) Jobs(ctx context.Context) (page []JobView, more bool, err error) {
	page, more, err = d.jobs(ctx)
	if err != nil {
		return nil, false, err
	}
	// By their times: executions that a schedule starts on AWS are named by no time.
	byAge := func(a, b JobView) int { return cmp.Or(a.Opened.Compare(b.Opened), strings.Compare(a.ID, b.ID)) }
	order := []JobState{Waiting, Working, Closed}
	slices.SortFunc(page, func(a, b JobView) int {
		age := byAge(a, b)
		if a.State == Closed {
			age = -age
		}
		return cmp.Or(cmp.Compare(slices.Index(order, a.State), slices.Index(order, b.State)), age)
	})
	more = more || len(page) > PageSize
	page = page[:min(len(page), PageSize)]
	slices.SortFunc(page, func(a, b JobView) int { return byAge(b, a) })
	for n := range page {
		if err := d.fill(ctx, &page[n]); err != nil {
			return nil, false, err
		}
	}
	return page, more, nil
}

// jobs reads what Jobs chooses from, without what is counted: as many as it shows of those that were opened last, and all
// that are not closed. more tells that others were opened in these two months.
func (d Desk) jobs(ctx context.Context) (out []JobView, more bool, err error) {
	now := d.Now()
	var ids []string
	for _, month := range []time.Time{now.AddDate(0, 0, -now.Day()), now} {
		all, err := d.Ledger.Jobs(ctx, month)
		if err != nil {
			return nil, false, err
		}
		ids = append(ids, all...)
	}
	more = len(ids) > PageSize
	ids = ids[max(0, len(ids)-PageSize):]
	working, err := d.Ledger.Working(ctx)
	if err != nil {
		return nil, false, err
	}
	ids = append(ids, working...)
	slices.Sort(ids)
	err = d.Ledger.EachJob(ctx, slices.Compact(ids), func(j ledger.Job) error {
		if j.Mode != string(config.Preview) {
			out = append(out, jobView(j))
		}
		return nil
	})
	return out, more, err
}

// seen is how many requests a list looks at: the open ones that came first, or of all those that came last.
const seen = 50_000

// Filter says which requests to list.
type Filter struct {
	Status ledger.Status // empty: those that have not ended
	Ended  bool          // also those that have
	After  string        // cursor of the page before
}

// List gives one page of requests, the most urgent first, and the cursor of the next one, empty at the end. The error is
// *Invalid for a cursor that is none.
func (d Desk) List(ctx context.Context, f Filter) (page []View, next string, err error) {
	if f.After != "" && !cursor().MatchString(f.After) {
		return nil, "", &Invalid{[]Field{{"after", "bad_value", "is no cursor of a list"}}}
	}
	var all []View
	open := !f.Ended && (f.Status == "" || !f.Status.Final() && f.Status != ledger.Partial)
	err = d.each(ctx, open, func(r ledger.Request) {
		if (f.Status == "" || r.Status == f.Status) && (f.Ended || f.Status != "" || !r.Final()) {
			all = append(all, d.view(r))
		}
	})
	if err != nil {
		return nil, "", err
	}
	slices.SortFunc(all, byUrgency)
	from := 0
	if f.After != "" {
		from, _ = slices.BinarySearchFunc(all, f.After, func(v View, after string) int { return strings.Compare(place(v), after) })
		if from < len(all) && place(all[from]) == f.After {
			from++
		}
	}
	page = all[from:min(from+PageSize, len(all))]
	if from+PageSize < len(all) {
		next = place(page[len(page)-1])
	}
	return page, next, nil
}

// cursor is the form of a place.
var cursor = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[01][0-9]{14}\.[0-9]{3}[^.]+$`) })

// place is where a request stands in a list: the open ones first, of those the one that is due first.
func place(v View) string {
	ended := "0"
	if v.Ended {
		ended = "1"
	}
	return ended + v.Due.UTC().Format("20060102150405.000") + v.ID
}

func byUrgency(a, b View) int { return strings.Compare(place(a), place(b)) }

// each calls do for the open requests that came first, which must not wait for ever, or for those of all that came last.
func (d Desk) each(ctx context.Context, open bool, do func(ledger.Request)) error {
	list := d.Ledger.Requests
	if open {
		list = d.Ledger.OpenRequests
	}
	var ids []string
	err := list(ctx, func(id string) error { ids = append(ids, id); return nil })
	if err != nil {
		return err
	}
	return d.Ledger.Each(ctx, within(ids, open), func(r ledger.Request) error { do(r); return nil })
}

// within are the ids that a list looks at.
func within(ids []string, open bool) []string {
	slices.Sort(ids) // by time
	if open {
		return ids[:min(len(ids), seen)]
	}
	return ids[max(0, len(ids)-seen):]
}

// Overview counts the requests.
type Overview struct {
	ByStatus map[ledger.Status]int `json:"by_status"`
	DueSoon  int                   `json:"due_soon"`
	Overdue  int                   `json:"overdue"`
	Waiting  int                   `json:"waiting"` // jobs that wait for a person
	Claims   int                   `json:"claims"`  // requests with identifiers that a person should check
}

// Overview counts the requests by status, and those that need attention.
func (d Desk) Overview(ctx context.Context) (Overview, error) {
	o := Overview{ByStatus: map[ledger.Status]int{}}
	err := d.each(ctx, false, func(r ledger.Request) {
		o.ByStatus[r.Status]++
		if len(r.Claimed) > 0 && r.Vouched == nil && !r.Final() {
			o.Claims++
		}
		switch d.view(r).Duty {
		case duty.DueSoon:
			o.DueSoon++
		case duty.Overdue:
			o.Overdue++
		}
	})
	if err != nil {
		return o, err
	}
	jobs, _, err := d.jobs(ctx)
	for _, j := range jobs {
		if j.State == Waiting {
			o.Waiting++
		}
	}
	return o, err
}
