package deliver_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/deliver"
)

// The first is the vector of the reference libraries
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/go/webhook_symmetric_test.go); openssl
// gives the same, and gave the second: printf 'evt_1.1767225600.{"a":1}' | openssl dgst -sha256 -mac HMAC -macopt
// key:'a secret of plain bytes' -binary | base64
func TestKnownSignatures(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		secret, id string
		at         int64
		body, want string
	}{
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, `{"test": 2432232314}`, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
		{"a secret of plain bytes", "evt_1", 1767225600, `{"a":1}`, "v1,MyeJSfRthXqHpSqgYI2OZb/oQ2Zbb0mwnYy/dV+0fjw="},
	} {
		at := time.Unix(v.at, 999_999_999)
		h := deliver.SignWebhook([]byte(v.secret), v.id, at, []byte(v.body))
		want := http.Header{}
		want.Set("webhook-id", v.id)
		want.Set("webhook-timestamp", strconv.FormatInt(v.at, 10))
		want.Set("webhook-signature", v.want)
		for name := range want {
			if h.Get(name) != want.Get(name) {
				t.Errorf("%s: got %q, want %q", name, h.Get(name), want.Get(name))
			}
		}
		if err := deliver.VerifyWebhook([]byte(v.secret), want, []byte(v.body), at); err != nil {
			t.Error(err)
		}
	}
}

func TestSecretsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	at := time.Unix(1767225600, 0)
	sign := func(secret string) string {
		return deliver.SignWebhook([]byte(secret), "evt_1", at, []byte("body")).Get("Webhook-Signature")
	}
	key := "\x00\xff 23 bytes, so padded!!"
	encoded := base64.StdEncoding.EncodeToString([]byte(key))
	if sign("whsec_"+encoded) != sign(key) || sign("whsec_"+strings.TrimRight(encoded, "=")) != sign(key) {
		t.Error("whsec_ and base64 is not the key that it encodes")
	}
	if sign("whsec_not base64") == sign("not base64") || sign(encoded) == sign(key) {
		t.Error("a secret that is not whsec_ and base64 is not taken as it stands")
	}
}

// Anybody can sign with the empty key.
func TestWithoutSecretNothingIsSignedOrTrusted(t *testing.T) {
	t.Parallel()
	at := time.Unix(1767225600, 0)
	for _, secret := range []string{"", "whsec_", "whsec_="} {
		h := deliver.SignWebhook([]byte(secret), "evt_1", at, nil)
		if _, signed := h["Webhook-Signature"]; signed || h.Get("Webhook-Id") != "evt_1" || h.Get("Webhook-Timestamp") != "1767225600" {
			t.Errorf("%q: got %v", secret, h)
		}
		h.Set("Webhook-Signature", "v1,"+emptyKey)
		if err := deliver.VerifyWebhook([]byte(secret), h, nil, at); !errors.Is(err, deliver.ErrSignature) {
			t.Errorf("%q: got %v", secret, err)
		}
	}
}

// emptyKey: printf evt_1.1767225600. | openssl dgst -sha256 -hmac "" -binary | base64
const emptyKey = "/Z07piJC0XzhkyZpTv7DELC+pIKO1zpQbbyASTPbClE="

