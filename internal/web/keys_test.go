package web_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/web"
)

const (
	crmToken     = "crm-token-0123456789"
	officerToken = "officer-token-0123456789"
)

// clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func keys(officer string) (*web.Keys, *clock) {
	c := &clock{now: time.Date(2026, 1, 15, 9, 0, 0, 0, time.UTC)}
	k := web.NewKeys([]config.Token{
		{Name: "crm", Role: config.RoleSubmit, Token: config.NewSecret(crmToken)},
		{Name: "officer", Role: config.RoleApprove, Token: config.NewSecret(officer)},
	}, func(scope, value string) string { return fmt.Sprintf("%x", scope+value) }, c.Now)
	k.HTTPS = true
	return k, c
}

func bearer(client string, lines ...string) *http.Request {
	r := request("GET", "/", "")
	r.RemoteAddr = client + ":1234"
	for _, l := range lines {
		r.Header.Add("Authorization", l)
	}
	return r
}

func TestNeedLetsThroughWhoHasTheRole(t *testing.T) {
	t.Parallel()
	const wrong = "Bearer " + marker
	for _, c := range []struct {
		name      string
		lines     []string
		role      config.Role
		want      int
		who       string
		challenge string
	}{
		{"nothing", nil, config.RoleSubmit, 401, "", `Bearer realm="lethe"`},
		{"wrong", []string{wrong}, config.RoleSubmit, 401, "", `Bearer realm="lethe", error="invalid_token"`},
		{"cut off", []string{"Bearer " + crmToken[1:]}, config.RoleSubmit, 401, "", `Bearer realm="lethe", error="invalid_token"`},
		{"empty", []string{"Bearer "}, config.RoleSubmit, 401, "", `Bearer realm="lethe", error="invalid_token"`},
		{"another scheme", []string{"Basic " + crmToken}, config.RoleSubmit, 401, "", `Bearer realm="lethe", error="invalid_token"`},
		{"two headers", []string{"Bearer " + crmToken, wrong}, config.RoleSubmit, 401, "", `Bearer realm="lethe", error="invalid_token"`},
		{"submit", []string{"Bearer " + crmToken}, config.RoleSubmit, 200, "crm", ""},
		{"scheme in other case", []string{"bearer  " + crmToken}, config.RoleSubmit, 200, "crm", ""},
		{"submit for approve", []string{"Bearer " + crmToken}, config.RoleApprove, 403, "", `Bearer realm="lethe", error="insufficient_scope"`},
		{"approve for submit", []string{"Bearer " + officerToken}, config.RoleSubmit, 200, "officer", ""},
		{"approve", []string{"Bearer " + officerToken}, config.RoleApprove, 200, "officer", ""},
	} {
		k, _ := keys(officerToken)
		h := web.Need(c.role, k, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, web.Who(r.Context()).Name)
		}))
		w := answer(h, bearer("192.0.2.1", c.lines...))
		if w.Code != c.want || w.Header().Get("WWW-Authenticate") != c.challenge || c.want == 200 && w.Body.String() != c.who {
			t.Errorf("%s: got %d %q %s", c.name, w.Code, w.Header().Get("WWW-Authenticate"), w.Body)
		}
		if strings.Contains(fmt.Sprint(w.Header(), w.Body), marker) {
			t.Errorf("%s: the answer repeats the token", c.name)
		}
	}
}

func TestNobodyIsInAContextWithoutNeed(t *testing.T) {
	t.Parallel()
	p := web.Who(t.Context())
	if p.May(config.RoleSubmit) || p.May(config.RoleApprove) {
		t.Errorf("%v may do something", p)
	}
}

func TestWrongTokensAreLimitedByClient(t *testing.T) {
	t.Parallel()
	k, c := keys(officerToken)
	try := func(client, token string) error {
		_, err := k.Bearer(bearer(client, "Bearer "+token))
		return err
	}
	if err := try("192.0.2.1", crmToken); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		if err := try("192.0.2.1", marker); !errors.Is(err, web.ErrNoToken) {
			t.Fatalf("try %d: %v", n, err)
		}
	}
	if err := try("192.0.2.1", marker); !errors.Is(err, web.ErrTries) {
		t.Errorf("a wrong token after too many: %v", err)
	}
	if err := try("192.0.2.1", officerToken); !errors.Is(err, web.ErrTries) {
		t.Errorf("a token that was never used from there, found after too many tries: %v", err)
	}
	if err := try("192.0.2.1", crmToken); err != nil {
		t.Errorf("a system that worked from there before is locked out: %v", err)
	}
	if err := try("192.0.2.2", officerToken); err != nil {
		t.Errorf("another client is locked out: %v", err)
	}
	if _, err := k.SignIn(httptest.NewRecorder(), bearer("192.0.2.1"), marker); !errors.Is(err, web.ErrTries) {
		t.Errorf("signing in has a limit of its own: %v", err)
	}
	c.pass(10 * time.Minute)
	if err := try("192.0.2.1", officerToken); err != nil {
		t.Errorf("after the time is over: %v", err)
	}
}

