package kmstest

import (
	"context"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

func refused(t *testing.T, what string, err error, want string) {
	t.Helper()
	var named smithy.APIError
	if !errors.As(err, &named) || named.ErrorCode() != want {
		t.Errorf("%s: got error %v, want %s", what, err, want)
	}
}

func TestOnlyTheProtocolIsSpoken(t *testing.T) {
	t.Parallel()
	s := Start(t)
	signature := "AWS4-HMAC-SHA256 Credential=test/20260301/" + Region + "/kms/aws4_request, SignedHeaders=host, Signature=00"
	call := func(method, target, kind, signature, body string) (status int, name string) {
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", target)
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Authorization", signature)
		in, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Body.Close()
		var out struct {
			Type string `json:"__type"`
		}
		if err := json.NewDecoder(in.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return in.StatusCode, out.Type
	}
	const kind, target = "application/x-amz-json-1.1", "TrentService.GetPublicKey"
	for what, c := range map[string]struct{ method, target, kind, signature, body, want string }{
		"another method":     {"PUT", target, kind, signature, "{}", "UnknownOperationException"},
		"another service":    {"POST", "DynamoDB_20120810.GetPublicKey", kind, signature, "{}", "UnknownOperationException"},
		"another kind":       {"POST", target, "application/json", signature, "{}", "UnknownOperationException"},
		"no signature":       {"POST", target, kind, "", "{}", "IncompleteSignatureException"},
		"another region":     {"POST", target, kind, strings.Replace(signature, Region, "us-east-1", 1), "{}", "IncompleteSignatureException"},
		"no JSON":            {"POST", target, kind, signature, "{", "SerializationException"},
		"an unknown field":   {"POST", target, kind, signature, `{"Key":"x"}`, "SerializationException"},
		"another operation":  {"POST", "TrentService.ScheduleKeyDeletion", kind, signature, `{"KeyId":"x"}`, "UnknownOperationException"},
		"a key that is none": {"POST", target, kind, signature, `{"KeyId":"x"}`, "NotFoundException"},
	} {
		if status, name := call(c.method, c.target, c.kind, c.signature, c.body); status != 400 || name != c.want {
			t.Errorf("%s: got %d %s, want 400 %s", what, status, name, c.want)
		}
	}
}

func TestDataKeysOpenAsTheyWereMade(t *testing.T) {
	t.Parallel()
	s := Start(t)
	client, key, other := kms.NewFromConfig(s.Config()), s.SealingKey(), s.SealingKey()
	made, err := client.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256, EncryptionContext: map[string]string{"a": "b", "c": "d"}})
	if err != nil || len(made.Plaintext) != 32 {
		t.Fatalf("got %v and error %v", made, err)
	}
	open := func(key *string, blob []byte, pairs map[string]string) ([]byte, error) {
		out, err := client.Decrypt(context.Background(), &kms.DecryptInput{KeyId: key, CiphertextBlob: blob, EncryptionContext: pairs})
		if err != nil {
			return nil, err
		}
		return out.Plaintext, nil
	}
	right := map[string]string{"c": "d", "a": "b"}
	id := key[strings.LastIndex(key, "/")+1:]
	for _, name := range []*string{&key, &id} {
		if plain, err := open(name, made.CiphertextBlob, right); err != nil || string(plain) != string(made.Plaintext) {
			t.Errorf("got error %v and another key", err)
		}
	}
	_, err = open(&key, made.CiphertextBlob, map[string]string{"a": "b"})
	refused(t, "another context", err, "InvalidCiphertextException")
	_, err = open(&other, made.CiphertextBlob, right)
	refused(t, "another key", err, "IncorrectKeyException")
	_, err = open(&key, append(made.CiphertextBlob, 0), right)
	refused(t, "a longer blob", err, "InvalidCiphertextException")
	_, err = open(&key, make([]byte, maxBlob+1), right)
	refused(t, "too long a blob", err, "ValidationException")
	_, err = open(nil, made.CiphertextBlob, right)
	refused(t, "no key", err, "ValidationException")
	signing := s.SigningKey(elliptic.P256())
	_, err = client.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &signing, KeySpec: types.DataKeySpecAes256})
	refused(t, "a signing key", err, "InvalidKeyUsageException")
	_, err = client.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes128})
	refused(t, "a short data key", err, "ValidationException")
	s.Disable(key)
	_, err = open(&key, made.CiphertextBlob, right)
	refused(t, "a disabled key", err, "DisabledException")
}

func TestSigningIsStrict(t *testing.T) {
	t.Parallel()
	s := Start(t)
	client, small, large, sealing := kms.NewFromConfig(s.Config()), s.SigningKey(elliptic.P256()), s.SigningKey(elliptic.P384()), s.SealingKey()
	hash := sha256.Sum256([]byte("x"))
	sign := func(key string, message []byte, kind types.MessageType, algorithm types.SigningAlgorithmSpec) error {
		_, err := client.Sign(context.Background(), &kms.SignInput{KeyId: &key, Message: message, MessageType: kind, SigningAlgorithm: algorithm})
		return err
	}
	const es256 = types.SigningAlgorithmSpecEcdsaSha256
	if err := sign(small, hash[:], types.MessageTypeDigest, es256); err != nil {
		t.Error(err)
	}
	refused(t, "another algorithm", sign(small, hash[:], types.MessageTypeDigest, types.SigningAlgorithmSpecEcdsaSha384), "InvalidKeyUsageException")
	refused(t, "another curve", sign(large, hash[:], types.MessageTypeDigest, es256), "InvalidKeyUsageException")
	refused(t, "a sealing key", sign(sealing, hash[:], types.MessageTypeDigest, es256), "InvalidKeyUsageException")
	refused(t, "a message", sign(small, []byte("x"), types.MessageTypeRaw, es256), "ValidationException")
	refused(t, "a short digest", sign(small, hash[:31], types.MessageTypeDigest, es256), "ValidationException")
	_, err := client.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: aws.String(sealing)})
	refused(t, "a public key of none", err, "UnsupportedOperationException")
}
