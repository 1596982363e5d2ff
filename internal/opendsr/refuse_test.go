package opendsr_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/opendsr"
)

// with is the valid request with one field changed.
func with(field string, v any) string { return body(map[string]any{field: v}) }

func ours(v any) string {
	return body(map[string]any{"extensions": map[string]any{domain: v}, "subject_identities": nil})
}

func many(n int, element func(n int) any) []any {
	var out []any
	for k := range n {
		out = append(out, element(k))
	}
	return out
}

func TestBadRequestsAreRefusedByField(t *testing.T) {
	t.Parallel()
	w := serve(t)
	const time = "2096-02-28T15:00:00Z"
	for name, c := range map[string]struct{ body, message, reason string }{
		"no JSON":                      {`{"planted"`, "body: ", "not_json"},
		"two values":                   {body(nil) + body(nil), "body: ", "not_json"},
		"not UTF-8":                    {strings.Replace(body(nil), "ann@", "ann\xff@", 1), "body: ", "not_json"},
		"too deep":                     {strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), "body: ", "not_json"},
		"a list":                       {`["planted"]`, "body: ", "not_object"},
		"null":                         {`null`, "body: ", "not_object"},
		"an unknown field":             {with("planted@example.com", 1), "body: ", "unknown_field"},
		"a field in capitals":          {strings.Replace(body(nil), "regulation", "Regulation", 1), "body: ", "unknown_field"},
		"a field twice":                {strings.Replace(body(nil), `{`, `{"regulation":"gdpr",`, 1), "body: ", "duplicate_field"},
		"no regulation":                {with("regulation", nil), "regulation: ", "required"},
		"another regulation":           {with("regulation", "planted"), "regulation: must be gdpr or ccpa", "unsupported"},
		"regulation in capitals":       {with("regulation", "GDPR"), "regulation: ", "unsupported"},
		"no id":                        {with("subject_request_id", nil), "subject_request_id: ", "required"},
		"an id that is a number":       {with("subject_request_id", 7), "subject_request_id: ", "not_text"},
		"an id in capitals":            {with("subject_request_id", strings.ToUpper(id)), "subject_request_id: ", "not_uuid"},
		"an id of version 1":           {with("subject_request_id", "a7551968-d5d6-14b2-9831-815ac9017798"), "subject_request_id: ", "not_uuid"},
		"an id of another variant":     {with("subject_request_id", "a7551968-d5d6-44b2-c831-815ac9017798"), "subject_request_id: ", "not_uuid"},
		"an id and more":               {with("subject_request_id", id+"\n"), "subject_request_id: ", "not_uuid"},
		"no type":                      {with("subject_request_type", nil), "subject_request_type: ", "required"},
		"access":                       {with("subject_request_type", "access"), "subject_request_type: must be erasure", "unsupported"},
		"portability":                  {with("subject_request_type", "portability"), "subject_request_type: ", "unsupported"},
		"no time":                      {with("submitted_time", nil), "submitted_time: ", "required"},
		"a day":                        {with("submitted_time", "2096-02-28"), "submitted_time: ", "not_time"},
		"a time without zone":          {with("submitted_time", "2096-02-28T15:00:00"), "submitted_time: ", "not_time"},
		"a day that is none":           {with("submitted_time", "2096-02-30T15:00:00Z"), "submitted_time: ", "not_time"},
		"an hour of one digit":         {with("submitted_time", "2096-02-28T5:00:00Z"), "submitted_time: ", "not_time"},
		"tomorrow and more":            {with("submitted_time", "2096-03-02T12:00:01Z"), "submitted_time: ", "in_future"},
		"a time that is a number":      {with("submitted_time", 1538492400), "submitted_time: ", "not_text"},
		"another version":              {with("api_version", "1.0"), "api_version: must be 2.0", "unsupported"},
		"a later version":              {with("api_version", "3.0"), "api_version: ", "unsupported"},
		"a version that is a number":   {with("api_version", 2.0), "api_version: ", "not_text"},
		"nobody":                       {with("subject_identities", nil), "subject_identities: ", "required"},
		"nobody in a list":             {with("subject_identities", []any{}), "subject_identities: ", "required"},
		"nobody but at others":         {body(map[string]any{"subject_identities": nil, "extensions": map[string]any{"opendsr.mparticle.com": map[string]any{"mpids": []int{1}}}}), "subject_identities: ", "required"},
		"a person that is an object":   {with("subject_identities", map[string]any{"email": "planted@example.com"}), "subject_identities: ", "not_list"},
		"an identity that is text":     {with("subject_identities", []any{"planted@example.com"}), "subject_identities[0]: ", "not_object"},
		"an identity that is null":     {with("subject_identities", []any{nil}), "subject_identities[0]: ", "not_object"},
		"an identity with more":        {with("subject_identities", []any{map[string]any{"planted": 1}}), "subject_identities[0]: ", "unknown_field"},
		"an identity of unknown type":  {with("subject_identities", []any{identity("email", "ann@example.com"), identity("android_id", "planted")}), "subject_identities[1].identity_type: ", "unsupported"},
		"an identity without type":     {with("subject_identities", []any{map[string]any{"identity_value": "planted", "identity_format": "raw"}}), "subject_identities[0].identity_type: ", "required"},
		"an identity without format":   {with("subject_identities", []any{map[string]any{"identity_value": "planted", "identity_type": "email"}}), "subject_identities[0].identity_format: ", "required"},
		"an identity without value":    {with("subject_identities", []any{map[string]any{"identity_format": "raw", "identity_type": "email"}}), "subject_identities[0].identity_value: ", "required"},
		"a hashed identity":            {with("subject_identities", []any{map[string]any{"identity_type": "email", "identity_value": "planted", "identity_format": "sha256"}}), "subject_identities[0].identity_format: must be raw", "unsupported"},
		"no address":                   {with("subject_identities", []any{identity("email", "planted")}), "subject_identities[0].identity_value: ", "bad_value"},
		"an empty address":             {with("subject_identities", []any{identity("email", "")}), "subject_identities[0].identity_value: ", "required"},
		"a customer of spaces":         {with("subject_identities", []any{identity("controller_customer_id", "  ")}), "subject_identities[0].identity_value: ", "bad_value"},
		"a customer that is too long":  {with("subject_identities", []any{identity("controller_customer_id", strings.Repeat("planted", 200))}), "subject_identities[0].identity_value: ", "bad_value"},
		"half of a character":          {strings.Replace(body(nil), "ann@", `\ud83dann@`, 1), "subject_identities[0].identity_value: ", "bad_value"},
		"a customer that is a number":  {with("subject_identities", []any{map[string]any{"identity_type": "controller_customer_id", "identity_value": 1234, "identity_format": "raw"}}), "subject_identities[0].identity_value: ", "not_text"},
		"too many identities":          {with("subject_identities", many(61, func(n int) any { return identity("email", fmt.Sprintf("a%d@example.com", n)) })), "subject_identities: ", "too_many"},
		"too many together":            {body(map[string]any{"subject_identities": many(60, func(n int) any { return identity("email", fmt.Sprintf("a%d@example.com", n)) }), "extensions": map[string]any{domain: map[string]any{"phone": []string{"+491713920042"}}}}), "subject_identities: ", "too_many"},
		"extensions in a list":         {with("extensions", []any{"planted"}), "extensions: ", "not_object"},
		"our extension as text":        {ours("planted"), "extensions.erase.acme.example: ", "not_object"},
		"our extension twice":          {with("extensions", map[string]any{domain: map[string]any{}, strings.ToUpper(domain): map[string]any{}}), "extensions.erase.acme.example: ", "duplicate"},
		"our extension with more":      {ours(map[string]any{"planted": []any{}}), "extensions.erase.acme.example: has a field that is not known; known are phone, install_ids", "unknown_field"},
		"no phone":                     {ours(map[string]any{"phone": []string{"planted"}}), "extensions.erase.acme.example.phone[0]: ", "bad_value"},
		"a phone alone":                {ours(map[string]any{"phone": "+49 171 3920042"}), "extensions.erase.acme.example.phone: ", "not_list"},
		"no install id":                {ours(map[string]any{"install_ids": []string{"0000a1a2-0000-4000-8000-0000000000a2", "planted"}}), "extensions.erase.acme.example.install_ids[1]: ", "bad_value"},
		"an install id that is null":   {ours(map[string]any{"install_ids": []any{nil}}), "extensions.erase.acme.example.install_ids[0]: ", "not_text"},
		"an empty extension":           {ours(map[string]any{"phone": []string{}}), "subject_identities: ", "required"},
		"callbacks as text":            {with("status_callback_urls", "https://planted.example/"), "status_callback_urls: ", "not_list"},
		"a callback that is a number":  {with("status_callback_urls", []any{1}), "status_callback_urls[0]: ", "not_text"},
		"too many callbacks":           {with("status_callback_urls", many(11, func(n int) any { return fmt.Sprintf("https://planted.example/%d", n) })), "status_callback_urls: ", "too_many"},
		"a callback by http":           {with("status_callback_urls", []string{"https://example.com/", "http://planted.example/"}), "status_callback_urls[1]: ", "bad_url"},
		"a callback to this machine":   {with("status_callback_urls", []string{"https://localhost/planted"}), "status_callback_urls[0]: ", "bad_url"},
		"a callback to loopback":       {with("status_callback_urls", []string{"https://127.0.0.1/planted"}), "status_callback_urls[0]: ", "bad_url"},
		"a callback to loopback, odd":  {with("status_callback_urls", []string{"https://0x7f.1/planted"}), "status_callback_urls[0]: ", "bad_url"},
		"a callback to IPv6 loopback":  {with("status_callback_urls", []string{"https://[::1]/planted"}), "status_callback_urls[0]: ", "bad_url"},
		"a callback in disguise":       {with("status_callback_urls", []string{"https://[::ffff:10.0.0.1]/planted"}), "status_callback_urls[0]: ", "bad_url"},
		"a callback to metadata":       {with("status_callback_urls", []string{"https://169.254.169.254/planted"}), "status_callback_urls[0]: ", "bad_url"},
		"a callback to a private net":  {with("status_callback_urls", []string{"https://192.168.1.1/planted"}), "status_callback_urls[0]: ", "bad_url"},
		"a callback with a password":   {with("status_callback_urls", []string{"https://user:planted@example.com/"}), "status_callback_urls[0]: ", "bad_url"},
		"a callback to a file":         {with("status_callback_urls", []string{"file:///planted"}), "status_callback_urls[0]: ", "bad_url"},
		"a callback that is too long":  {with("status_callback_urls", []string{"https://example.com/" + strings.Repeat("planted", 300)}), "status_callback_urls[0]: ", "bad_url"},
		"a callback that is no string": {with("status_callback_urls", []any{map[string]any{"url": time}}), "status_callback_urls[0]: ", "not_text"},
	} {
		r := w.call("cdp", http.MethodPost, "/v2/requests", c.body)
		r.wantReason(http.StatusBadRequest, c.reason)
		if got := r.wantError().Error; !strings.HasPrefix(got.Message, c.message) || len(got.Errors) != 1 {
			t.Errorf("%s: got %+v, want only %q", name, got, c.message)
		}
		if bytes.Contains(bytes.ToLower(r.body), []byte("planted")) {
			t.Errorf("%s: %s repeats what was sent", name, r.body)
		}
	}
	if n := w.requests(); n != 0 {
		t.Errorf("%d requests were filed", n)
	}
}

