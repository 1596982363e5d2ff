package awsjson_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkkms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	sdksecrets "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	sdkses "github.com/aws/aws-sdk-go-v2/service/sesv2"
	sestypes "github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"github.com/lethe-dsr/lethe/internal/awsjson/kms"
	"github.com/lethe-dsr/lethe/internal/awsjson/secretsmanager"
	"github.com/lethe-dsr/lethe/internal/awsjson/sesv2"
)

// recorder keeps what a client sends, and answers nothing.
type recorder struct {
	url, kind, target, scope string
	body                     any
}

var scopes = regexp.MustCompile(`Credential=id/[0-9]{8}/([^,]+),`)

func (r *recorder) Do(in *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	r.url, r.kind, r.target = in.URL.String(), in.Header.Get("Content-Type"), in.Header.Get("X-Amz-Target")
	if m := scopes.FindStringSubmatch(in.Header.Get("Authorization")); m != nil {
		r.scope = m[1]
	}
	r.url = strings.TrimSuffix(r.url, "/")
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}, json.Unmarshal(b, &r.body)
}

// Whatever the region, a call goes where the SDK's own client sends it, signed for the same, with the same document.
func TestCallsAreThoseOfTheSDK(t *testing.T) {
	t.Parallel()
	var (
		key, about  = "alias/x", map[string]string{"lethe": "ledger"}
		from, to    = "a@example.com", "b@example.com"
		text        = []byte("Subject: x\r\n\r\n\xff")
		hash, blob  = []byte(strings.Repeat("h", 32)), []byte("wrapped")
		secret, ctx = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:x-abcdef", context.Background()
	)
	for name, c := range map[string]struct{ ours, sdk func(aws.Config) error }{
		"GenerateDataKey": {
			func(c aws.Config) error { _, _, err := kms.New(c).GenerateDataKey(ctx, key, about); return err },
			func(c aws.Config) error {
				_, err := sdkkms.NewFromConfig(c).GenerateDataKey(ctx, &sdkkms.GenerateDataKeyInput{KeyId: &key, KeySpec: kmstypes.DataKeySpecAes256, EncryptionContext: about})
				return err
			},
		},
		"Decrypt": {
			func(c aws.Config) error { _, err := kms.New(c).Decrypt(ctx, key, blob, about); return err },
			func(c aws.Config) error {
				_, err := sdkkms.NewFromConfig(c).Decrypt(ctx, &sdkkms.DecryptInput{KeyId: &key, CiphertextBlob: blob, EncryptionContext: about})
				return err
			},
		},
		"Sign": {
			func(c aws.Config) error { _, err := kms.New(c).Sign(ctx, key, hash); return err },
			func(c aws.Config) error {
				_, err := sdkkms.NewFromConfig(c).Sign(ctx, &sdkkms.SignInput{KeyId: &key, Message: hash, MessageType: kmstypes.MessageTypeDigest, SigningAlgorithm: kmstypes.SigningAlgorithmSpecEcdsaSha256})
				return err
			},
		},
		"GetPublicKey": {
			func(c aws.Config) error { _, _, err := kms.New(c).GetPublicKey(ctx, key); return err },
			func(c aws.Config) error {
				_, err := sdkkms.NewFromConfig(c).GetPublicKey(ctx, &sdkkms.GetPublicKeyInput{KeyId: &key})
				return err
			},
		},
		"GetSecretValue": {
			func(c aws.Config) error { _, err := secretsmanager.New(c).GetSecretValue(ctx, secret); return err },
			func(c aws.Config) error {
				_, err := sdksecrets.NewFromConfig(c).GetSecretValue(ctx, &sdksecrets.GetSecretValueInput{SecretId: &secret})
				return err
			},
		},
		"SendEmail": {
			func(c aws.Config) error { return sesv2.New(c).SendEmail(ctx, from, to, text) },
			func(c aws.Config) error {
				_, err := sdkses.NewFromConfig(c).SendEmail(ctx, &sdkses.SendEmailInput{
					FromEmailAddress: &from, Destination: &sestypes.Destination{ToAddresses: []string{to}}, Content: &sestypes.EmailContent{Raw: &sestypes.RawMessage{Data: text}},
				})
				return err
			},
		},
	} {
		for _, region := range []string{"eu-central-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1"} {
			var got, want recorder
			cfg := (&server{}).config()
			cfg.BaseEndpoint, cfg.Region = nil, region
			for at, call := range map[*recorder]func(aws.Config) error{&got: c.ours, &want: c.sdk} {
				cfg.HTTPClient = at
				if err := call(cfg); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if !reflect.DeepEqual(got, want) || got.scope == "" {
				t.Errorf("%s in %s: sent\n%+v\nthe SDK sends\n%+v", name, region, got, want)
			}
		}
	}
}
