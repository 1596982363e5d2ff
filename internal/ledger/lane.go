package ledger

import "context"

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
