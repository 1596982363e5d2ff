package intake_test

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestASubmissionIsFiledOnceUnderItsKey(t *testing.T) {
	t.Parallel()
	d := open(t)
	s := intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm", Key: "k", Body: []byte("a")}
	first := got(d.Submit(t.Context(), s))(t)
	again := got(d.Submit(t.Context(), s))(t)
	if again.ID != first.ID || !again.Repeated || first.Repeated {
		t.Errorf("got %s and %s, repeated %v and %v", first.ID, again.ID, first.Repeated, again.Repeated)
	}
	other := s
	other.Body = []byte("b")
	if _, err := d.Submit(t.Context(), other); !errors.Is(err, ledger.ErrReused) {
		t.Errorf("another body under the key: %v", err)
	}
	theirs := s
	theirs.By, theirs.Subject = "shop", person(t, "ben@example.com")
	if r := got(d.Submit(t.Context(), theirs))(t); r.ID == first.ID {
		t.Error("another sender's key is mixed up with this one")
	}
}

func TestManyOfTheSameAtTheSameTimeAreOne(t *testing.T) {
	t.Parallel()
	d := open(t)
	ids := map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r, err := d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm", Key: "k", Body: []byte("a")})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[r.ID] = true
		})
	}
	wg.Wait()
	listed, _, err := d.List(t.Context(), intake.Filter{})
	if err != nil || len(ids) != 1 || len(listed) != 1 {
		t.Errorf("%d ids were acknowledged, %d requests are filed, %v", len(ids), len(listed), err)
	}
}

func TestWhoJoins(t *testing.T) {
	t.Parallel()
	ann := func(by, channel, external string) intake.Submission {
		return intake.Submission{Subject: person(t, "ann@example.com"), Channel: channel, By: by, External: external}
	}
	for name, c := range map[string]struct {
		second intake.Submission
		joins  bool
	}{
		"the same sender":                {ann("crm", "api", ""), true},
		"another sender":                 {ann("shop", "api", ""), false}, // who could not see the first one's request
		"an id of its own":               {ann("crm", "opendsr", "11111111-1111-4111-8111-111111111111"), false},
		"the same sender, less is known": {intake.Submission{Subject: person(t, "ann@example.com", "AT-1"), Channel: "api", By: "crm"}, false},
	} {
		d := open(t)
		first := got(d.Submit(t.Context(), ann("crm", "api", "")))(t)
		second := got(d.Submit(t.Context(), c.second))(t)
		if second.Joined != c.joins || (second.ID == first.ID) != c.joins {
			t.Errorf("%s: joined %v, want %v", name, second.Joined, c.joins)
		}
	}
}

func TestUrgentRequestsStartAtOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm"}))(t)
	r := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ben@example.com"), Channel: "api", By: "crm", Urgent: true, Mode: config.Erase}))(t)
	if want := fmt.Sprintf("[erase: [%s]]", r.ID); fmt.Sprint(d.engine.jobs) != want {
		t.Errorf("jobs: got %v, want %s", d.engine.jobs, want)
	}
	again := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm", Urgent: true}))(t)
	if !again.Joined || !again.Urgent || len(d.engine.jobs) != 2 {
		t.Errorf("asking again, now urgently: %+v, %d jobs", again.View, len(d.engine.jobs))
	}
}

func TestARegulationSetsTheDueDate(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm", Regulation: config.CCPA}))(t)
	if want := r.Received.AddDate(0, 0, 45); !r.Due.Equal(want) || r.Regulation != config.CCPA {
		t.Errorf("due %v, want %v", r.Due, want)
	}
}

func TestAnExtensionNeedsAReasonAndComesOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm"}))(t)
	var bad *intake.Invalid
	if _, err := d.Extend(t.Context(), r.ID, "because", "dpo"); !errors.As(err, &bad) {
		t.Errorf("an unknown reason: %v", err)
	}
	v := got(d.Extend(t.Context(), r.ID, intake.Complexity, "dpo"))(t)
	if !v.Due.Equal(duty.Extended(config.GDPR, r.Received)) || v.Extension.By != "dpo" || !v.Extension.Before.Equal(r.Due) {
		t.Errorf("got due %v, %+v", v.Due, v.Extension)
	}
	if _, err := d.Extend(t.Context(), r.ID, intake.Number, "dpo"); !errors.Is(err, intake.ErrExtended) {
		t.Errorf("a second extension: %v", err)
	}
	late := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ben@example.com"), Channel: "api", By: "crm"}))(t)
	d.pass(late.Due.Sub(d.Now()) + 1)
	if _, err := d.Extend(t.Context(), late.ID, intake.Number, "dpo"); !errors.Is(err, intake.ErrExtended) {
		t.Errorf("after the due date: %v", err)
	}
}

