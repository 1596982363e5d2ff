package appcenter

import (
	"context"
	"net/http"
	"slices"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// deletedAtOnce is how many notifications one call deletes. No maximum is documented; this one is cautious.
const deletedAtOnce = 100

// DeleteNotifications deletes notifications by their ids, any number of them (Push_Delete). already are those that were
// not there any more. After an error some of the ids may have been deleted, and the same call may be made again.
//
// The call is DELETE …/push/notifications with the ids in its body. App Center's guide prints …/push/Push_Delete there,
// which is the operation's name pasted into a URL; no contract, client or report knows such a route.
//
// What the call does with an id that is not there is not documented. A 404 is taken to mean that nothing was deleted
// because of at least one such id: the ids are split until the missing one is alone.
func (c *Client) DeleteNotifications(ctx context.Context, ids []string) (already []string, err error) {
	if slices.Contains(ids, "") {
		return nil, fault.New(fault.BadInput, "a notification without an id cannot be deleted; nothing was sent")
	}
	for some := range slices.Chunk(ids, deletedAtOnce) {
		missing, err := c.deleteSome(ctx, some)
		already = append(already, missing...)
		if err != nil {
			return already, err
		}
	}
	return already, nil
}

func (c *Client) deleteSome(ctx context.Context, ids []string) (already []string, err error) {
	body := map[string][]string{"values": ids}
	a, err := c.http.Call(ctx, http.MethodDelete, c.root+"/push/notifications", nil, body)
	switch {
	case err != nil:
		return nil, err
	case succeeded(a):
		return nil, nil
	case !gone(a):
		return nil, refusal("delete notifications", a)
	case len(ids) == 1:
		return ids, nil
	}
	for _, half := range [][]string{ids[:len(ids)/2], ids[len(ids)/2:]} {
		missing, err := c.deleteSome(ctx, half)
		already = append(already, missing...)
		if err != nil {
			return already, err
		}
	}
	return already, nil
}
