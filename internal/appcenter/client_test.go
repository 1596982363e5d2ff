package appcenter_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/provider/contracttest"
)

const (
	key     = "acme/acme-ios"
	token   = "token-of-acme"
	install = "0a1b2c3d-0000-4000-8000-00000000000a"
)

// world is one app with a few objects of each kind.
func world() appcentertest.App {
	return appcentertest.App{
		Owner: "acme", Name: "acme-ios", Token: token,
		Devices: []appcentertest.Device{
			{InstallID: install, UserID: "ann@example.com", PushToken: "t1", Platform: "iOS"},
			{InstallID: "0a1b2c3d-0000-4000-8000-00000000000b", UserID: "bob"},
		},
		Audiences: []appcentertest.Audience{
			{Name: "gold", Description: "gold plan", Definition: "plan eq 'gold'"},
			{Name: "a/b c%41?#ü", Definition: "email eq 'ann@example.com'", Disabled: true},
			{Name: "france", Definition: "carrierCountry eq 'FR'"},
		},
		Notifications: []appcentertest.Notification{
			{ID: "n-1", Name: "to ann", Title: "Hello", Body: "Dear ann@example.com", Data: map[string]string{"mail": "ann@example.com"},
				Target: appcentertest.Target{Type: "devices_target", Devices: []string{install}}},
			{ID: "n-2", Name: "to all", Body: "Sale", Archived: true},
			{ID: "n-3", Name: "to users", Body: "Hi", Target: appcentertest.Target{Type: "user_ids_target", UserIDs: []string{"bob"}}},
		},
	}
}

// served is a simulator, held to its contract, and a client of it.
type served struct {
	*appcentertest.Server
	*appcenter.Client
	url string
}

func serve(t *testing.T, app appcentertest.App) served {
	t.Helper()
	sim := appcentertest.New(appcentertest.World{Apps: []appcentertest.App{app}})
	srv := httptest.NewServer(contracttest.Check(t, appcentertest.OpenAPI(), sim))
	t.Cleanup(srv.Close)
	return served{sim, client(t, srv.URL, token, "acme", "acme-ios"), srv.URL}
}

func client(t *testing.T, base, token, owner, app string) *appcenter.Client {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return appcenter.New(appcenter.Options{Base: u, Token: token, Owner: owner, App: app, RetryWait: time.Millisecond})
}

// operation is one client call, for tests of what they have in common.
type operation struct {
	op   appcentertest.Op
	call func(context.Context, *appcenter.Client) error
}

// operations lets s leave definitions out of lists, so that GetAudience is called.
func operations(s served) []operation {
	s.Change(key, func(a *appcentertest.App) { a.Behaviour.BareAudiences = true })
	audiences := func(ctx context.Context, c *appcenter.Client) error {
		_, _, err := c.Audiences(ctx, "")
		return err
	}
	return []operation{
		{appcentertest.StartExport, func(ctx context.Context, c *appcenter.Client) error {
			_, err := c.StartExport(ctx, s.ContainerSAS(s.url, key, ""))
			return err
		}},
		{appcentertest.ExportStatus, func(ctx context.Context, c *appcenter.Client) error {
			_, err := c.ExportStatus(ctx, "00000000-0000-4000-8000-000000000001")
			return err
		}},
		{appcentertest.DeleteInstall, func(ctx context.Context, c *appcenter.Client) error {
			_, err := c.DeleteInstall(ctx, install)
			return err
		}},
		{appcentertest.ListAudiences, audiences},
		{appcentertest.GetAudience, audiences},
		{appcentertest.DeleteAudience, func(ctx context.Context, c *appcenter.Client) error {
			_, err := c.DeleteAudience(ctx, "gold")
			return err
		}},
		{appcentertest.ListNotifications, func(ctx context.Context, c *appcenter.Client) error {
			_, _, err := c.Notifications(ctx, "")
			return err
		}},
		{appcentertest.GetNotification, func(ctx context.Context, c *appcenter.Client) error {
			_, _, err := c.Notification(ctx, "n-1")
			return err
		}},
		{appcentertest.DeleteNotifications, func(ctx context.Context, c *appcenter.Client) error {
			_, err := c.DeleteNotifications(ctx, []string{"n-1", "n-2"})
			return err
		}},
	}
}

