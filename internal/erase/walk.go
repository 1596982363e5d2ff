package erase

import (
	"context"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// maxPages of one list: a provider whose links never end must not keep a job for ever.
const maxPages = 20_000

// walk is the way through a list of pages, kept in the ledger. A next link may hold an object's id and is sealed.
type walk struct {
	b     Base
	on    On
	area  string
	cur   ledger.Cursor
	link  string
	found int64
}

func (b Base) walk(ctx context.Context, on On, area string) (*walk, error) {
	w := &walk{b: b, on: on, area: area}
	var err error
	if w.cur, err = b.Ledger.Cursor(ctx, on.Job, w.name(), on.Pass); err != nil {
		return nil, err
	}
	if len(w.cur.Sealed) > 0 {
		plain, err := b.Seal.Open(ctx, "job/"+on.Job, w.cur.Sealed)
		if err != nil {
			return nil, err
		}
		w.link = string(plain)
	}
	return w, nil
}

func (w *walk) name() string { return "list/" + w.on.Target + "/" + w.area }

// stay notes that at items of the page under way were looked at and what was found among them.
func (w *walk) stay(ctx context.Context, found []ledger.Finding, seen, at int64) error {
	w.cur.At, w.cur.Seen = at, w.cur.Seen+seen
	return w.save(ctx, found)
}

// turn notes what the rest of a page gave and goes on to the next one.
func (w *walk) turn(ctx context.Context, found []ledger.Finding, seen int64, next string) error {
	w.cur.Part, w.cur.At, w.cur.Seen, w.cur.Sealed = w.cur.Part+1, 0, w.cur.Seen+seen, nil
	w.cur.Done = next == ""
	switch {
	case w.cur.Part > maxPages:
		return fault.New(fault.MalformedAnswer, "%s: the list of %s has over %d pages; its links may go round", w.on.Target, w.area, maxPages)
	case !w.cur.Done:
		sealed, err := w.b.Seal.Seal(ctx, "job/"+w.on.Job, []byte(next))
		if err != nil {
			return err
		}
		w.cur.Sealed = sealed
	}
	w.link = next
	return w.save(ctx, found)
}

// save writes the findings before the cursor: a crash between the two finds the same again.
func (w *walk) save(ctx context.Context, found []ledger.Finding) error {
	if err := w.b.found(ctx, w.on.Job, w.on.Target, w.area, found); err != nil {
		return err
	}
	w.found += int64(len(found))
	w.b.Report(Event{Job: w.on.Job, Target: w.on.Target, Area: w.area, Doing: "listing", Pass: w.on.Pass, Done: w.cur.Seen, Found: w.found, End: w.cur.Done})
	return w.b.Ledger.SetCursor(ctx, w.on.Job, w.name(), w.cur)
}
