package erase

import (
	"context"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// LearnedOrder is the rule of an order that no identifier of the request asks for.
const LearnedOrder = "ordered by a user id learned from a device"

// noteOrders makes a finding of each user id that a provider without search is told to delete. Ids learned from devices
// that may be the person's come along where their target allows it.
func (b Base) noteOrders(ctx context.Context, job ledger.Job, pass int) error {
	var teachers []config.Target
	for _, id := range job.Search {
		if t, ok := b.Config.Target(id); ok && t.LearnUserID {
			teachers = append(teachers, t)
		}
	}
	people, err := b.people(ctx, job.ID, teachers...)
	if err != nil {
		return err
	}
	for _, id := range job.Order {
		t, ok := b.Config.Target(id)
		if !ok {
			continue // its lane fails with UnknownTarget when it is asked to forget
		}
		ordered := map[[3]string]bool{} // digest, request and rule; an earlier pass wrote them down
		err := b.Ledger.Findings(ctx, job.ID, id, Profile, func(f ledger.Finding) error {
			for request, rules := range f.Requests {
				for _, rule := range rules {
					ordered[[3]string{f.Digest, request, rule}] = true
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		var found []ledger.Finding
		for _, p := range people {
			for n, userID := range customIDs(t.CustomID, p.Identifiers, p.UserIDs) {
				digest := b.objectDigest(id, Profile, userID)
				rule := "ordered by " + string(t.CustomID.Type)
				if n >= len(p.Identifiers) {
					rule = LearnedOrder
				}
				if ordered[[3]string{digest, p.Ref, rule}] {
					continue
				}
				sealed, err := b.sealObject(ctx, job.ID, object{ID: userID})
				if err != nil {
					return err
				}
				found = append(found, ledger.Finding{
					Target: id, Area: Profile, Digest: digest, Object: sealed,
					Requests: map[string][]string{p.Ref: {rule}}, Seen: pass,
				})
			}
		}
		if err := b.found(ctx, job.ID, id, Profile, found); err != nil {
			return err
		}
	}
	return nil
}

// customIDs gives the values that a provider knows the person by, each with its place: identifiers first, learned ids
// after them.
func customIDs(c config.CustomID, ids []subject.Identifier, learned []string) map[int]string {
	out := map[int]string{}
	seen := map[string]bool{}
	for n, i := range ids {
		if i.Type == c.Type && i.Name == c.Name && !seen[i.Value()] {
			out[n], seen[i.Value()] = i.Value(), true
		}
	}
	if c.Type == subject.UserID {
		for n, v := range learned {
			if !seen[v] {
				out[len(ids)+n], seen[v] = v, true
			}
		}
	}
	return out
}
