package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
)

// counting is a store that counts queries, and knows which partitions were written.
type counting struct {
	ledger.Store
	mu         sync.Mutex
	queries    int
	partitions map[string]bool
}

func counted(t *testing.T) (*ledger.Ledger, *counting) {
	t.Helper()
	s, err := boltstore.Open(filepath.Join(t.TempDir(), "ledger.db"), time.Second)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	c := &counting{Store: s, partitions: map[string]bool{}}
	return ledger.New(c), c
}

func (c *counting) Query(ctx context.Context, partition, prefix, after string, limit int) ([]ledger.Item, error) {
	c.mu.Lock()
	c.queries++
	c.mu.Unlock()
	return c.Store.Query(ctx, partition, prefix, after, limit)
}

func (c *counting) Write(ctx context.Context, changes ...ledger.Change) error {
	c.note(changes)
	return c.Store.Write(ctx, changes...)
}

func (c *counting) WriteEach(ctx context.Context, changes ...ledger.Change) ([]int, error) {
	c.note(changes)
	return c.Store.WriteEach(ctx, changes...)
}

func (c *counting) note(changes []ledger.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, change := range changes {
		c.partitions[change.Partition] = true
	}
}

// of counts the partitions with a prefix.
func (c *counting) of(prefix string) (n int) {
	for p := range c.partitions {
		if strings.HasPrefix(p, prefix) {
			n++
		}
	}
	return n
}

// left lists the items of a job, with those that have not expired.
func (c *counting) left(t *testing.T, job string) (keys []string) {
	t.Helper()
	for p := range c.partitions {
		if strings.Contains(p+"/", "/"+job+"/") {
			items, err := c.Store.Query(t.Context(), p, "", "", 1000)
			must(t, err)
			for _, i := range items {
				keys = append(keys, p+" "+i.Sort)
			}
		}
	}
	slices.Sort(keys)
	return keys
}

func crowdOf(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("r%05d", i))
	}
	return ids
}

// fill gives each of a job's people a finding and a mark.
func fill(t *testing.T, l *ledger.Ledger, ids []string) {
	t.Helper()
	var found []ledger.Finding
	for _, id := range ids {
		found = append(found, device("digest-"+id, 1, id, "email"))
		must(t, l.Trouble(t.Context(), "job", "a", "devices", id, "UnreadableLine"))
	}
	_, err := l.Found(t.Context(), "job", found)
	must(t, err)
}

func TestWhatGrowsWithPeopleIsSpreadWhereTheyAreMany(t *testing.T) {
	t.Parallel()
	for people, partitions := range map[int]int{1: 1, 100: 1, 101: 16, 300: 16} {
		t.Run(fmt.Sprint(people), func(t *testing.T) {
			t.Parallel()
			l, store := counted(t)
			ctx, ids := t.Context(), crowdOf(people)
			must(t, l.Invite(ctx, "job", ids, time.Time{}))
			fill(t, l, ids)
			if people != 1 && partitions == 1 || people >= 300 { // fewer may leave a partition out
				for _, prefix := range []string{"member/job/", "trouble/job/", "finding/job/a/devices/"} {
					if got := store.of(prefix); got != partitions {
						t.Errorf("%s has %d partitions, want %d", prefix, got, partitions)
					}
				}
			}
			store.queries = 0
			var got []string
			must(t, l.Members(ctx, "job", func(id string, _ ledger.Member) error { got = append(got, id); return nil }))
			if !slices.Equal(got, ids) {
				t.Errorf("%d members, want all, in the order of their ids", len(got))
			}
			if n := len(findings(t, l, "a", "devices")); n != people {
				t.Errorf("%d findings, want %d", n, people)
			}
			if marks, err := l.Troubles(ctx, "job"); err != nil || len(marks) != people {
				t.Errorf("%d marks, %v", len(marks), err)
			}
			if store.queries > 3*partitions {
				t.Errorf("%d queries to read members, findings and marks, want %d", store.queries, 3*partitions)
			}
			must(t, l.ClearTroubles(ctx, "job", "a", "devices"))
			if marks, err := l.Troubles(ctx, "job"); err != nil || len(marks) != 0 {
				t.Errorf("%d marks are left, %v", len(marks), err)
			}
		})
	}
}

