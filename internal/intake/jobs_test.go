package intake_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// openJobs opens jobs of one request each, with ids that sort by n.
func (d *door) openJobs(from, to int, at time.Time, change func(*ledger.Job)) {
	d.t.Helper()
	for n := from; n < to; n++ {
		j := ledger.Job{ID: fmt.Sprintf("J%04d", n), Mode: "approve", Opened: at}
		change(&j)
		got(d.Ledger.OpenJob(d.t.Context(), j))(d.t)
		if !j.Closed.IsZero() {
			if err := d.Ledger.NotWorking(d.t.Context(), j.ID); err != nil {
				d.t.Fatal(err)
			}
		}
		if err := d.Ledger.Invite(d.t.Context(), j.ID, []string{"R" + j.ID}, time.Time{}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// list gives the jobs' ids, each with its state and how many requests have which status.
func (d *door) list() (out []string) {
	d.t.Helper()
	jobs, more, err := d.Jobs(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, j := range jobs {
		out = append(out, fmt.Sprintf("%s %s %v", j.ID, j.State, j.Requests))
	}
	if more {
		out = append(out, "more")
	}
	return out
}

// A plan that waits is not hidden by what came after it, and neither is a job that has worked for months.
func TestWhatWaitsOrWorksStaysInTheList(t *testing.T) {
	t.Parallel()
	d := open(t)
	now := d.Now()
	closed := func(j *ledger.Job) { j.Closed = now }
	waiting := func(j *ledger.Job) { j.Plan, j.Token = "hash", "token" }
	d.openJobs(0, 2, now.AddDate(0, -3, 0), func(*ledger.Job) {})
	d.openJobs(2, 3, now.AddDate(0, -3, 0), waiting)
	d.openJobs(3, 4, now.AddDate(0, -3, 0), closed)
	d.openJobs(10, 11, now, waiting)
	d.openJobs(11, 150, now, closed)
	d.openJobs(200, 201, now, func(j *ledger.Job) { j.Mode = "preview" })
	var want []string
	for n := 149; n > 149-96; n-- {
		want = append(want, fmt.Sprintf("J%04d closed map[running:1]", n))
	}
	want = append(want, "J0010 waiting map[in_review:1]", "J0002 waiting map[in_review:1]", "J0001 working map[running:1]", "J0000 working map[running:1]", "more")
	if got := d.list(); !slices.Equal(got, want) {
		t.Errorf("the list is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if o := got(d.Overview(t.Context()))(t); o.Waiting != 2 {
		t.Errorf("%d jobs wait, want 2", o.Waiting)
	}
}

// Of more open jobs than a list shows, those that wait for a person come first, and of these the oldest: their time ends first.
func TestOfTooManyOpenJobsTheOldestThatWaitAreShown(t *testing.T) {
	t.Parallel()
	d := open(t)
	before := d.Now().AddDate(0, -3, 0)
	d.openJobs(0, 20, before, func(*ledger.Job) {})
	d.openJobs(20, 20+intake.PageSize+5, before, func(j *ledger.Job) { j.Plan, j.Token = "hash", "token" })
	list := d.list()
	if len(list) != intake.PageSize+1 || !strings.HasPrefix(list[0], "J0119 waiting") || !strings.HasPrefix(list[len(list)-2], "J0020 waiting") || list[len(list)-1] != "more" {
		t.Errorf("%d jobs, from %s to %s", len(list), list[0], list[len(list)-1])
	}
	if o := got(d.Overview(t.Context()))(t); o.Waiting != intake.PageSize+5 {
		t.Errorf("%d jobs wait, want %d", o.Waiting, intake.PageSize+5)
	}
}

// Executions that nobody names are named by chance on AWS: a list by names would hide some of the newest.
func TestTheNewestJobsAreShownWhateverTheirName(t *testing.T) {
	t.Parallel()
	d := open(t)
	month := func(back, days int) time.Time {
		return time.Date(d.Now().Year(), d.Now().Month()-time.Month(back), 1+days, 0, 0, 0, 0, time.UTC)
	}
	closed := func(j *ledger.Job) { j.Closed = d.Now() }
	d.openJobs(500, 501, month(0, 0), closed)
	d.openJobs(801, 800+intake.PageSize, month(1, 10), closed)
	if list := d.list(); len(list) != intake.PageSize || !strings.HasPrefix(list[0], "J0500") {
		t.Errorf("%d jobs, from %s to %s; want all", len(list), list[0], list[len(list)-1])
	}
	d.openJobs(0, 1, month(1, 11), closed)
	list := d.list()
	if len(list) != intake.PageSize+1 || !strings.HasPrefix(list[0], "J0500") || !strings.HasPrefix(list[1], "J0000") || list[len(list)-1] != "more" {
		t.Errorf("%d jobs: %s", len(list), strings.Join(list, "\n"))
	}
}