func TestAllProblemsAreToldAtOnceUpToALimit(t *testing.T) {
	t.Parallel()
	w := serve(t)
	e := w.call("cdp", http.MethodPost, "/v2/requests", `{"regulation": "planted"}`).wantError()
	if got := len(e.Error.Errors); got != 5 {
		t.Errorf("got %d problems: %+v", got, e)
	}
	e = w.call("cdp", http.MethodPost, "/v2/requests", with("subject_identities", many(60, func(int) any { return 1 }))).wantError()
	if got := len(e.Error.Errors); got != 20 {
		t.Errorf("got %d problems", got)
	}
}

func TestWhatSendersMayDo(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]string{
		"optional fields are null":       body(map[string]any{"api_version": json.RawMessage("null"), "status_callback_urls": json.RawMessage("null"), "extensions": json.RawMessage("null")}),
		"others' extensions are strange": with("extensions", map[string]any{"a.example": 7, "b.example": []any{}, "c.example": map[string]any{"phone": "none"}}),
		"only our extension":             ours(map[string]any{"install_ids": []string{"0000a1a2-0000-4000-8000-0000000000a2"}}),
		"our extension is null":          with("extensions", map[string]any{domain: nil}),
		"an identity twice":              with("subject_identities", many(60, func(int) any { return identity("email", "Ann@example.com") })),
		"a callback twice":               with("status_callback_urls", many(10, func(int) any { return "https://example.com/a" })),
		"space around it":                "\r\n\t " + body(nil) + " \n",
		"a time with a zone":             with("submitted_time", "2096-02-28T15:00:00.123+09:00"),
		"a time within a day":            with("submitted_time", "2096-03-02T12:00:00Z"),
	} {
		w := serve(t)
		if r := w.call("cdp", http.MethodPost, "/v2/requests", b, "Content-Type", "application/json; charset=UTF-8"); r.status != http.StatusCreated {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

func TestBadCallsAreRefused(t *testing.T) {
	t.Parallel()
	w := serve(t)
	for _, c := range []struct {
		who, method, path, body string
		headers                 []string
		status                  int
	}{
		{"cdp", "POST", "/v2/requests", body(map[string]any{"extensions": map[string]any{"a.example": strings.Repeat("x", 64<<10)}}), nil, 413},
		{"cdp", "POST", "/v2/requests", body(nil), []string{"Content-Type", "text/plain"}, 415},
		{"cdp", "POST", "/v2/requests", body(nil), []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"cdp", "POST", "/v2/requests", body(nil), []string{"Content-Type", "application/json; charset=utf-16"}, 415},
		{"cdp", "POST", "/v2/requests", body(nil), []string{"Content-Encoding", "gzip"}, 415},
		{"cdp", "POST", "/v2/requests", "", nil, 415},
		{"cdp", "POST", "/v2/requests", "", []string{"Content-Type", "application/json"}, 400},
		{"", "POST", "/v2/requests", body(nil), nil, 401},
		{"", "GET", "/v2/requests/" + id, "", nil, 401},
		{"", "DELETE", "/v2/requests/" + id, "", nil, 401},
		{"cdp", "GET", "/v2/requests", "", nil, 405},
		{"cdp", "PUT", "/v2/requests/" + id, body(nil), nil, 405},
		{"cdp", "POST", "/v2/requests/" + id, body(nil), nil, 405},
		{"", "POST", "/v2/discovery", "", nil, 405},
		{"", "DELETE", "/v2/certificate.pem", "", nil, 405},
		{"", "GET", "/v2/", "", nil, 404},
		{"cdp", "POST", "/v2/opengdpr_requests", body(nil), nil, 404},
	} {
		r := w.call(c.who, c.method, c.path, c.body, c.headers...).want(c.status)
		if c.status == 401 && r.header.Get("WWW-Authenticate") != "Bearer" || c.status == 405 && r.header.Get("Allow") == "" {
			t.Errorf("%s %s: got %v", c.method, c.path, r.header)
		}
	}
	if n := w.requests(); n != 0 {
		t.Errorf("%d requests were filed", n)
	}
}

// brokenDesk fails.
type brokenDesk struct{ err error }

func (d brokenDesk) Submit(context.Context, intake.Submission) (intake.Receipt, error) {
	return intake.Receipt{}, d.err
}
func (d brokenDesk) Sent(context.Context, string, string, string) (intake.View, error) {
	return intake.View{}, d.err
}
func (d brokenDesk) Cancel(context.Context, string) (intake.View, error) {
	return intake.View{}, d.err
}

func TestFailuresOfTheServiceAreTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		reason string
		logged bool
	}{
		{fault.New(fault.LedgerBusy, "planted"), http.StatusServiceUnavailable, "busy", false},
		{intake.ErrTooMany, http.StatusTooManyRequests, "too_many", false},
		{&intake.Invalid{}, http.StatusBadRequest, "bad_value", false},
		{errors.New("planted"), http.StatusInternalServerError, "internal", true},
	} {
		var log bytes.Buffer
		w := serve(t, func(o *opendsr.Options) {
			o.Desk, o.Log = brokenDesk{c.err}, slog.New(slog.NewTextHandler(&log, nil))
		})
		r := w.call("cdp", http.MethodPost, "/v2/requests", body(nil))
		r.wantReason(c.status, c.reason)
		if bytes.Contains(r.body, []byte("planted")) || (log.Len() > 0) != c.logged {
			t.Errorf("answered %s, logged %q", r.body, log.String())
		}
		if later := r.header.Get("Retry-After"); (later != "") != (c.status == 503 || c.status == 429) {
			t.Errorf("%d: Retry-After is %q", c.status, later)
		}
		w.call("cdp", http.MethodGet, "/v2/requests/"+id, "").want(c.status)
		w.call("cdp", http.MethodDelete, "/v2/requests/"+id, "").want(c.status)
		w.call("cdp", http.MethodGet, "/v2/requests/x", "").want(http.StatusNotFound) // without a look into the ledger
	}
}
