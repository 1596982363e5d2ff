package console_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/web"
)

// routes are all that only somebody with the role approve may see or do.
var routes = [...]string{
	"GET /console", "GET /console?status=all", "GET /console/sweep", "POST /console/sweep", "GET /console/sign-out", "POST /console/sign-out",
	"GET /console/requests/R", "GET /console/requests/R/certificate", "GET /console/requests/R/cancel", "POST /console/requests/R/cancel",
	"POST /console/requests/R/deny", "POST /console/requests/R/extend", "GET /console/jobs/J", "GET /console/jobs/J/events",
	"GET /console/jobs/J/plan", "POST /console/jobs/J/decide", "GET /console/nothing/here",
}

func TestNothingIsShownOrDoneWithoutASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	request := w.file(t, 0)
	job, hash := w.waiting(t, []string{request}, device("secret-install", request))
	for who, prepare := range map[string]func(){
		"nobody":            func() {},
		"a token to submit": func() { w.post(t, "/console/sign-in", "token", submitter) },
		"a session of a token to submit": func() { // of a time when it had another role
			r := httptest.NewRecorder()
			_, err := w.keys.SignIn(r, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil), submitter)
			must(t, err)
			u, err := url.Parse(w.server.URL + "/console")
			must(t, err)
			w.client.Jar.SetCookies(u, r.Result().Cookies())
		},
		"a session that ended": func() {
			w.post(t, "/console/sign-in", "token", approver)
			w.pass(web.SessionTime)
		},
	} {
		w.client = w.newClient(t)
		prepare()
		for _, route := range routes {
			method, path, _ := strings.Cut(route, " ")
			path = strings.NewReplacer("R", request, "J", job).Replace(path)
			a := w.do(t, method, path, url.Values{"plan": {hash}, "decision": {"approve"}, "looked": {"yes"}, "ground": {"unfounded"}, "reason": {"number"}})
			if to := a.header.Get("Location"); a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/console/sign-in") || strings.Contains(a.body, "secret-install") {
				t.Errorf("%s, %s: %d to %q", who, route, a.status, to)
			}
		}
	}
	v, err := w.desk.Show(t.Context(), request)
	if err != nil || v.Status != "in_review" || len(w.words) != 0 || len(w.starts) != 0 {
		t.Errorf("something was done: %s, words %v, starts %v (%v)", v.Status, w.words, w.starts, err)
	}
}

func TestSigningIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.get(t, "/console/sign-in?to=/console/jobs/J/plan?page=2")
	a.holds(t, "the page", http.StatusOK, `type="password"`, `autocomplete="current-password"`, `name="to" value="/console/jobs/J/plan?page=2"`)
	a = w.post(t, "/console/sign-in", "token", "wrong-token-that-is-long-enough")
	a.holds(t, "a wrong token", http.StatusForbidden, "not a token of the configuration", `role="alert"`)
	if strings.Contains(a.body, "wrong-token") || a.header.Get("Set-Cookie") != "" {
		t.Error("the answer to a wrong token repeats it, or gives a session")
	}
	a = w.post(t, "/console/sign-in", "token", submitter)
	a.holds(t, "a token to submit", http.StatusForbidden, "role approve")
	if a.header.Get("Set-Cookie") != "" {
		t.Error("a token to submit got a session")
	}
	for to, want := range map[string]string{
		"":                              "/console",
		"/console/jobs/J/plan?page=2":   "/console/jobs/J/plan?page=2",
		"https://evil.example/console/": "/console", "//evil.example/console/x": "/console", "/console/../form": "/console",
		"/consolation": "/console", `/console/\evil`: "/console", "/console/sign-out": "/console", "javascript:alert(1)": "/console",
	} {
		w.post(t, "/console/sign-in", "token", " "+approver+"\n", "to", to).goesTo(t, "to "+to, want)
	}
	w.get(t, "/console").holds(t, "signed in", http.StatusOK, "Signed in as dpo")
	w.get(t, "/console/sign-out").holds(t, "signing out", http.StatusOK, "Sign out?")
	w.post(t, "/console/sign-out").goesTo(t, "signed out", "/console/sign-in")
	w.get(t, "/console/sweep").goesTo(t, "after it", "/console/sign-in?to=%2Fconsole%2Fsweep")
}

func TestTooManyWrongTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 20 {
		w.post(t, "/console/sign-in", "token", "wrong")
	}
	a := w.post(t, "/console/sign-in", "token", approver)
	a.holds(t, "the 21st try", http.StatusTooManyRequests, "Wait ten minutes")
	if a.header.Get("Retry-After") != "600" || a.header.Get("Set-Cookie") != "" {
		t.Errorf("header: %v", a.header)
	}
	w.pass(10 * time.Minute)
	w.post(t, "/console/sign-in", "token", approver).goesTo(t, "ten minutes later", "/console")
}

func TestAnotherSitesFormIsRefused(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	request := w.file(t, 0)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/console/requests/"+request+"/cancel", nil)
	must(t, err)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := w.client.Do(r)
	must(t, err)
	resp.Body.Close()
	if v, err := w.desk.Show(t.Context(), request); resp.StatusCode != http.StatusForbidden || err != nil || v.Status != "pending" {
		t.Errorf("%d, and the request is %s (%v)", resp.StatusCode, v.Status, err)
	}
}

func TestPagesAllowOnlyTheirOwnScript(t *testing.T) {
	t.Parallel()
	w := signedIn(t)
	request := w.file(t, 0)
	job := w.job(t, "approve", request)
	waiting, _ := w.waiting(t, []string{w.file(t, 0)})
	const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	for _, path := range []string{"", "/sign-in", "/sign-out", "/sweep", "/requests/" + request, "/requests/" + request + "/deny", "/jobs/" + job, "/jobs/" + waiting + "/plan", "/nothing"} {
		a := w.get(t, "/console"+path)
		if got := a.header.Get("Content-Security-Policy"); got != policy {
			t.Errorf("%q: policy %q", path, got)
		}
		if a.header.Get("Cache-Control") != "no-store" || !strings.Contains(a.body, `content="noindex`) {
			t.Errorf("%q is kept or indexed", path)
		}
		for _, inline := range []string{"<style", " style=", " onclick=", "javascript:", "<script>"} {
			if strings.Contains(a.body, inline) {
				t.Errorf("%q has %s, which its policy forbids", path, inline)
			}
		}
		if got, want := strings.Contains(a.body, "<script src="), path == "/jobs/"+job; got != want {
			t.Errorf("%q: script %v, want %v", path, got, want)
		}
		if strings.Count(a.body, "<h1") != 1 {
			t.Errorf("%q has %d headings of the first level", path, strings.Count(a.body, "<h1"))
		}
	}
	page := w.get(t, "/console/jobs/"+job).body
	_, rest, _ := strings.Cut(page, `<script src="`)
	src, _, _ := strings.Cut(rest, `"`)
	a := w.get(t, src)
	a.holds(t, "the script", http.StatusOK, "EventSource")
	if a.header.Get("Content-Type") != "text/javascript; charset=utf-8" || !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
		t.Errorf("the script's header: %v", a.header)
	}
	if lines := strings.Count(a.body, "\n"); lines >= 150 {
		t.Errorf("the script has %d lines", lines)
	}
	if got := w.get(t, "/console/live.js").header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("without its version the script is kept: %q", got)
	}
}
