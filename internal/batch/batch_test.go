package batch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-dsr/lethe/internal/batch"
	"github.com/lethe-dsr/lethe/internal/batch/batchtest"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/provider/contracttest"
)

const (
	app  = "APPKEY0000"
	rest = "restkey0000"
)

// serve starts a simulator with one app and these users, every call to it checked against the contract.
func serve(t *testing.T, users ...string) (*batchtest.Server, *batch.Client) {
	t.Helper()
	sim := batchtest.New(rest, map[string][]string{app: users})
	return sim, client(t, contracttest.Check(t, batchtest.Spec(), sim))
}

// client serves a handler and gives a client of it.
func client(t *testing.T, h http.Handler) *batch.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	base, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return batch.New(batch.Options{Base: base, APIKey: app, RESTKey: rest, RetryWait: time.Microsecond})
}

func wantFault(t *testing.T, err error, want fault.Name) {
	t.Helper()
	if got := fault.NameOf(err); got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

func TestOneIDIsDeletedByItself(t *testing.T) {
	t.Parallel()
	sim, c := serve(t, "ann", "bob")
	token, err := c.Delete(t.Context(), []string{"ann"})
	if err != nil {
		t.Fatal(err)
	}
	if got := sim.Users(app); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("left: %q", got)
	}
	calls := sim.Calls()
	if len(calls) != 1 || calls[0].Bulk || calls[0].Token != token {
		t.Errorf("got calls %+v and token %q", calls, token)
	}
}

func TestManyIDsAreDeletedByOneCall(t *testing.T) {
	t.Parallel()
	ids := make([]string, batch.MaxIDs)
	for n := range ids {
		ids[n] = "user " + strconv.Itoa(n)
	}
	sim, c := serve(t, append(ids, "stays")...)
	token, err := c.Delete(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	if got := sim.Users(app); !slices.Equal(got, []string{"stays"}) {
		t.Errorf("%d left", len(got))
	}
	calls := sim.Calls()
	if len(calls) != 1 || !calls[0].Bulk || len(calls[0].IDs) != batch.MaxIDs || calls[0].Token != token {
		t.Errorf("got %d calls, token %q", len(calls), token)
	}
}

func TestAnUnknownIDIsNoErrorAndAskingTwiceNeither(t *testing.T) {
	t.Parallel()
	_, c := serve(t)
	first, err := c.Delete(t.Context(), []string{"nobody"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Delete(t.Context(), []string{"nobody"})
	if err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Error("two transactions have one token")
	}
}

func TestUnusableListsAreNotSent(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string][]string{
		"none":          {},
		"too many":      slices.Repeat([]string{"x"}, batch.MaxIDs+1),
		"an empty one":  {"planted-id", ""},
		"invalid UTF-8": {"planted-id\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, c := serve(t)
			_, err := c.Delete(t.Context(), ids)
			wantFault(t, err, fault.BadInput)
			if strings.Contains(err.Error(), "planted") {
				t.Errorf("the error holds an id: %v", err)
			}
			if n := len(sim.Calls()); n != 0 {
				t.Errorf("%d calls were sent", n)
			}
		})
	}
}

// hardIDs are ids that a path distorts easily, with the form that each must take.
func hardIDs() map[string]bool {
	long := strings.Repeat("ü", 1000)
	return map[string]bool{ // true: in the body
		"a/b": false, "a?b=c": false, "a#b": false, "100%": false, "50% off": false, "a b": false, " a ": false, "a+b": false, "+4915112345678": false,
		"ann@example.com": false, "a;b,c": false, "a:b": false, "a&b=c": false, `"a"`: false, "<a>&": false, "日本語": false, "é": false, "e\u0301": false, "👩‍👩‍👧": false,
		"...a": false, ".a": false, "a.": false, "~a": false, "*": false, "users": false, "\u2028": false,
		".": true, "..": true, "...": true, "/": true, "//": true, "/a": true, "a/": true, "a//b": true, "../b": true, "a/..": true, "a/./b": true, `..\b`: true,
		"%2e%2e": true, "a%2Fb": true, "%41": true, "a\x00b": true, "a\nb": true, "\x7f": true, "\t": true, long: true,
	}
}

func TestHardIDsArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	ids := hardIDs()
	var users []string
	for id := range ids {
		users = append(users, id)
	}
	sim, c := serve(t, append(users, "stays", "b", "a", "A")...)
	for id, bulk := range ids {
		if _, err := c.Delete(t.Context(), []string{id}); err != nil {
			t.Errorf("%.30q: %v", id, err)
			continue
		}
		calls := sim.Calls()
		last := calls[len(calls)-1]
		if last.Bulk != bulk || !slices.Equal(last.IDs, []string{id}) {
			t.Errorf("%.30q: arrived as %.30q, bulk %v, want bulk %v", id, last.IDs, last.Bulk, bulk)
		}
	}
	if got, want := sim.Users(app), []string{"A", "a", "b", "stays"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}

// A ServeMux cleans paths as many servers do, and answers an unclean one with a redirect.
func TestHardIDsSurviveAServerThatCleansPaths(t *testing.T) {
	t.Parallel()
	sim := batchtest.New(rest, map[string][]string{app: {"stays"}})
	mux := http.NewServeMux()
	mux.Handle("/1.0/", sim)
	c := client(t, mux)
	for id := range hardIDs() {
		if _, err := c.Delete(t.Context(), []string{id}); err != nil {
			t.Errorf("%.30q: %v", id, err)
			continue
		}
		calls := sim.Calls()
		if last := calls[len(calls)-1]; !slices.Equal(last.IDs, []string{id}) {
			t.Errorf("%.30q: arrived as %.30q", id, last.IDs)
		}
	}
}

// Some servers read a + of a path as a space, and some characters have a meaning of their own in a segment.
func TestOnlyPlainCharactersStandForThemselvesInAPath(t *testing.T) {
	t.Parallel()
	var path string
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.RequestURI
		fmt.Fprint(w, `{"token":"t"}`)
	}))
	if _, err := c.Delete(t.Context(), []string{"+49 1/@;,:&=$!*'()?#%-_.~é"}); err != nil {
		t.Fatal(err)
	}
	if want := "/1.0/" + app + "/data/users/%2B49%201%2F%40%3B%2C%3A%26%3D%24%21%2A%27%28%29%3F%23%25-_.~%C3%A9"; path != want {
		t.Errorf("got  %s\nwant %s", path, want)
	}
}

func TestHardIDsTravelInOneBody(t *testing.T) {
	t.Parallel()
	var ids []string
	for id := range hardIDs() {
		ids = append(ids, id)
	}
	sim, c := serve(t, ids...)
	if _, err := c.Delete(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	if got := sim.Users(app); len(got) != 0 {
		t.Errorf("left: %.30q", got)
	}
}

func TestDocumentedErrorsHaveTheirNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status, code int
		name         string
		want         fault.Name
	}{
		{401, 10, "AUTHENTICATION_INVALID", fault.AuthenticationWrong},
		{403, 12, "API_MISUSE", fault.APIMisuse},
		{404, 20, "ROUTE_NOT_FOUND", fault.RouteNotFound},
		{400, 30, "MISSING_PARAMETER", fault.MissingParameter},
		{400, 31, "MALFORMED_PARAMETER", fault.MalformedParameter},
		{400, 32, "MALFORMED_JSON_BODY", fault.MalformedJSONBody},
		{500, 1, "SERVER_ERROR", fault.ServerError},
		{503, 2, "MAINTENANCE_ERROR", fault.Maintenance},
	} {
		bodies := []string{
			fmt.Sprintf(`{"code":%d,"message":"planted-id"}`, c.code),
			fmt.Sprintf(`{"code":"%d","message":"planted-id"}`, c.code),
			fmt.Sprintf(`{"code":"%s"}`, strings.ToLower(c.name)),
			fmt.Sprintf(`{"error_code":"%s","error_message":"planted-id"}`, c.name),
			fmt.Sprintf(`{"error_code":%d,"code":null,"more":[]}`, c.code),
		}
		for _, body := range bodies {
			t.Run(fmt.Sprint(c.status, " ", body), func(t *testing.T) {
				t.Parallel()
				sim, client := serve(t, "planted-id")
				sim.Fail(batchtest.Fault{Status: c.status, Body: body})
				_, err := client.Delete(t.Context(), []string{"planted-id"})
				wantFault(t, err, c.want)
				if strings.Contains(err.Error(), "planted") {
					t.Errorf("the error holds what the provider said: %v", err)
				}
				if len(sim.Users(app)) != 1 {
					t.Error("the fault had an effect")
				}
			})
		}
	}
}

func TestOtherErrorsAreNamedByTheirStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		want   fault.Name
	}{
		{401, "", fault.AuthenticationWrong},
		{401, `{"code":99}`, fault.AuthenticationWrong},
		{403, "<html>", fault.APIMisuse},
		{404, `[]`, fault.RouteNotFound},
		{500, `{"code":{}}`, fault.ServerError},
		{503, "busy", fault.Maintenance},
		{400, "", fault.Refused}, // which of three, nobody knows
		{400, `{"code":10}`, fault.Refused},
		{409, `{"code":31}`, fault.Refused},
		{411, "", fault.Refused},
		{410, "", fault.ProviderClosed},
		{429, "", fault.Throttled},
		{501, "", fault.Unavailable},
		{502, "bad gateway", fault.Unavailable},
		{504, `{"code":1}`, fault.Unavailable},
		{202, `{"token":"t"}`, fault.MalformedAnswer},
		{204, "", fault.MalformedAnswer},
		{302, "", fault.MalformedAnswer},
	} {
		t.Run(fmt.Sprint(c.status, " ", c.body), func(t *testing.T) {
			t.Parallel()
			sim := batchtest.New(rest, map[string][]string{app: nil})
			sim.Fail(batchtest.Fault{Status: c.status, Body: c.body, Header: http.Header{"Location": {"/elsewhere"}}})
			_, err := client(t, sim).Delete(t.Context(), []string{"x", "y"})
			wantFault(t, err, c.want)
		})
	}
}

func TestAnAnswerWithoutAUsableTokenIsMalformed(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"", "{}", "null", "[]", `"token"`, "<html>ok</html>", `{"token":""}`, `{"token":null}`, `{"token":7}`, `{"token":" "}`, `{"token":"a b"}`,
		`{"token":"a\nb"}`, `{"token":"a\u0000"}`, `{"token":"` + strings.Repeat("t", 257) + `"}`, `{"token":"cut`, `{"token":"t"} trailing`, "{\"token\":\"\xff\"}",
		// A provider that repeats an id would put it into outcomes and certificates.
		`{"token":"planted-id"}`, `{"token":"PLANTED-ID"}`, `{"token":"tx:planted-id:1"}`, `{"token":"y"}`,
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			sim, c := serve(t, "planted-id", "y")
			sim.Fail(batchtest.Fault{Body: body, After: true, Status: 200})
			token, err := c.Delete(t.Context(), []string{"planted-id", "y"})
			wantFault(t, err, fault.MalformedAnswer)
			if token != "" || strings.Contains(strings.ToLower(err.Error()), "planted") {
				t.Errorf("token %q, error %v", token, err)
			}
			if left := sim.Users(app); len(left) != 0 {
				t.Errorf("the order was taken, but %q are left", left)
			}
		})
	}
}

