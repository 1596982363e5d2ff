package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

func once(key, body string) ledger.Once {
	return ledger.Once{Key: key, Body: body, Until: time.Now().Add(time.Hour)}
}

// The same submission under the same key is one request, also when two come at the same time.
func TestASubmissionIsFiledOnce(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	if _, err := l.Sent(ctx, once("key", "body")); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an unused key: %v", err)
	}
	var got [4]string
	var group sync.WaitGroup
	for n := range got {
		group.Go(func() {
			id, err := l.FileOnce(ctx, told(fmt.Sprint("r", n), fmt.Sprint("k", n)), once("key", "body"))
			if err != nil {
				t.Error(err)
			}
			got[n] = id
		})
	}
	group.Wait()
	if len(slices.Compact(got[:])) != 1 {
		t.Fatalf("the answers name %q", got)
	}
	wantIDs(t, "requests", ids(t, l.Requests), got[0])
	wantOutbox(t, l, got[0]+"-1 status pending")
	if id, err := l.Sent(ctx, once("key", "body")); err != nil || id != got[0] {
		t.Errorf("sent again: %q, %v", id, err)
	}
	if _, err := l.Sent(ctx, once("key", "another")); !errors.Is(err, ledger.ErrReused) {
		t.Errorf("the key with another body: %v, want ErrReused", err)
	}
	if _, err := l.FileOnce(ctx, request("r9"), once("key", "another")); !errors.Is(err, ledger.ErrReused) {
		t.Errorf("filed under a used key: %v, want ErrReused", err)
	}
	if _, err := l.Request(ctx, "r9"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("it was filed all the same: %v", err)
	}
}

func TestAKeyIsTiedToARequestThatIsThere(t *testing.T) {
	t.Parallel()
	l, store, _ := inContention(t)
	ctx := t.Context()
	must(t, l.File(ctx, []ledger.Request{request("r1", "k1")}))
	if id, err := l.FileOnce(ctx, ledger.Request{ID: "r1"}, once("key", "body")); err != nil || id != "r1" {
		t.Errorf("tied to %q, %v", id, err)
	}
	if id, err := l.Sent(ctx, once("key", "body")); err != nil || id != "r1" {
		t.Errorf("sent again: %q, %v", id, err)
	}
	wantIDs(t, "requests", ids(t, l.Requests), "r1")
	old := once("old", "body")
	old.Until = time.Now().Add(-time.Minute)
	if _, err := l.FileOnce(ctx, request("r2"), old); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Sent(ctx, old); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a key is known after its time: %v", err)
	}
	store.conflicts = 1 // nobody used the key: another transaction had the item in hand
	if _, err := l.FileOnce(ctx, request("r3"), once("third", "body")); !fault.Is(err, fault.LedgerBusy) {
		t.Errorf("got %v, want LedgerBusy", err)
	}
}

func TestWhatIsLimitedIsAllowedUntilTheLimit(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	start := time.Now()
	allow := func(what string, after time.Duration) bool {
		ok, err := l.Allow(ctx, what, 3, time.Hour, start.Add(after))
		must(t, err)
		return ok
	}
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true}, {59 * time.Minute, true}, {59 * time.Minute, true}, // the hour counts from the first on
		{59 * time.Minute, false}, {time.Hour - time.Millisecond, false},
		{time.Hour, true}, {time.Hour, true}, {time.Hour, true}, {time.Hour, false},
	} {
		if got := allow("form", c.after); got != c.want {
			t.Errorf("after %v: allowed %t, want %t", c.after, got, c.want)
		}
	}
	if !allow("another", 0) {
		t.Error("another count was used up, too")
	}
}

func TestNoMoreThanTheLimitIsAllowedAtTheSameTime(t *testing.T) {
	t.Parallel()
	l, store, _ := inContention(t)
	ctx := t.Context()
	var allowed atomic.Int32
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 3 {
				ok, err := l.Allow(ctx, "form", 5, time.Hour, time.Now())
				if err != nil && !fault.Is(err, fault.LedgerBusy) {
					t.Error(err)
				}
				if ok {
					allowed.Add(1)
				}
			}
		})
	}
	group.Wait()
	if n := allowed.Load(); n != 5 {
		t.Errorf("%d were allowed, want 5", n)
	}
	for limit, want := range map[int]bool{4: true, 5: true, 6: false} {
		if got, err := l.Spent(ctx, "form", limit, time.Now()); err != nil || got != want {
			t.Errorf("of %d spent: %t, %v", limit, got, err)
		}
	}
	if spent, err := l.Spent(ctx, "form", 5, time.Now().Add(time.Hour)); err != nil || spent {
		t.Errorf("spent after its time: %t, %v", spent, err)
	}
	if spent, err := l.Spent(ctx, "another", 1, time.Now()); err != nil || spent {
		t.Errorf("spent before the first: %t, %v", spent, err)
	}
	store.before = func() { t.Error("what is not allowed was written") }
	if ok, err := l.Allow(ctx, "form", 5, time.Hour, time.Now()); ok || err != nil {
		t.Errorf("over the limit: %t, %v", ok, err)
	}
}

