package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// Kind names a kind of problem: the last part of its type. The names are part of the API.
type Kind string

// The kinds.
const (
	Malformed       Kind = "malformed"
	Unauthenticated Kind = "unauthenticated"
	Forbidden       Kind = "forbidden"
	CrossOrigin     Kind = "cross-origin"
	NotFound        Kind = "not-found"
	LinkInvalid     Kind = "link-invalid"
	WrongMethod     Kind = "wrong-method"
	Held            Kind = "held"
	Ended           Kind = "ended"
	Extended        Kind = "extended"
	LinkUsed        Kind = "link-used"
	WrongPlan       Kind = "wrong-plan"
	Sweeping        Kind = "sweeping"
	TooLarge        Kind = "too-large"
	URITooLong      Kind = "uri-too-long"
	WrongMediaType  Kind = "wrong-media-type"
	WrongHost       Kind = "wrong-host"
	Invalid         Kind = "invalid"
	KeyReused       Kind = "key-reused"
	TooMany         Kind = "too-many"
	HeadersTooLarge Kind = "headers-too-large"
	Internal        Kind = "internal"
	Busy            Kind = "busy"
)

// kind is how a kind of problem is told.
type kind struct {
	name   Kind
	status int
	title  string
	detail string // what to do
}

var kinds = [...]kind{
	{Malformed, 400, "The body cannot be read", "It must arrive whole, and be one JSON document in UTF-8."},
	{Unauthenticated, 401, "A token is needed", "Send a token of the configuration: Authorization: Bearer …"},
	{Forbidden, 403, "The token may not do this", "Use a token with the role approve."},
	{CrossOrigin, 403, "The request came from another site", "Use the page of this service, in a current browser."},
	{NotFound, 404, "There is nothing here", "Check the path and the id. What has ended may be gone, and what is somebody else's is not shown."},
	{LinkInvalid, 404, "The link is not valid", "It may be cut off, or its time may be over."},
	{WrongMethod, 405, "The method is not allowed here", "The header Allow lists those that are."},
	{Held, 409, "A job works on the request", "Wait until the job has ended, then try again."},
	{Ended, 409, "The request has ended", "It does not change any more."},
	{Extended, 409, "The request cannot be extended", "It was extended before, or its due date is over."},
	{LinkUsed, 409, "The link was used before", "A link confirms a request once."},
	{WrongPlan, 409, "Another plan waits, or none", "Read the plan of the job again, and name its hash."},
	{Sweeping, 409, "A sweep is running", "It takes what comes in now with the next one. Try again when it has ended."},
	{TooLarge, 413, "The body is too large", "A body may have 64 KiB."},
	{URITooLong, 414, "The address is too long", "Follow the links that this service gives."},
	{WrongMediaType, 415, "The body has another type than it should", "Send Content-Type: application/json, not compressed."},
	{WrongHost, 421, "This service has another name", "Use the address of the service's configuration."},
	{Invalid, 422, "The input is not valid", "The member errors names each field."},
	{KeyReused, 422, "The idempotency key was used for another body", "Use a new key for a new request, and the same body for the same key."},
	{TooMany, 429, "Too many tries", "Wait as long as the header Retry-After says."},
	{HeadersTooLarge, 431, "The headers are too large", "Leave out what this service did not ask for."},
	{Internal, 500, "Something went wrong here", "Nothing was lost. Try again later; the service's log says more."},
	{Busy, 503, "The service is busy", "Try again after the time in the header Retry-After."},
}

// Problem is what an error answer says (RFC 9457). Nothing in it repeats what came in.
type Problem struct {
	Type   string         `json:"type"` // a path of this service, which explains it
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail,omitempty"`
	Errors []intake.Field `json:"errors,omitempty"` // of an input that is not valid

	RetryAfter time.Duration `json:"-"` // for the header; 0 for none
	cause      error         // for the log
}

const (
	problemPath = "/problems/"
	problemType = "application/problem+json"
)

// NewProblem makes a problem of a kind.
func NewProblem(k Kind) Problem {
	for _, t := range kinds {
		if t.name == k {
			return Problem{Type: problemPath + string(k), Title: t.title, Status: t.status, Detail: t.detail}
		}
	}
	return NewProblem(Internal)
}