func TestATokenMayBeAnythingPrintable(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"t", strings.Repeat("t", 256), "a.b/c+d=", "é"} {
		sim, c := serve(t)
		sim.Fail(batchtest.Fault{Body: fmt.Sprintf(`{"token":%q,"more":1}`, want)})
		if got, err := c.Delete(t.Context(), []string{"ann"}); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestPassingFaultsAreTriedAgain(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]batchtest.Fault{
		"server error":                      {Status: 500, Code: 1},
		"server error after the effect":     {Status: 500, Code: 1, After: true},
		"maintenance":                       {Status: 503, Code: 2},
		"throttled":                         {Status: 429},
		"connection lost":                   {Close: true},
		"connection lost after the effect":  {Close: true, After: true},
		"bad gateway, on another try again": {Status: 502, Body: "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, c := serve(t, "ann", "bob")
			f.Times = 2
			sim.Fail(f)
			token, err := c.Delete(t.Context(), []string{"ann", "bob"})
			if err != nil || token == "" {
				t.Fatalf("got %q, %v", token, err)
			}
			if n := len(sim.Calls()); n != 3 {
				t.Errorf("%d calls, want 3", n)
			}
			if left := sim.Users(app); len(left) != 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

func TestPermanentFaultsAreNotTriedAgain(t *testing.T) {
	t.Parallel()
	for _, f := range []batchtest.Fault{{Status: 401, Code: 10}, {Status: 403, Code: 12}, {Status: 404, Code: 20}, {Status: 400, Code: 31}, {Status: 410}} {
		sim, c := serve(t, "ann")
		sim.Fail(f)
		if _, err := c.Delete(t.Context(), []string{"ann"}); err == nil || fault.NameOf(err).Transient() {
			t.Errorf("%d: %v", f.Status, err)
		}
		if n := len(sim.Calls()); n != 1 {
			t.Errorf("%d: %d calls, want 1", f.Status, n)
		}
	}
}

func TestAPoisonedIDFailsItsWholeCall(t *testing.T) {
	t.Parallel()
	sim, c := serve(t, "ann", "planted-id")
	sim.Poison("planted-id")
	_, err := c.Delete(t.Context(), []string{"ann", "planted-id"})
	wantFault(t, err, fault.MalformedParameter)
	if strings.Contains(err.Error(), "planted") {
		t.Errorf("the error holds an id: %v", err)
	}
	if got := sim.Users(app); len(got) != 2 {
		t.Errorf("left %q, want both", got)
	}
}

func TestAWrongKeyIsNamed(t *testing.T) {
	t.Parallel()
	sim := batchtest.New(rest, map[string][]string{app: {"ann"}})
	srv := httptest.NewServer(sim)
	defer srv.Close()
	base, _ := url.Parse(srv.URL)
	for want, o := range map[fault.Name]batch.Options{
		fault.AuthenticationWrong: {Base: base, APIKey: app, RESTKey: "other"},
		fault.APIMisuse:           {Base: base, APIKey: "../" + app, RESTKey: rest},
		fault.RouteNotFound:       {Base: base.JoinPath("prefix"), APIKey: app, RESTKey: rest},
	} {
		_, err := batch.New(o).Delete(t.Context(), []string{"ann"})
		wantFault(t, err, want)
	}
	if len(sim.Users(app)) != 1 {
		t.Error("a refused call deleted somebody")
	}
}

func TestABaseMayHaveAPath(t *testing.T) {
	t.Parallel()
	sim := batchtest.New(rest, map[string][]string{app: {"a/b c"}})
	srv := httptest.NewServer(http.StripPrefix("/proxy", sim))
	defer srv.Close()
	base, _ := url.Parse(srv.URL + "/proxy/")
	c := batch.New(batch.Options{Base: base, APIKey: app, RESTKey: rest})
	if _, err := c.Delete(t.Context(), []string{"a/b c"}); err != nil {
		t.Fatal(err)
	}
	if left := sim.Users(app); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

func TestNobodyThereIsUnavailable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := &url.URL{Scheme: "http", Host: l.Addr().String()}
	l.Close()
	c := batch.New(batch.Options{Base: base, APIKey: app, RESTKey: rest, RetryWait: time.Microsecond})
	_, err = c.Delete(t.Context(), []string{"planted-id"})
	wantFault(t, err, fault.Unavailable)
	if s := err.Error(); strings.Contains(s, "planted") || strings.Contains(s, app) {
		t.Errorf("the error holds the path: %v", err)
	}
}

func TestAHangingProviderEndsWithTheContext(t *testing.T) {
	t.Parallel()
	sim := batchtest.New(rest, map[string][]string{app: {"ann"}})
	sim.Fail(batchtest.Fault{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel() // as a step does when its time is up
		sim.ServeHTTP(w, r)
	}))
	_, err := c.Delete(ctx, []string{"ann"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAWaitThatTheProviderAsksForIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := batchtest.New(rest, map[string][]string{app: {"ann"}})
		sim.Fail(batchtest.Fault{Status: 429, Times: 1, Header: http.Header{"Retry-After": {"20"}}})
		c := batch.New(batch.Options{
			Base: &url.URL{Scheme: "http", Host: "batch.test"}, APIKey: app, RESTKey: rest, Transport: inProcess{sim},
		})
		start := time.Now()
		if _, err := c.Delete(t.Context(), []string{"ann"}); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited != 20*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

// inProcess serves a client without a network, so that its waits take no real time.
type inProcess struct{ h http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	p.h.ServeHTTP(rec, in)
	return rec.Result(), nil
}

// Batch's own example of the single delete has a Content-Type too, although there is no body.
func TestBothFormsAreSentAsThePageShowsThem(t *testing.T) {
	t.Parallel()
	for _, ids := range [][]string{{"ann"}, {"ann", "bob"}} {
		c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Authorization") != rest || (len(body) > 0) != (len(ids) > 1) || err != nil {
				t.Errorf("%d ids: header %v, body %q, %v", len(ids), r.Header, body, err)
			}
			fmt.Fprint(w, `{"token":"t"}`)
		}))
		if _, err := c.Delete(t.Context(), ids); err != nil {
			t.Error(err)
		}
	}
}
