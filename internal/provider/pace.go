package provider

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// Window is the span over which calls are counted.
const Window = time.Minute

const (
	parts  = 10               // a limit has at least so many blocks
	useFor = 10 * time.Second // calls of a block begin within this time of its own beginning
	apart  = 2 * time.Second  // the clocks of two processes may differ by this much
)

// Book keeps what is written of a target's calls, for all processes that call it. It lets change work on what is there,
// nil at first, and writes what change gives; nil writes nothing. When another process was faster, it calls change again
// with what is there then. An error of change ends it with nothing written.
type Book func(ctx context.Context, change func(old []byte) ([]byte, error)) error

// Pace keeps a provider's limit of calls: no span of 60 seconds, wherever it starts, holds more than perMinute calls of
// all processes that share a Book. A token bucket would let through its burst on top of its rate.
//
// A process reserves blocks of calls: its first is one call, each next one twice what it used of the last, at most a tenth
// of the limit. A block counts from its beginning until the latest moment at which one of its calls could still arrive
// and Window after it, which is 132 seconds. With its next block a process corrects what it wrote of the earlier ones: a
// block whose calls have ended counts those that were made, until Window after the end of the last. So one that dies costs
// a block for that long, and one that works alone gets the limit in a Window, apart and the time it takes for a block: 92
// calls a minute of 100 when a call takes 0.3 seconds.
//
// When all calls are reserved, a block is reserved for the time when enough of them have ended: processes queue, and know
// at once how long they wait.
type Pace struct {
	perMinute int
	book      Book
	now       func() time.Time
	onWait    atomic.Pointer[func()]
	turn      chan struct{} // held by the one caller that looks for a place

	mu  sync.Mutex
	own []*block // those whose end is not written; the last one is in hand
}

// entry is a block as it is written. Times are Unix milliseconds.
type entry struct {
	ID    string `json:"id"`
	Calls int    `json:"n"`
	Until int64  `json:"until"` // they count up to then
}

// block is one of this process.
type block struct {
	entry
	from     int64 // no call before
	left     int   // calls that may begin
	underWay int   // calls that have not ended
	last     int64 // end of the last call
}

// NewPace makes a limit of perMinute calls, 0 for none, that is shared by all who have the book.
func NewPace(perMinute int, book Book) *Pace {
	p := &Pace{perMinute: max(0, perMinute), book: book, now: time.Now}
	if perMinute > 0 {
		p.turn = make(chan struct{}, 1)
	}
	return p
}

// PerMinute is the limit; 0 is none.
func (p *Pace) PerMinute() int { return p.perMinute }

// Take waits for a place. The returned function says that the call has ended, at most perCall later; it must be called
// once. A wait that would take more than three quarters of the time that ctx has left is not begun: that is a
// fault.Throttled. Other errors are ctx's and the Book's.
func (p *Pace) Take(ctx context.Context) (ended func(), err error) {
	if p == nil || p.perMinute == 0 {
		return func() {}, ctx.Err()
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		b, wait := p.inHand()
		switch {
		case b == nil:
			err = p.reserve(ctx)
		case wait > 0:
			err = p.wait(ctx, wait)
		default:
			return func() { p.end(b) }, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// inHand takes a call of the block in hand, unless it has to wait for the block's beginning; nil when there is none.
func (p *Pace) inHand() (b *block, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.own) == 0 {
		return nil, 0
	}
	b = p.own[len(p.own)-1]
	now := p.now().UnixMilli()
	switch {
	case b.left == 0 || now >= b.from+useFor.Milliseconds():
		return nil, 0
	case now < b.from:
		return b, time.Duration(b.from-now) * time.Millisecond
	}
	b.left--
	b.underWay++
	return b, 0
}

func (p *Pace) end(b *block) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b.underWay--
	b.last = p.now().UnixMilli()
}

// OnWait has f called whenever a caller begins to wait for a place. The caller itself calls f, holding no lock: f must not
// block, and callers of several Paces may be in it at a time. Only the last f counts; nil is none.
func (p *Pace) OnWait(f func()) {
	if p != nil {
		p.onWait.Store(&f)
	}
}

func (p *Pace) wait(ctx context.Context, d time.Duration) error {
	if late(ctx, d) {
		return p.noTime()
	}
	if f := p.onWait.Load(); f != nil && *f != nil {
		(*f)()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// late tells whether a wait leaves too little time for the call after it.
func late(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && wait > time.Until(deadline)*3/4
}

func (p *Pace) noTime() error {
	return fault.New(fault.Throttled, "the %d calls a minute that are allowed are taken for longer than the step may wait; run the step again", p.perMinute)
}

// reserve takes the next block in hand, and writes what became of the earlier ones.
func (p *Pace) reserve(ctx context.Context) error {
	ends, size := p.ends()
	b := &block{entry: entry{ID: rand.Text()[:8]}}
	err := p.book(ctx, func(old []byte) ([]byte, error) {
		now := p.now().UnixMilli()
		there, err := read(old, now, ends)
		if err != nil {
			return nil, err
		}
		b.from, b.Calls = fit(there, p.perMinute, size, now)
		if late(ctx, time.Duration(b.from-now)*time.Millisecond) {
			return nil, p.noTime()
		}
		b.Until = b.from + (useFor + perCall + Window + apart).Milliseconds()
		return json.Marshal(record{append(there, b.entry)})
	})
	if err != nil {
		return err
	}
	b.left = b.Calls
	p.mu.Lock()
	defer p.mu.Unlock()
	var open []*block
	for _, o := range p.own {
		if e := ends[o.ID]; e.Calls > 0 && e.Until == o.Until && e.Until > b.from {
			open = append(open, o)
		}
	}
	p.own = append(open, b)
	return nil
}

// ends gives up what is left of the own blocks, and says how each has to be written and how large the next one is.
func (p *Pace) ends() (ends map[string]entry, size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ends, size = map[string]entry{}, 1
	for _, b := range p.own {
		b.Calls, b.left = b.Calls-b.left, 0
		e := b.entry
		if b.underWay == 0 {
			e.Until = b.last + (Window + apart).Milliseconds()
		}
		ends[e.ID], size = e, max(1, 2*b.Calls)
	}
	return ends, min(size, (p.perMinute+parts-1)/parts)
}

// record is what a Book keeps.
type record struct {
	Blocks []entry `json:"blocks"`
}

// read gives the blocks that count at now or later, those in ends as they are there.
func read(b []byte, now int64, ends map[string]entry) ([]entry, error) {
	var r record
	if b != nil {
		if err := json.Unmarshal(b, &r); err != nil {
			return nil, fmt.Errorf("what is written of a target's calls does not decode: %w", err)
		}
	}
	var out []entry
	for _, e := range r.Blocks {
		if end, ok := ends[e.ID]; ok {
			e = end
		}
		if e.Calls > 0 && e.Until > now {
			out = append(out, e)
		}
	}
	return out, nil
}

// fit finds when a block can begin and how many calls it has: as soon as half of size are free, at most size. Blocks that
// have yet to begin count like those that have, so that what is free then stays free.
func fit(there []entry, limit, size int, now int64) (from int64, calls int) {
	for from = now; ; {
		free, next := limit, int64(math.MaxInt64)
		for _, e := range there {
			if e.Until > from {
				free, next = free-e.Calls, min(next, e.Until)
			}
		}
		if free > 0 && 2*free >= size {
			return from, min(free, size)
		}
		from = next
	}
}
