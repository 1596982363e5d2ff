package opendsr

import (
	"encoding/json"
	"net/http"

	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// The statuses of OpenDSR (§8).
const (
	pending    = "pending"
	inProgress = "in_progress"
	completed  = "completed" // fulfilled
	cancelled  = "cancelled"
)

// requestStatus is what OpenDSR calls a status of ours. Partial and failed requests are tried again, so they are in
// progress until a person decided that the rest stays. Denied and abandoned ones have ended without being fulfilled, for
// which cancelled is the only word there is; the extension has the right one.
func requestStatus(s ledger.Status, settled bool) string {
	switch s {
	case ledger.Unverified, ledger.Pending:
		return pending
	case ledger.Erased, ledger.NothingFound:
		return completed
	case ledger.Cancelled, ledger.Denied, ledger.Abandoned:
		return cancelled
	}
	if settled {
		return completed
	}
	return inProgress
}

// status is the answer about a request (§8.3), and with URL a callback (§8.6). ResultsURL is the download of an access or
// portability request, and null for an erasure, as mParticle and Mixpanel send it
// (https://docs.mixpanel.com/docs/privacy/compliance-status-callbacks); the certificate is in the extension.
type status struct {
	Controller string             `json:"controller_id"`
	Expected   string             `json:"expected_completion_time"`
	URL        string             `json:"status_callback_url,omitempty"`
	ID         string             `json:"subject_request_id"`
	Status     string             `json:"request_status"`
	Version    string             `json:"api_version"`
	ResultsURL *string            `json:"results_url"`
	Extensions map[string]details `json:"extensions"`
}

// details are how a request stands in Lethe's own words.
type details struct {
	Status      ledger.Status `json:"status"`
	Settled     bool          `json:"settled,omitempty"` // partial for good: a person decided that the rest stays
	Ended       bool          `json:"ended"`
	Changed     string        `json:"changed,omitempty"` // when it got this status
	Due         string        `json:"due"`
	Duty        duty.State    `json:"duty"`
	Extended    *extended     `json:"extended,omitempty"`
	Ground      string        `json:"ground,omitempty"` // of a denial
	Outcomes    []outcome     `json:"outcomes,omitempty"`
	Certificate string        `json:"certificate,omitempty"` // URL; it needs the sender's token

	Event string `json:"event,omitempty"` // of a callback: its id, the same in every attempt
	Kind  string `json:"kind,omitempty"`  // of a callback: status
}

type extended struct {
	Reason string `json:"reason"`
	At     string `json:"at"`
	Before string `json:"before"` // the due date that was put off
}

// outcome is what became of a request in one target and area, in figures: nothing that names an object.
type outcome struct {
	Target   string      `json:"target"`
	Provider string      `json:"provider"`
	Area     string      `json:"area"`
	Word     ledger.Word `json:"word"`
	Reason   string      `json:"reason,omitempty"`
	Found    int         `json:"found"`
	Deleted  int         `json:"deleted"`
	Ordered  int         `json:"ordered,omitempty"`
	Already  int         `json:"already_absent,omitempty"`
	Kept     int         `json:"kept,omitempty"`
	Earlier  int         `json:"earlier,omitempty"`
}

// status makes the answer about a request, which its controller knows by an id of its own.
func (p *Processor) status(id string, v intake.View) status {
	d := details{Status: v.Status, Settled: v.Settled, Ended: v.Ended, Due: timestamp(v.Due), Duty: v.Duty, Ground: v.Ground}
	if !v.Changed.IsZero() {
		d.Changed = timestamp(v.Changed)
	}
	if e := v.Extension; e != nil {
		d.Extended = &extended{e.Reason, timestamp(e.At), timestamp(e.Before)}
	}
	for _, o := range v.Outcomes {
		d.Outcomes = append(d.Outcomes, outcome{
			o.Target, o.Provider, o.Area, o.Word, o.Reason, o.Found, o.Deleted, o.Ordered, o.Already, o.Kept, o.Earlier,
		})
	}
	if v.Certificate {
		d.Certificate = p.URL.JoinPath("requests", v.ID, "certificate").String()
	}
	return status{
		Controller: p.controller, Expected: timestamp(v.Due), ID: id, Status: requestStatus(v.Status, v.Settled),
		Version: version, Extensions: map[string]details{p.domain: d},
	}
}

// Callback makes the body and the headers by which a controller learns at url of an event of its request, which is v now.
// A request that has gone on since then is told as it was: without what came of it later. The error is about the key.
func (p *Processor) Callback(v intake.View, e ledger.Event, url string) (body []byte, h http.Header, err error) {
	if v.Status != e.Status || v.Settled != e.Settled {
		v.Status, v.Settled = e.Status, e.Settled
		v.Ended = v.Status.Final() || v.Settled
		v.Ground, v.Outcomes, v.Certificate = "", nil, false
		v.Changed = e.At
	}
	s := p.status(v.External, v)
	s.URL = url
	d := s.Extensions[p.domain]
	d.Event, d.Kind = e.ID(), e.Kind
	s.Extensions[p.domain] = d
	if body, err = json.Marshal(s); err != nil {
		return nil, nil, err
	}
	key, err := p.signer()
	if err != nil {
		return nil, nil, err
	}
	signature, err := key.signature(body)
	if err != nil {
		return nil, nil, err
	}
	h = http.Header{"Content-Type": {jsonType}}
	p.stamp(h, signature)
	return body, h, nil
}
