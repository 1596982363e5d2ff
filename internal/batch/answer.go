package batch

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/provider"
)

// documented is one of the eight errors that Batch's page lists.
type documented struct {
	status, code int
	name         string
	fault        fault.Name
	means        string // what happened and what to do next
}

// refusals is the page's list. A status that stands there once is enough; the three of 400 need their code.
func refusals() []documented {
	return []documented{
		{401, 10, "AUTHENTICATION_INVALID", fault.AuthenticationWrong, "the REST key is not valid; check rest_key"},
		{403, 12, "API_MISUSE", fault.APIMisuse, "the app may not use the Custom Data API; check api_key and the plan of the Batch account"},
		{404, 20, "ROUTE_NOT_FOUND", fault.RouteNotFound, "no such route; check base_url and api_key"},
		{400, 30, "MISSING_PARAMETER", fault.MissingParameter, "a parameter is missing; check that base_url speaks API 1.0"},
		{400, 31, "MALFORMED_PARAMETER", fault.MalformedParameter, "a user id was not accepted; check that custom_id names the identifier that Batch knows users by"},
		{400, 32, "MALFORMED_JSON_BODY", fault.MalformedJSONBody, "the list of user ids was not accepted as JSON; check that base_url speaks API 1.0"},
		{500, 1, "SERVER_ERROR", fault.ServerError, "an error at Batch; the order is tried again later"},
		{503, 2, "MAINTENANCE_ERROR", fault.Maintenance, "maintenance at Batch; the order is tried again later"},
	}
}

// refusal names an answer that is not 200. The body is read for its code only.
func refusal(a provider.Answer) error {
	code := errorCode(a.Body)
	var same []documented
	for _, d := range refusals() {
		if d.status != a.Status {
			continue
		}
		if code == d.name || code == strconv.Itoa(d.code) {
			return fault.New(d.fault, "batch delete: %d, code %d: %s", d.status, d.code, d.means)
		}
		same = append(same, d)
	}
	switch {
	case len(same) == 1:
		return fault.New(same[0].fault, "batch delete: %d, without the documented code: %s", a.Status, same[0].means)
	case a.Status == http.StatusTooManyRequests:
		return fault.New(fault.Throttled, "batch delete: 429: Batch asks to slow down; the order is tried again later, and requests_per_minute lowers the rate")
	case a.Status == http.StatusGone:
		return fault.New(fault.ProviderClosed, "batch delete: 410: the app or the API is gone")
	case a.Status >= 500:
		return fault.New(fault.Unavailable, "batch delete: %d: Batch does not answer as it should; the order is tried again later", a.Status)
	case a.Status >= 400:
		return fault.New(fault.Refused, "batch delete: %d, an error that Batch does not document; ask Batch's support", a.Status)
	}
	return fault.New(fault.MalformedAnswer, "batch delete: answered %d where Batch documents 200; check base_url", a.Status)
}

// errorCode reads the code out of the bodies seen: {"code":31}, {"code":"31"} and {"error_code":"MALFORMED_PARAMETER"}
// (https://doc.batch.com/developer/api/cep/profiles/update has the last). "" where there is none.
func errorCode(body []byte) string {
	var in struct {
		Code      json.RawMessage `json:"code"`
		ErrorCode json.RawMessage `json:"error_code"`
	}
	if json.Unmarshal(body, &in) != nil {
		return ""
	}
	for _, raw := range []json.RawMessage{in.Code, in.ErrorCode} {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw) // a number
		}
		if text = strings.ToUpper(strings.TrimSpace(text)); text != "" && text != "NULL" {
			return text
		}
	}
	return ""
}

const (
	maxToken = 256 // a UUID has 36
	minEcho  = 8   // characters; a shorter id may stand in a token by chance
)

// readToken checks the token, because it goes into outcomes and certificates: it must not carry anything but itself.
func readToken(body []byte, ids []string) (string, error) {
	var in struct {
		Token string `json:"token"`
	}
	if json.Unmarshal(body, &in) != nil {
		return "", fault.New(fault.MalformedAnswer, "batch delete: answered 200 with a body that is not the documented JSON; the order may have been taken")
	}
	if n := utf8.RuneCountInString(in.Token); n == 0 || n > maxToken || strings.ContainsFunc(in.Token, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == utf8.RuneError }) {
		return "", fault.New(fault.MalformedAnswer, "batch delete: answered 200 without a usable token; the order may have been taken")
	}
	low := strings.ToLower(in.Token)
	for _, id := range ids {
		if id = strings.ToLower(id); low == id || utf8.RuneCountInString(id) >= minEcho && strings.Contains(low, id) {
			return "", fault.New(fault.MalformedAnswer, "batch delete: answered 200 with a user id in the place of a token; the order may have been taken")
		}
	}
	return in.Token, nil
}
