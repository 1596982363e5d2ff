package deliver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
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

// tolerance is how far a webhook's timestamp may be from the receiver's clock, either way.
const tolerance = 5 * time.Minute

// Why VerifyWebhook does not trust a webhook.
var (
	ErrSignature = errors.New("the webhook's signature is missing or does not fit; it was changed, or signed with another secret")
	ErrTimestamp = errors.New("the webhook was signed more than five minutes before or after now; it is a repeated one, or a clock is wrong")
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

// VerifyWebhook is SignWebhook's counterpart for receivers: ErrSignature when none of the signatures is made with the
// secret, ErrTimestamp when one is and the time is more than five minutes from now. It does not tell a message that
// comes a second time; the id does.
func VerifyWebhook(secret []byte, h http.Header, body []byte, now time.Time) error {
	key := webhookKey(secret)
	id, timestamp := h.Get(headerID), h.Get(headerTimestamp)
	// 40 bits of seconds are enough for 30,000 years and never overflow below.
	at, err := strconv.ParseUint(timestamp, 10, 40)
	if len(key) == 0 || id == "" || strings.Contains(id, ".") || err != nil {
		return ErrSignature
	}
	want := []byte(webhookSignature(key, id, timestamp, body))
	fits := false
	// There are several while a sender changes its secret, and some may be of a kind not known here.
	for got := range strings.FieldsSeq(h.Get(headerSignature)) {
		fits = hmac.Equal(want, []byte(got)) || fits
	}
	switch {
	case !fits:
		return ErrSignature
	case now.Sub(time.Unix(int64(at), 0)).Abs() > tolerance:
		return ErrTimestamp
	}
	return nil
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
