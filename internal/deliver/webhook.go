package deliver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed webhook (Standard Webhooks 1.0.0,
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// SignWebhook gives the headers that prove a message to whoever has the secret: HMAC-SHA256 over id, time and body, as
// Standard Webhooks describes. The secret is "whsec_" and base64, or any other bytes as they are. id names the event and
// is the same in every attempt; it holds no dot, because dots separate what is signed. at is the time of the attempt.
// Without a secret there is no signature, since anybody could make one; id and time are given all the same.
func SignWebhook(secret []byte, id string, at time.Time, body []byte) http.Header {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	h := http.Header{headerID: {id}, headerTimestamp: {timestamp}}
	if key := webhookKey(secret); len(key) > 0 {
		h[headerSignature] = []string{webhookSignature(key, id, timestamp, body)}
	}
	return h
}

// webhookKey reads a secret. What begins with whsec_ and goes on otherwise than with base64 is a key as it stands.
func webhookKey(secret []byte) []byte {
	encoded, ok := strings.CutPrefix(string(secret), "whsec_")
	if !ok {
		return secret
	}
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return secret
	}
	return key
}

func webhookSignature(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
