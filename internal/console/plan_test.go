package console_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
)

func TestAPlanShowsWhatToJudge(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	ann, ben, none := w.file(t, 0), w.file(t, 0), w.file(t, 0)
	hostile := "<script>alert(1)</script> \u202egnp.exe\x1b[2J\" onmouseover=\"x " + strings.Repeat("long ", 200)
	job := w.job(t, config.Approve, ann, ben, none)
	hash := w.review(t, job, 1, map[string]string{"acme-android/audiences": "Unauthorized"},
		device("install-of-ann", ann),
		object{"acme-ios", "notifications", "n-1", hostile, []string{ann, ben}, []string{erase.NamesOthers}},
		object{"acme-android", "devices", "install-of-ben", "", []string{ben}, []string{erase.SharedDevice}})
	_, err := erase.RequestApproval(w.base)(t.Context(), erase.RequestApprovalIn{Job: job, Plan: hash, Token: "task-token"})
	must(t, err)
	a := w.get(t, "/console/jobs/"+job+"/plan")
	a.holds(t, "plan", http.StatusOK, hash, "install-of-ann", "install-of-ben", "e-mail in a property", "names other people", "carries another person&#39;s e-mail or phone",
		"Deleting it deletes it for them, too.", "3, 2 of them stopped by the guard", "the job's other 1 with nothing", "/console/requests/"+ann, "also of request", short(ben),
		"could not be searched. Unauthorized: The token is wrong", "&lt;script&gt;alert(1)&lt;/script&gt; \uFFFDgnp.exe\uFFFD[2J", "… (1,0", "it belongs to somebody else")
	for _, bad := range []string{"<script>alert", "\u202e", "\x1b", `" onmouseover`} {
		if strings.Contains(a.body, bad) {
			t.Errorf("the page holds %q of an object's name", bad)
		}
	}
	if strings.Contains(a.header.Get("Cache-Control"), "max-age") {
		t.Error("a page with names may be kept")
	}
}

func TestAPlanIsDecidedOnce(t *testing.T) {
	t.Parallel()
	for decision, approved := range map[string]bool{"approve": true, "reject": false} {
		w := signedIn(t)
		r := w.file(t, 0)
		job, hash := w.waiting(t, []string{r}, device("install-of-ann", r))
		path := "/console/jobs/" + job
		ground := ""
		if !approved {
			ground = "legal_claims"
		}
		w.post(t, path+"/decide", "plan", hash, "decision", decision, "looked", "yes", "ground", "legal_claims").goesTo(t, decision, path+"?done="+decision)
		want := erase.Word{Plan: hash, By: "dpo", Approved: approved, Ground: ground}
		if len(w.words) != 1 || !reflect.DeepEqual(w.words[0], want) {
			t.Errorf("%s: the engine was told %+v, want %+v", decision, w.words, want)
		}
		a := w.get(t, path+"?done="+decision)
		a.holds(t, "the job after "+decision, http.StatusOK, `role="status"`, hash[:12]+"…", ">dpo<", `data-events="`+path+`/events"`)
		if approved != strings.Contains(a.body, "The plan is approved.") || approved == strings.Contains(a.body, "needed for legal claims") {
			t.Errorf("%s: the job page says something else", decision)
		}
		w.get(t, path+"/plan").holds(t, "the plan after "+decision, http.StatusOK, "No plan waits")
		other := map[bool]string{true: "reject", false: "approve"}[approved]
		w.post(t, path+"/decide", "plan", hash, "decision", other, "looked", "yes").holds(t, "the other way", http.StatusConflict, path+"/plan")
	}
}

