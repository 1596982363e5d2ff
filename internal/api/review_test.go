package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/intake"
)

func TestWhatCannotBeKeptIsNamed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.filed(crm, "ann@x.example")
	a, _ := s.must(202, ask("POST", "/sweeps", officer, ""))
	job := a.Jobs[0].(string)
	s.wait(job)
	many := strings.TrimSuffix(strings.Repeat(`"digest",`, 1001), ",")
	for _, c := range []struct{ more, field string }{
		{`"keep":["unknown"]`, "keep"},
		{`"keep":["digest","unknown"]`, "keep"},
		{`"keep":"digest"`, "keep"},
		{`"keep":[1]`, "keep[0]"},
		{`"keep":[` + many + `]`, "keep"},
		{`"keep":["digest"],"ground":"because"`, "ground"},
		{`"ground":"other_person"`, "ground"},
	} {
		p := s.refused(422, ask("POST", "/jobs/"+job+"/approve", officer, `{"plan":"`+plan+`",`+c.more+`}`))
		if len(p.Errors) != 1 || p.Errors[0].Name != c.field || p.Errors[0].Text == "" {
			t.Errorf("%.60s: got %+v, want %s", c.more, p.Errors, c.field)
		}
	}
	if j, err := s.desk.Ledger.Job(t.Context(), job); err != nil || len(j.Approvals) > 0 {
		t.Errorf("written down: %+v (%v)", j.Approvals, err)
	}
	all := `{"plan":"` + plan + `","keep":["digest"]}`
	for range 2 {
		s.must(202, ask("POST", "/jobs/"+job+"/approve", officer, all))
	}
	s.refused(409, ask("POST", "/jobs/"+job+"/approve", officer, `{"plan":"`+plan+`"}`))
}

func TestAWordOnClaimsIsRecordedWithWhoSaidIt(t *testing.T) {
	t.Parallel()
	for _, verified := range []bool{true, false} {
		s := serve(t)
		id := s.filed(crm, "ann@x.example")
		s.claim(id)
		body := fmt.Sprintf(`{"verified":%v}`, verified)
		s.refused(422, ask("POST", "/requests/"+id+"/claims", officer, `{}`)) // which is no word at all
		_, w := s.must(200, ask("POST", "/requests/"+id+"/claims", officer, body))
		var v intake.View
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v.Vouched == nil || v.Vouched.By != "officer" || v.Vouched.Verified != verified || (len(v.Claimed) == 0) != verified {
			t.Errorf("verified %v: %s (%v)", verified, w.Body, err)
		}
		if p := s.refused(422, ask("POST", "/requests/"+id+"/claims", officer, body)); len(p.Errors) != 1 || p.Errors[0].Code != "not_allowed" {
			t.Errorf("a second time: %+v", p)
		}
	}
	s := serve(t)
	id := s.filed(crm, "ann@x.example")
	s.claim(id)
	job, err := s.engine.Start(t.Context(), []string{id}, "")
	if err != nil {
		t.Fatal(err)
	}
	s.open(job)
	if p := s.refused(409, ask("POST", "/requests/"+id+"/claims", officer, `{"verified":true}`)); p.Type != "/problems/held" {
		t.Errorf("while a job works on it: %+v", p)
	}
}
