package appcenter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/provider"
)

// decode reads a successful answer into out. doing ("list audiences") goes into the error.
func decode(doing string, a provider.Answer, out any) error {
	if !succeeded(a) {
		return refusal(doing, a)
	}
	body := bytes.TrimPrefix(a.Body, []byte("\ufeff"))
	// encoding/json would put U+FFFD for broken UTF-8, and a name changed like that is another name.
	if !utf8.Valid(body) {
		return malformed(doing, "text that is not UTF-8")
	}
	if err := json.Unmarshal(body, out); err != nil {
		return malformed(doing, "a body that does not fit its contract")
	}
	return nil
}

func succeeded(a provider.Answer) bool { return a.Status >= 200 && a.Status < 300 }

// malformed is the fault for an answer that is not what the contract says; what is said by this package, not quoted.
func malformed(doing, what string) error {
	return fault.New(fault.MalformedAnswer, "App Center was asked to %s and answered with %s", doing, what)
}

// refusal names the fault of an answer that is no success.
func refusal(doing string, a provider.Answer) error {
	name, advice := fault.Refused, "look at the call's contract"
	switch {
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		name, advice = fault.Unauthorized, "the API token is wrong, expired, or lacks full access to the app"
	case a.Status == http.StatusNotFound:
		name, advice = fault.NotFound, "check the target's base_url, owner and app"
	case a.Status == http.StatusGone:
		name, advice = fault.ProviderClosed, "the service or the app is closed"
	case a.Status == http.StatusTooManyRequests:
		name, advice = fault.Throttled, "try again later, or lower requests_per_minute"
	case a.Status >= 500:
		name, advice = fault.Unavailable, "try again later"
	case a.Status >= 300 && a.Status < 400:
		advice = "redirects are not followed, because the token would go along; check the target's base_url"
	}
	code := ""
	if e, ok := readEnvelope(a.Body); ok && e.code != "" {
		code = ", code " + e.code
	}
	return fault.New(name, "App Center was asked to %s and answered HTTP %d%s; %s", doing, a.Status, code, advice)
}

// envelope is an App Center error body. Its message is dropped: it may repeat anything.
type envelope struct {
	code string // a known word or an HTTP status; "" for anything else, which is not fit to be shown
}

// readEnvelope tells whether a body is an error as App Center writes it: {"error":{"code":…,"message":…}}. The contract
// has codes as words; numbers (github.com/microsoft/appcenter/issues/553) and words outside the contract's list
// (RateLimitExceeded) have been seen.
func readEnvelope(body []byte) (envelope, bool) {
	var e struct {
		Error *struct {
			Code    json.RawMessage `json:"code"`
			Message *string         `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &e) != nil || e.Error == nil || e.Error.Code == nil && e.Error.Message == nil {
		return envelope{}, false
	}
	var word string
	if json.Unmarshal(e.Error.Code, &word) != nil {
		word = string(e.Error.Code)
	}
	switch word {
	case "BadRequest", "Conflict", "Forbidden", "InternalServerError", "NotAcceptable", "NotFound", "RateLimitExceeded", "TooManyRequests", "Unauthorized":
		return envelope{word}, true
	}
	// Any longer number could be somebody's.
	if n, err := strconv.Atoi(word); err == nil && n >= 100 && n < 600 {
		return envelope{fmt.Sprint(n)}, true
	}
	return envelope{}, true
}

// gone tells whether an answer to a delete means that the object was not there: a 404 with no body (the contract of
// Analytics_DeleteAudience) or with App Center's error body. A 404 with another body comes from somebody else, a proxy
// or a wrong base_url, and says nothing about the object.
//
// App Center answers 404 for an unknown owner or app with the same body, so the two cannot be told apart here. They
// need not be: what is to be deleted comes from a list or an export of the same app, and those calls fail on a wrong
// owner or app (fault.NotFound) before anything is deleted.
func gone(a provider.Answer) bool {
	if a.Status != http.StatusNotFound {
		return false
	}
	_, ours := readEnvelope(a.Body)
	return ours || len(bytes.TrimSpace(a.Body)) == 0
}
