package appcenter

import (
	"context"
	"net/url"
)

// Audience is a stored selection of devices.
type Audience struct {
	Name        string `json:"name"` // identifies the audience within the app
	Description string `json:"description"`
	Definition  string `json:"definition"` // OData: carrierCountry eq 'US'
	State       string `json:"state"`      // Calculating, Ready or Disabled
}

// Audiences reads one page of the app's audiences, disabled ones included (Analytics_ListAudiences). link is "" for the
// first page and else the next of the page before; next is "" after the last page. A page that names itself as next is
// a fault.MalformedAnswer; longer rings are for the caller to see.
func (c *Client) Audiences(ctx context.Context, link string) (audiences []Audience, next string, err error) {
	const doing = "list audiences"
	query := url.Values{"include_disabled": {"true"}}
	audiences, next, err = list[Audience](ctx, c, doing, "/analytics/audiences", query, "include_disabled", link)
	for _, a := range audiences {
		if a.Name == "" {
			return nil, "", malformed(doing, "an audience without a name")
		}
	}
	return audiences, next, err
}

// DeleteAudience deletes an audience with its definition and description (Analytics_DeleteAudience). already is true
// when it was not there any more.
func (c *Client) DeleteAudience(ctx context.Context, name string) (already bool, err error) {
	escaped, err := segment(name)
	if err != nil {
		return false, err
	}
	return c.remove(ctx, "delete an audience", "/analytics/audiences/"+escaped)
}
