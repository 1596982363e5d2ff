package erase

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/provider"
	"github.com/lethe-dsr/lethe/internal/seal"
)

// forgetOn is the work of all tests here.
var forgetOn = On{Job: "job", Target: "acme-ios", Pass: 1}

// forgetting gives a ledger in which that many devices are cleared for deletion.
func forgetting(t *testing.T, devices int) Base {
	t.Helper()
	store, err := boltstore.Open(filepath.Join(t.TempDir(), "ledger.db"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	key, err := seal.OpenKey(filepath.Join(t.TempDir(), "lethe.key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := Base{Ledger: ledger.New(store), Seal: key, Now: time.Now, Report: func(Event) {}}
	var found []ledger.Finding
	for n := range devices {
		id := fmt.Sprintf("install-%d", n)
		sealed, err := b.sealObject(t.Context(), forgetOn.Job, object{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, ledger.Finding{
			Target: forgetOn.Target, Area: Devices, Digest: b.objectDigest(forgetOn.Target, Devices, id), Object: sealed,
			Requests: map[string][]string{"request": {"install id"}}, Seen: 1, Cleared: 1,
		})
	}
	if _, err := b.Ledger.Found(t.Context(), forgetOn.Job, found); err != nil {
		t.Fatal(err)
	}
	return b
}

// deleter counts the deletes of each install id; before may stop one.
type deleter struct {
	deleted map[string]int
	before  func(ctx context.Context, calls int) error
	calls   int
}

func (d *deleter) DeleteInstall(ctx context.Context, id string) (bool, error) {
	d.calls++
	if err := d.before(ctx, d.calls); err != nil {
		return false, err
	}
	d.deleted[id]++
	return d.deleted[id] > 1, nil
}

func (d *deleter) step(b Base) func(context.Context, On) (Slice, error) {
	return DeleteInstall(b, func(string) (InstallDeleter, error) { return d, nil })
}

// wantOnce checks that that many devices were deleted, each once, and that the ledger says so.
func (d *deleter) wantOnce(t *testing.T, b Base, want int) {
	t.Helper()
	for id, n := range d.deleted {
		if n != 1 {
			t.Errorf("%s was deleted %d times", id, n)
		}
	}
	written := 0
	err := b.Ledger.Findings(context.Background(), forgetOn.Job, forgetOn.Target, Devices, func(f ledger.Finding) error {
		if !f.Deleted.IsZero() && f.InPass == 1 && !f.Already {
			written++
		}
		return nil
	})
	if err != nil || written != want || len(d.deleted) != want {
		t.Errorf("%d devices are deleted and %d are written down as deleted (%v), want %d", len(d.deleted), written, err, want)
	}
}

// What was deleted before a call fails is written down, and not deleted again by the next slice.
func TestForgetWritesDownWhatWentBeforeAFailure(t *testing.T) {
	t.Parallel()
	for _, failAt := range []int{1, 2, saveDeletes + 3} {
		t.Run(fmt.Sprintf("the provider fails at call %d", failAt), func(t *testing.T) {
			t.Parallel()
			b := forgetting(t, 30)
			d := &deleter{deleted: map[string]int{}, before: func(_ context.Context, calls int) error {
				if calls == failAt {
					return fault.New(fault.Unavailable, "no answer")
				}
				return nil
			}}
			if _, err := d.step(b)(t.Context(), forgetOn); !fault.Is(err, fault.Unavailable) {
				t.Errorf("got error %v, want the provider's", err)
			}
			d.wantOnce(t, b, failAt-1)
			if out, err := d.step(b)(t.Context(), forgetOn); err != nil || !out.Done {
				t.Errorf("the next slice: done %t, %v", out.Done, err)
			}
			d.wantOnce(t, b, 30)
		})
	}
}

// An interrupted step writes down what went, although its context has ended.
func TestForgetWritesDownWhatWentBeforeAnInterrupt(t *testing.T) {
	t.Parallel()
	b := forgetting(t, 30)
	ctx, interrupt := context.WithCancel(t.Context())
	d := &deleter{deleted: map[string]int{}, before: func(ctx context.Context, calls int) error {
		if calls == 7 {
			interrupt()
		}
		return ctx.Err()
	}}
	if _, err := d.step(b)(ctx, forgetOn); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want the context's", err)
	}
	d.wantOnce(t, b, 6)
}

// A target whose pace makes a call wait for most of a minute ends its slices before their time is over: it never fails
// for being slow, and deletes everything in the end.
func TestForgetEndsItsSliceBeforeThePaceOutlastsIt(t *testing.T) {
	t.Parallel()
	b := forgetting(t, 40)
	synctest.Test(t, func(t *testing.T) {
		var calls []byte
		pace := provider.NewPace(2, func(_ context.Context, change func([]byte) ([]byte, error)) (err error) {
			calls, err = change(calls)
			return err
		})
		d := &deleter{deleted: map[string]int{}, before: func(ctx context.Context, _ int) error {
			ended, err := pace.Take(ctx)
			if err == nil {
				ended()
			}
			return err
		}}
		step, slices := d.step(b), 0
		for done := false; !done; slices++ {
			ctx, cancel := context.WithTimeout(t.Context(), 890*time.Second) // not a whole number of minutes
			out, err := step(ctx, forgetOn)
			cancel()
			if err != nil {
				t.Fatalf("slice %d: %v", slices, err)
			}
			done = out.Done
		}
		if slices != 2 {
			t.Errorf("%d slices of 15 minutes for 20 minutes' work, want 2", slices)
		}
		d.wantOnce(t, b, 40)
		time.Sleep(2 * provider.Window) // for the pace's timers
	})
}
