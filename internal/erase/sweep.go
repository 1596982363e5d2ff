package erase

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// ClaimTime is how long a request with identifiers that nobody verified waits for a person to vouch for them. After it the
// request is worked on without them.
const ClaimTime = 7 * 24 * time.Hour

// Ready tells whether a sweep takes a request now: it is open and verified, no job holds it, and its identifiers are
// verified, were judged by a person, or have waited for one long enough.
func Ready(r ledger.Request, now time.Time) bool {
	if r.Job != "" || r.Final() || r.Status == ledger.Unverified {
		return false
	}
	return len(r.Claimed) == 0 || r.Vouched != nil || !now.Before(r.Verified.Add(ClaimTime))
}

// ModeFor gives the mode in which a sweep takes a request. Who only wants to look deletes nothing; otherwise the mode that
// the request asks for counts, then the one that the sweep was asked for, then the configuration's.
func ModeFor(r ledger.Request, asked, configured config.Mode) config.Mode {
	if asked == config.Preview {
		return asked
	}
	return cmp.Or(config.Mode(r.Mode), asked, configured)
}

// stuck is when a job that still works is no reason any more to put the next sweep off: the state machine itself ends
// after 30 days, an export after hours.
const stuck = 24 * time.Hour

// Sweeping tells whether the next sweep has to wait: the last one is busy, or a preview that holds what it would take.
func Sweeping(ctx context.Context, b Base, last ledger.Sweep) (bool, error) {
	busy, err := b.busy(ctx, last.Begun)
	if err != nil || busy {
		return busy, err
	}
	return Looking(ctx, b, last)
}

// Looking tells whether a preview is busy that holds what the next sweep would take.
func Looking(ctx context.Context, b Base, last ledger.Sweep) (bool, error) {
	busy, err := b.busy(ctx, last.Look)
	if err != nil || busy {
		return busy, err
	}
	return b.busy(ctx, last.Looks)
}

// busy tells whether a sweep or preview still starts its jobs, searches or deletes. What waits for a person does not count.
func (b Base) busy(ctx context.Context, begun ledger.Begun) (bool, error) {
	now := b.Now()
	if begun.Starting(now) {
		return true, nil
	}
	if now.Sub(begun.Began) >= stuck {
		return false, nil
	}
	working, err := b.working(ctx, begun.Jobs)
	return len(working) > 0, err
}

// taking tells whether the last sweep may still find requests held that it would take: not all of its jobs have been
// started, or one has not come to its first review, and may not have claimed everything.
func (b Base) taking(ctx context.Context, last ledger.Sweep) (bool, error) {
	if last.Starting(b.Now()) || !last.Whole && len(last.Jobs) > 0 {
		return true, nil
	}
	working, err := b.working(ctx, last.Jobs)
	return slices.ContainsFunc(working, func(j ledger.Job) bool { return j.Pass == 0 }), err
}

// working are the jobs of these that are about to be opened, search or delete.
func (b Base) working(ctx context.Context, jobs []string) (open []ledger.Job, err error) {
	for _, id := range jobs {
		j, err := b.Ledger.Job(ctx, id)
		working := err == nil && j.Closed.IsZero() && !j.Waits()
		if errors.Is(err, ledger.ErrNotFound) { // it is about to be opened where requests are invited to it
			j.ID = id
			err = b.Ledger.Members(ctx, id, func(string, ledger.Member) error {
				working = true
				return nil
			})
		}
		if err != nil {
			return nil, err
		}
		if working {
			open = append(open, j)
		}
	}
	return open, nil
}
