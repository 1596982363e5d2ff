package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestTwoJobsNeverHoldOneRequest(t *testing.T) {
	t.Parallel()
	l := open(t)
	var all []ledger.Request
	var wanted []string
	for n := range 150 { // more than one write takes
		id := fmt.Sprintf("r%03d", n)
		all, wanted = append(all, request(id)), append(wanted, id)
	}
	must(t, l.File(t.Context(), all))
	held := make([][]string, 4)
	var group sync.WaitGroup
	for n := range held {
		group.Go(func() {
			job := fmt.Sprint("job", n)
			err := l.Invite(t.Context(), job, wanted, time.Time{})
			if err == nil {
				held[n], err = l.Claim(t.Context(), job, wanted, time.Now())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	holder := map[string]string{}
	for n, list := range held {
		for _, id := range list {
			if holder[id] != "" {
				t.Errorf("%s is held by two jobs", id)
			}
			holder[id] = fmt.Sprint("job", n)
		}
	}
	for _, id := range wanted {
		r, err := l.Request(t.Context(), id)
		must(t, err)
		if r.Job != holder[id] || r.Status != ledger.Running || r.Attempts != 1 {
			t.Errorf("%s: held by %q after %d attempts, the claims say %q", id, r.Job, r.Attempts, holder[id])
		}
	}
	for n, list := range held {
		var members []string
		must(t, l.Members(t.Context(), fmt.Sprint("job", n), func(id string, _ ledger.Member) error {
			members = append(members, id)
			return nil
		}))
		slices.Sort(list)
		wantIDs(t, "members", members, list...)
	}
	// A claim that is made again, because its step ran twice, holds the same.
	again, err := l.Claim(t.Context(), "job0", held[0], time.Now())
	must(t, err)
	slices.Sort(again)
	wantIDs(t, "claimed again", again, held[0]...)
}

func TestAnUnverifiedRequestIsNotClaimed(t *testing.T) {
	t.Parallel()
	l := open(t)
	r := request("r1")
	r.Status = ledger.Unverified
	must(t, l.File(t.Context(), []ledger.Request{r}))
	wantIDs(t, "claimed", claim(t, l, "job", "r1", "unknown"))
}

func TestAJobIsOpenedOnce(t *testing.T) {
	t.Parallel()
	l := open(t)
	first, err := l.OpenJob(t.Context(), ledger.Job{ID: "job", Mode: "erase", Search: []string{"a"}})
	must(t, err)
	second, err := l.OpenJob(t.Context(), ledger.Job{ID: "job", Mode: "approve", Search: []string{"b"}})
	must(t, err)
	if second.Mode != first.Mode || second.Search[0] != "a" {
		t.Errorf("opening a job again changed it: %+v", second)
	}
}

func TestTheEndOfAJobDestroysWhatItFound(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"erase", "preview"} {
		l, ctx := open(t), t.Context()
		_, err := l.OpenJob(ctx, ledger.Job{ID: "job", Mode: mode, Search: []string{"a"}, Order: []string{"b"}})
		must(t, err)
		must(t, l.Invite(ctx, "job", []string{"r1"}, time.Time{}))
		findings := []ledger.Finding{{Target: "a", Area: "devices", Digest: "d1"}, {Target: "b", Area: "profile", Digest: "d2"}}
		wantFresh(t, l, 2, "job", findings)
		must(t, l.SetCursor(ctx, "job", "shard/a/00", ledger.Cursor{Pass: 1, At: 5}))
		must(t, l.Trouble(ctx, "job", "a", "devices", "r1", "UnreadableLine"))
		must(t, l.SetPieces(ctx, "job", "a", 1, [][]byte{[]byte("sealed")}))
		_, err = l.ChangeLane(ctx, "job", "a", "devices", func(v *ledger.Lane) { v.Searched = 1 })
		must(t, err)
		_, err = l.ChangeExport(ctx, "job", "a", func(e *ledger.Export) { e.ID = "export" })
		must(t, err)
		_, err = l.OpenJob(ctx, ledger.Job{ID: "other", Search: []string{"a"}})
		must(t, err)
		wantFresh(t, l, 1, "other", findings[:1])

		must(t, l.EndJob(ctx, "job", time.Now()))
		for _, f := range findings {
			must(t, l.Findings(ctx, "job", f.Target, f.Area, func(ledger.Finding) error { t.Errorf("%s: a finding is left", mode); return nil }))
		}
		cursors, err := l.Cursors(ctx, "job", "", 1)
		lanes, err2 := l.Lanes(ctx, "job")
		troubles, err3 := l.Troubles(ctx, "job")
		export, err4 := l.Export(ctx, "job", "a")
		must(t, errors.Join(err, err2, err3, err4))
		if len(cursors)+len(lanes)+len(troubles) > 0 || export.ID != "" {
			t.Errorf("%s: %d cursors, %d lanes, %d troubles, export %q are left", mode, len(cursors), len(lanes), len(troubles), export.ID)
		}
		if _, err := l.Piece(ctx, "job", "a", 1, 0); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s: a piece is left: %v", mode, err)
		}
		members := 0
		must(t, l.Members(ctx, "job", func(string, ledger.Member) error { members++; return nil }))
		job, err := l.Job(ctx, "job")
		if evidence := err == nil && !job.Closed.IsZero() && members == 1; evidence != (mode == "erase") {
			t.Errorf("%s: the job and its list of requests are kept: %v", mode, evidence)
		}
		others := 0
		must(t, l.Findings(ctx, "other", "a", "devices", func(ledger.Finding) error { others++; return nil }))
		if others != 1 {
			t.Errorf("%s: another job lost its finding", mode)
		}
	}
}

func TestADroppedExecutionFreesItsRequests(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	preview := request("p1")
	preview.Preview = true
	must(t, l.File(ctx, []ledger.Request{request("r1"), request("r2"), preview}))
	must(t, l.SaveExecution(ctx, "job", []byte("1")))
	must(t, l.SaveExecution(ctx, "job", []byte("2")))
	must(t, l.SaveExecution(ctx, "other", []byte("3")))
	claim(t, l, "job", "r1", "r2", "p1")
	closeRequest(t, l, "job", "r2", ledger.Erased)
	if b, err := l.LoadExecution(ctx, "job"); err != nil || string(b) != "2" {
		t.Errorf("the record is %q, %v", b, err)
	}
	must(t, l.DropExecution(ctx, "job", time.Now()))
	wantIDs(t, "executions", ids(t, l.Executions), "other")
	if _, err := l.LoadExecution(ctx, "job"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a dropped execution is there: %v", err)
	}
	r, err := l.Request(ctx, "r1")
	must(t, err)
	if r.Job != "" || r.Status != ledger.Pending {
		t.Errorf("r1 is %s, held by %q", r.Status, r.Job)
	}
	if s := status(t, l, "r2"); s != ledger.Erased {
		t.Errorf("erased became %s", s)
	}
	if _, err := l.Request(ctx, "p1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a preview outlived its execution: %v", err)
	}
	wantIDs(t, "claimed next", claim(t, l, "job2", "r1"), "r1")
}

func TestCursorsCountForTheirPassOnly(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	must(t, l.SetCursor(ctx, "job", "shard/a/00", ledger.Cursor{Pass: 1, At: 7, Done: true}))
	must(t, l.SetCursor(ctx, "job", "shard/ab/00", ledger.Cursor{Pass: 1, At: 9}))
	if c, err := l.Cursor(ctx, "job", "shard/a/00", 2); err != nil || c.At != 0 || c.Done || c.Pass != 2 {
		t.Errorf("a cursor of another pass counts: %+v, %v", c, err)
	}
	must(t, l.ClearCursors(ctx, "job", "shard/a/"))
	if c, err := l.Cursor(ctx, "job", "shard/a/00", 1); err != nil || c.At != 0 {
		t.Errorf("a cleared cursor counts: %+v, %v", c, err)
	}
	if c, err := l.Cursor(ctx, "job", "shard/ab/00", 1); err != nil || c.At != 9 {
		t.Errorf("the cursor of a target whose name begins alike was cleared: %+v, %v", c, err)
	}
}

func TestTroublesAreOfTheirAreaUntilItIsSearchedAgain(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	must(t, l.Trouble(ctx, "job", "a", "devices", "r1", "UnreadableLine"))
	must(t, l.Trouble(ctx, "job", "ab", "devices", "r1", "UnreadableLine"))
	must(t, l.ClearTroubles(ctx, "job", "a", "devices"))
	got, err := l.Troubles(ctx, "job")
	must(t, err)
	if len(got) != 1 || got[[3]string{"ab", "devices", "r1"}] != "UnreadableLine" {
		t.Errorf("got %v", got)
	}
}

func TestJobsAreListedByMonth(t *testing.T) {
	t.Parallel()
	l, store := recorded(t)
	ctx, may := t.Context(), time.Date(2026, 5, 31, 23, 30, 0, 0, time.UTC)
	berlin := time.FixedZone("", 2*3600)
	for _, j := range []ledger.Job{
		{ID: "02", Mode: "erase", Opened: may}, {ID: "01", Mode: "approve", Opened: may.In(berlin)}, // June there, May here
		{ID: "00", Mode: "erase", Opened: may.Add(time.Millisecond)}, {ID: "03", Mode: "preview", Opened: may}, {ID: "04", Mode: "erase", Opened: may.Add(time.Hour)},
	} {
		for range 2 { // the step may run twice
			_, err := l.OpenJob(ctx, j)
			must(t, err)
		}
	}
	for month, want := range map[time.Time][]string{may: {"01", "02", "00"}, may.AddDate(0, 0, 5): {"04"}, may.AddDate(0, 0, -40): nil} {
		got, err := l.Jobs(ctx, month)
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", month.Format("2006-01"), got, want)
		}
	}
	if c := store.last("jobs/2026-05", "31T23:30:00.000/02"); !c.Expires.Equal(may.Add(ledger.Retention)) {
		t.Errorf("the place in the list is kept until %v", c.Expires)
	}
}

