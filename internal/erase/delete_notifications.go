package erase

import "context"

// NotificationDeleter deletes notifications by their ids and answers those that were gone.
type NotificationDeleter interface {
	DeleteNotifications(ctx context.Context, ids []string) (already []string, err error)
}

// notificationsPerCall: no maximum is documented (providers.md, A3), and a hundred keep a failed call's loss small.
const notificationsPerCall = 100

// DeleteNotifications deletes a slice of the cleared notifications of a target, a hundred to a call.
func DeleteNotifications(b Base, at func(target string) (NotificationDeleter, error)) func(context.Context, On) (Slice, error) {
	return func(ctx context.Context, in On) (Slice, error) {
		d, err := at(in.Target)
		if err != nil {
			return Slice{}, err
		}
		return b.forget(ctx, in, Notifications, notificationsPerCall, func(ctx context.Context, ids []string) (map[string]bool, error) {
			gone, err := d.DeleteNotifications(ctx, ids)
			already := map[string]bool{}
			for _, id := range gone {
				already[id] = true
			}
			return already, err
		})
	}
}