func TestARequestIsCancelledOrDeniedWhileNoJobHoldsIt(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm"}))(t)
	got(d.Engine.Start(t.Context(), []string{r.ID}, ""))(t)
	got(d.Ledger.Claim(t.Context(), "JOB1", []string{r.ID}, d.Now()))(t)
	if _, err := d.Cancel(t.Context(), r.ID); !errors.Is(err, ledger.ErrHeld) {
		t.Errorf("while a job works on it: %v", err)
	}
	ben := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ben@example.com"), Channel: "api", By: "crm"}))(t)
	if v := got(d.Cancel(t.Context(), ben.ID))(t); v.Status != ledger.Cancelled || !v.Ended || v.Duty != duty.Met {
		t.Errorf("got %+v", v)
	}
	if _, err := d.Cancel(t.Context(), ben.ID); !errors.Is(err, ledger.ErrFinal) {
		t.Errorf("a second time: %v", err)
	}
	if r := got(d.Ledger.Request(t.Context(), ben.ID))(t); r.Subject != nil || r.Keys != nil {
		t.Error("the identifiers of a cancelled request are still there")
	}
	cleo := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "cleo@example.com"), Channel: "api", By: "crm"}))(t)
	if v := got(d.Deny(t.Context(), cleo.ID, intake.NotIdentified))(t); v.Status != ledger.Denied || v.Ground != intake.NotIdentified {
		t.Errorf("got %+v", v)
	}
	var bad *intake.Invalid
	if _, err := d.Deny(t.Context(), r.ID, "no"); !errors.As(err, &bad) {
		t.Errorf("an unknown ground: %v", err)
	}
	unconfirmed := d.apply(intake.Application{Email: "dora@example.com", Client: "c"})
	if _, err := d.Cancel(t.Context(), unconfirmed); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an unconfirmed one: %v", err)
	}
}

func TestASweepTakesWhatNobodyHolds(t *testing.T) {
	t.Parallel()
	d := open(t)
	submit := func(who string, m config.Mode) string {
		return got(d.Submit(t.Context(), intake.Submission{Subject: person(t, who+"@example.com"), Channel: "api", By: "crm", Mode: m}))(t).ID
	}
	ann, ben, held := submit("ann", ""), submit("ben", config.Erase), submit("cleo", "")
	d.apply(intake.Application{Email: "dora@example.com", Client: "c"})
	if err := d.Ledger.Invite(t.Context(), "OLD", []string{held}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	got(d.Ledger.Claim(t.Context(), "OLD", []string{held}, d.Now()))(t)
	jobs := got(d.Sweep(t.Context(), ""))(t)
	if want := fmt.Sprintf("[approve: [%s] erase: [%s]]", ann, ben); len(jobs) != 2 || fmt.Sprint(d.engine.jobs) != want {
		t.Errorf("got %v, want %s", d.engine.jobs, want)
	}
}

func TestAPreviewSweepDeletesNothing(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm", Mode: config.Erase}))(t)
	got(d.Sweep(t.Context(), config.Preview))(t)
	if want := fmt.Sprintf("[preview: [%s]]", r.ID); fmt.Sprint(d.engine.jobs) != want {
		t.Errorf("got %v, want %s", d.engine.jobs, want)
	}
}

func TestASweepDoesNotOverlapItself(t *testing.T) {
	t.Parallel()
	d := open(t)
	got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm"}))(t)
	job := got(d.Sweep(t.Context(), ""))(t)[0]
	if _, err := d.Sweep(t.Context(), ""); !errors.Is(err, intake.ErrSweeping) {
		t.Fatalf("before the first one's job is opened: %v", err)
	}
	got(d.Ledger.OpenJob(t.Context(), ledger.Job{ID: job, Mode: "approve", Opened: d.Now()}))(t)
	d.pass(time.Hour)
	if _, err := d.Sweep(t.Context(), ""); !errors.Is(err, intake.ErrSweeping) {
		t.Fatalf("while the first one works: %v", err)
	}
	_, err := d.Ledger.ChangeJob(t.Context(), job, func(j *ledger.Job) error { j.Plan, j.Token = "hash", "token"; return nil })
	if err != nil {
		t.Fatal(err)
	}
	got(d.Sweep(t.Context(), ""))(t) // it waits for a person: others go on
}

func TestDueDatesAreWarnedOfOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm", Callbacks: []string{"https://cb.example/"}}))(t)
	var warned []string
	warn := func() {
		t.Helper()
		err := d.Warn(t.Context(), func(id string, s duty.State, _ time.Time) { warned = append(warned, id+" "+string(s)) })
		if err != nil {
			t.Fatal(err)
		}
	}
	warn()
	d.pass(r.Due.Sub(d.Now()) - duty.Soon)
	warn()
	warn()
	d.pass(duty.Soon + 1)
	warn()
	warn()
	if want := fmt.Sprintf("[%s due_soon %s overdue]", r.ID, r.ID); fmt.Sprint(warned) != want {
		t.Errorf("got %v, want %s", warned, want)
	}
	var kinds []string
	for _, e := range d.events() {
		kinds = append(kinds, e.Kind)
	}
	if fmt.Sprint(kinds) != "[status due_soon overdue]" {
		t.Errorf("events: %v", kinds)
	}
	o := got(d.Overview(t.Context()))(t)
	if o.Overdue != 1 || o.DueSoon != 0 || o.ByStatus[ledger.Pending] != 1 {
		t.Errorf("overview: %+v", o)
	}
}

