package local_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// moment is a kind of moments in which a run can be killed.
type moment string

const (
	beforeCall moment = "before a call reaches the provider"
	afterCall  moment = "after a call had its effect"
	machine    moment = "at an event of the machine"
	sealing    moment = "while something is sealed, opened or digested" // close to every write of the ledger
)

// killer ends a run, by cancelling its context, at the nth moment of a kind: nothing is written any more after that.
type killer struct {
	moment moment
	at     int64
	count  atomic.Int64
	cancel context.CancelFunc
}

func (k *killer) tick(m moment) {
	if k.moment == m && k.count.Add(1) == k.at {
		k.cancel()
	}
}

func (k *killer) settings(s settings) settings {
	s.transport = func(next http.RoundTripper) http.RoundTripper { return killedTransport{k, next} }
	s.observe = func(asl.Event) { k.tick(machine) }
	s.sealer = func(next erase.Sealer) erase.Sealer { return killedSealer{k, next} }
	return s
}

type killedTransport struct {
	k    *killer
	next http.RoundTripper
}

func (t killedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.k.tick(beforeCall)
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	res, err := t.next.RoundTrip(r)
	t.k.tick(afterCall)
	if err == nil && r.Context().Err() != nil {
		res.Body.Close()
		return nil, r.Context().Err()
	}
	return res, err
}

type killedSealer struct {
	k *killer
	erase.Sealer
}

func (s killedSealer) Seal(ctx context.Context, scope string, plain []byte) ([]byte, error) {
	s.k.tick(sealing)
	return s.Sealer.Seal(ctx, scope, plain)
}

func (s killedSealer) Open(ctx context.Context, scope string, sealed []byte) ([]byte, error) {
	s.k.tick(sealing)
	return s.Sealer.Open(ctx, scope, sealed)
}

func (s killedSealer) Digest(scope, value string) string {
	s.k.tick(sealing)
	return s.Sealer.Digest(scope, value)
}

// every gives the moments of a run at which it is killed, all of them or every stride-th, by counting them in a run that
// nobody kills.
func every(t *testing.T, m moment, stride int64, s settings, run func(context.Context, *world) error) []*killer {
	t.Helper()
	k := &killer{moment: m, at: -1, cancel: func() {}}
	w := newWorld(t, k.settings(s))
	if err := run(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	n := k.count.Load()
	if n < 5 {
		t.Fatalf("%d moments %s; the test has lost its grip", n, m)
	}
	var out []*killer
	for at := 1 + stride/2; at <= n; at += stride {
		out = append(out, &killer{moment: m, at: at})
	}
	return out
}

// small is a world with little to do, and something of everything.
func small() settings {
	return settings{noOther: true, ios: func(a *appcentertest.App) {
		a.Devices = slices.Delete(a.Devices, 1, 2)
		a.Notifications = a.Notifications[:2]
		a.Audiences = a.Audiences[1:]
	}}
}

func smallLost() []string {
	return []string{ios + " device " + annPhone, ios + " audience ann-only", ios + " notification n-ann", "user " + annUser}
}

// wantAsIfNothingHappened checks the end of a job that was killed and taken up: as without the kill.
func (w *world) wantAsIfNothingHappened(request string) {
	w.t.Helper()
	ctx := context.Background()
	w.wantStatus(request, ledger.Erased)
	w.wantLost(smallLost()...)
	w.wantEmptyContainers()
	requests, executions, previews := 0, 0, 0
	count := func(n *int) func(string) error { return func(string) error { *n++; return nil } }
	for _, err := range []error{
		w.house.Base.Ledger.Requests(ctx, count(&requests)),
		w.house.Base.Ledger.Executions(ctx, count(&executions)),
		w.house.Base.Ledger.Previews(ctx, count(&previews)),
	} {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if requests != 1 || executions != 0 || previews != 0 {
		w.t.Errorf("%d requests, %d executions and %d previews in the ledger, want 1, 0 and 0", requests, executions, previews)
	}
	if n := w.calls(ios, appcentertest.StartExport); n > 3 {
		w.t.Errorf("%d exports: a kill costs one at most", n)
	}
	if n := len(w.profiles.Calls()); n > 2 {
		w.t.Errorf("%d orders at Batch: a kill repeats one at most", n)
	}
}

func TestAKilledRunIsTakenUp(t *testing.T) {
	t.Parallel()
	run := func(ctx context.Context, w *world) error {
		_, err := w.house.Erase(ctx, ann(w.t), config.Erase)
		return err
	}
	points := slices.Concat(
		every(t, afterCall, 1, small(), run), every(t, beforeCall, 3, small(), run),
		every(t, machine, 9, small(), run), every(t, sealing, 11, small(), run),
	)
	for _, k := range points {
		t.Run(fmt.Sprintf("%s %d", k.moment, k.at), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			k.cancel = cancel
			w := newWorld(t, k.settings(small()))
			err := run(ctx, w)
			if ctx.Err() == nil {
				t.Skip("the run had fewer such moments this time") // its lanes run at the same time
			}
			if k.at%6 == 0 {
				w.wantNoLeak(err)
			}
			w.again()
			again := w.erase(ann(t), config.Erase)
			w.wantAsIfNothingHappened(again.Requests[0])
			if k.at%6 == 0 {
				w.wantNoLeak()
			}
		})
	}
}

// Whoever approves and is killed says the same again, or lets the next run go on.
func TestAKilledApprovalIsTakenUp(t *testing.T) {
	t.Parallel()
	decide := func(ctx context.Context, w *world) error {
		list, err := openJobs(w)
		if err != nil || len(list) != 1 {
			return fmt.Errorf("%d jobs wait (%v)", len(list), err)
		}
		job, err := w.house.Base.Ledger.Job(context.Background(), list[0])
		if err != nil {
			return err
		}
		return w.house.Decide(ctx, job.ID, erase.Word{Plan: job.Plan, By: "officer", Approved: true})
	}
	run := func(ctx context.Context, w *world) error {
		if w.request(w.erase(ann(w.t), config.Approve).Requests[0]).Status != ledger.InReview {
			return fmt.Errorf("the job does not wait")
		}
		return nil
	}
	for _, m := range []moment{machine, afterCall, sealing} {
		for at := int64(1); at < 30; at += 6 {
			t.Run(fmt.Sprintf("%s %d", m, at), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, small())
				if err := run(t.Context(), w); err != nil {
					t.Fatal(err)
				}
				w.wantLost()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				k := &killer{moment: m, at: at, cancel: cancel}
				if err := w.house.Close(); err != nil {
					t.Fatal(err)
				}
				w.settings = k.settings(w.settings)
				w.open()
				// An error is what the kill makes of it; what counts is what the next process finds.
				_ = decide(ctx, w)
				if ctx.Err() == nil {
					t.Skip("it was over before that moment came")
				}
				w.again()
				open := w.erase(ann(t), config.Approve)
				if list, err := openJobs(w); err != nil || len(list) > 0 { // the kill was faster than the approval
					if err := decide(t.Context(), w); err != nil {
						t.Fatal(err)
					}
				}
				w.wantAsIfNothingHappened(open.Requests[0])
			})
		}
	}
}

