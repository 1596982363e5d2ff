package appcentertest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"

	sim "github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/provider/contracttest"
)

const (
	key   = "acme/ios"
	token = "token-of-acme"
	api   = "/v0.1/apps/acme/ios"
)

func world() sim.World {
	return sim.World{Apps: []sim.App{
		{
			Owner: "acme", Name: "ios", Token: token,
			Devices:   []sim.Device{{InstallID: "id-1", UserID: "ann", Props: map[string]any{"plan": "gold", "n": 7, "vip": true}}},
			Audiences: []sim.Audience{{Name: "gold", Definition: "plan eq 'gold'"}, {Name: "old", Disabled: true}},
			Notifications: []sim.Notification{
				{ID: "n-1", Name: "one", Body: "x", Target: sim.Target{Type: "devices_target", Devices: []string{"id-1"}}},
				{ID: "n-2", Name: "two", Title: "t", Body: "x", Data: map[string]string{"k": "v"}, Archived: true},
			},
		},
		{Owner: "acme", Name: "android", Token: "token-of-android", Container: "acme-ios"},
	}}
}

// call sends one request and gives status and body.
func call(t *testing.T, base, method, path, body string, header map[string]string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Token", token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestCallsThatBreakTheContractAreRefused(t *testing.T) {
	t.Parallel()
	s := sim.New(world())
	base := serve(t, contracttest.CheckAnswers(t, sim.OpenAPI(), s))
	for _, row := range []struct {
		method, path, body string
		header             map[string]string
		want               int
	}{
		{"GET", "/", "", nil, 404},
		{"GET", "/v0.1/nothing", "", nil, 404},
		{"DELETE", api + "/push/Push_Delete", `{"values":["n-1"]}`, nil, 404},
		{"DELETE", api + "/push/devices/", "", nil, 404},
		{"GET", api + "/push/devices/id-1", "", nil, 404},
		{"POST", api + "/push/notifications", "{}", nil, 404},
		{"GET", api + "/analytics/audiences", "", map[string]string{"X-API-Token": ""}, 401},
		{"GET", api + "/analytics/audiences", "", map[string]string{"X-API-Token": "wrong"}, 401},
		{"GET", api + "/analytics/audiences", "", map[string]string{"X-API-Token": "token-of-android"}, 401},
		{"GET", "/v0.1/apps/acme/none/analytics/audiences", "", nil, 404},
		{"GET", "/v0.1/apps/none/ios/analytics/audiences", "", nil, 404},
		{"GET", api + "/analytics/audiences?include_archived=true", "", nil, 400},
		{"GET", api + "/analytics/audiences?include_disabled=yes", "", nil, 400},
		{"GET", api + "/push/notifications?%24top=2001", "", nil, 400},
		{"GET", api + "/push/notifications?%24top=x", "", nil, 400},
		{"DELETE", api + "/push/devices/id-1", "{}", nil, 400},
		{"DELETE", api + "/push/devices/id-2", "", nil, 404},
		{"GET", api + "/analytics/audiences/none", "", nil, 404},
		{"GET", api + "/analytics/audiences/gold", "{}", nil, 400},
		{"GET", api + "/analytics/audiences/gold?include_disabled=true", "", nil, 400},
		{"GET", api + "/analytics/audiences/gold", "", map[string]string{"X-API-Token": "wrong"}, 401},
		{"DELETE", api + "/analytics/audiences/none", "", nil, 404},
		{"DELETE", api + "/push/notifications", "", nil, 400},
		{"DELETE", api + "/push/notifications", `["n-1"]`, nil, 400},
		{"DELETE", api + "/push/notifications", `{"values":[]}`, nil, 400},
		{"DELETE", api + "/push/notifications", `{"values":["n-1"],"more":1}`, nil, 400},
		{"DELETE", api + "/push/notifications", `{"values":["n-1"]}`, map[string]string{"Content-Type": "text/plain"}, 400},
		{"DELETE", api + "/push/notifications", `{"values":["n-1","none"]}`, nil, 404},
		{"POST", api + "/push/device_exports", `{}`, nil, 400},
		{"POST", api + "/push/device_exports", `{"blob_container_sas_uri":"https://elsewhere.example/c?sig=x"}`, nil, 400},
		{"GET", api + "/push/device_exports/none", "", nil, 404},
		{"GET", api + "/push/notifications/none", "", nil, 404},
		{"GET", "/simulated/acme-ios?restype=container&comp=list", "", nil, 403},
		{"GET", "/simulated/none?restype=container&comp=list&sig=x", "", nil, 403},
		{"PUT", "/simulated/acme-ios/blob?sig=x", "x", nil, 405},
	} {
		if got, body := call(t, base, row.method, row.path, row.body, row.header); got != row.want {
			t.Errorf("%s %s %s: got %d %s, want %d", row.method, row.path, row.body, got, body, row.want)
		}
	}
	if d, a, n := len(s.Devices(key)), len(s.Audiences(key)), len(s.Notifications(key)); d != 1 || a != 2 || n != 2 {
		t.Errorf("refused calls changed something: %d devices, %d audiences, %d notifications left", d, a, n)
	}
}