func TestListsArePagedByUrgency(t *testing.T) {
	t.Parallel()
	d := open(t)
	const all = 2*intake.PageSize + 7
	for n := range all {
		d.pass(time.Minute)
		s := intake.Submission{Subject: person(t, fmt.Sprintf("p%d@example.com", n)), Channel: "api", By: "crm"}
		if n%3 == 0 {
			s.Regulation = config.CCPA // due later than those that come after it
		}
		r := got(d.Submit(t.Context(), s))(t)
		if n < 5 {
			got(d.Cancel(t.Context(), r.ID))(t)
		}
	}
	for _, c := range []struct {
		filter intake.Filter
		want   int
	}{{intake.Filter{}, all - 5}, {intake.Filter{Ended: true}, all}, {intake.Filter{Status: ledger.Cancelled}, 5}, {intake.Filter{Status: ledger.Running}, 0}} {
		seen := map[string]bool{}
		last := intake.View{}
		for {
			page, next, err := d.List(t.Context(), c.filter)
			if err != nil || len(page) > intake.PageSize {
				t.Fatalf("%d on a page, %v", len(page), err)
			}
			for _, v := range page {
				if seen[v.ID] || last.Ended && !v.Ended || last.Ended == v.Ended && v.Due.Before(last.Due) {
					t.Errorf("%+v: %s comes twice, or not by urgency", c.filter, v.ID)
				}
				seen[v.ID], last = true, v
			}
			if c.filter.After = next; next == "" {
				break
			}
		}
		if len(seen) != c.want {
			t.Errorf("%+v: %d requests, want %d", c.filter, len(seen), c.want)
		}
	}
}

// What ends without a job, and sweeps that are asked for here, are counted as well as what jobs do.
func TestFilingsEndsAndSweepsAreCounted(t *testing.T) {
	t.Parallel()
	d := open(t)
	counted := map[erase.Count]int{}
	d.Base.Count = func(c erase.Count) { counted[c]++ }
	var ids []string
	for _, email := range []string{"a@example.com", "b@example.com"} {
		ids = append(ids, got(d.Submit(t.Context(), intake.Submission{Subject: person(t, email), Channel: "api", By: "crm"}))(t).ID)
	}
	got(d.Cancel(t.Context(), ids[0]))(t)
	got(d.Deny(t.Context(), ids[1], intake.Unfounded))(t)
	got(d.Sweep(t.Context(), ""))(t)
	want := map[erase.Count]int{
		{What: erase.Filings, N: 1, Channel: "api"}:            2,
		{What: erase.Closings, N: 1, Status: ledger.Cancelled}: 1,
		{What: erase.Closings, N: 1, Status: ledger.Denied}:    1,
		{What: erase.Sweeps, N: 1}:                             1,
	}
	if !maps.Equal(counted, want) {
		t.Errorf("counted %v, want %v", counted, want)
	}
}

// An urgent request whose job nobody began is begun later; not while somebody may just be doing so, and no other.
func TestUrgentRequestsThatNobodyTookAreStartedLater(t *testing.T) {
	t.Parallel()
	d := open(t)
	var ids []string
	for n, s := range []intake.Submission{
		{Urgent: true, Mode: config.Erase}, {Urgent: true}, {}, {Urgent: true},
	} {
		s.Subject, s.Channel, s.By = person(t, fmt.Sprintf("person-%d@example.com", n)), "api", "crm"
		ids = append(ids, got(d.Submit(t.Context(), s))(t).ID)
	}
	if _, err := d.Ledger.Claim(t.Context(), "JOB", ids[3:], d.Now()); err != nil {
		t.Fatal(err)
	}
	nobody := func(string) bool { return false }
	for _, c := range []struct {
		what   string
		later  time.Duration
		inHand func(string) bool
		want   string
	}{
		{"as they come in", 0, nobody, "[]"},
		{"after the time for that", time.Minute, nobody, "[]"},
		{"while somebody has one in hand", time.Second, func(id string) bool { return id == ids[0] }, fmt.Sprintf("[approve: [%s]]", ids[1])},
		{"when nobody has", 0, nil, fmt.Sprintf("[approve: [%s] erase: [%s]]", ids[1], ids[0])},
	} {
		d.pass(c.later)
		d.engine.jobs = nil
		if err := d.StartUrgent(t.Context(), time.Minute, c.inHand); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(d.engine.jobs); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}
