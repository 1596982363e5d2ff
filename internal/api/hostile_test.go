package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/api"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/subject"
	"github.com/lethe-dsr/lethe/internal/web"
)

// marker stands in every place that a client can fill.
const marker = "annmarker0815"

// TestNothingThatCameInIsRepeated puts a marker into every place of a request, good and bad, and looks for it in all
// answers, in the log, and in everything that can be asked for afterwards.
func TestNothingThatCameInIsRepeated(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := s.filed(crm, marker+"@x.example")
	a, _ := s.must(202, ask("POST", "/sweeps", officer, ""))
	job := a.Jobs[0].(string)
	s.wait(job)
	preview, _ := s.must(202, ask("POST", "/requests", officer, person(marker+"2@x.example", `"mode":"preview"`)))
	s.open(preview.Job)
	s.end(preview.Job)

	one := func(typ, name, value string) string {
		return fmt.Sprintf(`{"subject":{"identifiers":[{"type":%q,"name":%q,"value":%q}]}}`, typ, name, value)
	}
	m := marker
	var rs []*http.Request
	for _, body := range []string{
		one("email", "", m+"@x.example"), one("email", "", m), one("phone", "", m), one("user_id", "", m), one("install_id", "", m),
		one("property", m, m), one("property", "", m), one("email", m, m), one(m, m, m), one("user_id", "", strings.Repeat(m, 100)),
		`{"` + m + `":1}`, `{"subject":"` + m + `"}`, `{"subject":{"` + m + `":1}}`, `{"subject":{"identifiers":["` + m + `"]}}`,
		`{"subject":{"identifiers":[{"type":"email","value":"` + m + `@x.example","value":"` + m + `"}]}}`, `{"` + m, m, `"` + m + `"`, `["` + m + `"]`,
		person("x@x.example", `"mode":"`+m+`"`), person("x@x.example", `"regulation":"`+m+`"`), person("x@x.example", `"urgent":"`+m+`"`), "\xff" + m,
	} {
		for _, typ := range []string{"application/json", "text/plain", m, "application/" + m + "; charset=" + m} {
			rs = append(rs, ask("POST", "/requests", crm, body, "Content-Type", typ))
		}
	}
	for _, o := range operations(id) {
		rs = append(rs,
			ask(o.method, o.path+"?"+m+"="+m, officer, o.body),
			ask(o.method, o.path, "Bearer "+m, o.body),
			ask(o.method, o.path, m, o.body),
			ask(strings.ToUpper(m), o.path, officer, o.body),
			ask(o.method, o.path, officer, o.body, "Origin", "https://"+m+".example", "Sec-Fetch-Site", "cross-site"),
			ask(o.method, o.path, officer, o.body, "Content-Encoding", m))
		if o.body != "" {
			rs = append(rs, ask(o.method, o.path, officer, `{"plan":"`+m+`","reason":"`+m+`"}`), ask(o.method, o.path, officer, `{"plan":"`+m+`"}`),
				ask(o.method, o.path, officer, `{"reason":"`+m+`"}`), ask(o.method, o.path, officer, `{"ground":"`+m+`"}`), ask(o.method, o.path, officer, `{"mode":"`+m+`"}`))
		}
		host := ask(o.method, o.path, officer, o.body)
		host.Host = m + ".example"
		rs = append(rs, host)
	}
	for _, o := range operations(m) {
		rs = append(rs, ask(o.method, o.path, officer, o.body))
	}
	rs = append(rs,
		ask("POST", "/jobs/"+job+"/approve", officer, `{"plan":"`+plan+`","keep":["`+m+`"]}`),
		ask("POST", "/jobs/"+job+"/reject", officer, `{"plan":"`+plan+`","ground":"`+m+`"}`),
		ask("GET", "/requests?status="+m, officer, ""), ask("GET", "/requests?after="+m, officer, ""), ask("GET", "/requests?ended="+m, officer, ""),
		ask("GET", "/jobs/"+job+"/plan?reveal="+m, officer, ""), ask("GET", "/jobs/"+job+"/plan?after="+m+".1", officer, ""), ask("GET", "/"+m, officer, ""), ask("GET", "//"+m, officer, ""),
		ask("POST", "/requests", crm, person("y@x.example"), "Idempotency-Key", m),
		ask("POST", "/requests", crm, person("z@x.example"), "Idempotency-Key", m),
		ask("POST", "/requests", crm, person("y@x.example"), "Idempotency-Key", `"`+m),
		ask("GET", "/requests/"+id, crm, "", "X-Forwarded-For", m, "User-Agent", m, "Referer", "https://x.example/"+m, "Cookie", "lethe="+m),
		ask("GET", "/requests/"+id, crm, ""), ask("GET", "/requests?ended=true", officer, ""), ask("GET", "/jobs", officer, ""),
		ask("GET", "/jobs/"+job, officer, ""), ask("GET", "/jobs/"+job+"/plan", officer, ""), ask("GET", preview.Links["plan"], officer, ""),
	)
	for range 20 {
		rs = append(rs, ask("GET", "/jobs", "Bearer "+m, ""))
	}
	statuses := map[int]int{}
	for _, r := range rs {
		w := s.do(r)
		statuses[w.Code]++
		if all := strings.ToLower(fmt.Sprint(w.Header(), w.Body)); strings.Contains(all, m) {
			t.Errorf("%s %s is answered with what came in: %s", r.Method, r.URL.Path, all)
		}
		if w.Code >= 500 {
			t.Errorf("%s %s: %d %s", r.Method, r.URL.Path, w.Code, w.Body)
		}
	}
	for _, want := range []int{200, 202, 400, 401, 403, 404, 405, 409, 415, 421, 422, 429} {
		if statuses[want] == 0 {
			t.Errorf("no answer was %d: %v", want, statuses)
		}
	}
	s.end(job)
	_, w := s.must(200, ask("GET", "/requests/"+id+"/certificate", crm, ""))
	if all := w.Body.String(); strings.Contains(all, m) {
		t.Error("the certificate holds an identifier")
	}
	if log := strings.ToLower(s.log.String()); strings.Contains(log, m) || strings.Contains(log, id) || strings.Contains(log, "token-0123456789") {
		t.Error("the log holds something of a request")
	}
}

func TestLargeBodiesAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t)
	large := person("ann@x.example", `"mode":"`+strings.Repeat("x", web.MaxBody)+`"`)
	s.refused(413, ask("POST", "/requests", crm, large))
	chunked := ask("POST", "/requests", crm, large)
	chunked.ContentLength = -1
	s.refused(413, chunked)
}

func TestTheLargestPersonIsTaken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ids := make([]string, subject.MaxIdentifiers)
	for n := range ids {
		ids[n] = fmt.Sprintf(`{"type":"property","name":"p%d","value":"%s"}`, n, strings.Repeat("v", 1000))
	}
	s.must(202, ask("POST", "/requests", crm, `{"subject":{"identifiers":[`+strings.Join(ids, ",")+`]}}`))
}

// clerk takes submissions and does nothing with them.
type clerk struct {
	api.Desk
	taken []subject.Subject
}

func (c *clerk) Submit(_ context.Context, s intake.Submission) (intake.Receipt, error) {
	c.taken = append(c.taken, s.Subject)
	return intake.Receipt{View: intake.View{ID: ulidOf(7), Status: ledger.Pending, By: s.By}}, nil
}

func (c *clerk) Look(_ context.Context, s subject.Subject) (string, error) {
	c.taken = append(c.taken, s)
	return ulidOf(8), nil
}

// FuzzSubmit: whatever comes is taken as a person of 1 to 60 identifiers, or refused in words that are all our own.
func FuzzSubmit(f *testing.F) {
	f.Add([]byte(person("ann@x.example")), "", "application/json")
	f.Add([]byte(person("ann@x.example", `"mode":"preview"`, `"urgent":true`)), `"k\"1"`, "application/json; charset=utf-8")
	f.Add([]byte(`{"subject":{"identifiers":[{"type":"property","name":"n","value":"v"},{"type":"phone","value":"030 901820"}]},"regulation":"ccpa"}`), "k", "application/json")
	f.Add([]byte(`{"subject":{"identifiers":[{"type":"install_id","value":"00000000-0000-0000-0000-000000000000","value":"\ud800"}]}}`), "", "text/json")
	f.Add([]byte(`{"subject":[`), "\x00", "application/json")
	tokens := []config.Token{{Name: "crm", Role: config.RoleSubmit, Token: config.NewSecret(strings.TrimPrefix(crm, "Bearer "))}}
	fields := regexp.MustCompile(`^(body|Idempotency-Key|mode|regulation|urgent|subject(\.identifiers(\[[0-9]+\](\.(type|name|value))?)?)?)(\.\*|\[[0-9]+\])*$`)
	f.Fuzz(func(t *testing.T, body []byte, key, contentType string) {
		c := &clerk{}
		h := handler(io.Discard, api.Options{Desk: c, Tokens: web.NewKeys(tokens, func(_, v string) string { return v }, time.Now), PhoneRegion: "DE"})
		r := ask("POST", "/requests", crm, string(body), "Content-Type", contentType)
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case 202:
			if len(c.taken) != 1 || len(c.taken[0].Identifiers) == 0 || len(c.taken[0].Identifiers) > subject.MaxIdentifiers {
				t.Errorf("%q: taken %d times", body, len(c.taken))
			}
			for _, i := range c.taken[0].Identifiers {
				if i.Value() == "" || (i.Type == subject.Property) != (i.Name != "") {
					t.Errorf("%q: taken as %v", body, c.taken)
				}
			}
		case 400, 403, 413, 415, 422, 431:
			var p problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || len(c.taken) != 0 {
				t.Errorf("%q: %s, taken %d times", body, w.Body, len(c.taken))
			}
			bad := func(e intake.Field) bool { return !fields.MatchString(e.Name) || e.Code == "" || e.Text == "" }
			if slices.ContainsFunc(p.Errors, bad) {
				t.Errorf("%q: refused with %+v", body, p.Errors)
			}
		default:
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}
