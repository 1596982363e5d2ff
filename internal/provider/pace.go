package provider

import (
	"context"
	"sync/atomic"
	"time"
)

// Window is the span over which calls are counted.
const Window = time.Minute

// Pace keeps a provider's limit of calls: no span of 60 seconds, wherever it starts, holds more than perMinute calls.
// A token bucket would let through its burst on top of its rate. Here a call holds one of perMinute places from before
// it is sent until Window after its answer came, so the count holds at the provider's end of the wire too.
type Pace struct {
	places chan struct{}
	onWait atomic.Pointer[func()]
}

// NewPace makes a limit of perMinute calls; 0 means none.
func NewPace(perMinute int) *Pace {
	if perMinute <= 0 {
		return &Pace{}
	}
	return &Pace{places: make(chan struct{}, perMinute)}
}

// Take waits for a place. The returned function says that the call has ended; it must be called once.
func (p *Pace) Take(ctx context.Context) (ended func(), err error) {
	if p == nil || p.places == nil {
		return func() {}, ctx.Err()
	}
	ended = func() { time.AfterFunc(Window, func() { <-p.places }) }
	select {
	case p.places <- struct{}{}:
		return ended, nil
	default:
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f := p.onWait.Load(); f != nil && *f != nil {
		(*f)()
	}
	select {
	case p.places <- struct{}{}:
		return ended, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// OnWait has f called whenever a caller finds no free place and begins to wait for one, which can take up to Window and
// the length of a call. The caller itself calls f, holding no lock: f must not block, and several callers may be in it
// at a time. Only the last f counts; nil is none. Without a limit nobody waits.
func (p *Pace) OnWait(f func()) {
	if p != nil {
		p.onWait.Store(&f)
	}
}

// Busy is how many places are taken: by calls under way, or by calls that ended less than Window ago. Without a limit
// it is 0.
func (p *Pace) Busy() int {
	if p == nil {
		return 0
	}
	return len(p.places)
}

// Hold takes up to n places for a while, for calls that an earlier process made.
func (p *Pace) Hold(n int, rest time.Duration) {
	for range n {
		select {
		case p.places <- struct{}{}:
			time.AfterFunc(rest, func() { <-p.places })
		default: // all taken, or no limit
			return
		}
	}
}
