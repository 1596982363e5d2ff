package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/page"
	"github.com/lethe-dsr/lethe/internal/web"
)

func TestLook(t *testing.T) {
	if os.Getenv("LOOK") == "" {
		t.Skip()
	}
	w := signedIn(t)
	day := 24 * time.Hour
	var all []string
	for n := range 6 {
		all = append(all, w.file(t, time.Duration(n*6)*day))
	}
	w.file(t, 40*day)
	w.file(t, 2*day, func(r *ledger.Request) { r.Channel, r.By, r.Urgent = "api", "crm", true })
	w.desk.Deny(t.Context(), w.file(t, 3*day), "unfounded")
	var objects []object
	for n := range 4 {
		objects = append(objects, device(fmt.Sprintf("0000a1a1-0000-4000-8000-0000000000a%d", n), all[0]))
	}
	objects = append(objects,
		object{"acme-ios", "notifications", "n-1", "Booking <script>alert(1)</script> ‮gnp.exe " + strings.Repeat("very long name ", 50), []string{all[0], all[1]}, []string{erase.NamesOthers}},
		object{"acme-ios", "audiences", "ann-only", "ann-only", []string{all[0]}, nil},
		object{"acme-android", "devices", "0000dddd-0000-4000-8000-0000000000dd", "", []string{all[1]}, []string{erase.SharedDevice}},
	)
	job, hash := w.waiting(t, all[:3], objects...)
	_ = hash
	run := w.job(t, config.Erase, all[3])
	w.review(t, run, 1, map[string]string{"acme-android/devices": "ExportTimeout"}, device("0000a1a3-0000-4000-8000-0000000000a3", all[3]))
	w.enter(run, "Find", "MatchShards", "MatchSubject", "SearchTexts", "ListAudiences", "ListNotifications")
	w.board.Report(erase.Event{Job: run, Target: "acme-ios", Area: "devices", Doing: "matching", Pass: 2, Done: 12345, Found: 3})
	w.board.Report(erase.Event{Job: run, Target: "acme-ios", Area: "audiences", Doing: "listing", Pass: 2, Done: 40, End: true})
	w.board.Report(erase.Event{Job: run, Target: "acme-android", Area: "notifications", Doing: "deleting", Pass: 1, Done: 4, Total: 30})
	end := w.job(t, config.Erase, all[4])
	r, _ := w.base.Ledger.Request(t.Context(), all[4])
	r.Status, r.Closed, r.Job, r.LastJob = ledger.Partial, w.now, "", end
	must(t, w.base.Ledger.CloseRequests(t.Context(), end, []ledger.Closing{{Request: r, Outcomes: []ledger.Outcome{
		{Target: "acme-ios", Provider: "appcenter", Area: "devices", Word: ledger.VerifiedAbsent, Found: 3, Deleted: 2, Already: 1, Searched: 2, Seen: 1200},
		{Target: "acme-ios", Provider: "appcenter", Area: "audiences", Word: ledger.Kept, Reason: erase.RejectedBy + ": legal_duty, other_person", Found: 1, Kept: 1},
		{Target: "acme-ios", Provider: "appcenter", Area: "notifications", Word: ledger.NotDone, Reason: "StillThere", Found: 1, Skipped: 4},
		{Target: "acme-batch", Provider: "batch", Area: "profile", Word: ledger.Accepted, Ordered: 1, Tokens: []string{"b7e2c0d2-token"}},
	}, Certificate: "a.b.c"}}))
	must(t, w.base.Ledger.EndJob(t.Context(), end, w.now))

	mux := http.NewServeMux()
	w.console.Register(mux)
	page.Register(mux)
	// whoever looks is signed in
	keep := web.NewKeys(nil, nil, nil)
	_ = keep
	u := w.server.URL
	cookie := w.client.Jar.Cookies(mustURL(t, u+"/console"))
	h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("out") == "" {
			for _, c := range cookie {
				r.AddCookie(c)
			}
		}
		if at := r.URL.Query().Get("at"); at != "" {
			wide := r.URL.Query().Get("wide")
			fmt.Fprintf(rw, `<body style="margin:0"><iframe src="%s" style="border:0;width:%spx;height:9000px"></iframe>`, at, wide)
			return
		}
		mux.ServeHTTP(noPolicy{rw}, r)
	})
	s := httptest.NewServer(h)
	defer s.Close()
	must(t, os.WriteFile("/tmp/console-work/urls", []byte(fmt.Sprintf("base=%s\njob=%s\nrun=%s\nend=%s\nreq=%s\nopen=%s\n", s.URL, job, run, end, all[4], all[5])), 0o600))
	n := 0
	for {
		time.Sleep(time.Second)
		if _, err := os.Stat("/tmp/console-work/stop"); err == nil {
			return
		}
		n++
		if _, err := os.Stat("/tmp/console-work/endrun"); err == nil {
			must(t, w.base.Ledger.EndJob(t.Context(), run, w.now))
			w.board.End(run)
			os.Remove("/tmp/console-work/endrun")
		}
		w.board.Report(erase.Event{Job: run, Target: "acme-ios", Area: "devices", Doing: "matching", Pass: 2, Done: int64(12345 + n), Found: 3})
	}
}

type noPolicy struct{ http.ResponseWriter }

func (n noPolicy) WriteHeader(s int) {
	n.Header().Del("Content-Security-Policy")
	n.ResponseWriter.WriteHeader(s)
}
func (n noPolicy) Unwrap() http.ResponseWriter { return n.ResponseWriter }
