package ledger

import (
	"context"
	"fmt"
	"strings"
)

// Lane is the state of one target's area in a job, written by the review only.
type Lane struct {
	Target   string `json:"target"`
	Area     string `json:"area"`
	Searched int    `json:"searched"` // pass of the last whole search; 0: never
	Times    int    `json:"times"`    // whole searches
	Seen     int64  `json:"seen"`     // objects in the last whole search
	First    int64  `json:"first"`    // objects in the first whole search
	Skipped  int64  `json:"skipped"`  // unreadable lines in the last whole search
	Find     string `json:"find,omitempty"`
	Forget   string `json:"forget,omitempty"` // fault names of the last pass; empty: it went well
	Left     string `json:"left,omitempty"`   // fault name when exported files could not be removed
}

func laneKey(job, target, area string) Key {
	return Key{"job/" + job, "lane/" + target + "/" + area}
}

// Lanes reads the state of a job's lanes, by target and area.
func (l *Ledger) Lanes(ctx context.Context, job string) (map[[2]string]Lane, error) {
	lanes := map[[2]string]Lane{}
	err := each(ctx, l, "job/"+job, "lane/", func(_ string, _ int64, v Lane) error {
		lanes[[2]string{v.Target, v.Area}] = v
		return nil
	})
	return lanes, err
}

// ChangeLane lets change work on a lane.
func (l *Ledger) ChangeLane(ctx context.Context, job, target, area string, change func(*Lane)) (Lane, error) {
	return update(ctx, l, laneKey(job, target, area), true, func(v *Lane) error {
		v.Target, v.Area = target, area
		change(v)
		return nil
	})
}

// Trouble marks that a search met something of a request in a target and area that it could not read or erase.
func (l *Ledger) Trouble(ctx context.Context, job, target, area, request, fault string) error {
	b, err := l.breadth(ctx, job)
	if err != nil {
		return err
	}
	_, err = update(ctx, l, Key{troublePartition(job, b.of(request)), target + "/" + area + "/" + request}, true, func(f *string) error {
		*f = fault
		return nil
	})
	return err
}

// Troubles reads the marks: by target, area and request.
func (l *Ledger) Troubles(ctx context.Context, job string) (map[[3]string]string, error) {
	out := map[[3]string]string{}
	partitions, err := l.troublePartitions(ctx, job)
	for _, p := range partitions {
		err := each(ctx, l, p, "", func(sort string, _ int64, fault string) error {
			part := strings.SplitN(sort, "/", 3)
			if len(part) != 3 {
				return fmt.Errorf("ledger: a mark with an unusable key")
			}
			out[[3]string(part)] = fault
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, err
}

func (l *Ledger) troublePartitions(ctx context.Context, job string) ([]string, error) {
	b, err := l.breadth(ctx, job)
	return b.partitions(func(s string) string { return troublePartition(job, s) }), err
}

// ClearTroubles forgets the marks of an area before it is searched again.
func (l *Ledger) ClearTroubles(ctx context.Context, job, target, area string) error {
	partitions, err := l.troublePartitions(ctx, job)
	if err != nil {
		return err
	}
	return l.clear(ctx, target+"/"+area+"/", partitions...)
}