func TestStatusesHaveTheirFaults(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	for _, row := range []struct {
		status int
		want   fault.Name
		sent   int // calls that reach the provider, retries included
	}{
		{302, fault.Refused, 1},
		{400, fault.Refused, 1},
		{401, fault.Unauthorized, 1},
		{403, fault.Unauthorized, 1},
		{409, fault.Refused, 1},
		{410, fault.ProviderClosed, 1},
		{429, fault.Throttled, 4},
		{500, fault.Unavailable, 4},
		{501, fault.Unavailable, 1},
		{503, fault.Unavailable, 4},
	} {
		for _, o := range operations(s) {
			s.Heal()
			before := len(s.Calls(o.op))
			s.Fail(appcentertest.Fault{Op: o.op, Status: row.status})
			err := o.call(t.Context(), s.Client)
			if got := fault.NameOf(err); got != row.want {
				t.Errorf("%s answered %d: got %s (%v), want %s", o.op, row.status, got, err, row.want)
			}
			sent := row.sent
			if o.op == appcentertest.StartExport && row.status >= 500 {
				sent = 1 // nobody knows whether it was started
			}
			if got := len(s.Calls(o.op)) - before; got != sent {
				t.Errorf("%s answered %d: sent %d times, want %d", o.op, row.status, got, sent)
			}
		}
	}
}

func TestA404IsGoneForObjectsAndNotFoundElsewhere(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	wrong := client(t, s.url, token, "acme", "no-such-app")
	for _, o := range operations(s) {
		switch o.op {
		case appcentertest.StartExport, appcentertest.ExportStatus, appcentertest.ListAudiences, appcentertest.ListNotifications:
			if err := o.call(t.Context(), wrong); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s of an unknown app: got %v, want NotFound", o.op, err)
			}
		default:
			// A proxy's page, not App Center's answer: it says nothing about the object.
			s.Fail(appcentertest.Fault{Op: o.op, Status: 404, Body: "<html>not here</html>"})
			if err := o.call(t.Context(), s.Client); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s answered with a proxy's 404: got %v, want NotFound", o.op, err)
			}
		}
	}
}

func TestAWrongTokenIsUnauthorized(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	wrong := client(t, s.url, "another", "acme", "acme-ios")
	for _, o := range operations(s) {
		if err := o.call(t.Context(), wrong); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: got %v, want Unauthorized", o.op, err)
		}
	}
}

func TestThrottlingPasses(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]map[string]string{
		"without Retry-After": nil,
		"Retry-After zero":    {"Retry-After": "0"},
		"Retry-After in the past": {
			"Retry-After": time.Now().Add(-time.Hour).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"),
		},
	} {
		s := serve(t, world())
		s.Fail(appcentertest.Fault{Op: appcentertest.StartExport, Times: 2, Status: 429, Code: "RateLimitExceeded", Header: header})
		if _, err := s.StartExport(t.Context(), s.ContainerSAS(s.url, key, "")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := len(s.Calls(appcentertest.StartExport)); got != 3 {
			t.Errorf("%s: %d calls, want 3", name, got)
		}
	}
}

func TestALongRetryAfterIsLeftToTheCaller(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	s.Fail(appcentertest.Fault{Op: appcentertest.DeleteInstall, Status: 429, Header: map[string]string{"Retry-After": "600"}})
	_, err := s.DeleteInstall(t.Context(), install)
	if !fault.Is(err, fault.Throttled) {
		t.Errorf("got %v, want Throttled", err)
	}
	if got := len(s.Calls(appcentertest.DeleteInstall)); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
}

func TestALostConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, f := range []appcentertest.Fault{{CloseConnection: true}, {Truncate: true}} {
		s := serve(t, world())
		for _, o := range operations(s) {
			f.Op = o.op
			s.Heal()
			s.Fail(f)
			if err := o.call(t.Context(), s.Client); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s with %+v: got %v, want Unavailable", o.op, f, err)
			}
			if got := len(s.Calls(o.op)); o.op == appcentertest.StartExport && got != 1 {
				t.Errorf("a broken start of an export was sent %d times, want once", got)
			}
		}
	}
}

func TestAHangingProviderEndsWithTheContext(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	for _, o := range operations(s) {
		s.Heal()
		s.Fail(appcentertest.Fault{Op: o.op, Hang: true})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- o.call(ctx, s.Client) }()
		for len(s.Calls(o.op)) == 0 {
			select {
			case err := <-ended:
				t.Fatalf("%s ended by itself: %v", o.op, err)
			default:
			}
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want the context's end", o.op, err)
		}
	}
}

