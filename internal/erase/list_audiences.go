package erase

import (
	"context"
	"fmt"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/match"
)

// AudienceLister gives the audiences page by page; link "" is the first page, and next "" says that there is no more.
type AudienceLister interface {
	Audiences(ctx context.Context, link string) (page []appcenter.Audience, next string, err error)
}

// ListAudiences searches a slice of a target's audiences for all people of the job.
func ListAudiences(b Base, at func(target string) (AudienceLister, error)) func(context.Context, On) (Slice, error) {
	return func(ctx context.Context, in On) (Slice, error) {
		more := timeLeft(ctx)
		if err := b.closed(ctx, in, Audiences, false); err != nil {
			return Slice{}, err
		}
		lister, err := at(in.Target)
		if err != nil {
			return Slice{}, err
		}
		m, err := b.matcher(ctx, in)
		if err != nil {
			return Slice{}, err
		}
		w, err := b.walk(ctx, in, Audiences)
		if err != nil {
			return Slice{}, err
		}
		for first := true; !w.cur.Done && (first || more()); first = false {
			page, next, err := lister.Audiences(ctx, w.link)
			if err != nil {
				return Slice{}, fmt.Errorf("%s: %w", in.Target, err)
			}
			var found []ledger.Finding
			for _, a := range page {
				v := m.Audience(match.Audience{Name: a.Name, Description: a.Description, Definition: a.Definition})
				if found, err = b.textFinding(ctx, in, Audiences, object{ID: a.Name}, v, found); err != nil {
					return Slice{}, err
				}
			}
			if err := w.turn(ctx, found, int64(len(page)), next); err != nil {
				return Slice{}, err
			}
		}
		return Slice{Done: w.cur.Done}, nil
	}
}
