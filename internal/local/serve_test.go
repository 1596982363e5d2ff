package local_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/deliver"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/internal/seal"
)

const (
	submitToken  = "submit-token-0123456789"
	approveToken = "approve-token-0123456789"
	hookSecret   = "hook-secret-0123456789"
)

func TestFromTheFormToTheCertificate(t *testing.T) {
	t.Parallel()
	w := served(t, settings{mode: config.Approve}, "")
	s := w.serve()
	if res := s.post("/", url.Values{"email": {annMail}, "account": {annUser}, "wish": {"erase"}}); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("the form answered %d", res.StatusCode)
	}
	s.until("a mail", func() bool { return len(s.mails()) == 1 })
	verify, err := url.Parse(s.link())
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := s.get(verify.String()); code != http.StatusOK {
		t.Fatalf("the link answered %d", code)
	}
	res := s.post("/verify", url.Values{"token": {verify.Query().Get("token")}})
	page := res.Header.Get("Location")
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(page, "/status/") {
		t.Fatalf("confirming answered %d to %q", res.StatusCode, page)
	}
	page, _, _ = strings.Cut(page, "?")
	s.until("a mail with the link to the status page", func() bool { return len(s.mails()) == 2 && s.link() == page+"?lang=en" })

	id, _, _ := strings.Cut(strings.TrimPrefix(page, "/status/"), ".")
	if code := s.call("POST", "/requests/"+id+"/claims", approveToken, `{"verified":true}`, nil); code != http.StatusOK {
		t.Fatalf("vouching for the account id answered %d", code)
	}
	s.approve(s.sweep().Jobs[0])
	s.until("the certificate", func() bool { code, _ := s.get(page + "/certificate"); return code == http.StatusOK })
	s.until("a mail with the result", func() bool { return len(s.mails()) == 3 })
	_, jws := s.get(page + "/certificate")
	_, keys := s.get("/.well-known/jwks.json")
	payload, _, err := seal.Verify(jws, []byte(keys))
	if err != nil || !bytes.Contains(payload, []byte(`"status":"erased"`)) || !bytes.Contains(payload, []byte(`"by":"dpo"`)) {
		t.Errorf("the certificate: %v, %s", err, payload)
	}
	w.wantLost(anns()...)
	_, html := s.get(page)
	s.stop()
	for name, text := range map[string]string{"status page": html, "certificate": string(payload), "log": s.log.String()} {
		for _, secret := range []string{annMail, annUser, annPhone, "ann-only", strings.TrimPrefix(page, "/status/"), verify.Query().Get("token")} {
			if strings.Contains(text, secret) && !(name == "status page" && strings.HasPrefix(page, "/status/"+secret)) {
				t.Errorf("the %s holds %q", name, secret)
			}
		}
	}
}

// Somebody types another person's account id. Nothing is found or deleted by it, and nothing tells whether it is known.
func TestAClaimedAccountIsNobodysProof(t *testing.T) {
	t.Parallel()
	w := served(t, settings{mode: config.Erase}, "  schedule: {cron: '0 3 * * *'}\n")
	s := w.serve()
	answers := map[string]string{}
	var pages []string
	for _, account := range []string{annUser, "user-nobody-0000"} {
		s.post("/", url.Values{"email": {"eve-" + account + "@example.org"}, "account": {account}, "wish": {"erase"}})
		s.until("a mail", func() bool { return len(s.mails()) == 2*len(pages)+1 })
		verify, err := url.Parse(s.link())
		if err != nil {
			t.Fatal(err)
		}
		res := s.post("/verify", url.Values{"token": {verify.Query().Get("token")}})
		page, _, _ := strings.Cut(res.Header.Get("Location"), "?")
		pages = append(pages, page)
		s.until("a second mail", func() bool { return len(s.mails()) == 2*len(pages) })
	}
	for _, days := range []int{1, 7} { // waits for a person's word, and goes on without it
		s.stop()
		w.pass(time.Duration(days) * 24 * time.Hour)
		s = w.serve()
		s.until("the sweep", func() bool { return strings.Contains(s.log.String(), "a sweep began") })
		for _, page := range pages {
			if days == 7 {
				s.until("the end", func() bool { code, _ := s.get(page + "/certificate"); return code == http.StatusOK })
			}
			code, html := s.get(page)
			id, _, _ := strings.Cut(strings.TrimPrefix(page, "/status/"), ".")
			html = strings.ReplaceAll(strings.ReplaceAll(html, strings.TrimPrefix(page, "/status/"), "TOKEN"), id, "ID")
			answers[page] = regexp.MustCompile(`datetime="[^"]*"`).ReplaceAllString(html, "")
			if code != http.StatusOK {
				t.Errorf("the status page answers %d", code)
			}
		}
		if answers[pages[0]] != answers[pages[1]] {
			t.Errorf("after %d days the pages differ:\n%s\n%s", days, answers[pages[0]], answers[pages[1]])
		}
	}
	w.wantLost()
}

func TestAnUrgentRequestWaitsForNoSweep(t *testing.T) {
	t.Parallel()
	w := served(t, settings{mode: config.Erase}, "")
	s := w.serve()
	waits := s.submit(strings.ReplaceAll(annJSON, "ann", "ben") + `}`)
	urgent := s.submit(annJSON + `,"urgent":true}`)
	s.until("the end", func() bool { return s.status(urgent.ID) == "erased" })
	w.wantLost(anns()...)
	if st := s.status(waits.ID); st != "pending" {
		t.Errorf("the other one is %s", st)
	}
}

