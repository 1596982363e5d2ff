package batchtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/batch/batchtest"
	"github.com/lethe-dsr/lethe/internal/provider/contracttest"
)

const (
	rest  = "restkey0000"
	users = "/1.0/IOS/data/users"
)

// world is a simulator of two apps that share a user, and a server for it that is held to the contract.
func world(t *testing.T) (*batchtest.Server, *httptest.Server) {
	t.Helper()
	sim := batchtest.New(rest, map[string][]string{"IOS": {"ann", "bob", "c/d"}, "WEB": {"ann"}})
	srv := httptest.NewServer(contracttest.CheckAnswers(t, batchtest.Spec(), sim))
	t.Cleanup(srv.Close)
	return sim, srv
}

// send is a client that does exactly as it is told, and gives the status and either the token or the error's code.
func send(t *testing.T, srv *httptest.Server, method, path, body string, header http.Header) (status int, token string, code int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	res, err := srv.Client().Do(r)
	if err != nil {
		return 0, "", 0
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var in struct {
		Token string
		Code  int
	}
	if len(b) > 0 && json.Unmarshal(b, &in) != nil {
		t.Errorf("not JSON: %q", b)
	}
	return res.StatusCode, in.Token, in.Code
}

func good() http.Header {
	return http.Header{"X-Authorization": {rest}, "Content-Type": {"application/json"}}
}

func TestADeletionIsSeenInItsAppOnly(t *testing.T) {
	t.Parallel()
	sim, srv := world(t)
	status, first, _ := send(t, srv, "DELETE", users+"/ann", "", good())
	if status != 200 || first == "" {
		t.Fatalf("got %d %q", status, first)
	}
	_, second, _ := send(t, srv, "DELETE", users, `["c/d", "nobody"]`, good())
	if second == "" || second == first {
		t.Errorf("tokens %q and %q", first, second)
	}
	if got := sim.Users("IOS"); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("IOS has %q", got)
	}
	if got := sim.Users("WEB"); !slices.Equal(got, []string{"ann"}) {
		t.Errorf("WEB has %q", got)
	}
	calls := sim.Calls()
	if len(calls) != 2 || calls[0].Bulk || !calls[1].Bulk || len(calls[1].IDs) != 2 || calls[1].Token != second {
		t.Errorf("calls: %+v", calls)
	}
}

func TestEverythingElseIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	many := `["x"` + strings.Repeat(`,"x"`, 10000) + `]`
	with := func(name string, values ...string) http.Header {
		h := good()
		delete(h, name)
		if len(values) > 0 {
			h[name] = values
		}
		return h
	}
	for name, c := range map[string]struct {
		method, path, body string
		header             http.Header
		status, code       int
	}{
		"no key":             {"DELETE", users + "/ann", "", with("X-Authorization"), 401, 10},
		"wrong key":          {"DELETE", users + "/ann", "", with("X-Authorization", "other"), 401, 10},
		"two keys":           {"DELETE", users + "/ann", "", with("X-Authorization", rest, rest), 401, 10},
		"unknown app":        {"DELETE", "/1.0/ANDROID/data/users/ann", "", good(), 403, 12},
		"other version":      {"DELETE", "/1.1/IOS/data/users/ann", "", good(), 404, 20},
		"no user":            {"DELETE", users + "/", "", good(), 404, 20},
		"unescaped slash":    {"DELETE", users + "/c/d", "", good(), 404, 20},
		"parent":             {"DELETE", users + "/..", "", good(), 404, 20},
		"root":               {"DELETE", "/", "", good(), 404, 20},
		"GET":                {"GET", users, "", good(), 404, 20},
		"POST":               {"POST", users + "/ann", "{}", good(), 404, 20},
		"payload with an id": {"DELETE", users + "/ann", `["bob"]`, good(), 400, 31},
		"no content type":    {"DELETE", users, `["ann"]`, with("Content-Type"), 400, 32},
		"none, with an id":   {"DELETE", users + "/ann", "", with("Content-Type"), 400, 32},
		"text, with an id":   {"DELETE", users + "/ann", "", with("Content-Type", "text/plain"), 400, 32},
		"form":               {"DELETE", users, `["ann"]`, with("Content-Type", "application/x-www-form-urlencoded"), 400, 32},
		"no payload":         {"DELETE", users, "", good(), 400, 30},
		"empty list":         {"DELETE", users, "[]", good(), 400, 30},
		"not JSON":           {"DELETE", users, `["ann"`, good(), 400, 32},
		"an object":          {"DELETE", users, `{"ids":["ann"]}`, good(), 400, 32},
		"null":               {"DELETE", users, `null`, good(), 400, 32},
		"numbers":            {"DELETE", users, `["ann",1]`, good(), 400, 32},
		"a null id":          {"DELETE", users, `["ann",null]`, good(), 400, 31},
		"an empty id":        {"DELETE", users, `["ann",""]`, good(), 400, 31},
		"too many":           {"DELETE", users, many, good(), 400, 31},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, srv := world(t)
			status, token, code := send(t, srv, c.method, c.path, c.body, c.header)
			if status != c.status || code != c.code || token != "" {
				t.Errorf("got %d code %d token %q, want %d code %d", status, code, token, c.status, c.code)
			}
			if got := len(sim.Users("IOS")) + len(sim.Users("WEB")); got != 4 {
				t.Errorf("%d users left, want 4", got)
			}
		})
	}
}

