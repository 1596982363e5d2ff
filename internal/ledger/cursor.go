package ledger

import "context"

// Cursor is where a sliced step goes on.
type Cursor struct {
	Pass    int    `json:"pass"`
	Done    bool   `json:"done,omitempty"`
	At      int64  `json:"at"`                // offset, index or count
	Part    int    `json:"part,omitempty"`    // which piece of an export
	Sealed  []byte `json:"sealed,omitempty"`  // a next link
	Seen    int64  `json:"seen"`              // objects looked at so far
	Skipped int64  `json:"skipped,omitempty"` // unreadable lines so far
}

func cursorKey(job, name string) Key { return Key{"job/" + job, "cursor/" + name} }

// Cursor reads the cursor of a step's work for a pass; a new one where the last was for another pass.
func (l *Ledger) Cursor(ctx context.Context, job, name string, pass int) (Cursor, error) {
	items, err := l.store.Get(ctx, cursorKey(job, name))
	if err != nil || len(items) == 0 {
		return Cursor{Pass: pass}, err
	}
	var c Cursor
	if err := decode(items[0], &c); err != nil {
		return c, err
	}
	if c.Pass != pass {
		return Cursor{Pass: pass}, nil
	}
	return c, nil
}

// Cursors reads all cursors of a pass below a prefix.
func (l *Ledger) Cursors(ctx context.Context, job, prefix string, pass int) ([]Cursor, error) {
	var out []Cursor
	err := each(ctx, l, "job/"+job, "cursor/"+prefix, func(_ string, _ int64, c Cursor) error {
		if c.Pass == pass {
			out = append(out, c)
		}
		return nil
	})
	return out, err
}

// SetCursor writes a cursor; the last writer wins, because a step's work is repeatable from any of its cursors.
func (l *Ledger) SetCursor(ctx context.Context, job, name string, c Cursor) error {
	_, err := update(ctx, l, cursorKey(job, name), true, func(v *Cursor) error {
		*v = c
		return nil
	})
	return err
}

// ClearCursors forgets the cursors below a prefix: their work begins anew.
func (l *Ledger) ClearCursors(ctx context.Context, job, prefix string) error {
	return l.clear(ctx, "cursor/"+prefix, "job/"+job)
}
