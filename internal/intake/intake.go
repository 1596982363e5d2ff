// Package intake is what happens at Lethe's door: requests come in, people confirm that they asked, and whoever may ask
// learns how a request stands. It knows nothing of HTTP; form, API, OpenDSR and console are ways to it.
package intake

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/link"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// Engine runs jobs. Its calls return as soon as what they begin is sure to happen, also after a crash; the work itself
// goes on in the background.
type Engine interface {
	// Start begins a job over requests (fault.BadInput when one is not there) and gives its id.
	Start(ctx context.Context, requests []string, mode config.Mode) (job string, err error)
	// Decide writes down a person's word on the plan that waits in a job, and lets the job go on. fault.WrongPlan when
	// another plan waits than the named one, or none, or it was decided the other way; fault.BadInput as erase.Decide gives
	// it.
	Decide(ctx context.Context, job string, word erase.Word) error
	// Tell says that something new is in the ledger's outbox.
	Tell()
}

// Desk is the door's desk.
type Desk struct {
	erase.Base
	Engine Engine
	Links  link.Maker
}

// Errors that callers branch on. Those of the ledger come through: ledger.ErrNotFound, ErrFinal, ErrHeld, ErrReused.
var (
	ErrTooMany  = errors.New("too many submissions; try again in an hour")
	ErrLink     = errors.New("the link is not valid, or its time is over")
	ErrUsed     = errors.New("the link was used before") // also of a person's word that can be given once
	ErrExtended = errors.New("the request was extended before, or its due date is over")
)

// Invalid tells what is wrong with what somebody sent. It repeats nothing of it.
type Invalid struct{ Fields []Field }

// Field is one of the things that are wrong.
type Field struct {
	Name string `json:"field"`  // as the sender calls it: email, subject.identifiers[2].value
	Code string `json:"code"`   // required, not_email, not_phone, bad_value, too_long, unknown, …: for translation
	Text string `json:"detail"` // in English
}

func (i *Invalid) Error() string {
	if len(i.Fields) == 0 {
		return "the input is not valid"
	}
	return i.Fields[0].Name + ": " + i.Fields[0].Text
}

// Application is what a person enters in the privacy form.
type Application struct {
	Email, Phone, Account string // as typed; the last two may be empty
	Language              string // of the page: en, de or fr
	Client                string // where it came from, for limits: an address or network
}

// Submission is a request from a system.
type Submission struct {
	Subject    subject.Subject
	Channel    string            // api or opendsr
	By         string            // the name of the token
	Mode       config.Mode       // empty: the configuration's
	Regulation config.Regulation // empty: the configuration's
	Urgent     bool              // starts at once, in a job of its own, instead of with the next sweep
	Key        string            // idempotency key; empty for none
	Body       []byte            // as it came: under the same key the same has to come
	Callbacks  []string          // addresses to call when its status changes, checked
	External   string            // the sender's own id; free of personal data
}

// Receipt acknowledges a submission.
type Receipt struct {
	View
	Joined   bool // the same person has asked before, and this joined that open request
	Repeated bool // the same submission came before, under its key
}

// View is a request as it may be shown: it holds no identifier.
type View struct {
	ID          string            `json:"id"`
	Status      ledger.Status     `json:"status"`
	Settled     bool              `json:"settled,omitempty"` // partial for good: what stays was decided by a person
	Ended       bool              `json:"ended"`             // it will not change any more
	Duty        duty.State        `json:"duty"`
	Channel     string            `json:"channel"`
	By          string            `json:"by,omitempty"`
	Regulation  config.Regulation `json:"regulation"`
	Mode        config.Mode       `json:"mode,omitempty"`
	Urgent      bool              `json:"urgent,omitempty"`
	Received    time.Time         `json:"received"`
	Verified    time.Time         `json:"verified,omitzero"`
	Due         time.Time         `json:"due"`
	Claimed     []string          `json:"claimed,omitempty"` // types of identifiers in it that nobody verified
	Vouched     *ledger.Vouch     `json:"vouched,omitempty"` // what a person said about them
	Extension   *ledger.Extension `json:"extension,omitempty"`
	Changed     time.Time         `json:"changed,omitzero"`
	Closed      time.Time         `json:"closed,omitzero"`
	Ground      string            `json:"ground,omitempty"` // of a denial
	Job         string            `json:"job,omitempty"`    // that works on it, or closed it last
	External    string            `json:"external,omitempty"`
	Outcomes    []ledger.Outcome  `json:"outcomes,omitempty"`
	Certificate bool              `json:"certificate"` // there is one
}

// JobView is a job as it may be shown.
type JobView struct {
	ID        string                `json:"id"`
	State     JobState              `json:"state"`
	Mode      config.Mode           `json:"mode"`
	Opened    time.Time             `json:"opened,omitzero"`
	Closed    time.Time             `json:"closed,omitzero"`
	Pass      int                   `json:"pass"`           // searches so far
	Plan      string                `json:"plan,omitempty"` // hash of the plan that waits
	Requests  map[ledger.Status]int `json:"requests"`       // by status
	Lanes     []ledger.Lane         `json:"lanes"`          // by target and area; gone when the job is closed
	Approvals []ledger.Approval     `json:"approvals,omitempty"`
	Members   []string              `json:"-"` // ids of its requests, at most MaxMembers
}

// JobState says what a job is doing.
type JobState string

// The states of jobs.
const (
	Working JobState = "working" // searching, reviewing or deleting
	Waiting JobState = "waiting" // for a person's word on its plan
	Closed  JobState = "closed"
	Preview JobState = "previewed" // the plan of a preview, which is kept for an hour
)

// PlanView is a plan with what it belongs to.
type PlanView struct {
	Job   string     `json:"job"`
	State JobState   `json:"state"` // only the plan of a job in state waiting can be decided
	Plan  erase.Plan `json:"plan"`
}

// Limits of what is shown at once.
const (
	MaxMembers = 200
	PageSize   = 100
)

// Reasons for which a request may be extended (GDPR art. 12(3)).
const (
	Complexity = "complexity" // of the request
	Number     = "number"     // of requests
)

// Grounds on which a request may be denied.
const (
	NotIdentified = "not_identified" // the person's identity could not be verified (11 CCR 7022, GDPR art. 12(2))
	Unfounded     = "unfounded"      // manifestly unfounded or excessive (GDPR art. 12(5)(b))
	LegalDuty     = "legal_duty"     // a legal obligation to keep the data (GDPR art. 17(3)(b))
	LegalClaims   = "legal_claims"   // needed for legal claims (GDPR art. 17(3)(e))
)
