package dynamotest

import (
	"net/http"

	"github.com/lethe-dsr/lethe/internal/awsfault"
)

// Fault says how calls fail.
type Fault = awsfault.Fault

// Echo stands in every error text that a Fault makes.
const Echo = awsfault.Echo

// send answers a call that meets a fault.
func send(w http.ResponseWriter, f *Fault) {
	more := map[string]any{}
	if f.Reasons != nil {
		var reasons []map[string]string
		for _, code := range f.Reasons {
			reasons = append(reasons, map[string]string{"Code": code})
		}
		more["CancellationReasons"] = reasons
	}
	a := failure(f.Kind, awsfault.Text, more)
	a.status = f.Answer()
	a.send(w)
}
