package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/api"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/seal"
	"github.com/lethe-dsr/lethe/internal/web"
)

// ulidOf makes an id that no ledger has.
func ulidOf(n int) string { return fmt.Sprintf("%026d", n) }

// TestWhoMayDoWhat asks every operation with every kind of token, about a request that crm filed, or a job that waits with
// it.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	const wrong = "Bearer wrong-token-0123456789"
	for _, o := range operations("{id}") {
		s, r := prepared(t, o)
		before := s.do(ask("GET", "/requests?ended=true", officer, "")).Body.String()
		want := map[string]int{nobody: 401, wrong: 401, crm: 403, shop: 403}
		allowed := []string{officer}
		switch {
		case o.method+o.path == "POST/requests":
			delete(want, crm)
			delete(want, shop)
			allowed = []string{crm, shop, officer}
		case o.role == "submit":
			delete(want, crm)
			want[shop] = 404
			allowed = []string{crm, officer}
		}
		for token, status := range want {
			w := s.do(r(token))
			if w.Code != status || (w.Code == 401) != strings.HasPrefix(w.Header().Get("WWW-Authenticate"), `Bearer realm="lethe"`) && w.Code != 403 {
				t.Errorf("%s %s with %.12q: got %d %s, want %d", o.method, o.path, token, w.Code, w.Body, status)
			}
		}
		if after := s.do(ask("GET", "/requests?ended=true", officer, "")).Body.String(); after != before {
			t.Errorf("%s %s: refused calls changed %s to %s", o.method, o.path, before, after)
		}
		for n, token := range allowed {
			if n > 0 {
				s, r = prepared(t, o)
			}
			if w := s.do(r(token)); w.Code != 200 && w.Code != 202 {
				t.Errorf("%s %s with %.12q: got %d %s", o.method, o.path, token, w.Code, w.Body)
			}
		}
	}
}

// prepared gives a service where an operation can be done, and the request for it by a token.
func prepared(t *testing.T, o operation) (*service, func(token string) *http.Request) {
	s := serve(t)
	id := s.filed(crm, "ann@x.example")
	if strings.HasSuffix(o.path, "/claims") {
		s.claim(id)
	}
	job := strings.HasPrefix(o.path, "/jobs")
	if certificate := strings.HasSuffix(o.path, "/certificate"); job || certificate {
		a, _ := s.must(202, ask("POST", "/sweeps", officer, ""))
		s.wait(a.Jobs[0].(string))
		if certificate {
			s.end(a.Jobs[0].(string))
		} else {
			id = a.Jobs[0].(string)
		}
	}
	return s, func(token string) *http.Request {
		return ask(o.method, strings.Replace(o.path, "{id}", id, 1), token, o.body)
	}
}

func TestOthersRequestsCannotBeToldFromNone(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := s.filed(crm, "ann@x.example")
	for _, o := range []struct{ method, more string }{{"GET", ""}, {"DELETE", ""}, {"GET", "/certificate"}} {
		there := s.do(ask(o.method, "/requests/"+id+o.more, shop, ""))
		none := s.do(ask(o.method, "/requests/"+ulidOf(1)+o.more, shop, ""))
		if there.Code != 404 || there.Body.String() != none.Body.String() || fmt.Sprint(there.Header()) != fmt.Sprint(none.Header()) {
			t.Errorf("%s %s: %d %s %v and %s %v", o.method, o.more, there.Code, there.Body, there.Header(), none.Body, none.Header())
		}
	}
	if a, _ := s.must(200, ask("GET", "/requests/"+id, crm, "")); a.Status != "pending" {
		t.Errorf("the request is %s", a.Status)
	}
}

func TestLinksLeadWhereTheTokenMayGo(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := s.filed(crm, "ann@x.example")
	a, _ := s.must(202, ask("POST", "/sweeps", officer, ""))
	s.wait(a.Jobs[0].(string))
	mine, _ := s.must(200, ask("GET", "/requests/"+id, crm, ""))
	if mine.Links["job"] != "" || mine.Links["plan"] != "" {
		t.Errorf("a submit token is shown %v", mine.Links)
	}
	all, _ := s.must(200, ask("GET", "/requests/"+id, officer, ""))
	for _, name := range []string{"self", "job", "plan"} {
		s.must(200, ask("GET", all.Links[name], officer, ""))
	}
}