func TestTenThousandIDsAreTaken(t *testing.T) {
	t.Parallel()
	_, srv := world(t)
	if status, _, code := send(t, srv, "DELETE", users, `["x"`+strings.Repeat(`,"x"`, 9999)+`]`, good()); status != 200 {
		t.Errorf("got %d, code %d", status, code)
	}
}

func TestDeletionsAppearAfterTheirDelay(t *testing.T) {
	t.Parallel()
	sim, srv := world(t)
	sim.Delay(2)
	left := func(want int) {
		t.Helper()
		if got := len(sim.Users("IOS")); got != want {
			t.Errorf("%d users, want %d", got, want)
		}
	}
	send(t, srv, "DELETE", users+"/ann", "", good())
	left(3)
	send(t, srv, "DELETE", users+"/bob", "", good())
	left(3)
	send(t, srv, "DELETE", "/1.0/WEB/data/users/x", "", good())
	left(2) // ann
	sim.Process()
	left(1) // bob
}

func TestFaultsMeetTheCallsTheyAreMeantFor(t *testing.T) {
	t.Parallel()
	sim, srv := world(t)
	sim.Fail(batchtest.Fault{App: "IOS", Skip: 1, Times: 2, Status: 503, Code: 2})
	var got []int
	for _, path := range []string{users + "/x", "/1.0/WEB/data/users/x", users + "/x", users + "/x", users + "/x"} {
		status, _, _ := send(t, srv, "DELETE", path, "", good())
		got = append(got, status)
	}
	if want := []int{200, 200, 503, 503, 200}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	sim.Fail(batchtest.Fault{Status: 401, Code: 10}) // for good
	for range 3 {
		if status, _, code := send(t, srv, "DELETE", users+"/x", "", good()); status != 401 || code != 10 {
			t.Errorf("got %d, code %d", status, code)
		}
	}
	sim.Heal()
	if status, _, _ := send(t, srv, "DELETE", users+"/x", "", good()); status != 200 {
		t.Errorf("healed, and got %d", status)
	}
}

func TestAFaultComesBeforeOrAfterItsEffect(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]batchtest.Fault{"status": {Status: 500, Code: 1}, "close": {Close: true}} {
		for _, after := range []bool{false, true} {
			f.After = after
			sim, srv := world(t)
			sim.Fail(f)
			if status, _, _ := send(t, srv, "DELETE", users+"/ann", "", good()); status == 200 {
				t.Errorf("%s: got 200", name)
			}
			if got := !slices.Contains(sim.Users("IOS"), "ann"); got != after {
				t.Errorf("%s, after %v: deleted %v", name, after, got)
			}
			if call := sim.Calls()[0]; (call.Token != "") != after || call.Status != f.Status {
				t.Errorf("%s, after %v: %+v", name, after, call)
			}
		}
	}
}

func TestAPoisonedIDIsRefusedInBothForms(t *testing.T) {
	t.Parallel()
	sim, srv := world(t)
	sim.Poison("bob")
	for path, body := range map[string]string{users + "/bob": "", users: `["ann","bob"]`} {
		if status, _, code := send(t, srv, "DELETE", path, body, good()); status != 400 || code != 31 {
			t.Errorf("got %d, code %d", status, code)
		}
	}
	if got := len(sim.Users("IOS")); got != 3 {
		t.Errorf("%d users, want 3", got)
	}
}
