// Package batch is the client of Batch's Custom Data API 1.0: it orders the deletion of user data. Batch answers with a
// token and works later; nothing can be read back, so an accepted order is all that can be known.
//
// Source of the routes, the headers and the limit: https://doc.batch.com/developer/api/mep/custom-data-api/delete.
package batch

import (
	"context"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/provider"
)

// MaxIDs is how many user ids Batch takes in one call.
const MaxIDs = 10000

// Options of a Client.
type Options struct {
	Base      *url.URL               // https://api.batch.com, or a server that speaks the same API
	APIKey    string                 // of one app on one platform: a Live, Dev or SDK key; part of every path
	RESTKey   string                 // of the company, sent as X-Authorization
	Pace      *provider.Pace         // nil for no limit; Batch documents none for this call
	Transport http.RoundTripper      // nil for the default
	RetryWait time.Duration          // before the first retry of a call; 0 for one second
	Observe   func(provider.Outcome) // as provider.Options has it
}

// Client orders deletions in one app.
type Client struct {
	call  *provider.Client
	route string // escaped path of the app's users
}

// New makes a client.
func New(o Options) *Client {
	header := http.Header{}
	header.Set("X-Authorization", o.RESTKey)
	// Batch's page sends it with both forms, the one without a body too.
	header.Set("Content-Type", "application/json")
	return &Client{
		call: provider.New(provider.Options{
			Base: o.Base, Header: header, Pace: o.Pace, Transport: o.Transport, RetryWait: o.RetryWait, Observe: o.Observe,
		}),
		route: "/1.0/" + escape(o.APIKey) + "/data/users",
	}
}

// Delete orders the deletion of the data of 1 to MaxIDs custom user ids, which go to Batch exactly as they are, and gives
// Batch's token of the transaction. An id that Batch does not know is not an error there, and ordering twice is harmless.
//
// Nothing was ordered on fault.BadInput (no ids, too many, or one that is empty or not valid UTF-8). The eight errors that
// Batch documents come as the faults of their names; else fault.Throttled, fault.ProviderClosed, fault.Unavailable and
// fault.Refused say what the status said. After fault.MalformedAnswer, fault.Unavailable or the context's error the order
// may have been taken all the same.
func (c *Client) Delete(ctx context.Context, ids []string) (token string, err error) {
	if err := check(ids); err != nil {
		return "", err
	}
	path, body := c.route, any(ids)
	if len(ids) == 1 && pathSafe(ids[0]) {
		path, body = c.route+"/"+escape(ids[0]), nil
	}
	a, err := c.call.Call(ctx, http.MethodDelete, path, nil, body)
	if err != nil {
		return "", err
	}
	if a.Status != http.StatusOK {
		return "", refusal(a)
	}
	return readToken(a.Body, ids)
}

func check(ids []string) error {
	if len(ids) == 0 || len(ids) > MaxIDs {
		return fault.New(fault.BadInput, "batch delete: got %d user ids; a call takes 1 to %d", len(ids), MaxIDs)
	}
	for n, id := range ids {
		switch {
		case id == "":
			return fault.New(fault.BadInput, "batch delete: user id %d of %d is empty", n+1, len(ids))
		case !utf8.ValidString(id):
			// encoding/json would send U+FFFD in the place of the bad bytes: somebody else's id.
			return fault.New(fault.BadInput, "batch delete: user id %d of %d is not valid UTF-8", n+1, len(ids))
		}
	}
	return nil
}