func TestARequestIsFiledForItsToken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	a, w := s.must(202, ask("POST", "/requests", crm, person("ann@x.example", `"regulation":"ccpa"`, `"urgent":true`)))
	if w.Header().Get("Location") != "/requests/"+a.ID || a.Links["self"] != "/requests/"+a.ID || a.By != "crm" {
		t.Errorf("answered %+v, Location %q", a, w.Header().Get("Location"))
	}
	r, err := s.desk.Ledger.Request(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if r.Channel != "api" || r.By != "crm" || r.Regulation != "ccpa" || !r.Urgent || r.Mode != "" || r.Status != ledger.Pending {
		t.Errorf("filed %+v", r)
	}
	if len(s.engine.modes) != 1 {
		t.Errorf("an urgent request started %d jobs", len(s.engine.modes))
	}
	again, _ := s.must(202, ask("POST", "/requests", crm, person(" ANN@x.example")))
	if !again.Joined || again.ID != a.ID {
		t.Errorf("the same person again: %+v", again)
	}
	other, _ := s.must(202, ask("POST", "/requests", shop, person("ann@x.example")))
	if other.Joined || other.ID == a.ID {
		t.Errorf("another token learns of the request: %+v", other)
	}
}

func TestPhonesAreReadInTheRegionOfTheConfiguration(t *testing.T) {
	t.Parallel()
	s := serve(t)
	body := func(phone string) string {
		return `{"subject":{"identifiers":[{"type":"phone","value":"` + phone + `"}]}}`
	}
	a, _ := s.must(202, ask("POST", "/requests", crm, body("030 901820")))
	b, _ := s.must(202, ask("POST", "/requests", crm, body("+49 30 901820")))
	if a.ID != b.ID {
		t.Error("a number without a country code is another person's")
	}
}

func TestOnlyApproversGoAroundTheApproval(t *testing.T) {
	t.Parallel()
	s := serve(t)
	if p := s.refused(403, ask("POST", "/requests", crm, person("ann@x.example", `"mode":"erase"`))); p.Type != "/problems/forbidden" {
		t.Errorf("got %+v", p)
	}
	if a, _ := s.must(202, ask("POST", "/requests", officer, person("ann@x.example", `"mode":"erase"`))); a.Mode != "erase" {
		t.Errorf("got %+v", a)
	}
	s.must(202, ask("POST", "/requests", crm, person("bob@x.example", `"mode":"approve"`)))
}

func TestAPreviewLeavesAPlanAndNoRequest(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.refused(403, ask("POST", "/requests", crm, person("ann@x.example", `"mode":"preview"`))) // who could not read its plan
	a, w := s.must(202, ask("POST", "/requests", officer, person("ann@x.example", `"mode":"preview"`)))
	if a.ID != "" || a.Job == "" || a.Links["plan"] != "/jobs/"+a.Job+"/plan" || w.Header().Get("Location") != a.Links["plan"] {
		t.Fatalf("answered %+v", a)
	}
	s.refused(403, ask("GET", a.Links["plan"], crm, ""))
	busy, w := s.must(202, ask("GET", a.Links["plan"], officer, ""))
	if busy.State != "working" || w.Header().Get("Retry-After") == "" {
		t.Errorf("while it searches: %+v %v", busy, w.Header())
	}
	s.open(a.Job)
	s.end(a.Job)
	if done, _ := s.must(200, ask("GET", a.Links["plan"], officer, "")); done.State != "previewed" {
		t.Errorf("at the end: %+v", done)
	}
	if all, _ := s.must(200, ask("GET", "/requests?ended=true", officer, "")); len(all.Requests.([]any)) != 0 {
		t.Errorf("left behind: %v", all.Requests)
	}
}

func TestAPlanShowsNamesOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.filed(crm, "ann@x.example")
	a, _ := s.must(202, ask("POST", "/sweeps", officer, ""))
	job := a.Jobs[0].(string)
	s.wait(job)
	for query, want := range map[string]bool{"": false, "?reveal=false": false, "?reveal=true": true} {
		_, w := s.must(200, ask("GET", "/jobs/"+job+"/plan"+query, officer, ""))
		if got := strings.Contains(w.Body.String(), objectName); got != want || !strings.Contains(w.Body.String(), `"state":"waiting"`) {
			t.Errorf("%q: %s", query, w.Body)
		}
	}
}

