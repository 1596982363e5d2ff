package appcenter

import (
	"context"
	"net/http"
)

// DeleteInstall deletes what App Center Push keeps about one installation (Push_DeleteInstallId); there is no call for
// several. already is true when it was not there any more. The app registers again when it is next started.
func (c *Client) DeleteInstall(ctx context.Context, installID string) (already bool, err error) {
	id, err := segment(installID)
	if err != nil {
		return false, err
	}
	return c.remove(ctx, "delete an install", "/push/devices/"+id)
}

// remove deletes the one object that path names.
func (c *Client) remove(ctx context.Context, doing, path string) (already bool, err error) {
	a, err := c.http.Call(ctx, http.MethodDelete, c.root+path, nil, nil)
	switch {
	case err != nil:
		return false, err
	case gone(a):
		return true, nil
	case !succeeded(a):
		return false, refusal(doing, a)
	}
	return false, nil
}
