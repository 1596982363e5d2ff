// Package appcenter calls App Center Push: it exports devices into a blob container and reads them from there, lists
// audiences and notifications, and deletes all three. Facts about the service come from App Center's OpenAPI document
// (operation names in the comments are its) and from its retired documentation.
//
// Errors are named faults whose texts hold no identifier, no object's name, no URL and nothing of an answer but its
// status and its code. What every call has in common:
//
//	401, 403          fault.Unauthorized, never tried again
//	404               fault.NotFound, unless the object that is to be deleted is what is missing
//	410               fault.ProviderClosed
//	429               fault.Throttled, after the retries of package provider
//	5xx, no answer    fault.Unavailable, after the same retries
//	other 3xx, 4xx    fault.Refused
//	not the contract  fault.MalformedAnswer
//
// A context that ends is given back as its own error.
package appcenter

import (
	"net/http"
	"net/url"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/provider"
)

// apiRoot begins every path of the API, behind the base's own path.
const apiRoot = "/v0.1/"

// Options of a Client.
type Options struct {
	Base      *url.URL               // scheme, host and an optional path before /v0.1
	Token     string                 // sent as X-API-Token; needs full access to the app
	Owner     string                 // user or organisation that the app belongs to
	App       string                 // name of the app, as in its URL
	Pace      *provider.Pace         // shared by all clients of the target; nil for none
	Transport http.RoundTripper      // nil for a clone of http.DefaultTransport
	RetryWait time.Duration          // before the first retry, doubling after; 0 for one second
	Observe   func(provider.Outcome) // as provider.Options has it
}

// Client calls App Center for one app. It may be used by several goroutines.
type Client struct {
	http *provider.Client
	root string // escaped path of the app
}

// New makes a client; it calls nothing.
func New(o Options) *Client {
	return &Client{
		http: provider.New(provider.Options{
			Base:      o.Base,
			Header:    http.Header{"X-Api-Token": {o.Token}},
			Pace:      o.Pace,
			Transport: o.Transport,
			RetryWait: o.RetryWait,
			Observe:   o.Observe,
		}),
		root: apiRoot + "apps/" + url.PathEscape(o.Owner) + "/" + url.PathEscape(o.App),
	}
}

// segment escapes an id or name for a path. Empty ones and dots would address something else than one object.
func segment(id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", fault.New(fault.BadInput, "an id or name that is empty or only dots cannot stand in a URL; nothing was sent")
	}
	return url.PathEscape(id), nil
}
