package appcenter

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/provider"
)

// FuzzDetail: whatever a notification's detail is, it is refused as malformed, or every string of its custom data
// comes out.
func FuzzDetail(f *testing.F) {
	f.Add(`{"notification_id":"n","notification_content":{"name":"x","custom_data":{"a":"b","a":"c","o":{"k":[1,{"z":null}]}}}}`)
	f.Add(`{"notification_content":{"custom_data":null}}`)
	f.Add(`{"notification_content":{"custom_data":[]}}`)
	f.Add(`{"notification_content":{"custom_data":{"a":`)
	f.Fuzz(func(t *testing.T, body string) {
		var d detail
		err := decode("show a notification", provider.Answer{Status: 200, Body: []byte(body)}, &d)
		if err != nil {
			if !fault.Is(err, fault.MalformedAnswer) {
				t.Errorf("got %v, want MalformedAnswer", err)
			}
			return
		}
		if d.Content == nil {
			return
		}
		var again map[string]any
		b, err := json.Marshal(d.notification().Data)
		if err != nil {
			t.Fatalf("what was read does not marshal: %v", err)
		}
		if err := json.Unmarshal(b, &again); err != nil {
			t.Errorf("what was read is no object: %v", err)
		}
	})
}

// FuzzCustomData: an object with one string under any key, twice, gives the string twice.
func FuzzCustomData(f *testing.F) {
	f.Add("mail", "ann@example.com")
	f.Add("", "\u2028\"\\")
	f.Fuzz(func(t *testing.T, key, value string) {
		k, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		v, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var d data
		if err := json.Unmarshal([]byte("{"+string(k)+":"+string(v)+","+string(k)+":"+string(v)+"}"), &d); err != nil {
			t.Fatal(err)
		}
		want := strings.ToValidUTF8(value, "\ufffd")
		if strings.ToValidUTF8(value, "") != value {
			return // each broken byte becomes one U+FFFD, a run of them in ToValidUTF8 only one
		}
		if got := d[strings.ToValidUTF8(key, "\ufffd")]; strings.ToValidUTF8(key, "") == key && !slices.Equal(got, []any{want, want}) {
			t.Errorf("got %q, want %q twice", got, want)
		}
	})
}

// FuzzEnvelope: no error body brings anything of itself into an error but a known word or an HTTP status.
func FuzzEnvelope(f *testing.F) {
	f.Add(`{"error":{"code":"BadRequest","message":"m"}}`)
	f.Add(`{"error":{"code":400,"message":"m"}}`)
	f.Add(`{"error":{"code":4915112345678,"message":null}}`)
	f.Add(`{"error":{}}`)
	f.Add(`{"error":"ann@example.com"}`)
	f.Fuzz(func(t *testing.T, body string) {
		err := refusal("test", provider.Answer{Status: 400, Body: []byte(body)})
		said := err.Error()
		_, code, found := strings.Cut(said, ", code ")
		if !found {
			return
		}
		code, _, _ = strings.Cut(code, ";")
		words := []string{"BadRequest", "Conflict", "Forbidden", "InternalServerError", "NotAcceptable", "NotFound", "RateLimitExceeded", "TooManyRequests", "Unauthorized"}
		if !slices.Contains(words, code) && (len(code) != 3 || strings.Trim(code, "0123456789") != "") {
			t.Errorf("the error says %q", said)
		}
	})
}
