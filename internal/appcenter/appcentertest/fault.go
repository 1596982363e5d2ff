package appcentertest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Fault makes calls go wrong. The first fault of a Server that fits a call is the one that happens; calls that break
// the contract or lack a right are refused before any fault.
type Fault struct {
	Op     Op     // required
	App    string // key of an app; "" for any
	Object string // as in Call; for a bulk delete, one id in it; "" for any
	Skip   int    // so many fitting calls go well first
	Times  int    // and then so many go wrong; 0 for all

	// What happens. AfterEffect lets the call have its effect first. Without Hang, CloseConnection and Truncate an
	// answer is sent: Status (0 for 200), Header, and Body or, where that is "", an error body with Code.
	AfterEffect     bool
	Status          int
	Code            any // string or number; nil for the word that belongs to the status
	Header          map[string]string
	Body            string
	Hang            bool // until the caller gives up
	CloseConnection bool // without an answer
	Truncate        bool // the call has its effect, and its answer breaks off in the middle
}

// armed is a fault with its counters.
type armed struct {
	Fault
	seen int
}

// fits counts the call and tells whether the fault happens to it.
func (f *armed) fits(op Op, app, object string) bool {
	about := []string{object}
	if op == DeleteNotifications {
		about = strings.Fields(object)
	}
	if f.Op != op || f.App != "" && f.App != app || f.Object != "" && !slices.Contains(about, f.Object) {
		return false
	}
	f.seen++
	return f.seen > f.Skip && (f.Times == 0 || f.seen <= f.Skip+f.Times)
}

// answer is what goes back to a caller.
type answer struct {
	status int
	header map[string]string
	body   []byte
}

// deliberate marks answers that break the contract because a test asked for it; package contracttest lets them pass.
const deliberate = "X-Deliberate-Fault"

// send writes the answer, or does what the fault says instead; good is the answer of a call that had its effect.
func (f *armed) send(w http.ResponseWriter, r *http.Request, good answer) {
	switch {
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.CloseConnection, f.Truncate && good.status == http.StatusNoContent: // no body to break off
		panic(http.ErrAbortHandler)
	case f.Truncate:
		if f.Body != "" {
			good.body = []byte(f.Body)
		}
		good.header = maps.Clone(good.header)
		if good.header == nil {
			good.header = map[string]string{}
		}
		good.header[deliberate] = "truncated"
		good.header["Content-Length"] = strconv.Itoa(max(len(good.body), 2))
		good.body = good.body[:len(good.body)/2]
		good.write(w)
		panic(http.ErrAbortHandler)
	}
	a := apiError(f.Status, "The simulator was asked to fail.", f.Code)
	if f.Body != "" {
		a.body = []byte(f.Body)
		a.header[deliberate] = "body"
	}
	if f.Status == 0 {
		a.status = http.StatusOK
		a.header[deliberate] = "body"
	}
	if isBlobOp(f.Op) && f.Body == "" {
		a = blobError(a.status, "SimulatedFault")
	}
	maps.Copy(a.header, f.Header)
	a.write(w)
}

func (a answer) write(w http.ResponseWriter) {
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(a.status)
	// An error means that the caller has gone.
	_, _ = w.Write(a.body)
}

func jsonAnswer(status int, v any) answer {
	b, err := json.Marshal(v)
	if err != nil {
		panic("appcentertest: own values always marshal: " + err.Error())
	}
	return answer{status, map[string]string{"Content-Type": "application/json; charset=utf-8"}, b}
}

// apiError is an error as App Center writes it.
func apiError(status int, message string, code any) answer {
	if code == nil {
		code = map[int]string{
			400: "BadRequest", 401: "Unauthorized", 403: "Unauthorized", 404: "NotFound", 405: "BadRequest", 406: "NotAcceptable",
			409: "Conflict", 410: "NotFound", 429: "TooManyRequests",
		}[status]
		if code == "" {
			code = "InternalServerError"
		}
	}
	return jsonAnswer(status, map[string]any{"error": map[string]any{"code": code, "message": message}})
}
