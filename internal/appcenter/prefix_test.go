package appcenter_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
)

// prefixed is a simulator behind a proxy that serves it under /api and takes that off, so that the links of its lists
// lack it.
func prefixed(t *testing.T, app appcentertest.App) served {
	t.Helper()
	sim := appcentertest.New(appcentertest.World{Apps: []appcentertest.App{app}})
	srv := httptest.NewServer(http.StripPrefix("/api", sim))
	t.Cleanup(srv.Close)
	return served{sim, client(t, srv.URL+"/api/", token, "acme", "acme-ios"), srv.URL}
}

func TestABasePathStaysInFront(t *testing.T) {
	t.Parallel()
	s := prefixed(t, world())
	if _, _, err := s.Client.Audiences(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if already, err := s.DeleteAudience(t.Context(), "a/b c%41?#ü"); err != nil || already {
		t.Errorf("already %v, %v", already, err)
	}
}

func TestLinksThatLackTheBasePathAreFollowedUnderIt(t *testing.T) {
	t.Parallel()
	for _, form := range []appcentertest.LinkForm{appcentertest.Absolute, appcentertest.Relative, appcentertest.QueryOnly, appcentertest.Forgetful} {
		app, ids := many(501)
		app.Behaviour = appcentertest.Behaviour{AudiencePage: 1, NextLink: form}
		s := prefixed(t, app)
		if got := all(t.Context(), t, s.Client.Audiences); len(got) != 3 {
			t.Errorf("form %d: %d audiences, want 3", form, len(got))
		}
		if got := all(t.Context(), t, s.Client.Notifications); len(got) != len(ids) {
			t.Errorf("form %d: %d notifications, want %d", form, len(got), len(ids))
		}
	}
}

func TestWhereLinksLead(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ base, link, want string }{
		{"", "/v0.1/x?p=2", "/v0.1/x"},
		{"/api", "/v0.1/x?p=2", "/api/v0.1/x"},
		{"/api/", "/v0.1/a%2Fb?p=2", "/api/v0.1/a%2Fb"},
		{"/a%2Fpi", "/v0.1/a%2Fb?p=2", "/a%2Fpi/v0.1/a%2Fb"},
		{"/api", "/api/v0.1/x?p=2", "/api/v0.1/x"},
		{"/api", "HOST/v0.1/x?p=2", "/api/v0.1/x"},
		{"/api", "HOST/api/v0.1/x?p=2", "/api/v0.1/x"},
		{"/api", "x?p=2", "/api/v0.1/apps/acme/acme-ios/analytics/x"},
		{"/api", "/elsewhere?p=2", "/elsewhere"},
		{"/v0.1", "/v0.1/apps?p=2", "/v0.1/v0.1/apps"},
		{"/v0.1", "/v0.1/v0.1/apps?p=2", "/v0.1/v0.1/apps"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"values":[],"nextLink":"` + strings.Replace(row.link, "HOST", "http://"+r.Host, 1) + `"}`))
		}))
		t.Cleanup(srv.Close)
		_, next, err := client(t, srv.URL+row.base, token, "acme", "acme-ios").Audiences(t.Context(), "")
		if want := row.want + "?include_disabled=true&p=2"; err != nil || next != want {
			t.Errorf("base %q, link %q: got %q, %v, want %q", row.base, row.link, next, err, want)
		}
	}
}
