// Package opendsr is Lethe as a processor of OpenDSR 2.0, the format in which customer-data platforms pass on the wishes
// of people. It is a door of its own beside the API: other routes, another form of errors, every answer signed.
//
// The specification is https://github.com/opengdpr/OpenDSR/blob/master/specification.md; § stands for its sections. What
// version 2.0 changed over it (routes, headers, regulation) is told by mParticle, which wrote it:
// https://docs.mparticle.com/developers/dsr-api/. Version 1.0 (OpenGDPR) is not spoken.
//
// Of identities it takes email and controller_customer_id, raw. What OpenDSR has no name for comes in the extension that
// is keyed by this processor's domain (§7.1.2):
//
//	"extensions": {"erase.acme.example": {"phone": ["+49 …"], "install_ids": ["…"]}}
//
// Other processors' extensions are nobody's business here and are not read. The same key carries, in answers and
// callbacks, how a request really stands: OpenDSR's four statuses are too few for that.
package opendsr

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
)

const (
	version = "2.0"
	channel = "opendsr" // as requests from here are marked in the ledger
)

// Desk is what OpenDSR needs of intake.Desk.
type Desk interface {
	// Submit files a request, or gives the receipt of the one that was filed under the same key with the same body.
	// Errors: *intake.Invalid, ledger.ErrReused.
	Submit(ctx context.Context, s intake.Submission) (intake.Receipt, error)
	// Sent shows the request that a sender submitted under a key, for as long as the request is kept; ledger.ErrNotFound.
	Sent(ctx context.Context, channel, by, key string) (intake.View, error)
	// Cancel ends a request that no job works on; ledger.ErrHeld, ErrFinal, ErrNotFound.
	Cancel(ctx context.Context, id string) (intake.View, error)
}

// Options of a Processor.
type Options struct {
	Base erase.Base // of which Ledger, Seal, Config and Now are used
	Desk Desk
	URL  *url.URL // scheme and host by which the service is reached

	Need func(http.Handler) http.Handler  // lets through those who may submit, and refuses everybody else
	Who  func(ctx context.Context) string // the name of the token of somebody who was let through

	Log *slog.Logger // nil for none
}

// Processor answers controllers. It may be used by several goroutines.
type Processor struct {
	Options
	domain, controller string

	mu      sync.Mutex
	current *signer
	given   bool      // current is the configuration's
	retry   time.Time // when to try again to renew current
}

// New makes a processor with the configuration's key and certificate, or with those that it keeps sealed in the ledger,
// where it makes them at the first start. The error is about the certificate or the ledger.
func New(o Options) (*Processor, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := o.Base.Config.Serve.OpenDSR
	p := &Processor{Options: o, domain: c.Domain, controller: c.Controller}
	if text := c.Certificate.Reveal(); text != "" {
		var err error
		if p.current, err = p.configured(text, c.Key.Reveal()); err != nil {
			return nil, err
		}
		p.given = true
	}
	_, err := p.signer()
	return p, err
}

// Register adds the routes: everything under /v2/, where 2 is the specification's major version (§3.4).
func (p *Processor) Register(mux *http.ServeMux) {
	known := func(h http.HandlerFunc) http.Handler { return p.Need(h) }
	// mParticle's documentation, which senders are built after, writes /discovery/ and /requests/.
	discovery := methods{http.MethodGet: http.HandlerFunc(p.discovery)}
	requests := methods{http.MethodPost: known(p.submit)}
	for path, m := range map[string]methods{
		"/v2/discovery":       discovery,
		"/v2/discovery/{$}":   discovery,
		"/v2/requests":        requests,
		"/v2/requests/{$}":    requests,
		"/v2/requests/{id}":   {http.MethodGet: known(p.show), http.MethodDelete: known(p.cancel)},
		"/v2/certificate.pem": {http.MethodGet: http.HandlerFunc(p.certificate)},
		"/v2/":                {},
	} {
		mux.Handle(path, p.signed(m))
	}
}

// methods are the handlers of one path. A ServeMux would answer other methods itself, unsigned.
type methods map[string]http.Handler

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	switch h := m[method]; {
	case h != nil:
		h.ServeHTTP(w, r)
	case len(m) == 0:
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(m)), ", "))
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

type identity struct {
	Type   string `json:"identity_type"`
	Format string `json:"identity_format"`
}

// discovery says what this processor can do (§6.3).
func (p *Processor) discovery(w http.ResponseWriter, _ *http.Request) {
	var d struct {
		Version     string     `json:"api_version"`
		Identities  []identity `json:"supported_identities"`
		Types       []string   `json:"supported_subject_request_types"`
		Certificate string     `json:"processor_certificate"`
	}
	d.Version = version
	d.Identities = []identity{{typeEmail, formatRaw}, {typeCustomer, formatRaw}}
	d.Types = []string{typeErasure}
	d.Certificate = p.URL.JoinPath("v2", "certificate.pem").String()
	reply(w, http.StatusOK, d)
	fixed(w)
}

// certificate publishes the certificate that signatures are checked with, its issuers after it.
func (p *Processor) certificate(w http.ResponseWriter, _ *http.Request) {
	s, err := p.signer()
	if err != nil {
		p.failed(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/pem-certificate-chain") // RFC 8555, 9.1
	_, _ = w.Write(s.chain)
	fixed(w)
}
