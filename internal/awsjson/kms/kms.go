// Package kms calls AWS Key Management Service, with the operations that sealing and signing need.
//
// Source: https://docs.aws.amazon.com/kms/latest/APIReference/Welcome.html
package kms

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lethe-dsr/lethe/internal/awsjson"
)

// Client is safe for concurrent use. Errors of its operations are an *awsjson.Error when KMS refused. A key is given by its
// id, ARN or alias.
type Client struct{ c *awsjson.Client }

// New makes a client as awsjson.New does.
func New(c aws.Config) *Client {
	return &Client{awsjson.New(c, awsjson.Service{ID: "KMS", Host: "kms", Name: "kms", Target: "TrentService", Version: "1.1"})}
}

// Retryer is awsjson.Client's.
func (c *Client) Retryer() aws.Retryer { return c.c.Retryer() }

// GenerateDataKey gives a new AES-256 key, and the same as KMS encrypted it by a symmetric key and a context.
func (c *Client) GenerateDataKey(ctx context.Context, key string, encryption map[string]string) (plain, wrapped []byte, err error) {
	in := struct {
		KeyId, KeySpec    string
		EncryptionContext map[string]string
	}{key, "AES_256", encryption}
	var out struct{ Plaintext, CiphertextBlob []byte }
	err = c.c.Call(ctx, "GenerateDataKey", in, &out)
	return out.Plaintext, out.CiphertextBlob, err
}

// Decrypt opens what GenerateDataKey closed with the same key and context.
func (c *Client) Decrypt(ctx context.Context, key string, wrapped []byte, encryption map[string]string) (plain []byte, err error) {
	in := struct {
		KeyId             string
		CiphertextBlob    []byte
		EncryptionContext map[string]string
	}{key, wrapped, encryption}
	var out struct{ Plaintext []byte }
	err = c.c.Call(ctx, "Decrypt", in, &out)
	return out.Plaintext, err
}

// Sign gives the ECDSA signature of a SHA-256 hash by an asymmetric key, in DER.
func (c *Client) Sign(ctx context.Context, key string, hash []byte) (signature []byte, err error) {
	in := struct {
		KeyId                         string
		Message                       []byte
		MessageType, SigningAlgorithm string
	}{key, hash, "DIGEST", "ECDSA_SHA_256"}
	var out struct{ Signature []byte }
	err = c.c.Call(ctx, "Sign", in, &out)
	return out.Signature, err
}

// GetPublicKey gives the public half of an asymmetric key in DER (SubjectPublicKeyInfo of RFC 5280), and what it is for,
// such as SIGN_VERIFY.
func (c *Client) GetPublicKey(ctx context.Context, key string) (der []byte, usage string, err error) {
	var out struct {
		PublicKey []byte
		KeyUsage  string
	}
	err = c.c.Call(ctx, "GetPublicKey", struct{ KeyId string }{key}, &out)
	return out.PublicKey, out.KeyUsage, err
}
