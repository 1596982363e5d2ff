// Package live is a board on which whoever runs jobs in this process posts their progress, and from which others read it
// while it happens. It remembers nothing for later: that is the ledger's.
package live

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/erase"
)

// Progress is what a job is doing at a moment. It holds no identifier and no object's name.
type Progress struct {
	Job    string        `json:"job"`
	States []string      `json:"states"` // of the state machine that are at work, sorted; more than one in lanes that run together
	Lanes  []erase.Event `json:"lanes"`  // the last news of each target, area and doing, in the order of target and area
	Ended  bool          `json:"ended"`  // the execution ended or waits: nothing more will come by itself
	At     time.Time     `json:"at"`
}

const (
	keep  = 100 // jobs on the board: those with the latest news
	lanes = 400 // of one job: targets times areas times doings
)

// Board has the progress of the jobs that this process works on.
type Board struct {
	now func() time.Time

	mu   sync.Mutex
	jobs map[string]*job
}

type job struct {
	states  map[string]int
	lanes   map[lane]erase.Event
	ended   bool
	at      time.Time
	changed chan struct{} // closed with the next change
}

// lane is what news are about; pieces of an export are matched side by side.
type lane struct {
	target, area, doing string
	piece               int
}

// NewBoard makes an empty board.
func NewBoard(now func() time.Time) *Board { return &Board{now: now, jobs: map[string]*job{}} }

// change lets do work on a job's progress, and wakes those who watch it.
func (b *Board) change(id string, do func(*job)) {
	if id == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.jobs[id]
	if j == nil {
		if len(b.jobs) >= keep {
			oldest := slices.MinFunc(slices.Collect(maps.Keys(b.jobs)), func(x, y string) int { return b.jobs[x].at.Compare(b.jobs[y].at) })
			close(b.jobs[oldest].changed)
			delete(b.jobs, oldest)
		}
		j = &job{states: map[string]int{}, lanes: map[lane]erase.Event{}, changed: make(chan struct{})}
		b.jobs[id] = j
	}
	do(j)
	j.at = b.now()
	close(j.changed)
	j.changed = make(chan struct{})
}

// Report posts progress of a step. What is of no job, a wait for a provider's limit of calls, concerns all that run.
func (b *Board) Report(e erase.Event) {
	k := lane{e.Target, e.Area, e.Doing, e.Piece}
	note := func(j *job) {
		if _, known := j.lanes[k]; !j.ended && (known || len(j.lanes) < lanes) {
			j.lanes[k] = e
		}
	}
	if e.Job != "" {
		b.change(e.Job, note)
		return
	}
	b.mu.Lock()
	running := slices.Collect(maps.Keys(b.jobs))
	b.mu.Unlock()
	for _, id := range running {
		b.change(id, note)
	}
}

// news are the lanes of a job: pieces of the same search are one.
func (j *job) news() []erase.Event {
	one := map[lane]erase.Event{}
	for k, e := range j.lanes {
		k.piece, e.Piece = 0, 0
		switch had, ok := one[k]; {
		case ok && had.Pass > e.Pass:
			e = had
		case ok && had.Pass == e.Pass:
			e.Done, e.Total, e.Found, e.End = e.Done+had.Done, e.Total+had.Total, e.Found+had.Found, e.End && had.End
		}
		one[k] = e
	}
	return slices.SortedFunc(maps.Values(one), func(x, y erase.Event) int {
		return cmp.Or(cmp.Compare(x.Target, y.Target), cmp.Compare(x.Area, y.Area), cmp.Compare(x.Doing, y.Doing))
	})
}

// Observe posts progress of the state machine.
func (b *Board) Observe(e asl.Event) {
	b.change(e.Execution, func(j *job) {
		switch e.Kind {
		case asl.Entered:
			j.states[e.State]++
			j.ended = false
		case asl.Left, asl.Caught, asl.Broken, asl.Waits: // one that waits is not at work, and is entered again after its answer
			if j.states[e.State]--; j.states[e.State] <= 0 {
				delete(j.states, e.State)
			}
		}
	})
}

// End says that an execution ended or waits. No state is at work any more, also none that was interrupted: what goes on
// later is entered again, with all that is around it.
func (b *Board) End(id string) {
	b.change(id, func(j *job) {
		j.ended = true
		clear(j.states)
	})
}

// Progress gives a job's progress; false when nothing of it is on the board.
func (b *Board) Progress(id string) (Progress, bool) {
	p, _, ok := b.read(id)
	return p, ok
}

func (b *Board) read(id string) (Progress, <-chan struct{}, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.jobs[id]
	if j == nil {
		return Progress{}, nil, false
	}
	p := Progress{Job: id, States: slices.Sorted(maps.Keys(j.states)), Ended: j.ended, At: j.at, Lanes: j.news()}
	return p, j.changed, true
}

// Watch calls do with a job's progress now and after each change, but not more often than every gap, until do says false,
// the context ends or the job leaves the board. It calls do at least once when there is something.
func (b *Board) Watch(ctx context.Context, id string, gap time.Duration, do func(Progress) bool) {
	for {
		p, changed, ok := b.read(id)
		if !ok || !do(p) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(gap):
		}
	}
}
