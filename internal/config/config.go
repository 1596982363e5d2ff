// Package config reads the one document that tells Lethe what to erase from: YAML or JSON, the same locally and on AWS.
// All its problems are reported at once, each with its field and line and never with a value, because values are
// credentials.
package config

import (
	"net/url"

	"github.com/lethe-dsr/lethe/internal/subject"
)

// Mode says how far a job goes by itself.
type Mode string

// The modes.
const (
	Preview Mode = "preview" // search and report
	Approve Mode = "approve" // search, show the plan, and erase when a person says so
	Erase   Mode = "erase"   // search and erase; the limits still stop for approval
)

// Regulation decides the due dates.
type Regulation string

// The regulations.
const (
	GDPR Regulation = "gdpr"
	CCPA Regulation = "ccpa"
)

// Provider says which API a target speaks.
type Provider string

// The providers.
const (
	AppCenter Provider = "appcenter"
	Batch     Provider = "batch"
)

// Defaults of fields that may be left out.
const (
	DefaultAppCenterURL = "https://api.appcenter.ms"
	DefaultBatchURL     = "https://api.batch.com"

	// DefaultAppCenterPerMinute is App Center's documented 500 calls in 5 minutes
	// (https://github.com/MicrosoftDocs/appcenter-docs/blob/live/docs/general/platform-limits.md).
	DefaultAppCenterPerMinute = 100
	// DefaultBatchPerMinute is no limit: Batch documents none for this API, one call takes 10,000 people, and a 429 is
	// honoured anyway.
	DefaultBatchPerMinute = 0
)

// Config is a whole, checked document with its defaults filled in.
type Config struct {
	Controller  string     // who answers for the erasure; printed on certificates. Required.
	Regulation  Regulation // default GDPR
	Mode        Mode       // of jobs that ask for none; default Approve
	PhoneRegion string     // ISO 3166 alpha-2 country of phone numbers without a country code; "" for none
	Passes      int        // rounds of find and forget, 1 to 3; default 3
	Limits      Limits
	Targets     []Target // at least one, ids unique, in the order of the document
	Serve       Serve
}

// Limits are the blast-radius guard: what one request may delete, in all targets together, without a person looking at
// it.
type Limits struct {
	Devices       int     // default 50
	Audiences     int     // default 3
	Notifications int     // default 20
	Share         float64 // of a target's exported devices, for the whole job; above 0, at most 1; default 0.01
}

// Target is one app at one provider.
type Target struct {
	ID                string // lower-case letters, digits and dashes, 1 to 63
	Provider          Provider
	BaseURL           *url.URL // https, or http to this machine; may carry a path prefix
	RequestsPerMinute int      // 0 for no limit

	// App Center only.
	Owner           string
	App             string
	Token           Secret // an API token with the right to delete
	ExportContainer Secret // the container's URL with its SAS; see Container
	LearnUserID     bool   // user ids found on matched devices count as the person's; default false
	PhoneRegion     string // of values in this target; the document's where the target gives none

	// Batch only.
	APIKey   Secret   // of the app: a Live, Dev or SDK key
	RESTKey  Secret   // of the company
	CustomID CustomID // the identifier that Batch knows users by
}

// CustomID names the kind of identifier that is Batch's user id: a type, with the name of a property.
type CustomID struct {
	Type subject.Type
	Name string
}

// String is the form of the document: user_id, or property:NAME.
func (c CustomID) String() string {
	if c.Name == "" {
		return string(c.Type)
	}
	return string(c.Type) + ":" + c.Name
}

// Target finds a target by its id.
func (c Config) Target(id string) (Target, bool) {
	for _, t := range c.Targets {
		if t.ID == id {
			return t, true
		}
	}
	return Target{}, false
}

// Container is the export container's URL without its SAS: a name for locks, and safe to show. "" for targets of Batch.
func (t Target) Container() string {
	u, err := url.Parse(t.ExportContainer.Reveal())
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}