func TestAnswersThatAreNotTheContract(t *testing.T) {
	t.Parallel()
	bodies := map[appcentertest.Op][]string{
		appcentertest.StartExport:  {"{}", `{"export_id":""}`, `{"export_id":7}`, "<html>", "null", "\"\xff\""},
		appcentertest.ExportStatus: {"{}", `{"export_id":"00000000-0000-4000-8000-000000000001","status":"Done"}`, `{"export_id":"another","status":"Completed"}`},
		appcentertest.ListAudiences: {"{}", "[]", `{"values":null}`, `{"values":[{"description":"no name"}]}`, `{"values":[null]}`, `{"values":{}}`,
			`{"values":[],"nextLink":7}`, "{\"values\":[{\"name\":\"\xff\"}]}", `{"values":[],"nextLink":"/a?%zz"}`, `{"values":[],"nextLink":":"}`},
		appcentertest.GetAudience: {"{}", "null", "[]", "<html>", `{"name":"gold"}`, `{"name":"gold","description":"all","definition":null}`,
			`{"name":"gold","definition":7}`, `{"name":"france","definition":"x eq 'y'"}`},
		appcentertest.ListNotifications: {"{}", `{"values":[{"name":"no id"}]}`, `{"values":[{"notification_id":7}]}`, `{"values":[{"notification_id":"a"}`},
		appcentertest.GetNotification: {"{}", `{"notification_id":"n-1"}`, `{"notification_id":"n-2","notification_content":{"name":"x"}}`,
			`{"notification_id":"n-1","notification_content":{"name":"x","custom_data":[]}}`,
			`{"notification_id":"n-1","notification_content":{"name":"x"},"notification_target":{"type":"devices_target","devices":"all"}}`},
	}
	s := serve(t, world())
	for _, o := range operations(s) {
		for _, body := range bodies[o.op] {
			s.Heal()
			s.Fail(appcentertest.Fault{Op: o.op, Body: body})
			if err := o.call(t.Context(), s.Client); !fault.Is(err, fault.MalformedAnswer) {
				t.Errorf("%s answered %s: got %v, want MalformedAnswer", o.op, body, err)
			}
		}
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	s, other := serve(t, world()), serve(t, world())
	for _, o := range operations(s) {
		s.Heal()
		s.Fail(appcentertest.Fault{Op: o.op, Status: 307, Header: map[string]string{"Location": other.url + "/elsewhere"}})
		if err := o.call(t.Context(), s.Client); !fault.Is(err, fault.Refused) {
			t.Errorf("%s: got %v, want Refused", o.op, err)
		}
	}
	if got := other.Calls(); len(got) > 0 {
		t.Errorf("the token went to the other host, %d calls", len(got))
	}
}

// TestErrorsRepeatNothing lets the provider echo what it was asked, and more, in every answer.
func TestErrorsRepeatNothing(t *testing.T) {
	t.Parallel()
	secrets := []string{install, "gold", "n-1", "n-2", "ann@example.com", token, "sig=", "acme-ios", "v0.1", "4915112345678"}
	echo := `"` + strings.Join(secrets, " ") + `"`
	for _, body := range []string{
		`{"error":{"code":` + echo + `,"message":` + echo + `}}`,
		`{"error":{"code":4915112345678,"message":` + echo + `}}`,
		`{"export_id":` + echo + `,"status":` + echo + `,"values":[` + echo + `],"nextLink":` + echo + `}`,
		echo,
	} {
		s := serve(t, world())
		for _, status := range []int{200, 307, 400, 401, 404, 410, 429, 500} {
			for _, o := range operations(s) {
				s.Heal()
				s.Fail(appcentertest.Fault{Op: o.op, Status: status, Body: body, Header: map[string]string{"Retry-After": "60", "Location": "/" + install}})
				err := o.call(t.Context(), s.Client)
				if err == nil {
					continue // a delete that says 200 is done
				}
				for _, secret := range secrets {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("%s answered %d: the error holds %q: %v", o.op, status, secret, err)
					}
				}
			}
		}
	}
}

func TestErrorsSayStatusAndCode(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	for code, want := range map[any]string{"Conflict": "HTTP 409, code Conflict;", 409: "HTTP 409, code 409;", "409": "code 409;", "Ann": "HTTP 409;", 12345: "HTTP 409;"} {
		s.Heal()
		s.Fail(appcentertest.Fault{Op: appcentertest.DeleteAudience, Status: 409, Code: code})
		_, err := s.DeleteAudience(t.Context(), "gold")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("code %v: got %v, want %s", code, err, want)
		}
	}
}

func TestIdsThatCannotStandInAPathAreNotSent(t *testing.T) {
	t.Parallel()
	s := serve(t, world())
	for _, id := range []string{"", ".", ".."} {
		_, install := s.DeleteInstall(t.Context(), id)
		_, audience := s.DeleteAudience(t.Context(), id)
		_, _, notification := s.Notification(t.Context(), id)
		_, export := s.ExportStatus(t.Context(), id)
		for _, err := range []error{install, audience, notification, export} {
			if !fault.Is(err, fault.BadInput) {
				t.Errorf("id %q: got %v, want BadInput", id, err)
			}
		}
	}
	if _, err := s.DeleteNotifications(t.Context(), []string{"n-1", ""}); !fault.Is(err, fault.BadInput) {
		t.Errorf("an empty id among others: got %v, want BadInput", err)
	}
	if got := s.Calls(); len(got) > 0 {
		t.Errorf("%d calls were sent", len(got))
	}
}
