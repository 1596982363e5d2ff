package live_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/live"
)

func TestTheBoardShowsWhatIsAtWork(t *testing.T) {
	t.Parallel()
	b := live.NewBoard(time.Now)
	for _, e := range []asl.Event{
		{Execution: "J", Kind: asl.Entered, State: "Find"}, {Execution: "J", Kind: asl.Entered, State: "MatchSubject"},
		{Execution: "J", Kind: asl.Entered, State: "MatchSubject"}, {Execution: "J", Kind: asl.Left, State: "MatchSubject"},
		{Execution: "other", Kind: asl.Entered, State: "OpenJob"}, {Execution: "J", Kind: asl.Entered, State: "ListAudiences"},
		{Execution: "J", Kind: asl.Retried, State: "ListAudiences"}, {Execution: "J", Kind: asl.Entered, State: "Gone"}, {Execution: "J", Kind: asl.Caught, State: "Gone"},
	} {
		b.Observe(e)
	}
	b.Report(erase.Event{Job: "J", Target: "ios", Area: "devices", Doing: "matching", Done: 1})
	b.Report(erase.Event{Job: "J", Target: "android", Area: "devices", Doing: "matching", Done: 5})
	b.Report(erase.Event{Job: "J", Target: "ios", Area: "devices", Doing: "matching", Done: 2})
	p, ok := b.Progress("J")
	if got, want := fmt.Sprint(p.States), "[Find ListAudiences MatchSubject]"; !ok || got != want {
		t.Errorf("states: got %s, want %s", got, want)
	}
	if len(p.Lanes) != 2 || p.Lanes[0].Target != "android" || p.Lanes[1].Done != 2 {
		t.Errorf("lanes: got %+v", p.Lanes)
	}
	if _, ok := b.Progress("unknown"); ok {
		t.Error("a job that never was has progress")
	}
}

// A job that waited, or was interrupted, begins its states anew when it goes on.
func TestNoStateStaysAtWorkThatIsNot(t *testing.T) {
	t.Parallel()
	b := live.NewBoard(time.Now)
	on := func(k asl.EventKind, states ...string) {
		for _, s := range states {
			b.Observe(asl.Event{Execution: "J", Kind: k, State: s})
		}
	}
	want := func(when, states string, ended bool) {
		t.Helper()
		if p, _ := b.Progress("J"); fmt.Sprint(p.States) != states || p.Ended != ended {
			t.Errorf("%s: at work are %v, ended %t; want %s, %t", when, p.States, p.Ended, states, ended)
		}
	}
	on(asl.Entered, "RequestApproval")
	on(asl.Waits, "RequestApproval")
	want("while it waits", "[]", false)
	on(asl.Entered, "RequestApproval") // somebody looked whether it still waits
	on(asl.Waits, "RequestApproval")
	b.End("J")
	want("when nothing more comes", "[]", true)
	on(asl.Entered, "RequestApproval") // the answer came
	on(asl.Left, "RequestApproval")
	on(asl.Entered, "Forget", "ForgetAreas", "DeleteInstall")
	want("after the answer", "[DeleteInstall Forget ForgetAreas]", false)
	b.End("J") // it broke off
	want("when it broke off", "[]", true)
	on(asl.Entered, "Forget", "ForgetAreas", "DeleteInstall")
	on(asl.Left, "DeleteInstall", "ForgetAreas", "Forget")
	on(asl.Entered, "NextPass")
	want("when it was taken up", "[NextPass]", false)
}

// An export is matched in pieces, side by side; whoever watches wants to know how far the devices are.
func TestPiecesOfASearchAreOneLane(t *testing.T) {
	t.Parallel()
	b := live.NewBoard(time.Now)
	piece := func(pass, n int, done, found int64) {
		b.Report(erase.Event{Job: "J", Target: "ios", Area: "devices", Doing: "matching", Pass: pass, Piece: n, Done: done, Found: found})
	}
	piece(1, 0, 900, 9)
	piece(1, 1, 700, 0)
	piece(2, 0, 10, 1)
	piece(2, 1, 30, 0)
	piece(2, 1, 40, 0)
	b.Report(erase.Event{Target: "ios", Doing: "waiting", Total: 100})
	p, _ := b.Progress("J")
	if len(p.Lanes) != 2 || p.Lanes[0].Doing != "waiting" || p.Lanes[1].Pass != 2 || p.Lanes[1].Done != 50 || p.Lanes[1].Found != 1 {
		t.Errorf("got %+v; want the wait of all jobs, and 50 of the second search", p.Lanes)
	}
}

func TestTheBoardIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Time{}
	b := live.NewBoard(func() time.Time { now = now.Add(time.Second); return now })
	for n := range 1000 {
		b.Report(erase.Event{Job: fmt.Sprint(n), Target: "t"})
	}
	there := 0
	for n := range 1000 {
		if _, ok := b.Progress(fmt.Sprint(n)); ok {
			there++
		}
	}
	if _, latest := b.Progress("999"); there != 100 || !latest {
		t.Errorf("%d jobs are kept, the latest: %v", there, latest)
	}
	for n := range 10_000 {
		b.Report(erase.Event{Job: "999", Target: fmt.Sprint(n)})
	}
	if p, _ := b.Progress("999"); len(p.Lanes) > 400 {
		t.Errorf("%d lanes of one job are kept", len(p.Lanes))
	}
}

func TestWatchersSeeEveryLastStateAndNotEveryChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := live.NewBoard(time.Now)
		b.Report(erase.Event{Job: "J", Target: "t", Done: 1})
		calls, last := 0, int64(0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.Watch(ctx, "J", time.Second, func(p live.Progress) bool { calls, last = calls+1, p.Lanes[0].Done; return !p.Ended })
		}()
		synctest.Wait()
		for n := range int64(1000) { // within one gap
			b.Report(erase.Event{Job: "J", Target: "t", Done: n + 2})
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if calls != 2 || last != 1001 {
			t.Errorf("after a burst: %d calls, last %d; want 2, 1001", calls, last)
		}
		b.End("J")
		<-done // it said false
		if calls != 3 {
			t.Errorf("after the end: %d calls, want 3", calls)
		}
		go func() { time.Sleep(time.Second); cancel() }()
		b.Watch(ctx, "J", time.Second, func(live.Progress) bool { return true }) // ends with the context
	})
}
