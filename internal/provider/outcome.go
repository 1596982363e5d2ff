package provider

import "net/http"

// Outcome is how one attempt of a call ended, for those who count.
type Outcome string

// The outcomes.
const (
	Answered  Outcome = "answered"  // whatever the answer says, but for the following
	Throttled Outcome = "throttled" // 429
	Refused   Outcome = "refused"   // 401 or 403: the credentials are wrong, or lack a right
	Failed    Outcome = "failed"    // 5xx, or no whole answer
)

// outcomeOf sorts an attempt; no answer is nil.
func outcomeOf(res *http.Response) Outcome {
	switch {
	case res == nil || res.StatusCode >= 500:
		return Failed
	case res.StatusCode == http.StatusTooManyRequests:
		return Throttled
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return Refused
	}
	return Answered
}
