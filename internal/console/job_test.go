package console_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
)

// lit finds the states that a page shows at work: each says so by its frame, in words and by aria-current.
func lit(body string) string {
	short, body, _ := strings.Cut(body, `id="machine"`)
	var out []string
	for _, m := range regexp.MustCompile(`class="box [a-z ]*\blit" data-state="([^"]+)">\s*<p class="head"><span class="name" aria-current="step">[^<]*</span> <span class="kind">[^<]*</span> <span class="now">`).FindAllStringSubmatch(body, -1) {
		out = append(out, m[1])
	}
	if marks := strings.Count(body, `<span class="now">`); marks != len(out) {
		return "other marks"
	}
	// The short form has the states of the top level.
	for _, m := range regexp.MustCompile(`<li data-state="([^"]+)"( class="lit")?>`).FindAllStringSubmatch(short, -1) {
		if (m[2] != "") != slices.Contains(out, m[1]) {
			return "other marks in the short form: " + m[1]
		}
	}
	return strings.Join(out, " ")
}

func TestAJobShowsItsLanesAndWhatIsAtWork(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	ids := []string{w.file(t, 0), w.file(t, 0)}
	job := w.job(t, config.Erase, ids...)
	w.review(t, job, 1, map[string]string{"acme-android/devices": "ExportTimeout"}, device("install-of-ann", ids[0]))
	w.enter(job, "Find", "MatchShards", "MatchSubject")
	w.board.Report(erase.Event{Job: job, Target: "acme-ios", Area: "devices", Doing: "matching", Pass: 2, Done: 12345, Total: 20000, Found: 3})
	a := w.get(t, "/console/jobs/"+job)
	a.holds(t, "job", http.StatusOK, "only what the guard stops", "12,345 of 20,000, 3 found", "ExportTimeout", "The device export did not complete in time", "<strong>2</strong> running",
		"/console/requests/"+ids[0], "/console/requests/"+ids[1], "At work: Find, MatchShards, MatchSubject.", ">Reload<", `src="/console/live.js?v=`)
	if got := lit(a.body); got != "Find MatchShards MatchSubject" {
		t.Errorf("lit: %q", got)
	}
	if strings.Contains(a.body, "install-of-ann") {
		t.Error("an object's name is on the page of its job")
	}
}

func TestAJobThatWaitsLightsTheStateThatWaits(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	r := w.file(t, 0)
	job, _ := w.waiting(t, []string{r}, device("d", r))
	a := w.get(t, "/console/jobs/"+job)
	a.holds(t, "job", http.StatusOK, "A plan waits for a person", "/console/jobs/"+job+"/plan", "<strong>1</strong> in review")
	if got := lit(a.body); got != "RequestApproval" || strings.Contains(a.body, "data-events") {
		t.Errorf("lit: %q; live: %v", got, strings.Contains(a.body, "data-events"))
	}
}

func TestAJobThatIsClosedLightsNothing(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	job := w.job(t, config.Erase, w.file(t, 0))
	w.enter(job, "CloseJob")
	must(t, w.base.Ledger.EndJob(t.Context(), job, w.clock()))
	a := w.get(t, "/console/jobs/"+job)
	a.holds(t, "job", http.StatusOK, "The job is closed.", "They went when the job was closed")
	if got := lit(a.body); got != "" || strings.Contains(a.body, "data-events") {
		t.Errorf("lit: %q; live: %v", got, strings.Contains(a.body, "data-events"))
	}
}

func TestAJobOfManyNamesSomeOfThem(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	var ids []string
	for range 205 {
		ids = append(ids, w.file(t, 0))
	}
	a := w.get(t, "/console/jobs/"+w.job(t, config.Erase, ids...))
	a.holds(t, "job", http.StatusOK, "The first 200 requests", "… and 5 more", "<strong>205</strong> running")
}

// The short form leaves out what only failures lead to.
func TestTheShortFormIsTheUsualWay(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	job, _ := w.waiting(t, []string{w.file(t, 0)})
	short, _, _ := strings.Cut(w.get(t, "/console/jobs/"+job).body, `id="machine"`)
	var got []string
	for _, m := range regexp.MustCompile(`<li data-state="([^"]+)"`).FindAllStringSubmatch(short, -1) {
		got = append(got, m[1])
	}
	if want := "OpenJob Find ReviewFindings CloseReady RequestApproval Forget CloseJob"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
