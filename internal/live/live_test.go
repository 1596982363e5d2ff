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
