package opendsr_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// example is made of the facts of the examples of the specification (7.2) and of mParticle's documentation: its id, times
// and shapes, with another processor's extension beside ours.
const example = `{
  "regulation": "ccpa",
  "subject_request_id": "a7551968-d5d6-44b2-9831-815ac9017798",
  "subject_request_type": "erasure",
  "submitted_time": "2018-10-02T15:00:00Z",
  "subject_identities": [
    {"identity_type": "email", "identity_value": "JohnDoe@example.com", "identity_format": "raw"},
    {"identity_type": "controller_customer_id", "identity_value": "Customer 123456", "identity_format": "raw"}
  ],
  "api_version": "2.0",
  "status_callback_urls": ["https://examplecontroller.com/opendsr/callbacks", "https://examplecontroller.com/opendsr/callbacks"],
  "extensions": {
    "Erase.Acme.example": {"phone": ["0171 3920042"], "install_ids": ["0000A1A2-0000-4000-8000-0000000000A2"]},
    "opendsr.mparticle.com": {"mpids": [1234567890, 5678901234], "identities": [{"identity_type": "other1", "identity_value": "test@test1.com"}]}
  }
}
`

func TestDiscovery(t *testing.T) {
	t.Parallel()
	w := serve(t)
	for _, path := range []string{"/v2/discovery", "/v2/discovery/"} {
		var got struct {
			APIVersion                   string `json:"api_version"`
			SupportedIdentities          []struct{ IdentityType, IdentityFormat string }
			SupportedSubjectRequestTypes []string `json:"supported_subject_request_types"`
			ProcessorCertificate         string   `json:"processor_certificate"`
			Identities                   []struct {
				Type   string `json:"identity_type"`
				Format string `json:"identity_format"`
			} `json:"supported_identities"`
		}
		w.call("", http.MethodGet, path, "").want(http.StatusOK).into(&got)
		if got.APIVersion != "2.0" || !slices.Equal(got.SupportedSubjectRequestTypes, []string{"erasure"}) ||
			got.ProcessorCertificate != "https://erase.acme.example/v2/certificate.pem" || len(got.Identities) != 2 ||
			got.Identities[0].Type != "email" || got.Identities[1].Type != "controller_customer_id" || got.Identities[1].Format != "raw" {
			t.Errorf("%s: got %+v", path, got)
		}
	}
	w.call("", http.MethodHead, "/v2/discovery", "").want(http.StatusOK)
}

func TestARequestIsTaken(t *testing.T) {
	t.Parallel()
	w := serve(t)
	var got map[string]string
	w.call("cdp", http.MethodPost, "/v2/requests/", example).want(http.StatusCreated).into(&got)
	encoded, err := base64.StdEncoding.DecodeString(got["encoded_request"])
	must(t, err)
	if string(encoded) != example {
		t.Error("encoded_request is not what was sent")
	}
	delete(got, "encoded_request")
	want := map[string]string{
		"controller_id": "acme-1", "subject_request_id": id,
		"received_time": "2096-03-01T12:00:00Z", "expected_completion_time": "2096-04-15T12:00:00Z", // 45 days
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %q, want %q", k, got[k], v)
		}
	}

	v := w.view("cdp", id)
	if v.Channel != "opendsr" || v.By != "cdp" || v.External != id || v.Regulation != "ccpa" || v.Mode != "" || v.Urgent || v.Status != ledger.Pending {
		t.Errorf("filed %+v", v)
	}
	r, err := w.base.Ledger.Request(t.Context(), v.ID)
	must(t, err)
	plain, err := w.base.Seal.Open(t.Context(), "request/"+r.ID, r.Subject)
	must(t, err)
	s, err := subject.Decode(plain)
	must(t, err)
	var ids []string
	for _, i := range s.Identifiers {
		ids = append(ids, string(i.Type)+" "+i.Value())
	}
	slices.Sort(ids)
	if wantIDs := []string{"email johndoe@example.com", "install_id 0000a1a2-0000-4000-8000-0000000000a2", "phone +491713920042", "user_id Customer 123456"}; !slices.Equal(ids, wantIDs) {
		t.Errorf("the subject is %q, want %q", ids, wantIDs)
	}
	plain, err = w.base.Seal.Open(t.Context(), intake.CallbacksScope(r.ID), r.Callbacks)
	must(t, err)
	if string(plain) != `["https://examplecontroller.com/opendsr/callbacks"]` {
		t.Errorf("the callbacks are %s", plain)
	}
}