func openJobs(w *world) ([]string, error) {
	var out []string
	err := w.house.Base.Ledger.Executions(context.Background(), func(name string) error {
		out = append(out, name)
		return nil
	})
	return out, err
}

// A killed preview leaves nothing behind once the next command has run, and that may be a preview too.
func TestAKilledPreviewIsForgotten(t *testing.T) {
	t.Parallel()
	run := func(ctx context.Context, w *world) error {
		_, err := w.house.Preview(ctx, ann(w.t))
		return err
	}
	for _, k := range slices.Concat(every(t, afterCall, 3, small(), run), every(t, sealing, 12, small(), run)) {
		t.Run(fmt.Sprintf("%s %d", k.moment, k.at), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			k.cancel = cancel
			w := newWorld(t, k.settings(small()))
			if err := run(ctx, w); err == nil && ctx.Err() == nil {
				t.Skip("the run had fewer such moments this time")
			}
			w.again()
			if err := run(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			w.wantLost()
			w.wantEmptyContainers()
			w.wantNoRequests()
		})
	}
}

// wantNoRequests checks that the ledger knows nobody.
func (w *world) wantNoRequests() {
	w.t.Helper()
	l, ctx := w.house.Base.Ledger, context.Background()
	for what, list := range map[string]func(context.Context, func(string) error) error{
		"request": l.Requests, "open request": l.OpenRequests, "preview": l.Previews, "execution": l.Executions,
	} {
		if err := list(ctx, func(string) error { w.t.Errorf("a preview left a %s behind", what); return nil }); err != nil {
			w.t.Fatal(err)
		}
	}
}

// killedIn makes a killer's settings for the moment when the machine enters a state for the first time.
func killedIn(state string, cancel func()) settings {
	s := small()
	s.observe = func(e asl.Event) {
		if e.Kind == asl.Entered && e.State == state {
			cancel()
		}
	}
	return s
}

// Exports are few. One that was read to its end is not asked for again because of a crash after it.
func TestAKillAfterTheDevicesWereMatchedCostsNoExport(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := newWorld(t, killedIn("SearchTexts", cancel))
	if _, err := w.house.Erase(ctx, ann(t), config.Erase); err == nil {
		t.Fatal("the run was not killed")
	}
	w.again()
	w.wantAsIfNothingHappened(w.erase(ann(t), config.Erase).Requests[0])
	if n := w.calls(ios, appcentertest.StartExport); n != 2 {
		t.Errorf("%d exports, want 2", n)
	}
}

// A preview after a crash exports into the same container and removes what lies there. The killed job, taken up after
// it, must not go on with an export that is gone, nor from where it had read it to.
func TestAPreviewBetweenAKillAndItsResumption(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"MatchShards", "MatchSubject", "RemoveExport", "WaitForExport"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := killedIn(state, cancel)
			change := s.ios
			s.ios = func(a *appcentertest.App) { change(a); a.Export.Polls = 1 }
			w := newWorld(t, s)
			if _, err := w.house.Erase(ctx, ann(t), config.Erase); err == nil {
				t.Fatal("the run was not killed")
			}
			w.again()
			if _, err := w.house.Preview(t.Context(), people(t, []string{"email", benMail})); err != nil {
				t.Fatal(err)
			}
			w.wantEmptyContainers()
			run := w.erase(ann(t), config.Erase)
			w.wantStatus(run.Requests[0], ledger.Erased)
			w.wantLost(smallLost()...)
			w.wantEmptyContainers()
		})
	}
}
