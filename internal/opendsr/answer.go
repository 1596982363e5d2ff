package opendsr

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// The headers of everything signed (§8.3, §8.6). §7.3 and §9.2 also list a field processor_signature; it cannot be in the
// body that it signs, and their examples carry it in the header, too.
const (
	headerDomain    = "X-OpenDSR-Processor-Domain"
	headerSignature = "X-OpenDSR-Signature"

	jsonType = "application/json"
)

// answer holds an answer back until it is whole and can be signed.
type answer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	fixed  bool // one of few bodies that anybody can ask for
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// fixed marks an answer as one of few.
func fixed(w http.ResponseWriter) {
	if a, ok := w.(*answer); ok {
		a.fixed = true
	}
}

// signed signs what h answers (§3.1: a processor signs its answers). Where something else than this package refuses, such
// as Need or the ServeMux, only the status is taken from it: the body becomes an error of OpenDSR.
func (p *Processor) signed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &answer{ResponseWriter: w}
		h.ServeHTTP(a, r)
		if a.status >= 400 && w.Header().Get("Content-Type") != jsonType {
			a.body.Reset()
			w.Header().Del("Content-Length")
			refuse(a, a.status, detail{"Request", reason(a.status), sentence(a.status)})
			a.fixed = true
		}
		w.Header().Set("Cache-Control", "no-store") // as in §7.7: encoded_request is the whole person
		sign := (*signer).signature
		if a.fixed {
			sign = (*signer).fixed
		}
		s, err := p.signer()
		if err == nil {
			var signature string
			if signature, err = sign(s, a.body.Bytes()); err == nil {
				p.stamp(w.Header(), signature)
			}
		}
		if err != nil { // what cannot be signed cannot be trusted, and is not said
			a.body.Reset()
			a.status = 0
			p.failed(a, err)
		}
		w.WriteHeader(cmp.Or(a.status, http.StatusOK))
		_, _ = w.Write(a.body.Bytes())
	})
}

func (p *Processor) stamp(h http.Header, signature string) {
	h.Set(headerDomain, p.domain)
	h.Set(headerSignature, signature)
}

func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("opendsr: answers always marshal: " + err.Error())
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// failure is the error object (§7.6).
type failure struct {
	Code    int      `json:"code"` // the HTTP status
	Message string   `json:"message"`
	Errors  []detail `json:"errors"`
}

type detail struct {
	Domain  string `json:"domain"` // Validation for what the body says, Request for anything else
	Reason  string `json:"reason"` // one word, for programs
	Message string `json:"message"`
}

// refuse answers with an error that names what is wrong first, and repeats nothing of what was sent.
func refuse(w http.ResponseWriter, status int, all ...detail) {
	reply(w, status, map[string]failure{"error": {status, all[0].Message, all}})
}

// failed answers with an error of a use case. §7.5 wants 400 for all of them, and mParticle answers 400 to an id that
// came before; codes with a meaning for any HTTP client stay what they are there, too: 404, 429, 5xx.
func (p *Processor) failed(w http.ResponseWriter, err error) {
	var invalid *intake.Invalid
	switch {
	case errors.As(err, &invalid):
		details := make([]detail, len(invalid.Fields))
		for n, f := range invalid.Fields {
			details[n] = detail{"Validation", f.Code, f.Name + ": " + f.Text}
		}
		if len(details) == 0 {
			details = []detail{{"Validation", "bad_value", invalid.Error()}}
		}
		refuse(w, http.StatusBadRequest, details...)
	case errors.Is(err, ledger.ErrReused):
		refuse(w, http.StatusBadRequest, detail{"Validation", "already_exists", fieldID + ": was used before for a request with another body; repeat that one to the byte, or give a new id"})
	case errors.Is(err, ledger.ErrHeld):
		refuse(w, http.StatusBadRequest, detail{"Request", "in_progress", "the request is being worked on; only a pending one can be cancelled"})
	case errors.Is(err, ledger.ErrFinal):
		refuse(w, http.StatusBadRequest, detail{"Request", "ended", "the request has ended; only a pending one can be cancelled"})
	case errors.Is(err, ledger.ErrNotFound):
		refuse(w, http.StatusNotFound, detail{"Request", "not_found", "there is no request with this id from this sender"})
	case errors.Is(err, intake.ErrTooMany):
		w.Header().Set("Retry-After", "3600")
		refuse(w, http.StatusTooManyRequests, detail{"Request", "too_many", "too many requests; try again in an hour"})
	case fault.NameOf(err).Transient():
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, detail{"Request", "busy", "the service is busy, and did not take the request; send the same again"})
	default:
		p.Log.Error("opendsr: a request failed", "fault", fault.NameOf(err), "error", err)
		refuse(w, http.StatusInternalServerError, detail{"Request", "internal", "the service failed; send the same again later"})
	}
}

// reason is the name of a status as one word: not_found.
func reason(status int) string {
	name := http.StatusText(status)
	if name == "" {
		return "refused"
	}
	return strings.ReplaceAll(strings.ToLower(name), " ", "_")
}

// sentence says what a refusal from elsewhere means for a sender.
func sentence(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "the call needs a bearer token that this service knows"
	case http.StatusForbidden:
		return "the token does not allow this"
	case http.StatusNotFound:
		return "there is nothing here; /v2/discovery, /v2/requests and /v2/certificate.pem are known"
	case http.StatusMethodNotAllowed:
		return "this path does not know the method; see the header Allow"
	case http.StatusTooManyRequests:
		return "too many calls; try again later"
	}
	return "the call was refused"
}