func TestNothingOfTheRequestIsKeptInClear(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.call("cdp", http.MethodPost, "/v2/requests", example).want(http.StatusCreated)
	disk, err := os.ReadFile(w.file)
	must(t, err)
	for _, s := range []string{"johndoe", "JohnDoe", "Customer 123456", "3920042", "examplecontroller", "test1.com", base64.StdEncoding.EncodeToString([]byte(example))[:40], "PRIVATE KEY"} {
		if bytes.Contains(disk, []byte(s)) {
			t.Errorf("the ledger holds %q", s)
		}
	}
}

func TestTheSameAgainIsTheSameRequest(t *testing.T) {
	t.Parallel()
	w := serve(t)
	first := w.call("cdp", http.MethodPost, "/v2/requests", example).want(http.StatusCreated)
	w.later(1, 0, 0) // longer than any other idempotency key is kept
	again := w.call("cdp", http.MethodPost, "/v2/requests", example).want(http.StatusCreated)
	if !bytes.Equal(first.body, again.body) || w.requests() != 1 {
		t.Errorf("got %s, then %s; %d requests", first.body, again.body, w.requests())
	}
	w.call("cdp", http.MethodPost, "/v2/requests", body(nil)).wantReason(http.StatusBadRequest, "already_exists")
	w.call("cdp", http.MethodPost, "/v2/requests", strings.TrimSpace(example)).wantReason(http.StatusBadRequest, "already_exists")
	if w.requests() != 1 {
		t.Errorf("%d requests", w.requests())
	}
}

func TestEachSenderHasItsOwnIDs(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.call("cdp", http.MethodPost, "/v2/requests", body(nil)).want(http.StatusCreated)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		for _, path := range []string{"/v2/requests/" + other, "/v2/requests/" + strings.ToUpper(id), "/v2/requests/" + w.view("cdp", id).ID, "/v2/requests/%00", "/v2/requests/x"} {
			w.call("cdp", method, path, "").wantReason(http.StatusNotFound, "not_found")
		}
		w.call("crm", method, "/v2/requests/"+id, "").wantReason(http.StatusNotFound, "not_found")
	}
	w.call("crm", http.MethodPost, "/v2/requests", body(map[string]any{"regulation": "ccpa"})).want(http.StatusCreated)
	if a, b := w.view("cdp", id), w.view("crm", id); a.ID == b.ID || a.Status != ledger.Pending {
		t.Errorf("got %+v and %+v", a, b)
	}
}

