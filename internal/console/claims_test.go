package console_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

const asks = "Details that nobody verified"

// claiming is a request with identifiers of these types that nobody verified.
func claiming(types ...string) func(*ledger.Request) {
	return func(r *ledger.Request) { r.Claimed = types }
}

func TestWhatNobodyVerifiedIsAskedForOnce(t *testing.T) {
	t.Parallel()
	for act, c := range map[string]struct {
		verified    bool
		asked, told string
	}{
		"vouch":     {true, "your own records show", "The phone number and account id: this person&#39;s, said dpo on 22 November 2066, 14:05 UTC"},
		"leave-out": {false, "could not be verified", "The phone number and account id: left out, said dpo on 22 November 2066, 14:05 UTC"},
	} {
		w := signedIn(t)
		id := w.file(t, 2*day, claiming("phone", "user_id"))
		path := "/console/requests/" + id
		w.get(t, path).holds(t, "the request", http.StatusOK, asks, "the phone number and account id in this request were typed", "verified the mailbox only", "in your own records",
			"@example.com</code>", "verified by the link", "AT-1</code>", "nobody verified it", "Until 27 November 2066, 14:05 UTC", "It waits until somebody has checked its details.", path+`/vouch"`, path+`/leave-out"`, "account id: nobody verified<")
		w.get(t, path+"/"+act).holds(t, "asking to "+act, http.StatusOK, c.asked, "cannot be undone", `action="`+path+"/"+act+`"`)
		if v, err := w.desk.Show(t.Context(), id); err != nil || v.Vouched != nil {
			t.Fatalf("%s was done by asking: %+v %v", act, v.Vouched, err)
		}
		w.post(t, path+"/"+act).goesTo(t, act, path+"?done="+act)
		v, err := w.desk.Show(t.Context(), id)
		must(t, err)
		if v.Vouched == nil || v.Vouched.By != "dpo" || v.Vouched.Verified != c.verified {
			t.Errorf("%s: the word is %+v", act, v.Vouched)
		}
		a := w.get(t, path+"?done="+act)
		a.holds(t, "after "+act, http.StatusOK, `role="status"`, c.told, "It waits for the next sweep.")
		if strings.Contains(a.body, asks) {
			t.Errorf("%s: it is asked again", act)
		}
		for _, again := range []string{"vouch", "leave-out"} {
			w.post(t, path+"/"+again).holds(t, "a second word", http.StatusConflict, "Somebody has said so before", `href="`+path+`"`)
		}
	}
}

func TestTheTimeToCheckDetailsIsTold(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	late := w.file(t, 8*day, claiming("user_id"))
	w.get(t, "/console/requests/"+late).holds(t, "late", http.StatusOK, asks, "the account id in this request was typed", "the next sweep takes it", "It waits for the next sweep.", "/vouch")
	failed := w.file(t, 9*day, claiming("phone"), func(r *ledger.Request) { r.Status = ledger.Failed })
	w.get(t, "/console/requests/"+failed).holds(t, "failed", http.StatusOK, asks, "was worked on without these details", "nobody verified, and left out", "/vouch")
	held := w.file(t, 8*day, claiming("phone"))
	w.job(t, config.Approve, held)
	a := w.get(t, "/console/requests/"+held)
	a.holds(t, "held", http.StatusOK, asks, "Wait until the job has ended.")
	if strings.Contains(a.body, "/vouch") {
		t.Error("a word is asked for that cannot be given")
	}
	w.post(t, "/console/requests/"+held+"/vouch").holds(t, "a word while it is held", http.StatusConflict, "A job works on the request")
	ended := w.file(t, 0, claiming("phone"))
	_, err := w.desk.Deny(t.Context(), ended, "not_identified")
	must(t, err)
	if a := w.get(t, "/console/requests/"+ended); strings.Contains(a.body, asks) {
		t.Error("a word is asked for on a request that has ended")
	}
	w.post(t, "/console/requests/"+ended+"/vouch").holds(t, "a word after its end", http.StatusConflict, "The request has ended")
	plain := w.file(t, 0)
	if a := w.get(t, "/console/requests/"+plain); strings.Contains(a.body, asks) || strings.Contains(a.body, "Other details") {
		t.Error("a word is asked for where everything is verified")
	}
	w.post(t, "/console/requests/"+plain+"/vouch").holds(t, "nothing to say", http.StatusUnprocessableEntity, "There is nothing to check")
}

func TestDetailsToCheckAreFound(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	var plain, claims []string
	for range 120 { // more than a page of the list
		plain = append(plain, w.file(t, 10*day))
	}
	for range 2 {
		claims = append(claims, w.file(t, day, claiming("phone")))
	}
	late := w.file(t, 8*day, claiming("phone"))
	judged := w.file(t, day, claiming("phone"))
	_, err := w.desk.Vouch(t.Context(), judged, "dpo", false)
	must(t, err)
	w.get(t, "/console").holds(t, "overview", http.StatusOK, `href="/console?status=unchecked#requests"><strong>3</strong> details to check`)
	a := w.get(t, "/console?status=unchecked")
	a.holds(t, "the list", http.StatusOK, `<option value="unchecked" selected>`)
	for _, id := range slices.Concat(plain, claims, []string{late, judged}) {
		want := id == late || slices.Contains(claims, id)
		if strings.Contains(a.body, "/console/requests/"+id+`"`) != want {
			t.Errorf("%s is listed: %v", id, !want)
		}
	}
	if got := strings.Count(a.body, `<span class="badge wait">details to check</span>`); got != 3 {
		t.Errorf("%d requests have the badge, want 3", got)
	}
	w.get(t, "/console/sweep").holds(t, "asking", http.StatusOK, "<strong>122</strong> requests", "It would not take 2 requests whose")
	w.post(t, "/console/sweep")
	if len(w.starts) != 1 || len(w.starts[0]) != 122 || slices.Contains(w.starts[0], claims[0]) || !slices.Contains(w.starts[0], late) {
		t.Errorf("the sweep did not take what was announced")
	}
}

// The page shows a date that erase.Ready decides by.
func TestASweepTakesARequestWhenThePageSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.file(t, 0, claiming("phone"))
	for range 3 {
		w.post(t, "/console/sign-in", "token", approver) // a session ends sooner
		r, err := w.base.Ledger.Request(t.Context(), id)
		must(t, err)
		waits := strings.Contains(w.get(t, "/console/requests/"+id).body, "It waits until somebody has checked")
		if waits == erase.Ready(r, w.clock()) {
			t.Errorf("after %s: the page says that it waits: %v", w.clock().Sub(r.Verified), waits)
		}
		w.pass(erase.ClaimTime / 2)
	}
}