func TestAWordOnAPlanIsRecordedWithWhoSaidIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		how, body string
		want      ledger.Approval
	}{
		{"approve", `{"plan":"` + plan + `"}`, ledger.Approval{Plan: plan, By: "officer", Approved: true}},
		{"approve", `{"plan":"` + plan + `","keep":[],"ground":""}`, ledger.Approval{Plan: plan, By: "officer", Approved: true}},
		{"approve", `{"plan":"` + plan + `","keep":["digest"]}`, ledger.Approval{Plan: plan, By: "officer", Approved: true, Kept: []string{"digest"}}},
		{"approve", `{"plan":"` + plan + `","keep":["digest"],"ground":"other_person"}`, ledger.Approval{Plan: plan, By: "officer", Approved: true, Kept: []string{"digest"}, Ground: "other_person"}},
		{"reject", `{"plan":"` + plan + `"}`, ledger.Approval{Plan: plan, By: "officer"}},
		{"reject", `{"plan":"` + plan + `","ground":"legal_duty"}`, ledger.Approval{Plan: plan, By: "officer", Ground: "legal_duty"}},
	} {
		s := serve(t)
		s.filed(crm, "ann@x.example")
		a, _ := s.must(202, ask("POST", "/sweeps", officer, ""))
		job := a.Jobs[0].(string)
		s.wait(job)
		if a, _ := s.must(202, ask("POST", "/jobs/"+job+"/"+c.how, officer, c.body)); a.State != "working" {
			t.Errorf("%s: the job is %s", c.how, a.State)
		}
		j, err := s.desk.Ledger.Job(t.Context(), job)
		if err != nil || len(j.Approvals) != 1 {
			t.Fatal(err, j.Approvals)
		}
		got := j.Approvals[0]
		if got.At = (time.Time{}); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.how, got, c.want)
		}
	}
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	s := serve(t)
	send := func(token, key, body string) *http.Request {
		return ask("POST", "/requests", token, body, "Idempotency-Key", key)
	}
	first, _ := s.must(202, send(crm, "k 1", person("ann@x.example")))
	for _, key := range []string{"k 1", `"k 1"`} {
		again, w := s.must(202, send(crm, key, person("ann@x.example")))
		if again.ID != first.ID || !again.Repeated || w.Header().Get("Location") != "/requests/"+first.ID {
			t.Errorf("%s: %+v", key, again)
		}
	}
	if p := s.refused(422, send(crm, "k 1", person("bob@x.example"))); p.Type != "/problems/key-reused" {
		t.Errorf("another body under the key: %+v", p)
	}
	if other, _ := s.must(202, send(shop, "k 1", person("bob@x.example"))); other.ID == first.ID || other.Repeated {
		t.Errorf("another token's key is the same: %+v", other)
	}
	// The same key answers as it did when the request has ended since.
	s.must(200, ask("DELETE", "/requests/"+first.ID, crm, ""))
	if again, _ := s.must(202, send(crm, "k 1", person("ann@x.example"))); again.ID != first.ID || again.Status != "cancelled" {
		t.Errorf("after its end: %+v", again)
	}
	s.must(202, send(crm, strings.Repeat("k", 255), person("carl@x.example")))
	s.must(202, send(crm, `"a\"b\\c"`, person("carl@x.example")))
	for _, key := range []string{"", `""`, strings.Repeat("k", 256), "k\tk", "ключ", `"k`, `"k" ; p=1`, `"k\n"`, `"k\`} {
		if p := s.refused(422, send(crm, key, person("carl@x.example"))); len(p.Errors) != 1 || p.Errors[0].Name != "Idempotency-Key" {
			t.Errorf("%q: %+v", key, p)
		}
	}
	twice := send(crm, "k 2", person("carl@x.example"))
	twice.Header.Add("Idempotency-Key", "k 3")
	s.refused(422, twice)
}

func TestFieldsThatAreWrongAreNamed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ids := func(list string) string { return `{"subject":{"identifiers":[` + list + `]}}` }
	many := strings.TrimSuffix(strings.Repeat(`{"type":"user_id","value":"u"},`, 61), ",")
	const ok = `{"type":"email","value":"ann@x.example"},`
	for _, c := range []struct{ body, field, code string }{
		{`{}`, "subject.identifiers", "count"},
		{ids(``), "subject.identifiers", "count"},
		{ids(many), "subject.identifiers", "count"},
		{ids(ok + `{"value":"x"}`), "subject.identifiers[1].type", "required"},
		{ids(ok + `{"type":"fax","value":"x"}`), "subject.identifiers[1].type", "unknown"},
		{ids(ok + ok + `{"type":"email","value":"x"}`), "subject.identifiers[2].value", "not_email"},
		{ids(`{"type":"phone","value":"x"}`), "subject.identifiers[0].value", "not_phone"},
		{ids(`{"type":"install_id","value":"x"}`), "subject.identifiers[0].value", "not_install_id"},
		{ids(`{"type":"user_id","value":" "}`), "subject.identifiers[0].value", "required"},
		{ids(`{"type":"user_id"}`), "subject.identifiers[0].value", "required"},
		{ids(`{"type":"user_id","value":"` + strings.Repeat("x", 1025) + `"}`), "subject.identifiers[0].value", "too_long"},
		{ids(`{"type":"user_id","value":"a\u0000b"}`), "subject.identifiers[0].value", "bad_value"},
		{ids(`{"type":"property","value":"x"}`), "subject.identifiers[0].name", "required"},
		{ids(`{"type":"property","name":"` + strings.Repeat("n", 129) + `","value":"x"}`), "subject.identifiers[0].name", "too_long"},
		{ids(`{"type":"property","name":"a\u0000b","value":"x"}`), "subject.identifiers[0].name", "bad_value"},
		{ids(`{"type":"email","name":"n","value":"ann@x.example"}`), "subject.identifiers[0].name", "not_allowed"},
		{person("ann@x.example", `"mode":"fast"`), "mode", "unknown"},
		{person("ann@x.example", `"regulation":"hipaa"`), "regulation", "unknown"},
		{person("ann@x.example", `"urgent":"yes"`), "urgent", "wrong_type"},
		{person("ann@x.example", `"mode":null`), "mode", "wrong_type"},
		{person("ann@x.example", `"mode":"approve","mode":"erase"`), "mode", "duplicate"},
		{person("ann@x.example", `"Mode":"erase"`), "body", "unknown_field"},
	} {
		p := s.refused(422, ask("POST", "/requests", crm, c.body))
		if len(p.Errors) != 1 || p.Errors[0].Name != c.field || p.Errors[0].Code != c.code || p.Errors[0].Text == "" {
			t.Errorf("%.80s: got %+v, want %s at %s", c.body, p.Errors, c.code, c.field)
		}
	}
	id, job := s.filed(crm, "ann@x.example"), ulidOf(1)
	for _, c := range []struct{ method, path, body, field string }{
		{"POST", "/requests/" + id + "/extension", `{"reason":"lazy"}`, "reason"},
		{"POST", "/requests/" + id + "/denial", `{"ground":"lazy"}`, "ground"},
		{"POST", "/jobs/" + job + "/approve", `{"plan":"short"}`, "plan"},
		{"POST", "/requests/" + id + "/claims", `{}`, "verified"},
		{"POST", "/requests/" + id + "/claims", `{"verified":"yes"}`, "verified"},
		{"POST", "/requests/" + id + "/claims", `{"verified":true}`, "verified"}, // it has none
		{"POST", "/jobs/" + job + "/reject", `{"plan":"` + plan + `","keep":["digest"]}`, "body"},
		{"POST", "/jobs/" + job + "/reject", `{"ground":"other_person"}`, "plan"},
		{"POST", "/sweeps", `{"mode":"fast"}`, "mode"},
		{"GET", "/requests?status=unverified", "", "status"},
		{"GET", "/requests?ended=1", "", "ended"},
		{"GET", "/requests?after=", "", "after"},
		{"GET", "/requests?after=" + strings.Repeat("x", 101), "", "after"},
		{"GET", "/requests?status=pending&status=erased", "", "status"},
		{"GET", "/requests?other=1", "", "query"},
		{"GET", "/requests?%zz", "", "query"},
		{"GET", "/jobs/" + job + "/plan?reveal=yes", "", "reveal"},
		{"GET", "/jobs/" + job + "/plan?after=1000", "", "after"},
		{"GET", "/jobs/" + job + "/plan?after=" + plan + ".-1", "", "after"},
		{"GET", "/jobs/" + job + "/plan?after=" + plan, "", "after"},
	} {
		if p := s.refused(422, ask(c.method, c.path, officer, c.body)); len(p.Errors) != 1 || p.Errors[0].Name != c.field {
			t.Errorf("%s %s: got %+v, want %s", c.method, c.path, p.Errors, c.field)
		}
	}
}

func TestIdsOfAnotherFormAreNotFound(t *testing.T) {
	t.Parallel()
	s := serve(t)
	nobodyAsked := *s
	nobodyAsked.h = handler(s.log, api.Options{Tokens: web.NewKeys(s.desk.Config.Serve.Tokens, s.desk.Seal.Digest, time.Now)})
	for _, id := range []string{"x.y", strings.Repeat("0", 81), "..%2f", "%00", "%c3%a9", "a%20b", ulidOf(1) + "%0a"} {
		for _, o := range operations(id) {
			if strings.Contains(o.path, id) && o.path != "/requests" {
				nobodyAsked.refused(404, ask(o.method, o.path, officer, o.body))
			}
		}
	}
	// A job is no request, and a request is no job.
	id := s.filed(crm, "ann@x.example")
	a, _ := s.must(202, ask("POST", "/sweeps", officer, ""))
	s.refused(404, ask("GET", "/jobs/"+id, officer, ""))
	s.refused(404, ask("GET", "/requests/"+a.Jobs[0].(string), officer, ""))
}

func TestWrongMethodsAreToldTheRightOnes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for path, want := range map[string]string{
		"/requests": "GET, HEAD, POST", "/requests/" + ulidOf(1): "DELETE, GET, HEAD", "/sweeps": "POST",
		"/jobs/" + ulidOf(1) + "/approve": "POST", "/openapi.yaml": "GET, HEAD",
	} {
		for _, method := range []string{"PUT", "PATCH", "OPTIONS"} {
			r := ask(method, path, officer, "")
			s.refused(405, r)
			if got := s.do(r).Header().Get("Allow"); got != want {
				t.Errorf("%s %s: Allow is %q, want %q", method, path, got, want)
			}
		}
	}
}

func TestAListGoesOnByItsLink(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for n := range intake.PageSize + 5 {
		s.filed(crm, fmt.Sprintf("ann%d@x.example", n))
	}
	seen := map[string]bool{}
	pages := 0
	for path := "/requests?status=pending"; path != ""; pages++ {
		w := s.do(ask("GET", path, officer, ""))
		var page struct {
			Requests []struct {
				ID string `json:"id"`
			} `json:"requests"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != 200 {
			t.Fatal(w.Code, err)
		}
		for _, r := range page.Requests {
			seen[r.ID] = true
		}
		next, rel, _ := strings.Cut(w.Header().Get("Link"), ">; ")
		if path = strings.TrimPrefix(next, "<"); path != "" && (rel != `rel="next"` || !strings.HasSuffix(path, "&status=pending")) {
			t.Errorf("Link is %q", w.Header().Get("Link"))
		}
	}
	if pages != 2 || len(seen) != intake.PageSize+5 {
		t.Errorf("%d pages with %d requests", pages, len(seen))
	}
}

