package appcenter

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// Audience is a stored selection of devices.
type Audience struct {
	Name        string `json:"name"` // identifies the audience within the app
	Description string `json:"description"`
	Definition  string `json:"definition"` // OData: carrierCountry eq 'US'
	State       string `json:"state"`      // Calculating, Ready or Disabled
}

// answeredAudience is an audience as answers have it: the contract makes every field optional, in lists and in details.
type answeredAudience struct {
	Audience
	Definition *string `json:"definition"` // goes before Audience's; nil for none, which is not the empty one
}

// Audiences reads one page of the app's audiences, disabled ones included (Analytics_ListAudiences). link is "" for the
// first page and else the next of the page before; next is "" after the last page. A page that names itself as next is
// a fault.MalformedAnswer; longer rings are for the caller to see.
//
// An audience that the list shows without its definition is read by itself, one call each; one that is not there any
// more then is left out.
func (c *Client) Audiences(ctx context.Context, link string) (audiences []Audience, next string, err error) {
	const doing = "list audiences"
	query := url.Values{"include_disabled": {"true"}}
	items, next, err := list[answeredAudience](ctx, c, doing, "/analytics/audiences", query, "include_disabled", link)
	if err != nil {
		return nil, "", err
	}
	for _, item := range items {
		if item.Name == "" {
			return nil, "", malformed(doing, "an audience without a name")
		}
	}
	for _, item := range items {
		if item.Definition == nil {
			detail, found, err := c.detail(ctx, item.Name)
			if err != nil {
				return nil, "", err
			}
			if !found {
				continue
			}
			item.Definition = detail.Definition
			if detail.Description != "" {
				item.Description = detail.Description
			}
		}
		item.Audience.Definition = *item.Definition
		audiences = append(audiences, item.Audience)
	}
	return audiences, next, nil
}

// detail reads one audience, which has a definition then (Analytics_GetAudience). found is false when it is not there,
// which a wrong owner or app would look like too: see gone.
func (c *Client) detail(ctx context.Context, name string) (d answeredAudience, found bool, err error) {
	const doing = "show an audience"
	escaped, err := segment(name)
	if err != nil {
		return d, false, err
	}
	a, err := c.http.Call(ctx, http.MethodGet, c.root+"/analytics/audiences/"+escaped, nil, nil)
	if err != nil || gone(a) {
		return d, false, err
	}
	if err := decode(doing, a, &d); err != nil {
		return d, false, err
	}
	switch {
	case d.Name != "" && !strings.EqualFold(d.Name, name):
		return d, false, malformed(doing, "another audience")
	case d.Definition == nil:
		return d, false, malformed(doing, "no definition, without which nobody can tell whom it names")
	}
	return d, true, nil
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
