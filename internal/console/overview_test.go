package console_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

const day = 24 * time.Hour

func short(id string) string { return "…" + id[len(id)-7:] }

func TestTheOverviewShowsWhatIsUrgent(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	fresh, late, soon := w.file(t, 0), w.file(t, 33*day), w.file(t, 25*day)
	denied := w.file(t, 2*day)
	_, err := w.desk.Deny(t.Context(), denied, "unfounded")
	must(t, err)
	job, _ := w.waiting(t, []string{fresh}, device("d", fresh))
	a := w.get(t, "/console")
	a.holds(t, "overview", http.StatusOK, "2 days over", "in 6 days", "in 30 days", "<strong>1</strong> overdue", "<strong>1</strong> due soon",
		"<strong>1</strong> waiting for approval", "/console/jobs/"+job+"/plan", "/console/requests/"+late, "<strong>1</strong> denied", ">"+short(job)+"<")
	at := []int{strings.Index(a.body, "requests/"+late), strings.Index(a.body, "requests/"+soon), strings.Index(a.body, "requests/"+fresh)}
	if !slices.IsSorted(at) || at[0] < 0 || strings.Contains(a.body, denied) {
		t.Errorf("the list is not the open ones by urgency: %v", at)
	}
	for status, want := range map[string][]string{"all": {late, soon, fresh, denied}, "denied": {denied}, "in_review": {fresh}, "pending": {late, soon}, "no-such": {late, soon, fresh}} {
		a := w.get(t, "/console?status="+status)
		for _, id := range []string{late, soon, fresh, denied} {
			if got := strings.Contains(a.body, "/console/requests/"+id+`"`); got != slices.Contains(want, id) {
				t.Errorf("status %s: %s is listed: %v", status, id, got)
			}
		}
	}
	w.get(t, "/console?status=denied").holds(t, "the filter", http.StatusOK, `<option value="denied" selected>`)
}

func TestTheListHasPages(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	want := map[string]bool{}
	for range 230 {
		want[w.file(t, 0)] = true
	}
	path, pages := "/console", 0
	for path != "" && pages < 10 {
		pages++
		a := w.get(t, path)
		for id := range want {
			if strings.Contains(a.body, "/console/requests/"+id+`"`) {
				delete(want, id)
			}
		}
		before, _, more := strings.Cut(a.body, `#requests">Next page`)
		path = ""
		if more {
			path = strings.ReplaceAll(before[strings.LastIndex(before, `href="`)+6:], "&amp;", "&")
		}
	}
	if len(want) > 0 || pages != 3 {
		t.Errorf("%d requests are on none of %d pages", len(want), pages)
	}
}

func TestASweepIsAskedForTwice(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	w.post(t, "/console/sweep").goesTo(t, "nothing to do", "/console?done=nothing")
	w.get(t, "/console?done=nothing").holds(t, "nothing to do", http.StatusOK, "no job was started")
	w.pass(2 * time.Minute)
	free := w.file(t, 0)
	partial := w.file(t, 0, func(r *ledger.Request) { r.Status, r.LastJob = ledger.Partial, "J" })
	w.file(t, 0, func(r *ledger.Request) { r.Status, r.Settled = ledger.Partial, true })
	held := w.file(t, 0)
	w.job(t, config.Approve, held)
	w.get(t, "/console/sweep").holds(t, "asking", http.StatusOK, "<strong>2</strong> requests", "<strong>approve</strong>")
	a := w.post(t, "/console/sweep")
	if len(w.starts) != 1 || len(w.starts[0]) != 2 || !slices.Contains(w.starts[0], free) || !slices.Contains(w.starts[0], partial) {
		t.Fatalf("started: %v, want what was announced", w.starts)
	}
	if to := a.header.Get("Location"); a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/console/jobs/") || !strings.HasSuffix(to, "?done=begun") {
		t.Errorf("%d to %q, want the new job", a.status, to)
	}
}

func TestASweepDoesNotOverlapItself(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	job := w.job(t, config.Approve, w.file(t, 0))
	_, err := w.base.Ledger.ChangeSweep(t.Context(), func(s *ledger.Sweep) error { s.Began, s.Jobs = w.clock(), []string{job}; return nil })
	must(t, err)
	w.post(t, "/console/sweep").holds(t, "during a sweep", http.StatusConflict, "A sweep is running")
}

func TestTheOverviewSaysWhenJobsAreLeftOut(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	const more = "There are more jobs of this month and the last."
	for n := range intake.PageSize + 1 {
		if n == intake.PageSize {
			if a := w.get(t, "/console"); strings.Contains(a.body, more) {
				t.Error("as many as it shows, and it says that there are more")
			}
		}
		_, err := w.base.Ledger.OpenJob(t.Context(), ledger.Job{ID: fmt.Sprint("job", n), Mode: "erase", Opened: w.clock()})
		must(t, err)
	}
	w.get(t, "/console").holds(t, "one more", http.StatusOK, more)
}