func TestADecisionNamesThePlanAndSaysThatItWasLookedAt(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	r := w.file(t, 0)
	job, hash := w.waiting(t, []string{r}, device("install-of-ann", r))
	path := "/console/jobs/" + job
	for name, c := range map[string]struct {
		form   []string
		status int
		says   string
	}{
		"not looked, approve": {[]string{"plan", hash, "decision", "approve"}, 422, "Look at the whole plan first"},
		"not looked, reject":  {[]string{"plan", hash, "decision", "reject", "looked", "no"}, 422, "Look at the whole plan first"},
		"no decision":         {[]string{"plan", hash, "looked", "yes"}, 422, "Approve the plan, or reject it."},
		"another decision":    {[]string{"plan", hash, "looked", "yes", "decision", "<b>"}, 422, "Approve the plan, or reject it."},
		"another ground":      {[]string{"plan", hash, "looked", "yes", "decision", "reject", "ground", "<b>"}, 422, "Choose one of the grounds"},
		"another plan":        {[]string{"plan", strings.Repeat("0", 64), "looked", "yes", "decision", "approve"}, 409, "Another plan waits now"},
		"no plan":             {[]string{"looked", "yes", "decision", "reject"}, 409, "Another plan waits now"},
	} {
		a := w.post(t, path+"/decide", c.form...)
		a.holds(t, name, c.status, c.says, path)
		if got, want := strings.Count(a.body, `aria-invalid="true"`), strings.Count(name, "not looked"); got != want {
			t.Errorf("%s: %d fields are marked as wrong, want %d", name, got, want)
		}
		if c.status == 422 && !strings.Contains(a.body, hash) {
			t.Errorf("%s: the plan is not shown again", name)
		}
		if c.status == 409 && !strings.Contains(a.body, `href="`+path+`/plan"`) {
			t.Errorf("%s: no link to the plan that waits", name)
		}
	}
	if j, err := w.desk.Job(t.Context(), job); err != nil || j.State != intake.Waiting || len(w.words) > 0 {
		t.Errorf("something was decided: %s, %v (%v)", j.State, w.words, err)
	}
}

func TestABigPlanHasPages(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	r := w.file(t, 0)
	var all []object
	for n := range 1201 {
		all = append(all, device(fmt.Sprintf("install-%04d", n), r))
	}
	job, hash := w.waiting(t, []string{r}, all...)
	seen := map[string]int{}
	for n, want := range []int{500, 500, 201} {
		a := w.get(t, "/console/jobs/"+job+"/plan?page="+strconv.Itoa(n+1))
		a.holds(t, "page", http.StatusOK, hash, "1,201", fmt.Sprintf("Page %d of 3.", n+1), "Approve and delete the rest", "Reject and keep", fmt.Sprintf(`name="page" value="%d"`, n+1))
		rows := strings.Split(a.body, `<bdi class="object" id="`)[1:]
		for _, row := range rows {
			_, name, _ := strings.Cut(row, ">")
			name, _, _ = strings.Cut(name, "<")
			seen[name]++
		}
		if len(rows) != want {
			t.Errorf("page %d: %d entries, want %d", n+1, len(rows), want)
		}
	}
	if len(seen) != len(all) {
		t.Errorf("%d of %d entries were on some page", len(seen), len(all))
	}
	for page, says := range map[string]string{"0": "Page 1 of 3.", "99": "Page 3 of 3.", "x": "Page 1 of 3."} {
		w.get(t, "/console/jobs/"+job+"/plan?page="+page).holds(t, "page "+page, http.StatusOK, says)
	}
	w.post(t, "/console/jobs/"+job+"/decide", "plan", hash, "decision", "approve", "page", "2").holds(t, "not looked", 422, "Page 2 of 3.")
}

func TestThePlanOfAPreviewCannotBeDecided(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	r := w.file(t, 0)
	job := w.job(t, config.Preview, r)
	hash := w.review(t, job, 1, nil, device("install-of-ann", r))
	_, err := erase.CloseJob(w.base, nil, "test")(t.Context(), erase.CloseJobIn{Job: job})
	must(t, err)
	a := w.get(t, "/console/jobs/"+job+"/plan")
	a.holds(t, "preview", http.StatusOK, hash, "install-of-ann", "what a preview found")
	if strings.Contains(a.body, "<form") || strings.Contains(a.body, `href="/console/requests/`) {
		t.Error("the plan of a preview has forms, or links to requests that are gone")
	}
	w.get(t, "/console/jobs/"+job).goesTo(t, "the job of a preview", "/console/jobs/"+job+"/plan")
	w.post(t, "/console/jobs/"+job+"/decide", "plan", hash, "decision", "approve", "looked", "yes").holds(t, "deciding", http.StatusNotFound)
}
