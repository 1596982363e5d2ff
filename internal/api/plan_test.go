package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// held adds objects to what waits in a job, with names of so many bytes.
func (s *service) held(job string, from, to, name int) {
	s.t.Helper()
	object, err := s.engine.key.Seal(s.t.Context(), "job/"+job, fmt.Appendf(nil, `{"id":"x","name":%q}`, strings.Repeat("n", name)))
	if err != nil {
		s.t.Fatal(err)
	}
	var all []ledger.Finding
	for n := from; n < to; n++ {
		all = append(all, ledger.Finding{Target: "acme-batch", Area: erase.Profile, Digest: fmt.Sprintf("d%06d", n), Object: object, Requests: map[string][]string{"R": {"user id"}}, Seen: 1, Held: true})
	}
	if _, err := s.desk.Ledger.Found(s.t.Context(), job, all); err != nil {
		s.t.Fatal(err)
	}
}

// waiting lets a job wait, and gives its id.
func (s *service) waiting() string {
	s.t.Helper()
	s.filed(crm, "ann@x.example")
	a, _ := s.must(202, ask("POST", "/sweeps", officer, ""))
	s.wait(a.Jobs[0].(string))
	return a.Jobs[0].(string)
}

// linked is the path behind a header Link, empty where there is none.
func linked(header string) string {
	path, _ := strings.CutSuffix(strings.TrimPrefix(header, "<"), `>; rel="next"`)
	return path
}

// Lambda hands on 6 MB, and quotation marks take two bytes more in its answer. Of the pages the whole plan can be made.
func TestAPlanComesInPages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ entries, name, pages int }{
		"many":  {2_500, 10, 3},
		"large": {30, 200_000, 3}, // 11 of them are more than 2 MB
		"full":  {999, 10, 1},     // and the one that waits already
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			s.h = describe(t, s.h)
			job := s.waiting()
			s.held(job, 0, c.entries, c.name)
			want, err := erase.LoadPlan(t.Context(), s.engine.base, job, true)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			pages := 0
			for path := "/jobs/" + job + "/plan?reveal=true"; path != ""; pages++ {
				_, w := s.must(200, ask("GET", path, officer, ""))
				var page struct {
					intake.PlanView
					Total int
				}
				if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
					t.Fatal(err)
				}
				if page.Plan.Hash != want.Hash || page.Total != len(want.Entries) || w.Body.Len() > 3<<20 || len(page.Plan.Entries) > 1_000 {
					t.Errorf("page %d: hash %s, %d of %d entries in %d bytes", pages, page.Plan.Hash, len(page.Plan.Entries), page.Total, w.Body.Len())
				}
				for _, e := range page.Plan.Entries {
					got = append(got, e.Digest+e.Name)
				}
				path = linked(w.Header().Get("Link"))
			}
			var all []string
			for _, e := range want.Entries {
				all = append(all, e.Digest+e.Name)
			}
			if pages != c.pages || !slices.Equal(got, all) {
				t.Errorf("%d pages have %d entries, want %d with %d", pages, len(got), c.pages, len(all))
			}
		})
	}
}

// Pages of two plans make none.
func TestAPageOfAnotherPlanIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t)
	job := s.waiting()
	s.held(job, 0, 1_500, 10)
	_, w := s.must(200, ask("GET", "/jobs/"+job+"/plan", officer, ""))
	next := linked(w.Header().Get("Link"))
	if !strings.HasPrefix(next, "/jobs/"+job+"/plan?after=") || strings.Contains(next, "reveal") {
		t.Fatalf("the next page is at %q", next)
	}
	s.must(200, ask("GET", next, officer, ""))
	s.held(job, 1_500, 1_501, 10)
	if p := s.refused(409, ask("GET", next, officer, "")); p.Type != "/problems/wrong-plan" {
		t.Errorf("got %+v", p)
	}
}