func TestJobsAreListedUntilTheyAreClosed(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	want := func(when string, jobs ...string) {
		t.Helper()
		got, err := l.Working(ctx)
		must(t, err)
		if !slices.Equal(got, jobs) {
			t.Errorf("%s: %v, want %v", when, got, jobs)
		}
	}
	for _, j := range []ledger.Job{{ID: "a", Mode: "erase"}, {ID: "b", Mode: "preview"}, {ID: "c", Mode: "approve"}} {
		for range 2 { // a step may be run again
			_, err := l.OpenJob(ctx, j)
			must(t, err)
		}
	}
	want("open", "a", "b", "c")
	for _, id := range []string{"a", "b"} {
		must(t, l.EndJob(ctx, id, time.Now()))
	}
	want("two are closed", "c")
	_, err := l.OpenJob(ctx, ledger.Job{ID: "a", Mode: "erase"}) // by a step that was late
	must(t, err)
	want("one is run again", "a", "c")
	must(t, l.NotWorking(ctx, "a"))
	must(t, l.NotWorking(ctx, "a"))
	want("it is taken out", "c")
}

// Whoever invites to a job and dies, or is not let, before the job begins leaves places that nobody closes.
func TestPlacesOfAJobThatIsNeverOpenedGo(t *testing.T) {
	t.Parallel()
	l, store := recorded(t)
	until := time.Now().Add(time.Hour)
	must(t, l.Invite(t.Context(), "never", []string{"r1"}, until))
	for _, partition := range []string{"member/never/", "job/never"} {
		sort := map[string]string{"member/never/": "r1", "job/never": "breadth"}[partition]
		if c := store.last(partition, sort); !c.Expires.Equal(until) {
			t.Errorf("%s stays until %v", partition, c.Expires)
		}
	}
	// The job's end says how long they stay when it was opened.
	at := time.Date(2096, 5, 31, 23, 30, 0, 0, time.UTC)
	must(t, l.File(t.Context(), []ledger.Request{request("r1")}))
	_, err := l.OpenJob(t.Context(), ledger.Job{ID: "never", Mode: "erase", Opened: at})
	must(t, err)
	_, err = l.Claim(t.Context(), "never", []string{"r1"}, at)
	must(t, err)
	must(t, l.EndJob(t.Context(), "never", at))
	for _, partition := range []string{"member/never/", "job/never"} {
		sort := map[string]string{"member/never/": "r1", "job/never": "breadth"}[partition]
		if c := store.last(partition, sort); !c.Expires.Equal(at.Add(ledger.Retention)) {
			t.Errorf("after the job %s stays until %v", partition, c.Expires)
		}
	}
}

// A process may end between closing a job and writing down that it works no more; and a job may never be opened.
func TestAnExecutionThatWasDroppedLeavesNoWork(t *testing.T) {
	t.Parallel()
	for name, opened := range map[string]bool{"opened": true, "never opened": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, ctx := open(t), t.Context()
			must(t, l.File(ctx, []ledger.Request{request("r1", "k1")}))
			must(t, l.Invite(ctx, "job", []string{"r1"}, time.Time{}))
			if opened {
				_, err := l.OpenJob(ctx, ledger.Job{ID: "job", Mode: "erase", Opened: time.Now()})
				must(t, err)
			}
			must(t, l.DropExecution(ctx, "job", time.Now()))
			working, err := l.Working(ctx)
			must(t, err)
			places := 0
			must(t, l.Members(ctx, "job", func(string, ledger.Member) error { places++; return nil }))
			if len(working) != 0 || (places == 1) != opened {
				t.Errorf("working: %v; %d places", working, places)
			}
		})
	}
}
