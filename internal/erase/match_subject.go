package erase

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/match"
	"github.com/lethe-dsr/lethe/internal/phone"
)

// MatchSubjectIn is MatchSubject's input.
type MatchSubjectIn struct {
	On
	Shard int `json:"shard"`
}

// MatchSubject matches a slice of one shard of the export against all people of the job, and writes down the devices
// that are theirs. Shard n of w reads the pieces n, n+w, n+2w and so on.
func MatchSubject(b Base, at func(target string) (Container, error)) func(context.Context, MatchSubjectIn) (Slice, error) {
	var matchers shared[*match.Matcher]
	return func(ctx context.Context, in MatchSubjectIn) (Slice, error) {
		more := timeLeft(ctx)
		t, err := b.target(in.Target)
		if err != nil {
			return Slice{}, err
		}
		container, err := at(in.Target)
		if err != nil {
			return Slice{}, err
		}
		e, err := b.Ledger.Export(ctx, in.Job, in.Target)
		if err != nil {
			return Slice{}, err
		}
		if e.Pass != in.Pass || !e.Ready {
			return Slice{}, fault.New(fault.Internal, "%s: there is no complete export for this pass", in.Target)
		}
		name := shardName(in.Target, in.Shard)
		cur, err := b.Ledger.Cursor(ctx, in.Job, name, in.Pass)
		if err != nil || cur.Done {
			return Slice{Done: cur.Done}, err
		}
		m, done, err := matchers.take(in.Job+"/"+in.Target, func() (*match.Matcher, error) {
			people, err := b.people(ctx, in.Job) // nothing learned: a device that registers again may be somebody else's by then
			return match.New(people, phone.In(t.PhoneRegion)), err
		})
		defer done()
		if err != nil {
			return Slice{}, err
		}
		stride := len(shards(e.Pieces))
		for first := true; first || more(); first = false {
			n := in.Shard + cur.Part*stride
			if n >= e.Pieces {
				cur.Done = true
				return Slice{Done: true}, b.Ledger.SetCursor(ctx, in.Job, name, cur)
			}
			if cur, err = b.matchPiece(ctx, in, container, m, cur, n, more); err != nil {
				return Slice{}, fmt.Errorf("%s: %w", in.Target, err)
			}
		}
		return Slice{}, nil
	}
}

// matchPiece reads one piece from the cursor on, until its end or until the time is up, and gives the new cursor. The
// findings are written before the cursor: a crash between the two reads some lines again and finds the same.
func (b Base) matchPiece(ctx context.Context, in MatchSubjectIn, c Container, m *match.Matcher, cur ledger.Cursor, n int, more func() bool) (ledger.Cursor, error) {
	p, err := b.piece(ctx, in, n)
	if err != nil {
		return cur, err
	}
	span := match.Span{Start: max(p.Start, cur.At), End: p.End}
	r, err := c.Open(ctx, p.Blob, p.Kind, max(span.Start-1, 0))
	if err != nil {
		return cur, err
	}
	defer r.Close()
	var found []ledger.Finding
	flush := func() error {
		err := b.found(ctx, in.Job, in.Target, Devices, found)
		found = found[:0]
		return err
	}
	seen, began, stopped, troubled := int64(0), true, false, map[string]bool{}
	keepOn := func() bool {
		if began { // at least one stretch a slice, or a short time budget would never get on
			began = false
			return true
		}
		stopped = !more()
		return !stopped
	}
	tally, err := m.Devices(ctx, r, span, keepOn, func(d match.Device) error {
		f, err := b.deviceFinding(ctx, in.On, d)
		if err != nil {
			return err
		}
		seen++
		if found = append(found, f); len(found) >= ledger.MaxChanges {
			return flush()
		}
		return nil
	}, func(refs []string) error {
		for _, ref := range refs {
			if troubled[ref] { // a blob that is broken all over would write the same mark for every line
				continue
			}
			troubled[ref] = true
			if err := b.Ledger.Trouble(ctx, in.Job, in.Target, Devices, ref, string(fault.UnreadableLine)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return cur, err
	}
	if err := flush(); err != nil {
		return cur, err
	}
	cur.Seen, cur.Skipped, cur.At = cur.Seen+tally.Devices, cur.Skipped+tally.Unreadable, tally.Next
	if !stopped {
		cur.Part, cur.At = cur.Part+1, 0
	}
	b.Report(Event{Job: in.Job, Target: in.Target, Area: Devices, Doing: "matching", Pass: in.Pass, Piece: n, Done: tally.Devices, Found: seen})
	return cur, b.Ledger.SetCursor(ctx, in.Job, shardName(in.Target, in.Shard), cur)
}

func (b Base) piece(ctx context.Context, in MatchSubjectIn, n int) (piece, error) {
	var p piece
	sealed, err := b.Ledger.Piece(ctx, in.Job, in.Target, in.Pass, n)
	if err != nil {
		return p, err
	}
	plain, err := b.Seal.Open(ctx, "job/"+in.Job, sealed)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(plain, &p)
}

func (b Base) deviceFinding(ctx context.Context, on On, d match.Device) (ledger.Finding, error) {
	f := ledger.Finding{
		Target: on.Target, Area: Devices, Digest: b.objectDigest(on.Target, Devices, d.InstallID),
		Requests: requestsOf(d.Hits), Seen: on.Pass,
	}
	if len(d.Shared) > 0 {
		f.Grounds = []string{SharedDevice}
	}
	var err error
	f.Object, err = b.sealObject(ctx, on.Job, object{ID: d.InstallID, UserID: d.UserID})
	return f, err
}

// requestsOf groups hits by request.
func requestsOf(hits []match.Hit) map[string][]string {
	out := map[string][]string{}
	for _, h := range hits {
		if !slices.Contains(out[h.Ref], string(h.Rule)) {
			out[h.Ref] = append(out[h.Ref], string(h.Rule))
		}
	}
	return out
}
