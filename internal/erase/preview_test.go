package erase

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// runPreview runs a preview of Ann and of Ben, of whom nothing is found, and gives what it decided.
func runPreview(t *testing.T, m *machine, job string) ReviewFindingsOut {
	t.Helper()
	filing, err := File(t.Context(), m.Base, "cli", true, append(m.persons("email", annMail), m.persons("email", "ben@acme.example")...))
	m.must(err)
	m.must(m.Ledger.Invite(t.Context(), job, filing.Requests, time.Time{}))
	return m.run(job, config.Preview)
}

// The plan of a preview outlives the preview's job and people, for whoever asked for it.
func TestAPreviewsPlanIsKept(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	out := runPreview(t, m, "job")
	if _, err := m.Ledger.Job(t.Context(), "job"); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatalf("the job is there: %v", err)
	}
	for _, id := range []string{"r1", "r2"} {
		if _, err := m.Ledger.Request(t.Context(), id); !errors.Is(err, ledger.ErrNotFound) {
			t.Fatalf("%s is there: %v", id, err)
		}
	}
	for reveal, want := range map[bool][]string{true: {"d1", "d2"}, false: {"", ""}} {
		p, err := PreviewPlan(t.Context(), m.Base, "job", reveal)
		m.must(err)
		var names []string
		for _, e := range p.Entries {
			names = append(names, e.Name)
			if e.Digest == "" || e.Target != "app" || e.Area != Devices || !slices.Equal(e.Requests, []string{"r1"}) || len(e.Rules) == 0 || e.Waits == nil {
				t.Errorf("an entry is %+v", e)
			}
		}
		slices.Sort(names)
		if p.Hash != out.Plan || !slices.Equal(names, want) || !maps.Equal(p.Requests, map[string]int{"r1": 2, "r2": 0}) {
			t.Errorf("revealed %t: hash %q, names %q, requests %v", reveal, p.Hash, names, p.Requests)
		}
	}
	sealed, err := m.Ledger.PreviewOf(t.Context(), "job")
	if err != nil || bytes.Contains(sealed, []byte("d1")) {
		t.Errorf("it is kept in clear (%v)", err)
	}
	for scope, opens := range map[string]bool{"preview/job": true, "preview/job2": false} {
		if _, err := m.Seal.Open(t.Context(), scope, sealed); (err == nil) != opens {
			t.Errorf("as %s it opens: %v", scope, err)
		}
	}
	m.closeJob("job", 1, true) // the step is run again, when all that it read is gone
	if p, err := PreviewPlan(t.Context(), m.Base, "job", true); err != nil || p.Hash != out.Plan {
		t.Errorf("afterwards the hash is %q (%v)", p.Hash, err)
	}
	m.must(m.Ledger.DropPreview(t.Context(), "job"))
	if _, err := PreviewPlan(t.Context(), m.Base, "job", true); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a dropped plan: %v", err)
	}
}

// Requests that somebody looked at in a preview, by their ids or by a sweep, go on as they were, and nobody is told.
func TestAPreviewGivesRequestsBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]Input{
		"by their ids": {Requests: []string{"r1", "r2"}, Mode: config.Preview}, "by a sweep": {Sweep: true, Mode: config.Preview},
	} {
		m := newMachine(t, annsDevices(), "", "")
		ctx := t.Context()
		tell := func(r *ledger.Request) { r.Tell = true }
		failed, fresh := m.file(m.person("email", annMail), "api", tell), m.file(m.person("email", "ben@acme.example"), "api", tell)
		m.must(m.Ledger.Invite(ctx, "job", []string{failed}, time.Time{}))
		_, err := m.Ledger.Claim(ctx, "job", []string{failed}, m.Now())
		m.must(err)
		r := m.request(failed)
		r.Status, r.Closed = ledger.Failed, m.Now()
		m.must(m.Ledger.CloseRequests(ctx, "job", []ledger.Closing{{Request: r}}))
		news := func() (n int) {
			m.must(m.Ledger.Outbox(ctx, func(ledger.Event) error { n++; return nil }))
			return n
		}
		before, told := []ledger.Request{m.request(failed), m.request(fresh)}, news()
		out, err := OpenJob(m.Base)(ctx, OpenJobIn{Job: "look", Input: in})
		m.must(err)
		if out.Empty {
			t.Fatalf("%s: nobody was taken", name)
		}
		m.find("look", 1, nil)
		for n, id := range []string{failed, fresh} {
			if r := m.request(id); !reflect.DeepEqual(r, before[n]) {
				t.Errorf("%s: after the preview %+v, want %+v", name, r, before[n])
			}
		}
		if n := news(); n != told {
			t.Errorf("%s: %d were told", name, n-told)
		}
		if p, err := PreviewPlan(ctx, m.Base, "look", false); err != nil || !maps.Equal(p.Requests, map[string]int{failed: 2, fresh: 0}) {
			t.Errorf("%s: the plan is about %v (%v)", name, p.Requests, err)
		}
	}
}

// A closing that died between the people and the job has destroyed what the plan was made of.
func TestAPlanIsNotMadeAgainWithoutItsPeople(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	ctx := t.Context()
	m.must(m.Ledger.Invite(ctx, "job", []string{m.file(m.person("email", annMail), "cli", func(r *ledger.Request) { r.Preview = true })}, time.Time{}))
	out, err := OpenJob(m.Base)(ctx, OpenJobIn{Job: "job", Input: Input{Mode: config.Preview}})
	m.must(err)
	_, err = m.Ledger.Found(ctx, "job", []ledger.Finding{{Target: "app", Area: Devices, Digest: "d", Requests: map[string][]string{"r1": {"email"}}, Held: true, Object: m.sealed("job")}})
	m.must(err)
	m.must(m.keepPreview(ctx, out.Job))
	first, err := PreviewPlan(ctx, m.Base, "job", false)
	m.must(err)
	m.must(m.Ledger.Destroy(ctx, m.request("r1")))
	m.must(m.keepPreview(ctx, out.Job))
	again, err := PreviewPlan(ctx, m.Base, "job", false)
	if err != nil || again.Hash != first.Hash || len(again.Requests) != 1 {
		t.Errorf("the plan became another one (%v)", err)
	}
	// Of one that died while it wrote the plan, the people are there, and half a plan.
	m.must(m.Ledger.KeepPreview(ctx, "job", []byte("half"), time.Now().Add(time.Hour)))
	m.must(m.keepPreview(ctx, out.Job))
	if _, err := PreviewPlan(ctx, m.Base, "job", false); err != nil {
		t.Errorf("half a plan stays: %v", err)
	}
}

func TestAPlanIsKeptForAnHour(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	m.Now = func() time.Time { return time.Now().Add(-previewTime - time.Second) }
	runPreview(t, m, "job")
	if _, err := PreviewPlan(t.Context(), m.Base, "job", false); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("after an hour: %v", err)
	}
	if previewTime != time.Hour {
		t.Errorf("it is kept for %s", previewTime)
	}
	if b, err := json.Marshal(Plan{Requests: map[string]int{"r1": 1}}); err != nil || bytes.Contains(b, []byte("r1")) {
		t.Errorf("a plan shows its requests: %s", b)
	}
}