// Errors that only the web has.
var (
	ErrMalformed = errors.New("the body is not one JSON document in UTF-8")
	ErrMediaType = errors.New("the body is not application/json")
	ErrNoToken   = errors.New("a token is missing, or is not one of the configuration's")
	ErrForbidden = errors.New("the token lacks the role")
	ErrTries     = errors.New("too many wrong tokens came from there")
)

// ProblemOf tells an error as a problem. What is not meant for callers becomes an internal one, which says nothing of it;
// Guard logs its cause.
func ProblemOf(err error) Problem {
	var invalid *intake.Invalid
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &invalid):
		p := NewProblem(Invalid)
		p.Errors = invalid.Fields
		return p
	case errors.As(err, &tooLarge):
		return NewProblem(TooLarge)
	case errors.Is(err, ErrMalformed), errors.Is(err, errBroken):
		return NewProblem(Malformed)
	case errors.Is(err, ErrMediaType):
		return NewProblem(WrongMediaType)
	case errors.Is(err, ErrNoToken):
		return NewProblem(Unauthenticated)
	case errors.Is(err, ErrForbidden):
		return NewProblem(Forbidden)
	case errors.Is(err, ErrTries):
		return NewProblem(TooMany).after(triesWindow)
	case errors.Is(err, intake.ErrTooMany):
		return NewProblem(TooMany).after(time.Hour)
	case errors.Is(err, intake.ErrLink):
		return NewProblem(LinkInvalid)
	case errors.Is(err, intake.ErrUsed):
		return NewProblem(LinkUsed)
	case errors.Is(err, intake.ErrExtended):
		return NewProblem(Extended)
	case errors.Is(err, intake.ErrSweeping):
		return NewProblem(Sweeping)
	case errors.Is(err, ledger.ErrNotFound):
		return NewProblem(NotFound)
	case errors.Is(err, ledger.ErrHeld):
		return NewProblem(Held)
	case errors.Is(err, ledger.ErrFinal):
		return NewProblem(Ended)
	case errors.Is(err, ledger.ErrReused):
		return NewProblem(KeyReused)
	case fault.Is(err, fault.BadInput): // which does not say in which field
		p := NewProblem(Invalid)
		p.Detail = ""
		return p
	case fault.Is(err, fault.WrongPlan):
		return NewProblem(WrongPlan)
	case fault.Is(err, fault.LedgerBusy), fault.Is(err, fault.Unavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p := NewProblem(Busy).after(2 * time.Second)
		p.cause = err
		return p
	}
	p := NewProblem(Internal)
	p.cause = err
	return p
}

func (p Problem) after(d time.Duration) Problem {
	p.RetryAfter = d
	return p
}

// WriteProblem answers with a problem.
func WriteProblem(w http.ResponseWriter, p Problem) {
	for u := w; ; { // Guard's answer may be inside of other writers
		if a, ok := u.(*answer); ok {
			a.cause = p.cause
			break
		}
		inner, ok := u.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		u = inner.Unwrap()
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic("web: problems always marshal: " + err.Error())
	}
	h := w.Header()
	h.Set("Content-Type", problemType)
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Length")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Seconds())))
	}
	w.WriteHeader(p.Status)
	// An error means that the client has gone, which is the client's business.
	_, _ = w.Write(append(body, '\n'))
}

// WriteError answers with the problem of an error.
func WriteError(w http.ResponseWriter, err error) { WriteProblem(w, ProblemOf(err)) }

// WriteJSON answers with a JSON document.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("web: answers always marshal: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// Problems explains the types of problems, in plain text. It belongs at GET /problems/{name}.
func Problems() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, t := range kinds {
			if string(t.name) == r.PathValue("name") {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				w.Header().Set("Cache-Control", "public, max-age=86400")
				_, _ = w.Write([]byte(strings.Join([]string{strconv.Itoa(t.status), t.title + ".", t.detail, ""}, "\n")))
				return
			}
		}
		WriteProblem(w, NewProblem(NotFound))
	})
}
