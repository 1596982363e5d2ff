package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
)

// dying is a store that takes only so many writes.
type dying struct {
	ledger.Store
	left int
}

func (d *dying) Write(ctx context.Context, changes ...ledger.Change) error {
	if d.left--; d.left < 0 {
		return errors.New("the process is gone")
	}
	return d.Store.Write(ctx, changes...)
}

func (d *dying) WriteEach(ctx context.Context, changes ...ledger.Change) ([]int, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	if d.left--; d.left < 0 {
		return nil, errors.New("the process is gone")
	}
	return d.Store.WriteEach(ctx, changes...)
}

// A preview's job goes whole. Whoever dies on the way must leave its record until last: nobody looks for places of a job
// that there is not.
func TestAPreviewThatDiesWhileItEndsCanBeEnded(t *testing.T) {
	t.Parallel()
	for left := range 10 {
		s, err := boltstore.Open(filepath.Join(t.TempDir(), "ledger.db"), time.Second)
		must(t, err)
		l := ledger.New(s)
		var ids []string
		for n := range 250 {
			ids = append(ids, fmt.Sprintf("r%03d", n))
		}
		must(t, l.Invite(t.Context(), "job", ids, time.Time{}))
		_, err = l.OpenJob(t.Context(), ledger.Job{ID: "job", Mode: "preview", Opened: time.Now()})
		must(t, err)
		dead := ledger.New(&dying{s, left}).EndJob(t.Context(), "job", time.Now())
		places := 0
		must(t, l.Members(t.Context(), "job", func(string, ledger.Member) error { places++; return nil }))
		if _, err := l.Job(t.Context(), "job"); errors.Is(err, ledger.ErrNotFound) && places > 0 {
			t.Errorf("after %d writes (%v) the job is gone, and %d places are left", left, dead, places)
		}
		must(t, s.Close())
	}
}

func TestAJobThatHeldNobodyLeavesItsRecordAlone(t *testing.T) {
	t.Parallel()
	l, store := counted(t)
	must(t, l.File(t.Context(), []ledger.Request{request("held")}))
	if got := claim(t, l, "first", "held"); len(got) != 1 {
		t.Fatalf("the first job holds %q", got)
	}
	_, err := l.OpenJob(t.Context(), ledger.Job{ID: "second", Mode: "erase", Opened: time.Now()})
	must(t, err)
	if got := claim(t, l, "second", "held"); len(got) != 0 {
		t.Fatalf("the second job holds %q", got)
	}
	must(t, l.EndJob(t.Context(), "second", time.Now()))
	if b, err := store.Get(t.Context(), ledger.Key{Partition: "job/second", Sort: "breadth"}); err != nil || len(b) != 0 {
		t.Errorf("%d items of its breadth are left for good (%v)", len(b), err)
	}
}
