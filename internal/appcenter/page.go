package appcenter

import (
	"context"
	"net/url"
	"strings"
)

// page is a list answer. The contract requires values; nextLink is optional, and whether it is absent, null or empty on
// the last page, absolute or relative on the others, is not documented.
type page[T any] struct {
	Values   *[]T   `json:"values"`
	NextLink string `json:"nextLink"`
}

// list reads one page: the first one at path with query when link is "", else the one at link, which an earlier call
// gave. always is set on every page: a nextLink that forgot it would lead through a shorter list. next is relative to
// the host, so that it can be followed with no other base; "" after the last page.
func list[T any](ctx context.Context, c *Client, doing, path string, query url.Values, always, link string) (values []T, next string, err error) {
	base := c.http.Base()
	if link == "" {
		link = strings.TrimSuffix(base.EscapedPath(), "/") + c.root + path + "?" + query.Encode()
	}
	a, at, err := c.http.Follow(ctx, base, link)
	if err != nil {
		return nil, "", err
	}
	var p page[T]
	if err := decode(doing, a, &p); err != nil {
		return nil, "", err
	}
	if p.Values == nil {
		return nil, "", malformed(doing, "no values")
	}
	if p.NextLink == "" {
		return *p.Values, "", nil
	}
	u, err := c.http.Resolve(at, p.NextLink)
	if err != nil {
		return nil, "", err
	}
	underPrefix(u, base)
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, "", malformed(doing, "a next link that is no URL")
	}
	q.Set(always, "true")
	u.RawQuery = q.Encode()
	if u.EscapedPath() == at.EscapedPath() && u.RawQuery == at.Query().Encode() {
		return nil, "", malformed(doing, "a next link to the same page, which has no end")
	}
	return *p.Values, u.RequestURI(), nil
}

// underPrefix puts base's path in front of a link into the API that lacks it: a server behind a proxy writes links
// without the prefix that the proxy takes off.
func underPrefix(u, base *url.URL) {
	prefix := strings.TrimSuffix(base.EscapedPath(), "/")
	path := u.EscapedPath()
	if strings.HasPrefix(path, apiRoot) && !strings.HasPrefix(path, prefix+apiRoot) {
		u.Path, u.RawPath = strings.TrimSuffix(base.Path, "/")+u.Path, prefix+path
	}
}