func TestRequestsWithoutATokenAreNoTries(t *testing.T) {
	t.Parallel()
	k, _ := keys(officerToken)
	for range 100 {
		if _, err := k.Bearer(bearer("192.0.2.1")); !errors.Is(err, web.ErrNoToken) {
			t.Fatal(err)
		}
	}
	if _, err := k.Bearer(bearer("192.0.2.1", "Bearer "+officerToken)); err != nil {
		t.Error(err)
	}
}

// signIn gives a request that carries the cookie of somebody who signed in.
func signIn(t *testing.T, k *web.Keys, token string) (*http.Request, *http.Cookie) {
	t.Helper()
	w := httptest.NewRecorder()
	if _, err := k.SignIn(w, bearer("192.0.2.1"), token); err != nil {
		t.Fatal(err)
	}
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies: %v", cookies)
	}
	r := request("GET", "/console", "")
	r.AddCookie(cookies[0])
	return r, cookies[0]
}

func TestASessionIsASafeCookie(t *testing.T) {
	t.Parallel()
	k, _ := keys(officerToken)
	_, c := signIn(t, k, officerToken)
	if c.Name != "__Secure-lethe" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/console" || c.MaxAge != 12*60*60 || c.Domain != "" {
		t.Errorf("the cookie is %v", c)
	}
	if strings.Contains(c.Value, officerToken) {
		t.Error("the cookie holds the token")
	}
	k.HTTPS = false
	if _, c := signIn(t, k, officerToken); c.Name != "lethe" || c.Secure {
		t.Errorf("without https the cookie is %v", c)
	}
}

func TestASessionEnds(t *testing.T) {
	t.Parallel()
	k, c := keys(officerToken)
	r, cookie := signIn(t, k, officerToken)
	if p, ok := k.Session(r); !ok || p.Name != "officer" || p.Role != config.RoleApprove {
		t.Fatalf("got %v, %v", p, ok)
	}
	w := httptest.NewRecorder()
	k.SignOut(w)
	if out := w.Result().Cookies(); len(out) != 1 || out[0].Name != cookie.Name || out[0].Path != cookie.Path || out[0].MaxAge >= 0 || out[0].Value != "" {
		t.Errorf("signing out sets %v", out)
	}
	replaced, _ := keys("another-token-0123456789")
	if _, ok := replaced.Session(r); ok {
		t.Error("a session outlives its token")
	}
	c.pass(12*time.Hour - time.Second)
	if _, ok := k.Session(r); !ok {
		t.Error("the session ended early")
	}
	c.pass(time.Second)
	if _, ok := k.Session(r); ok {
		t.Error("the session did not end")
	}
}

func TestAForgedSessionIsNone(t *testing.T) {
	t.Parallel()
	k, _ := keys(officerToken)
	_, cookie := signIn(t, k, crmToken)
	part := strings.Split(cookie.Value, ".")
	for name, value := range map[string]string{
		"another name": strings.Join([]string{"officer", part[1], part[2]}, "."),
		"later end":    strings.Join([]string{part[0], "9999999999", part[2]}, "."),
		"no digest":    strings.Join([]string{part[0], part[1], ""}, "."),
		"unknown name": strings.Join([]string{"nobody", part[1], part[2]}, "."),
		"more parts":   cookie.Value + ".x",
		"fewer parts":  part[0],
		"no number":    strings.Join([]string{part[0], "soon", part[2]}, "."),
		"empty":        "",
	} {
		r := request("GET", "/console", "")
		r.AddCookie(&http.Cookie{Name: cookie.Name, Value: value})
		if p, ok := k.Session(r); ok {
			t.Errorf("%s: is %v", name, p)
		}
	}
	r := request("GET", "/console", "")
	r.AddCookie(cookie)
	r.AddCookie(cookie)
	if _, ok := k.Session(r); ok {
		t.Error("two cookies are a session: one of them may be somebody else's")
	}
}

// Behind a gateway that asks who somebody is, its word counts; where it asks nobody, tokens do.
func TestAGatewaysWordCounts(t *testing.T) {
	t.Parallel()
	k, _ := keys(officerToken)
	k.Gateway = func(r *http.Request, need config.Role) (web.Principal, bool) {
		switch r.Header.Get("Let-Through") {
		case "as it needs":
			return web.Principal{Name: "crm", Role: need}, true
		case "without a role":
			return web.Principal{Name: "crm"}, true
		}
		return web.Principal{}, false
	}
	for _, c := range []struct {
		let, token string
		want       int
	}{
		{"as it needs", "", http.StatusOK}, {"as it needs", "wrong", http.StatusOK},
		{"without a role", "", http.StatusForbidden}, {"without a role", officerToken, http.StatusForbidden},
		{"", "", http.StatusUnauthorized}, {"", crmToken, http.StatusForbidden}, {"", officerToken, http.StatusOK},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Let-Through", c.let)
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		w := httptest.NewRecorder()
		web.Need(config.RoleApprove, k, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if who := web.Who(r.Context()); !who.May(config.RoleApprove) {
				t.Errorf("%+v came through as %+v", c, who)
			}
		})).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
}