func TestACertificateIsSignedByThePublishedKey(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := s.filed(crm, "ann@x.example")
	s.refused(404, ask("GET", "/requests/"+id+"/certificate", crm, ""))
	a, _ := s.must(202, ask("POST", "/sweeps", officer, ""))
	s.open(a.Jobs[0].(string))
	s.end(a.Jobs[0].(string))
	_, w := s.must(200, ask("GET", "/requests/"+id+"/certificate", crm, ""))
	if w.Header().Get("Content-Type") != "application/jose" || w.Header().Get("Content-Disposition") != `attachment; filename="lethe-certificate-`+id+`.jws"` {
		t.Errorf("headers: %v", w.Header())
	}
	_, set := s.must(200, ask("GET", "/.well-known/jwks.json", nobody, ""))
	payload, _, err := seal.Verify(w.Body.String(), set.Body.Bytes())
	if err != nil || !strings.Contains(string(payload), id) {
		t.Errorf("the certificate of another request, or of another key: %v %s", err, payload)
	}
}

func TestTheDescriptionIsPublic(t *testing.T) {
	t.Parallel()
	_, w := serve(t).must(200, ask("GET", "/openapi.yaml", nobody, ""))
	if !strings.HasPrefix(w.Body.String(), "openapi: 3.1") || w.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("%s %.40q", w.Header().Get("Content-Type"), w.Body)
	}
}