// Keys hang on the breadth: it must not change with those who come later.
func TestTheBreadthOfAJobStays(t *testing.T) {
	t.Parallel()
	l, store := counted(t)
	ctx, ids := t.Context(), crowdOf(300)
	must(t, l.Invite(ctx, "job", nil, time.Time{}))
	must(t, l.Invite(ctx, "job", ids[:2], time.Time{}))
	must(t, l.Invite(ctx, "job", ids, time.Time{}))
	must(t, l.Invite(ctx, "large", ids, time.Time{}))
	must(t, l.Invite(ctx, "large", ids[:2], time.Time{}))
	for job, want := range map[string]int{"job": 1, "large": 16} {
		if n := store.of("member/" + job + "/"); n != want {
			t.Errorf("%s has %d partitions, want %d", job, n, want)
		}
		n := 0
		must(t, l.Members(ctx, job, func(string, ledger.Member) error { n++; return nil }))
		if n != len(ids) {
			t.Errorf("%s has %d members, want %d", job, n, len(ids))
		}
	}
}

func TestNothingOfALargeJobIsLeftButItsEvidence(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"erase", "preview"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			l, store := counted(t)
			ctx, ids, at := t.Context(), crowdOf(120), time.Now()
			must(t, l.Invite(ctx, "job", ids, time.Time{}))
			_, err := l.OpenJob(ctx, ledger.Job{ID: "job", Mode: mode, Opened: at, Search: []string{"a"}})
			must(t, err)
			fill(t, l, ids)
			var devices []ledger.Finding // more than a page in each partition
			for n := range 2_500 {
				devices = append(devices, device(fmt.Sprint("digest-", n), 1, ids[0], "property"))
			}
			_, err = l.Found(ctx, "job", devices)
			must(t, err)
			for range 2 { // a step that is run again
				if err := l.EndJob(ctx, "job", at); err != nil && !errors.Is(err, ledger.ErrNotFound) {
					t.Fatal(err)
				}
			}
			left := store.left(t, "job")
			if mode == "preview" {
				if len(left) > 0 {
					t.Errorf("left of a preview: %q", left)
				}
				return
			}
			if len(left) != len(ids)+2 { // the job, its breadth and its members
				t.Errorf("%d items are left, want %d: %q", len(left), len(ids)+2, left)
			}
			must(t, l.EndJob(ctx, "job", at.Add(-ledger.Retention-time.Hour))) // its time is over
			if left := store.left(t, "job"); len(left) > 0 {
				t.Errorf("left of the evidence after its time: %q", left)
			}
		})
	}
}

// A member whose request is closed has its end; those that are not get it when the job ends.
func TestMembersExpireWithTheirEvidence(t *testing.T) {
	t.Parallel()
	l, store := recorded(t)
	ctx, at := t.Context(), time.Now()
	must(t, l.File(ctx, []ledger.Request{request("r1", "k1"), request("r2", "k2")}))
	_, err := l.OpenJob(ctx, ledger.Job{ID: "job", Mode: "erase", Opened: at})
	must(t, err)
	claim(t, l, "job", "r1", "r2")
	closeRequest(t, l, "job", "r1", ledger.Erased)
	closed := store.last("member/job/", "r1").Expires
	if until := time.Until(closed); until < ledger.Retention-time.Hour || until > ledger.Retention {
		t.Errorf("a closed member expires at %v", closed)
	}
	if c := store.last("member/job/", "r2"); !c.Expires.IsZero() {
		t.Errorf("a member under work expires at %v", c.Expires)
	}
	must(t, l.EndJob(ctx, "job", at.Add(time.Hour)))
	for k, want := range map[[2]string]time.Time{
		{"member/job/", "r1"}: closed, {"member/job/", "r2"}: at.Add(time.Hour + ledger.Retention),
		{"job/job", "job"}: at.Add(time.Hour + ledger.Retention), {"job/job", "breadth"}: at.Add(time.Hour + ledger.Retention),
	} {
		if c := store.last(k[0], k[1]); !c.Expires.Equal(want) {
			t.Errorf("%v expires at %v, want %v", k, c.Expires, want)
		}
	}
}
