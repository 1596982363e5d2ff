package ledger

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// EndJob marks the job closed and destroys what it found: findings, cursors, lanes and the list of exported files. The
// job's record and the list of its requests stay as evidence until they expire; a preview's job goes whole. Two may end it
// at the same time.
func (l *Ledger) EndJob(ctx context.Context, id string, at time.Time) error {
	for range tries {
		if err := l.endJob(ctx, id, at); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fault.New(fault.LedgerBusy, "ledger: %d writers in a row were faster on a job that ends; run the step again", tries)
}

// endJob is EndJob, with ErrConflict when somebody else was faster.
func (l *Ledger) endJob(ctx context.Context, id string, at time.Time) error {
	job, version, err := read[Job](ctx, l, jobKey(id))
	if err != nil {
		return err
	}
	members, b, err := l.members(ctx, id)
	if err != nil {
		return err
	}
	found := b.partitions(func(s string) string { return troublePartition(id, s) })
	areas := func(targets []string, areas ...string) {
		for _, t := range targets {
			for _, a := range areas {
				found = append(found, b.partitions(func(s string) string { return findingPartition(id, t, a, s) })...)
			}
		}
	}
	areas(job.Search, "devices", "audiences", "notifications")
	areas(job.Order, "profile")
	if err := l.clear(ctx, "", found...); err != nil {
		return err
	}
	for _, prefix := range []string{"cursor/", "lane/", "export/", "piece/"} {
		if err := l.clear(ctx, prefix, "job/"+id); err != nil {
			return err
		}
	}
	if job.Mode == "preview" { // its record last: without it nobody would go on
		if err := l.Uninvite(ctx, id); err != nil {
			return err
		}
		if err := l.store.Write(ctx, Change{Key: jobKey(id)}); err != nil {
			return err
		}
		return l.NotWorking(ctx, id)
	}
	// Those that the job closed have their end already.
	var unclosed []Change
	for request, m := range members {
		if m.Status == "" {
			unclosed = append(unclosed, Change{Key: memberKey(id, request, b), Data: encode(m.Member), If: m.version, Expires: at.Add(Retention)})
		}
	}
	if again, err := l.store.WriteEach(ctx, unclosed...); err != nil || len(again) > 0 {
		return cmp.Or(err, ErrConflict)
	}
	if job.Closed.IsZero() {
		job.Closed = at
	}
	job.Plan, job.Token = "", ""
	changes := []Change{{Key: jobKey(id), Data: encode(job), If: version, Expires: at.Add(Retention)}}
	_, there, err := read[breadth](ctx, l, breadthKey(id))
	switch {
	case errors.Is(err, ErrNotFound): // nobody was invited
	case err != nil:
		return err
	case len(members) == 0: // all were somebody else's
		changes = append(changes, Change{Key: breadthKey(id), If: there})
	default:
		changes = append(changes, Change{Key: breadthKey(id), Data: encode(b), If: there, Expires: at.Add(Retention)})
	}
	if err := l.store.Write(ctx, changes...); err != nil {
		return err
	}
	return l.NotWorking(ctx, id)
}
