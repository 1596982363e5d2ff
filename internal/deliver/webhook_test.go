package deliver_test

import (
	"encoding/base64"
	"net/http"
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
func TestWithoutSecretNothingIsSigned(t *testing.T) {
	t.Parallel()
	at := time.Unix(1767225600, 0)
	for _, secret := range []string{"", "whsec_", "whsec_="} {
		h := deliver.SignWebhook([]byte(secret), "evt_1", at, nil)
		if _, signed := h["Webhook-Signature"]; signed || h.Get("Webhook-Id") != "evt_1" || h.Get("Webhook-Timestamp") != "1767225600" {
			t.Errorf("%q: got %v", secret, h)
		}
	}
}
