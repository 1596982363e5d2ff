package erase

import (
	"slices"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/ledger"
)

// CertificateType is the typ of a certificate's JWS header.
const CertificateType = "lethe-erasure-certificate+jws"

// Certificate is the evidence of one erasure. It holds digests and counts and no identifier.
type Certificate struct {
	ID            string            `json:"id"`
	Version       int               `json:"version"`
	Issuer        string            `json:"issuer"`
	Controller    string            `json:"controller"`
	Request       CertifiedRequest  `json:"request"`
	Person        CertifiedPerson   `json:"person"`
	Scope         []CertifiedTarget `json:"scope"`
	OutOfScope    []OutOfScope      `json:"out_of_scope"`
	Verification  string            `json:"verification"`
	Recipients    []string          `json:"recipients_told"` // that were told to delete something (GDPR art. 19)
	Remains       []string          `json:"remains"`
	Approvals     []ledger.Approval `json:"approvals"`
	Software      string            `json:"software"`
	Configuration string            `json:"configuration_sha256"`
	Issued        time.Time         `json:"issued"`
	KeptUntil     time.Time         `json:"kept_until"`
	HowToCheck    string            `json:"how_to_check"`
}

// CertifiedRequest is the request in a certificate.
type CertifiedRequest struct {
	ID         string              `json:"id"`
	Job        string              `json:"job"`
	Status     ledger.Status       `json:"status"`
	Settled    bool                `json:"settled,omitempty"` // partial for good: what is left was kept by a person's decision
	Channel    string              `json:"channel"`
	By         string              `json:"by,omitempty"` // name of the API token that filed it
	Regulation string              `json:"regulation"`
	Received   time.Time           `json:"received"`
	Verified   time.Time           `json:"verified,omitzero"` // when the person's identity was
	Due        time.Time           `json:"due"`
	Extension  *CertifiedExtension `json:"extension,omitempty"`
	Completed  time.Time           `json:"completed"`
}

// CertifiedExtension is more time that was taken for the answer (GDPR art. 12(3), 11 CCR 7021).
type CertifiedExtension struct {
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// CertifiedPerson stands for the person.
type CertifiedPerson struct {
	Digest   string `json:"digest"`
	Scheme   string `json:"scheme"`
	Verified string `json:"verified"` // how the identity was verified
}

// CertifiedTarget is one target in a certificate.
type CertifiedTarget struct {
	Target string           `json:"target"`
	App    string           `json:"app,omitempty"`
	Areas  []ledger.Outcome `json:"areas"`
}

// OutOfScope is a target where there was nothing to order by.
type OutOfScope struct {
	Target string `json:"target"`
	Why    string `json:"why"`
}

// DigestScheme names how the person's digest is made.
const DigestScheme = "lethe-hmac-sha256-128-v1: HMAC-SHA-256 over the sorted identifiers, truncated to 128 bits, with a key that the controller holds"

func (b Base) certificate(job ledger.Job, r ledger.Request, outcomes []ledger.Outcome, approvals []ledger.Approval, version string) Certificate {
	c := Certificate{
		ID: r.ID + "/" + job.ID, Version: 1, Issuer: "lethe", Controller: b.Config.Controller,
		Request: CertifiedRequest{
			ID: r.ID, Job: job.ID, Status: r.Status, Settled: r.Settled, Channel: r.Channel, By: r.By, Regulation: r.Regulation,
			Received: r.Received, Verified: r.Verified, Due: r.Due, Completed: r.Closed,
		},
		Person:     CertifiedPerson{Digest: r.Person, Scheme: DigestScheme, Verified: verifiedHow(r)},
		OutOfScope: []OutOfScope{}, Recipients: []string{}, Approvals: approvals,
		Verification: "verified_absent: deleted, then searched again by a new export or list, and gone. accepted: the provider took the order and offers no way to look.",
		Remains:      []string{"back-ups of the providers, under their own terms", "this certificate, the outcomes and keyed digests"},
		Software:     version, Configuration: b.Config.Hash(), Issued: b.Now(), KeptUntil: r.Closed.Add(ledger.Retention),
		HowToCheck: "compact JWS, ES256; `lethe verify FILE` checks it offline against the issuer's public key",
	}
	if e := r.Extension; e != nil {
		c.Request.Extension = &CertifiedExtension{Until: r.Due, Reason: e.Reason}
	}
	for _, o := range outcomes {
		if o.Reason == NoIdentifier {
			c.OutOfScope = append(c.OutOfScope, OutOfScope{o.Target, o.Reason})
			continue
		}
		last := len(c.Scope) - 1
		if last < 0 || c.Scope[last].Target != o.Target {
			t, _ := b.Config.Target(o.Target)
			app := t.App
			if t.Owner != "" {
				app = t.Owner + "/" + t.App
			}
			c.Scope = append(c.Scope, CertifiedTarget{Target: o.Target, App: app})
			last++
		}
		if told := o.Provider + " (" + o.Target + ")"; o.Deleted+o.Ordered+o.Earlier > 0 && !slices.Contains(c.Recipients, told) {
			c.Recipients = append(c.Recipients, told)
		}
		o.Seen = 0 // how many customers there are is nobody's business
		c.Scope[last].Areas = append(c.Scope[last].Areas, o)
	}
	return c
}

// approvalsFor gives the words on a job's plans as one request's certificate shows them: what was kept of somebody else's
// is none of the person's.
func approvalsFor(job ledger.Job, found map[[2]string][]*ledger.Finding) []ledger.Approval {
	own := map[string]bool{}
	for _, fs := range found {
		for _, f := range fs {
			own[f.Digest] = true
		}
	}
	out := append([]ledger.Approval{}, job.Approvals...)
	for n, a := range out {
		if len(a.Kept) == 0 {
			continue
		}
		out[n].Kept = slices.DeleteFunc(slices.Clone(a.Kept), func(digest string) bool { return !own[digest] })
		if len(out[n].Kept) == 0 {
			out[n].Kept, out[n].Ground = nil, ""
		}
	}
	return out
}

// verifiedHow says how the identity behind a request was verified, and what of it was not.
func verifiedHow(r ledger.Request) string {
	from := r.Channel
	if r.By != "" {
		from += ", token " + r.By
	}
	how := "by the operator who filed the request (" + from + ")"
	switch r.Channel {
	case "form":
		how = "link sent to the e-mail address"
	case "api", "opendsr":
		how = "by the system that filed the request (" + from + ")"
	}
	switch {
	case len(r.Claimed) > 0:
		how += "; not verified and left out: " + strings.Join(r.Claimed, ", ")
	case r.Vouched != nil:
		how += "; " + strings.Join(r.Vouched.Types, ", ") + ": vouched for by " + r.Vouched.By
	}
	return how
}