// statusBody is an answer about a request, or a callback.
type statusBody struct {
	Controller string          `json:"controller_id"`
	Expected   string          `json:"expected_completion_time"`
	URL        *string         `json:"status_callback_url"`
	ID         string          `json:"subject_request_id"`
	Status     string          `json:"request_status"`
	Version    string          `json:"api_version"`
	Results    json.RawMessage `json:"results_url"`
	Extensions map[string]struct {
		Status, Changed, Due, Duty, Ground, Certificate, Event, Kind string
		Settled, Ended                                               bool
		Extended                                                     *struct{ Reason, At, Before string }
		Outcomes                                                     []map[string]any
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.call("cdp", http.MethodPost, "/v2/requests", body(nil)).want(http.StatusCreated)
	w.pass(time.Hour)
	_, err := w.desk.Extend(t.Context(), w.view("cdp", id).ID, intake.Complexity, "operator-7")
	must(t, err)
	var got statusBody
	w.call("cdp", http.MethodGet, "/v2/requests/"+id, "").want(http.StatusOK).into(&got)
	e := got.Extensions[domain]
	if got.Controller != "acme-1" || got.Expected != "2096-06-01T12:00:00Z" || got.URL != nil || got.ID != id || got.Status != "pending" || got.Version != "2.0" || string(got.Results) != "null" {
		t.Errorf("got %+v", got)
	}
	if e.Status != "pending" || e.Ended || e.Due != got.Expected || e.Duty != "on_time" || e.Changed != "2096-03-01T12:00:00Z" || e.Outcomes != nil || e.Certificate != "" ||
		e.Extended == nil || *e.Extended != struct{ Reason, At, Before string }{"complexity", "2096-03-01T13:00:00Z", "2096-04-01T12:00:00Z"} {
		t.Errorf("got %+v", e)
	}
}

// work lets a job end the request with outcomes and a certificate.
func (w *world) work(id string, s ledger.Status) {
	w.t.Helper()
	ctx := w.t.Context()
	v := w.view("cdp", id)
	must(w.t, w.base.Ledger.Invite(ctx, "job", []string{v.ID}, time.Time{}))
	_, err := w.base.Ledger.Claim(ctx, "job", []string{v.ID}, w.base.Now())
	must(w.t, err)
	if s == ledger.Running {
		return
	}
	r, err := w.base.Ledger.Request(ctx, v.ID)
	must(w.t, err)
	r.Status, r.Closed = s, w.base.Now()
	must(w.t, w.base.Ledger.CloseRequests(ctx, "job", []ledger.Closing{{Request: r, Certificate: "signed", Outcomes: []ledger.Outcome{
		{Target: "acme-ios", Provider: "appcenter", Area: "devices", Word: ledger.VerifiedAbsent, Found: 2, Deleted: 1, Already: 1, Tokens: []string{"planted"}},
		{Target: "acme-ios", Provider: "appcenter", Area: "audiences", Word: ledger.NotDone, Reason: "Unauthorized"},
	}}}))
}

func TestShowTellsOutcomesInFigures(t *testing.T) {
	t.Parallel()
	w := serve(t)
	w.call("cdp", http.MethodPost, "/v2/requests", body(nil)).want(http.StatusCreated)
	w.work(id, ledger.Erased)
	r := w.call("cdp", http.MethodGet, "/v2/requests/"+id, "").want(http.StatusOK)
	var got statusBody
	r.into(&got)
	e := got.Extensions[domain]
	if got.Status != "completed" || e.Status != "erased" || !e.Ended || e.Duty != "met" || string(got.Results) != "null" ||
		e.Certificate != "https://erase.acme.example/requests/"+w.view("cdp", id).ID+"/certificate" {
		t.Errorf("got %s", r.body)
	}
	if len(e.Outcomes) != 2 || e.Outcomes[0]["word"] != "verified_absent" || e.Outcomes[0]["deleted"] != 1.0 || e.Outcomes[0]["already_absent"] != 1.0 || e.Outcomes[1]["reason"] != "Unauthorized" {
		t.Errorf("got the outcomes %v", e.Outcomes)
	}
	if bytes.Contains(r.body, []byte("planted")) {
		t.Errorf("a provider's token is told: %s", r.body)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := serve(t)
	path := "/v2/requests/" + id
	w.call("cdp", http.MethodPost, "/v2/requests", body(nil)).want(http.StatusCreated)
	w.pass(time.Hour)
	first := w.call("cdp", http.MethodDelete, path, "").want(http.StatusAccepted)
	var got map[string]string
	first.into(&got)
	if len(got) != 4 || got["controller_id"] != "acme-1" || got["subject_request_id"] != id || got["received_time"] != "2096-03-01T13:00:00Z" || got["api_version"] != "2.0" {
		t.Errorf("got %v", got)
	}
	w.pass(time.Hour)
	if again := w.call("cdp", http.MethodDelete, path, "").want(http.StatusAccepted); !bytes.Equal(again.body, first.body) {
		t.Errorf("again: got %s", again.body)
	}
	var s statusBody
	w.call("cdp", http.MethodGet, path, "").want(http.StatusOK).into(&s)
	if s.Status != "cancelled" || s.Extensions[domain].Status != "cancelled" {
		t.Errorf("got %+v", s)
	}
}

func TestWhatCannotBeCancelled(t *testing.T) {
	t.Parallel()
	for s, reason := range map[ledger.Status]string{ledger.Running: "in_progress", ledger.Erased: "ended"} {
		w := serve(t)
		w.call("cdp", http.MethodPost, "/v2/requests", body(nil)).want(http.StatusCreated)
		w.work(id, s)
		w.call("cdp", http.MethodDelete, "/v2/requests/"+id, "").wantReason(http.StatusBadRequest, reason)
		if got := w.view("cdp", id).Status; got != s {
			t.Errorf("%s became %s", s, got)
		}
	}
}