func TestWhatIsKeptIsMadeOnce(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	var got [4][]byte
	var group sync.WaitGroup
	for n := range got {
		group.Go(func() {
			var err error
			if got[n], err = l.Keep(ctx, "key", func() ([]byte, error) { return fmt.Append(nil, "made by ", n), nil }); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, v := range got {
		if len(v) == 0 || !bytes.Equal(v, got[0]) {
			t.Errorf("got %q and %q", v, got[0])
		}
	}
	no := errors.New("no")
	if _, err := l.Keep(ctx, "other", func() ([]byte, error) { return nil, no }); !errors.Is(err, no) {
		t.Errorf("got %v, want the maker's error", err)
	}
	if v, err := l.Keep(ctx, "other", func() ([]byte, error) { return []byte("x"), nil }); err != nil || string(v) != "x" {
		t.Errorf("after a failed maker: %q, %v", v, err)
	}
}

// A preview may find more than one item holds.
func TestAPreviewIsKeptWhole(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{1})
	for _, size := range []int{0, 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1<<20 + 7} {
		l, ctx := open(t), t.Context()
		sealed := make([]byte, size)
		random.Read(sealed)
		until := time.Now().Add(time.Hour)
		must(t, l.KeepPreview(ctx, "job", append(sealed, make([]byte, 600<<10)...), until)) // longer than what comes
		must(t, l.KeepPreview(ctx, "job", sealed, until))
		must(t, l.KeepPreview(ctx, "job2", []byte("another"), until))
		if got, err := l.PreviewOf(ctx, "job"); err != nil || !bytes.Equal(got, sealed) {
			t.Errorf("%d bytes: read back %d, %v", size, len(got), err)
		}
		for range 2 {
			must(t, l.DropPreview(ctx, "job"))
		}
		if _, err := l.PreviewOf(ctx, "job"); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%d bytes: dropped, and there: %v", size, err)
		}
		if got, err := l.PreviewOf(ctx, "job2"); err != nil || string(got) != "another" {
			t.Errorf("another preview is %q, %v", got, err)
		}
		must(t, l.KeepPreview(ctx, "job", sealed, time.Now().Add(-time.Minute)))
		if _, err := l.PreviewOf(ctx, "job"); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%d bytes: there after its time: %v", size, err)
		}
	}
}

func TestJobsAreListedByMonth(t *testing.T) {
	t.Parallel()
	l, store := recorded(t)
	ctx, may := t.Context(), time.Date(2026, 5, 31, 23, 30, 0, 0, time.UTC)
	berlin := time.FixedZone("", 2*3600)
	for _, j := range []ledger.Job{
		{ID: "02", Mode: "erase", Opened: may}, {ID: "01", Mode: "approve", Opened: may.In(berlin)}, // June there, May here
		{ID: "03", Mode: "preview", Opened: may}, {ID: "04", Mode: "erase", Opened: may.Add(time.Hour)},
	} {
		for range 2 { // the step may run twice
			_, err := l.OpenJob(ctx, j)
			must(t, err)
		}
	}
	for month, want := range map[time.Time][]string{may: {"01", "02"}, may.AddDate(0, 0, 5): {"04"}, may.AddDate(0, 0, -40): nil} {
		got, err := l.Jobs(ctx, month)
		must(t, err)
		wantIDs(t, month.Format("2006-01"), got, want...)
	}
	if c := store.last("jobs/2026-05", "02"); !c.Expires.Equal(may.Add(ledger.Retention)) {
		t.Errorf("the place in the list is kept until %v", c.Expires)
	}
}

func TestTheLastSweepIsRemembered(t *testing.T) {
	t.Parallel()
	l, ctx := open(t), t.Context()
	if s, err := l.LastSweep(ctx); err != nil || !s.Began.IsZero() {
		t.Errorf("before the first: %+v, %v", s, err)
	}
	began := time.Date(2026, 5, 1, 3, 0, 0, 0, time.UTC)
	for _, job := range []string{"j1", "j2"} {
		_, err := l.ChangeSweep(ctx, func(s *ledger.Sweep) error { s.Began, s.Jobs = began, append(s.Jobs, job); return nil })
		must(t, err)
	}
	if s, err := l.LastSweep(ctx); err != nil || !s.Began.Equal(began) || !slices.Equal(s.Jobs, []string{"j1", "j2"}) {
		t.Errorf("it is %+v, %v", s, err)
	}
}
