package console_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/console"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/web"
)

func TestARequestShowsWhatHappenedWhere(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	id := w.file(t, 3*day)
	job := w.job(t, config.Approve, id)
	r, err := w.base.Ledger.Request(t.Context(), id)
	must(t, err)
	r.Status, r.Closed = ledger.Partial, w.clock()
	must(t, w.base.Ledger.CloseRequests(t.Context(), job, []ledger.Closing{{Request: r, Certificate: "head.body.sign", Outcomes: []ledger.Outcome{
		{Target: "acme-ios", Area: "devices", Word: ledger.VerifiedAbsent, Found: 31, Deleted: 27, Already: 4},
		{Target: "acme-ios", Area: "audiences", Word: ledger.Kept, Reason: erase.RejectedBy + ": legal_duty, other_person", Kept: 1},
		{Target: "acme-ios", Area: "notifications", Word: ledger.NotDone, Reason: "StillThere"},
		{Target: "acme-batch", Area: "profile", Word: ledger.Accepted, Ordered: 1, Tokens: []string{"<b>token</b>"}},
	}}}))
	a := w.get(t, "/console/requests/"+id)
	a.holds(t, "request", http.StatusOK, "partly erased", "verified absent", ">27<", ">31<", "the law obliges to keep it", "it belongs to somebody else",
		"Found again by the last search", "order accepted", "&lt;b&gt;token", "/console/jobs/"+job, "By a link sent to the e-mail address", "19 December 2066", "in 27 days")
	c := w.get(t, "/console/requests/"+id+"/certificate")
	c.holds(t, "certificate", http.StatusOK, "head.body.sign\n")
	if c.header.Get("Content-Type") != "application/jose" || c.header.Get("Content-Disposition") != `attachment; filename="certificate-`+id+`.jws"` {
		t.Errorf("certificate: %v", c.header)
	}
	other := w.file(t, 0)
	w.get(t, "/console/requests/"+other+"/certificate").holds(t, "no certificate", http.StatusNotFound, "There is no such page")
	w.get(t, "/console/requests/"+other).holds(t, "nothing yet", http.StatusOK, "no job has closed", "/deny", "/cancel", "/extend")
}

func TestARequestIsCancelledDeniedAndExtended(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	for act, form := range map[string][]string{"cancel": nil, "deny": {"ground", "not_identified"}, "extend": {"reason", "complexity"}} {
		id := w.file(t, 3*day)
		path := "/console/requests/" + id
		w.get(t, path+"/"+act).holds(t, "asking to "+act, http.StatusOK, "cannot be undone", `method="post"`)
		if form != nil {
			w.post(t, path+"/"+act).holds(t, act+" without a choice", http.StatusUnprocessableEntity, "Nothing was changed", "Choose one of these")
			w.post(t, path+"/"+act, form[0], "<script>").holds(t, act+" with another choice", http.StatusUnprocessableEntity, "Choose one of these")
		}
		if v, err := w.desk.Show(t.Context(), id); err != nil || v.Status != ledger.Pending || v.Extension != nil {
			t.Fatalf("%s was done by asking: %+v %v", act, v, err)
		}
		w.post(t, path+"/"+act, form...).goesTo(t, act, path+"?done="+act)
		v, err := w.desk.Show(t.Context(), id)
		must(t, err)
		a := w.get(t, path+"?done="+act)
		switch act {
		case "cancel":
			a.holds(t, act, http.StatusOK, "The request is cancelled.", "does not change any more")
			if v.Status != ledger.Cancelled {
				t.Errorf("cancelled: %s", v.Status)
			}
		case "deny":
			a.holds(t, act, http.StatusOK, "The request is denied.", "identity could not be verified")
			if v.Status != ledger.Denied || v.Ground != "not_identified" {
				t.Errorf("denied: %s, %s", v.Status, v.Ground)
			}
		case "extend":
			a.holds(t, act, http.StatusOK, "The due date is extended.", "The request is complex. Extended by dpo", "19 February 2067", "it was due on")
			if v.Extension == nil || v.Extension.By != "dpo" || strings.Contains(a.body, "/extend") {
				t.Errorf("extended: %+v", v.Extension)
			}
		}
		w.post(t, path+"/"+act, form...).holds(t, act+" again", http.StatusConflict, path)
	}
}

func TestARequestThatAJobHoldsIsLeftToIt(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	id := w.file(t, 0)
	w.job(t, config.Approve, id)
	w.get(t, "/console/requests/"+id).holds(t, "held", http.StatusOK, "While a job works on the request")
	w.post(t, "/console/requests/"+id+"/cancel").holds(t, "cancel", http.StatusConflict, "A job works on the request")
}

// The problems of web speak to programs.
func TestErrorsAreToldToPeople(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, err := range []error{
		ledger.ErrNotFound, ledger.ErrHeld, ledger.ErrFinal, intake.ErrExtended, intake.ErrUsed, intake.ErrSweeping, fault.New(fault.WrongPlan, "secret"),
		fault.New(fault.LedgerBusy, "secret"), web.ErrMalformed, &intake.Invalid{Fields: []intake.Field{{Name: "x"}}}, errors.New("secret"),
	} {
		says := console.Told(err)
		if seen[says] {
			t.Errorf("%v is told like another: %s", err, says)
		}
		seen[says] = true
		for _, word := range []string{"secret", "header", "JSON", " body", "path", "hash", "token", "link was used", "member"} {
			if strings.Contains(says, word) {
				t.Errorf("%v is told as %q", err, says)
			}
		}
	}
}

func TestUnknownPagesAreNotFound(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	id := w.file(t, 0)
	unverified := w.file(t, 0, func(r *ledger.Request) { r.Status, r.Until = ledger.Unverified, w.clock().Add(day) })
	for _, path := range []string{
		"/nothing", "/requests/unknown", "/requests/" + unverified, "/requests/" + unverified + "/cancel", "/requests/" + id + "/explode", "/jobs/" + id, "/jobs/" + id + "/plan", "/jobs/" + id + "/events",
		"/requests/" + strings.Repeat("x", 3000), "/requests/%00", "/requests/a%2Fb", "/jobs/%E2%80%AE", "/requests/" + id + "/certificate/x",
	} {
		if a := w.get(t, "/console"+path); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path[:min(60, len(path))], a.status)
		}
	}
	for _, path := range []string{"/requests/unknown/cancel", "/requests/" + id + "/explode", "/jobs/" + id + "/decide"} {
		if a := w.post(t, "/console"+path, "decision", "approve", "looked", "yes", "plan", "x"); a.status != http.StatusNotFound {
			t.Errorf("POST %s: %d", path, a.status)
		}
	}
	if w.log.Len() > 0 {
		t.Errorf("log: %s", w.log)
	}
}

// People quote the number of their request, in whatever case.
func TestARequestIsFoundByItsNumber(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	id := w.file(t, 0)
	w.get(t, "/console/requests?id=+"+strings.ToLower(id)+"+").goesTo(t, "its number", "/console/requests/"+id)
	for _, wrong := range []string{"", "?id=", "?id=../jobs", "?id=%0a"} {
		if a := w.get(t, "/console/requests"+wrong); a.status != http.StatusNotFound {
			t.Errorf("%q: %d", wrong, a.status)
		}
	}
}
