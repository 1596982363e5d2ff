// Package sesv2 calls Amazon Simple Email Service.
//
// Source: https://docs.aws.amazon.com/ses/latest/APIReference-V2/Welcome.html
package sesv2

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lethe-dsr/lethe/internal/awsjson"
)

// Client is safe for concurrent use. Errors of its operations are an *awsjson.Error when SES refused.
type Client struct{ c *awsjson.Client }

// New makes a client as awsjson.New does.
func New(c aws.Config) *Client {
	return &Client{awsjson.New(c, awsjson.Service{ID: "SESv2", Host: "email", Name: "ses"})}
}

// Retryer is awsjson.Client's.
func (c *Client) Retryer() aws.Retryer { return c.c.Retryer() }

// SendEmail hands over a whole message, with its headers, from one address to another.
func (c *Client) SendEmail(ctx context.Context, from, to string, message []byte) error {
	type destination struct{ ToAddresses []string }
	type raw struct{ Data []byte }
	type content struct{ Raw raw }
	in := struct {
		FromEmailAddress string
		Destination      destination
		Content          content
	}{from, destination{[]string{to}}, content{raw{message}}}
	return c.c.Call(ctx, "/v2/email/outbound-emails", in, &struct{}{})
}