// TestAnswersFitAppCentersOwnContract compares with the contract that App Center published, where it lies beside the
// repository.
func TestAnswersFitAppCentersOwnContract(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "shared", "contracts", "appcenter-push.swagger.json"))
	if err != nil {
		t.Skip("App Center's contract is not beside this repository")
	}
	var v2 openapi2.T
	if err := json.Unmarshal(raw, &v2); err != nil {
		t.Fatal(err)
	}
	doc, err := openapi2conv.ToV3(&v2)
	if err != nil {
		t.Fatal(err)
	}
	s := sim.New(world())
	base := serve(t, contracttest.CheckDocument(t, doc, s))
	sas := s.ContainerSAS(base, key, "")
	for _, row := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", api + "/analytics/audiences?include_disabled=true", "", 200},
		{"GET", api + "/analytics/audiences/gold", "", 200},
		{"GET", api + "/analytics/audiences/old", "", 200},
		{"GET", api + "/analytics/audiences/none", "", 404},
		{"GET", api + "/push/notifications?include_archived=true&%24top=1", "", 200},
		{"GET", api + "/push/notifications/n-1", "", 200},
		{"GET", api + "/push/notifications/n-2", "", 200},
		{"GET", api + "/push/notifications/none", "", 404},
		{"POST", api + "/push/device_exports", `{"blob_container_sas_uri":"` + sas + `"}`, 202},
		{"GET", api + "/push/device_exports/00000000-0000-4000-8000-000000000001", "", 200},
		{"GET", api + "/push/device_exports/none", "", 404},
		{"DELETE", api + "/push/devices/id-1", "", 200},
		{"DELETE", api + "/push/devices/id-1", "", 404},
		{"DELETE", api + "/analytics/audiences/gold", "", 204},
		{"DELETE", api + "/analytics/audiences/gold", "", 404},
		{"DELETE", api + "/push/notifications", `{"values":["n-1","n-2"]}`, 200},
		{"DELETE", api + "/push/notifications", `{"values":["n-1","n-2"]}`, 404},
		{"GET", "/v0.1/apps/acme/none/analytics/audiences", "", 404},
	} {
		if got, body := call(t, base, row.method, row.path, row.body, nil); got != row.want {
			t.Errorf("%s %s: got %d %s, want %d", row.method, row.path, got, body, row.want)
		}
	}
}

func TestExportsInAllStyles(t *testing.T) {
	t.Parallel()
	s := sim.New(world())
	base := serve(t, s)
	for _, row := range []struct {
		style sim.ExportStyle
		want  string
	}{
		{sim.ExportStyle{}, `{"installId":"id-1","userId":"ann","customProperties":{"n":7,"plan":"gold","vip":true}}` + "\n"},
		{sim.ExportStyle{Keys: sim.Pascal, Shape: sim.JSONString, CRLF: true}, `{"InstallId":"id-1","UserId":"ann","Properties":"{\"n\":7,\"plan\":\"gold\",\"vip\":true}"}` + "\r\n"},
		{sim.ExportStyle{Keys: sim.NotificationHub, Shape: sim.Flat, BOM: true, NoFinalNewline: true}, "\ufeff" + `{"installationId":"id-1","userID":"ann","n":7,"plan":"gold","vip":true}`},
		{sim.ExportStyle{Shape: sim.List, ExtraLines: []string{"", "not json"}},
			`{"installId":"id-1","userId":"ann","customProperties":[{"name":"n","type":"number","value":7},{"name":"plan","type":"string","value":"gold"},{"name":"vip","type":"boolean","value":true}]}` + "\n\nnot json\n"},
	} {
		s.Change(key, func(a *sim.App) { a.Export = row.style })
		before := s.Blobs(key)
		call(t, base, "POST", api+"/push/device_exports", `{"blob_container_sas_uri":"`+s.ContainerSAS(base, key, "")+`"}`, nil)
		got := ""
		for name, data := range s.Blobs(key) {
			if before[name] == nil {
				got += string(data)
			}
		}
		if got != row.want {
			t.Errorf("%+v\n got %q\nwant %q", row.style, got, row.want)
		}
	}
}

