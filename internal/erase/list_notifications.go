package erase

import (
	"context"
	"fmt"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/match"
)

// NotificationReader lists notifications page by page, as AudienceLister does, and reads one whole; found is false when
// it is gone since.
type NotificationReader interface {
	Notifications(ctx context.Context, link string) (page []appcenter.NotificationItem, next string, err error)
	Notification(ctx context.Context, id string) (n appcenter.Notification, found bool, err error)
}

// saveEvery is how many notifications are read, one call each, before the step writes down where it stands.
const saveEvery = 50

// ListNotifications searches a slice of a target's notifications for all people of the job. The list has no text, so
// each notification is read: one call for each.
func ListNotifications(b Base, at func(target string) (NotificationReader, error)) func(context.Context, On) (Slice, error) {
	return func(ctx context.Context, in On) (Slice, error) {
		more := timeLeft(ctx)
		if err := b.closed(ctx, in, Notifications, false); err != nil {
			return Slice{}, err
		}
		reader, err := at(in.Target)
		if err != nil {
			return Slice{}, err
		}
		m, err := b.matcher(ctx, in)
		if err != nil {
			return Slice{}, err
		}
		w, err := b.walk(ctx, in, Notifications)
		if err != nil {
			return Slice{}, err
		}
		for first := true; !w.cur.Done && (first || more()); {
			page, next, err := reader.Notifications(ctx, w.link)
			if err != nil {
				return Slice{}, fmt.Errorf("%s: %w", in.Target, err)
			}
			var found []ledger.Finding
			from := min(w.cur.At, int64(len(page)))
			seen := int64(0)
			for n, item := range page[from:] {
				if !first && !more() {
					return Slice{}, w.stay(ctx, found, seen, from+int64(n))
				}
				first = false
				if seen == saveEvery {
					if err := w.stay(ctx, found, seen, from+int64(n)); err != nil {
						return Slice{}, err
					}
					found, seen = nil, 0
				}
				seen++
				if found, err = b.readNotification(ctx, in, reader, m, item, found); err != nil {
					return Slice{}, fmt.Errorf("%s: %w", in.Target, err)
				}
			}
			if err := w.turn(ctx, found, seen, next); err != nil {
				return Slice{}, err
			}
			first = false
		}
		return Slice{Done: w.cur.Done}, nil
	}
}

func (b Base) readNotification(ctx context.Context, in On, reader NotificationReader, m *match.Matcher, item appcenter.NotificationItem, found []ledger.Finding) ([]ledger.Finding, error) {
	n, there, err := reader.Notification(ctx, item.ID)
	if err != nil || !there {
		return found, err
	}
	v := m.Notification(match.Notification{
		Name: n.Name, Title: n.Title, Body: n.Body, Data: n.Data,
		Devices: n.Devices, UserIDs: n.UserIDs, AccountIDs: n.AccountIDs,
	})
	return b.textFinding(ctx, in, Notifications, object{ID: item.ID, Name: n.Name}, v, found)
}