func TestVerifyWebhook(t *testing.T) {
	t.Parallel()
	secret, body, at := []byte("a secret"), `{"a":1}`, time.Unix(1767225600, 0)
	other := deliver.SignWebhook([]byte("another secret"), "evt_1", at, []byte(body)).Get("Webhook-Signature")
	for name, c := range map[string]struct {
		change func(h http.Header)
		body   string
		now    time.Time
		want   error
	}{
		"as sent":                      {},
		"five minutes later":           {now: at.Add(5 * time.Minute)},
		"five minutes earlier":         {now: at.Add(-5 * time.Minute)},
		"more than five minutes later": {now: at.Add(5*time.Minute + 1), want: deliver.ErrTimestamp},
		"earlier":                      {now: at.Add(-5*time.Minute - 1), want: deliver.ErrTimestamp},
		"another body":                 {body: `{"a":2}`, want: deliver.ErrSignature},
		"another body, and late":       {body: `{"a":2}`, now: at.Add(time.Hour), want: deliver.ErrSignature},
		"among others": {change: func(h http.Header) {
			h.Set("Webhook-Signature", "v1a,AAAA "+other+" "+h.Get("Webhook-Signature")+"  v1, v9")
		}},
		"another secret":  {change: func(h http.Header) { h.Set("Webhook-Signature", other) }, want: deliver.ErrSignature},
		"another id":      {change: func(h http.Header) { h.Set("Webhook-Id", "evt_2") }, want: deliver.ErrSignature},
		"another time":    {change: func(h http.Header) { h.Set("Webhook-Timestamp", "1767225601") }, want: deliver.ErrSignature},
		"no time":         {change: func(h http.Header) { h.Del("Webhook-Timestamp") }, want: deliver.ErrSignature},
		"no number":       {change: func(h http.Header) { h.Set("Webhook-Timestamp", "now") }, want: deliver.ErrSignature},
		"no id":           {change: func(h http.Header) { h.Del("Webhook-Id") }, want: deliver.ErrSignature},
		"no signature":    {change: func(h http.Header) { h.Del("Webhook-Signature") }, want: deliver.ErrSignature},
		"empty signature": {change: func(h http.Header) { h.Set("Webhook-Signature", "v1,") }, want: deliver.ErrSignature},
		"no version": {change: func(h http.Header) {
			h.Set("Webhook-Signature", strings.TrimPrefix(h.Get("Webhook-Signature"), "v1,"))
		}, want: deliver.ErrSignature},
		"another version": {change: func(h http.Header) {
			h.Set("Webhook-Signature", "v2,"+strings.TrimPrefix(h.Get("Webhook-Signature"), "v1,"))
		}, want: deliver.ErrSignature},
		"half of it": {change: func(h http.Header) { h.Set("Webhook-Signature", h.Get("Webhook-Signature")[:20]) }, want: deliver.ErrSignature},
	} {
		h := deliver.SignWebhook(secret, "evt_1", at, []byte(body))
		if c.change != nil {
			c.change(h)
		}
		if c.body == "" {
			c.body = body
		}
		if c.now.IsZero() {
			c.now = at
		}
		if err := deliver.VerifyWebhook(secret, h, []byte(c.body), c.now); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// The id is how a receiver knows a message that comes again.
func TestNothingIsTrustedWithoutID(t *testing.T) {
	t.Parallel()
	secret, at := []byte("a secret"), time.Unix(1767225600, 0)
	h := deliver.SignWebhook(secret, "", at, nil)
	if err := deliver.VerifyWebhook(secret, h, nil, at); !errors.Is(err, deliver.ErrSignature) {
		t.Errorf("got %v", err)
	}
}

// Without the rule about dots, one signature would do for two messages.
func TestPartsCannotBeMoved(t *testing.T) {
	t.Parallel()
	secret, at := []byte("a secret"), time.Unix(1767225600, 0)
	h := deliver.SignWebhook(secret, "evt_1", at, []byte("1767225600.body"))
	h.Set("Webhook-Id", "evt_1.1767225600")
	if err := deliver.VerifyWebhook(secret, h, []byte("body"), at); !errors.Is(err, deliver.ErrSignature) {
		t.Errorf("got %v", err)
	}
}

// FuzzVerifyWebhook: what is trusted was signed by SignWebhook, and lately.
func FuzzVerifyWebhook(f *testing.F) {
	secret, now := []byte("a secret"), time.Unix(1767225600, 0)
	signed := func(at time.Time) string {
		return deliver.SignWebhook(secret, "evt_1", at, []byte("body")).Get("Webhook-Signature")
	}
	f.Add("evt_1", "1767225600", signed(now), "body")
	f.Add("evt_1", "1767225000", signed(now.Add(-10*time.Minute)), "body")
	f.Add("evt_1", "18446744073709551615", "v1, v1,=", "body")
	f.Add("evt.1", "-1", "", "")
	f.Fuzz(func(t *testing.T, id, timestamp, signature, body string) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature}}
		if deliver.VerifyWebhook(secret, h, []byte(body), now) != nil {
			return
		}
		at, err := strconv.ParseInt(timestamp, 10, 64)
		if err != nil || now.Sub(time.Unix(at, 0)).Abs() > 5*time.Minute {
			t.Errorf("the time %q is trusted", timestamp)
		}
		if want := deliver.SignWebhook(secret, id, time.Unix(at, 0), []byte(body)).Get("Webhook-Signature"); !slices.Contains(strings.Fields(signature), want) {
			t.Errorf("%q is trusted", signature)
		}
	})
}