func TestEscapedExportsAreTheSameJSON(t *testing.T) {
	t.Parallel()
	s := sim.New(world())
	base := serve(t, s)
	s.Change(key, func(a *sim.App) {
		a.Export.EscapeAll = true
		a.Devices = []sim.Device{{InstallID: "ü\"\\😀", UserID: "ann"}}
	})
	call(t, base, "POST", api+"/push/device_exports", `{"blob_container_sas_uri":"`+s.ContainerSAS(base, key, "")+`"}`, nil)
	for _, data := range s.Blobs(key) {
		var d map[string]string
		if err := json.Unmarshal(data, &d); err != nil || d["installId"] != "ü\"\\😀" || strings.Contains(string(data), "ann") {
			t.Errorf("got %s, %v", data, err)
		}
	}
}

func TestTheServerLiesOnDemand(t *testing.T) {
	t.Parallel()
	s := sim.New(world())
	base := serve(t, s)
	s.Change(key, func(a *sim.App) {
		a.Behaviour = sim.Behaviour{KeepAudiences: true, KeepNotifications: true, Reregister: 1, HalfBlob: true, NumericCodes: true}
	})
	call(t, base, "DELETE", api+"/analytics/audiences/gold", "", nil)
	call(t, base, "DELETE", api+"/push/notifications", `{"values":["n-1"]}`, nil)
	if len(s.Audiences(key)) != 2 || len(s.Notifications(key)) != 2 {
		t.Error("an audience or notification is gone")
	}
	for _, left := range []int{1, 0} {
		if got, _ := call(t, base, "DELETE", api+"/push/devices/ID-1", "", nil); got != 200 || len(s.Devices(key)) != left {
			t.Errorf("got %d with %d devices left, want 200 with %d", got, len(s.Devices(key)), left)
		}
	}
	if _, body := call(t, base, "DELETE", api+"/push/devices/id-1", "", nil); !strings.Contains(body, `"code":404`) {
		t.Errorf("got %s, want a number as the code", body)
	}
}

func TestBareListsShowNoDefinitions(t *testing.T) {
	t.Parallel()
	s := sim.New(world())
	base := serve(t, contracttest.Check(t, sim.OpenAPI(), s))
	for _, bare := range []bool{false, true} {
		s.Change(key, func(a *sim.App) { a.Behaviour.BareAudiences = bare })
		if _, list := call(t, base, "GET", api+"/analytics/audiences", "", nil); strings.Contains(list, `"definition"`) == bare || !strings.Contains(list, `"gold"`) {
			t.Errorf("bare %v: the list is %s", bare, list)
		}
		if _, one := call(t, base, "GET", api+"/analytics/audiences/gold", "", nil); !strings.Contains(one, `"definition":"plan eq 'gold'"`) {
			t.Errorf("bare %v: got %s", bare, one)
		}
	}
}

func TestCallsAndExportsAreCounted(t *testing.T) {
	t.Parallel()
	s := sim.New(world())
	base := serve(t, s)
	sas := s.ContainerSAS(base, key, "")
	s.Change(key, func(a *sim.App) { a.Export.Polls = 1 })
	for range 2 {
		call(t, base, "POST", api+"/push/device_exports", `{"blob_container_sas_uri":"`+sas+`"}`, nil)
	}
	call(t, base, "POST", "/v0.1/apps/acme/android/push/device_exports", `{"blob_container_sas_uri":"`+sas+`"}`, map[string]string{"X-API-Token": "token-of-android"})
	if got := s.MostExports()["acme-ios"]; got != 3 {
		t.Errorf("%d exports at a time, want 3 (two of one app, one of another into the same container)", got)
	}
	s.FinishExports(key)
	if got := len(s.Blobs(key)); got != 3 {
		t.Errorf("%d blobs, want 3", got)
	}
	call(t, base, "GET", "/nothing", "", nil)
	counts := s.Counts()
	if counts[sim.StartExport] != 3 || counts[sim.UnknownRoute] != 1 || len(s.Calls()) != 4 {
		t.Errorf("got %v", counts)
	}
	calls := s.Calls()
	for i := 1; i < len(calls); i++ {
		if calls[i].At.Before(calls[i-1].At) {
			t.Error("calls are not in order")
		}
	}
}

func TestFaultsSkipAndEnd(t *testing.T) {
	t.Parallel()
	s := sim.New(world())
	base := serve(t, s)
	s.Fail(sim.Fault{Op: sim.GetNotification, Object: "n-2", Skip: 1, Times: 2, Status: 503, Code: "Busy"})
	for i, want := range []int{200, 503, 503, 200} {
		if got, _ := call(t, base, "GET", api+"/push/notifications/n-2", "", nil); got != want {
			t.Errorf("call %d: got %d, want %d", i, got, want)
		}
		if got, _ := call(t, base, "GET", api+"/push/notifications/n-1", "", nil); got != 200 {
			t.Errorf("another object: got %d", got)
		}
	}
}
