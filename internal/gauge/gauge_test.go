package gauge_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/gauge"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/metric"
	"github.com/lethe-dsr/lethe/internal/metric/metrictest"
)

var now = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) *ledger.Ledger {
	t.Helper()
	store, err := boltstore.Open(filepath.Join(t.TempDir(), "ledger.db"), time.Second)
	must(t, err)
	t.Cleanup(func() { store.Close() })
	return ledger.New(store)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// request was received that many days ago, and is due in that many.
func request(id string, status ledger.Status, ago, due float64) ledger.Request {
	day := func(n float64) time.Duration { return time.Duration(n * 24 * float64(time.Hour)) }
	return ledger.Request{ID: id, Status: status, Received: now.Add(-day(ago)), Due: now.Add(day(due))}
}

// measured gives what CloudWatch would have.
func measured(t *testing.T, l *ledger.Ledger, at time.Time) map[string]float64 {
	t.Helper()
	var b bytes.Buffer
	m := metric.New("lethe", &b, func() time.Time { return at })
	s, err := gauge.Measure(t.Context(), l, at)
	must(t, err)
	s.Put(m)
	m.Flush()
	return metrictest.Extract(t, b.Bytes(), at)
}

// standing makes the wanted gauges of a ledger: zero but for those given.
func standing(given map[string]float64) map[string]float64 {
	want := map[string]float64{}
	for _, n := range []metric.Name{
		metric.OpenRequests, metric.DueSoonRequests, metric.OverdueRequests, metric.OldestOpenRequestDays,
		metric.WaitingPlans, metric.HoursSinceSweep, metric.WaitingMessages, metric.OldestWaitingMessageMinutes,
	} {
		want[string(n)+" Stack=lethe"] = 0
	}
	for _, s := range []string{"pending", "running", "in_review", "partial", "failed"} {
		want["Requests Stack=lethe Status="+s] = 0
	}
	for n, v := range given {
		want[n] = v
	}
	return want
}

func TestAnEmptyLedger(t *testing.T) {
	t.Parallel()
	l := open(t)
	metrictest.Want(t, measured(t, l, now), standing(nil))
	// A schedule that never worked is late from the first look on.
	metrictest.Want(t, measured(t, l, now.Add(30*time.Hour)), standing(map[string]float64{"HoursSinceSweep Stack=lethe": 30}))
	// The mark for that is no sweep that stops another one.
	if s, err := l.LastSweep(t.Context()); err != nil || s.Jobs == nil || len(s.Jobs) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestHowThingsStand(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	told := request("told", ledger.Pending, 3, 27)
	told.Tell = true
	unverified := request("unverified", ledger.Unverified, 50, -50)
	unverified.Until = time.Now().Add(time.Hour)
	must(t, l.File(ctx, []ledger.Request{
		request("pending", ledger.Pending, 10, 20), request("soon", ledger.Pending, 25, 6.5), request("late", ledger.Partial, 31.5, -0.5),
		request("later", ledger.Failed, 30, 1), request("running", ledger.Pending, 2, 28), request("a", ledger.Pending, 2, 28),
		request("b", ledger.Pending, 2, 28), request("c", ledger.Pending, 2, 28), request("ended", ledger.Pending, 90, -60), told, unverified,
	}))
	_, err := l.End(ctx, "ended", ledger.Cancelled, "", now)
	must(t, err)
	for job, requests := range map[string][]string{"works": {"running"}, "waits": {"a", "b"}, "waits-too": {"c"}} {
		_, err := l.OpenJob(ctx, ledger.Job{ID: job, Mode: "approve", Opened: now})
		must(t, err)
		must(t, l.Invite(ctx, job, requests, time.Time{}))
		_, err = l.Claim(ctx, job, requests, now)
		must(t, err)
		if job != "works" {
			must(t, l.MarkRequests(ctx, job, ledger.InReview, now))
		}
	}
	_, err = l.ChangeSweep(ctx, func(s *ledger.Sweep) error { s.Began, s.Jobs = now.Add(-6*time.Hour), []string{"works"}; return nil })
	must(t, err)
	metrictest.Want(t, measured(t, l, now), standing(map[string]float64{
		"OpenRequests Stack=lethe": 9, "DueSoonRequests Stack=lethe": 2, "OverdueRequests Stack=lethe": 1,
		"OldestOpenRequestDays Stack=lethe": 31.5, "DaysToNearestDueDate Stack=lethe": -0.5, "WaitingPlans Stack=lethe": 2,
		"HoursSinceSweep Stack=lethe": 6, "WaitingMessages Stack=lethe": 1, "OldestWaitingMessageMinutes Stack=lethe": 3 * 24 * 60,
		"Requests Stack=lethe Status=pending": 3, "Requests Stack=lethe Status=running": 1, "Requests Stack=lethe Status=in_review": 3,
		"Requests Stack=lethe Status=partial": 1, "Requests Stack=lethe Status=failed": 1,
	}))
}

// More than one read's worth.
func TestEveryOpenRequestIsMeasured(t *testing.T) {
	t.Parallel()
	l := open(t)
	n := 2*ledger.MaxChanges + 7
	var all []ledger.Request
	for i := range n {
		all = append(all, request(fmt.Sprintf("%03x", i), ledger.Pending, 1, 20))
	}
	must(t, l.File(t.Context(), all))
	if got := measured(t, l, now)["OpenRequests Stack=lethe"]; got != float64(n) {
		t.Errorf("%v are open, want %d", got, n)
	}
}