func TestWhatAStopInterruptsTheNextStartTakesUp(t *testing.T) {
	t.Parallel()
	w := served(t, settings{mode: config.Approve}, "")
	s := w.serve()
	id := s.submit(annJSON + `}`).ID
	job := s.sweep().Jobs[0]
	s.stop() // wherever it is
	s = w.serve()
	s.approve(job)
	s.stop() // the word is given, and the job may not have heard it
	s = w.serve()
	s.until("the end", func() bool { return s.status(id) == "erased" })
	w.wantLost(anns()...)
	w.wantEmptyContainers()
}

func TestASweepThatWasMissedStartsAtTheNextStart(t *testing.T) {
	t.Parallel()
	w := served(t, settings{mode: config.Erase}, "  schedule: {cron: '0 3 * * *', zone: Europe/Berlin}\n")
	s := w.serve()
	id := s.submit(annJSON + `}`).ID
	s.stop()
	if s = w.serve(); s.status(id) != "pending" {
		t.Fatal("a sweep started before its time")
	}
	s.stop()
	w.pass(24 * time.Hour)
	s = w.serve()
	s.until("the end", func() bool { return s.status(id) == "erased" })
	w.wantLost(anns()...)
}

func TestAPlanThatNobodyDecidedIsClosedAsNotApproved(t *testing.T) {
	t.Parallel()
	w := served(t, settings{mode: config.Approve}, "")
	s := w.serve()
	id := s.submit(annJSON + `}`).ID
	s.sweep()
	s.until("the plan", func() bool { return strings.Contains(s.log.String(), "a plan waits for approval") })
	s.stop()
	w.pass(15 * 24 * time.Hour)
	s = w.serve()
	s.until("the end", func() bool { return s.status(id) == "partial" })
	w.wantLost()
}

func TestDueDatesAreToldToWebhooksWithoutIdentifiers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []string
	seen := map[string]bool{}
	w := (*world)(nil)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		at, _ := strconv.ParseInt(r.Header.Get("Webhook-Timestamp"), 10, 64)
		signed := deliver.SignWebhook([]byte(hookSecret), r.Header.Get("Webhook-Id"), time.Unix(at, 0), body)
		if got := r.Header.Get("Webhook-Signature"); got != signed.Get("Webhook-Signature") || w.now().Sub(time.Unix(at, 0)).Abs() > time.Minute {
			t.Errorf("a webhook is signed with %q", got)
		}
		var m struct {
			Type string
			Data struct{ Status string }
		}
		if err != nil || json.Unmarshal(body, &m) != nil || bytes.Contains(body, []byte("arbor")) {
			t.Errorf("a webhook: %v, %s", err, body)
		}
		mu.Lock()
		defer mu.Unlock()
		if id := r.Header.Get("webhook-id"); !seen[id] { // a stop may come between telling and writing it down
			seen[id] = true
			told = append(told, m.Type+" "+m.Data.Status)
		}
	}))
	t.Cleanup(hook.Close)
	w = served(t, settings{mode: config.Erase}, "  webhooks: [{name: crm, url: "+hook.URL+"/hook, secret: "+hookSecret+"}]\n")
	s := w.serve()
	id := s.submit(annJSON + `}`).ID
	s.until("the first webhook", func() bool { mu.Lock(); defer mu.Unlock(); return len(told) == 1 })
	s.stop()
	w.pass(26 * 24 * time.Hour)
	s = w.serve()
	s.sweep()
	want := "request.status pending, request.due_soon pending, request.status running, request.status erased"
	s.until("all webhooks", func() bool { mu.Lock(); defer mu.Unlock(); return len(told) >= 4 })
	if s.status(id) != "erased" || strings.Join(told, ", ") != want {
		t.Errorf("got %v, want %s", told, want)
	}
	s.stop()
	if !strings.Contains(s.log.String(), "due soon") {
		t.Error("the log has no warning")
	}
}

func TestARejectedPlanIsKeptForGood(t *testing.T) {
	t.Parallel()
	w := served(t, settings{mode: config.Approve}, "")
	s := w.serve()
	id := s.submit(annJSON + `}`).ID
	job := s.sweep().Jobs[0]
	if code := s.call("POST", "/jobs/"+job+"/reject", approveToken, `{"plan":"`+s.plan(job)+`","ground":"legal_claims"}`, nil); code != http.StatusAccepted {
		t.Fatalf("reject answered %d", code)
	}
	var v struct {
		Status   string
		Settled  bool
		Outcomes []ledger.Outcome
	}
	s.until("the end", func() bool { s.call("GET", "/requests/"+id, approveToken, "", &v); return v.Status == "partial" })
	kept := 0
	for _, o := range v.Outcomes {
		if o.Word == ledger.Kept && strings.Contains(o.Reason, "legal_claims") {
			kept++
		}
	}
	if !v.Settled || kept == 0 {
		t.Errorf("settled %v, %+v", v.Settled, v.Outcomes)
	}
	w.wantLost()
}

func TestOneProcessHoldsTheLedger(t *testing.T) {
	t.Parallel()
	w := served(t, settings{}, "")
	w.serve()
	err := local.Serve(t.Context(), w.dir, w.cfg, local.Options{}, slog.New(slog.DiscardHandler), func(local.Serving) { t.Error("it listens") })
	if err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("got %v", err)
	}
}
