// Package secretsmanager calls AWS Secrets Manager.
//
// Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/Welcome.html
package secretsmanager

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lethe-dsr/lethe/internal/awsjson"
)

// Client is safe for concurrent use. Errors of its operations are an *awsjson.Error when Secrets Manager refused.
type Client struct{ c *awsjson.Client }

// New makes a client as awsjson.New does.
func New(c aws.Config) *Client {
	return &Client{awsjson.New(c, awsjson.Service{ID: "Secrets Manager", Host: "secretsmanager", Name: "secretsmanager", Target: "secretsmanager", Version: "1.1"})}
}

// Retryer is awsjson.Client's.
func (c *Client) Retryer() aws.Retryer { return c.c.Retryer() }

// GetSecretValue gives the text of a secret, by its name or ARN; nil where the secret is binary.
func (c *Client) GetSecretValue(ctx context.Context, secret string) (text *string, err error) {
	var out struct{ SecretString *string }
	err = c.c.Call(ctx, "GetSecretValue", struct{ SecretId string }{secret}, &out)
	return out.SecretString, err
}
