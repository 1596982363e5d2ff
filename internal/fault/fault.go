// Package fault is the closed list of error names that somebody branches on: the state machine's ErrorEquals, exit
// codes, outcomes and certificates. A name says what happened; the text around it never holds an identifier, an
// object's name or a provider's answer.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Name is one entry of the list. It is what a Catch or Retry of the state machine sees.
type Name string

// Faults that pass by themselves: the same call may succeed later.
const (
	Throttled   Name = "Throttled"           // the provider asked to slow down, or the target's limit of calls is used up, for longer than a step may wait
	Unavailable Name = "ProviderUnavailable" // no connection, no answer in time, or a 5xx
	Maintenance Name = "MaintenanceError"    // Batch, 503, code 2
	ServerError Name = "ServerError"         // Batch, 500, code 1
	LedgerBusy  Name = "LedgerBusy"          // another writer was faster, or the database busy, several times in a row
)

// Faults that stay until a person does something.
const (
	Unauthorized        Name = "Unauthorized"          // 401 or 403 at App Center: the token is wrong or lacks a right
	ProviderClosed      Name = "ProviderClosed"        // 410: the provider or the app is gone
	NotFound            Name = "NotFound"              // 404 where it does not mean "already gone": owner, app or route
	Refused             Name = "Refused"               // another 4xx: the provider did not accept the call
	MalformedAnswer     Name = "MalformedAnswer"       // an answer that is not what the contract says
	ForeignLink         Name = "ForeignLink"           // a link to another host; following it would give the token away
	ExportFailed        Name = "ExportFailed"          // the provider reported Failed, twice
	ExportTimeout       Name = "ExportTimeout"         // the export did not complete in its time
	ExportUnreadable    Name = "ExportUnreadable"      // a blob broke off, changed while it was read, or is damaged
	ExportNotRemoved    Name = "ExportNotRemoved"      // exported files are still in the container
	UnknownBlobKind     Name = "UnknownBlobKind"       // neither JSON Lines nor gzip of it
	ContainerBusy       Name = "ContainerBusy"         // another job's export holds the container
	ContainerNotOurs    Name = "ContainerNotOurs"      // too much lies in the container that an export did not write
	ContainerRefused    Name = "ContainerRefused"      // the container's SAS is wrong, expired or lacks a permission
	UnreadableLine      Name = "UnreadableLine"        // an unreadable export line holds an identifier of the person
	StillThere          Name = "StillThere"            // deleted, and found again by the last search
	AuthenticationWrong Name = "AuthenticationInvalid" // Batch, 401, code 10
	APIMisuse           Name = "ApiMisuse"             // Batch, 403, code 12
	RouteNotFound       Name = "RouteNotFound"         // Batch, 404, code 20
	MissingParameter    Name = "MissingParameter"      // Batch, 400, code 30
	MalformedParameter  Name = "MalformedParameter"    // Batch, 400, code 31
	MalformedJSONBody   Name = "MalformedJsonBody"     // Batch, 400, code 32
	BadInput            Name = "BadInput"              // the input of a step, job or command is not usable
	UnknownTarget       Name = "UnknownTarget"         // a job names a target that the configuration does not have
	WrongPlan           Name = "WrongPlan"             // the approval names another plan than the one that waits
	SealBroken          Name = "SealBroken"            // sealed bytes do not open with this key
	Internal            Name = "Internal"              // anything without a name
)

// Transient tells whether the same call may succeed later without anybody doing something.
func (n Name) Transient() bool {
	switch n {
	case Throttled, Unavailable, Maintenance, ServerError, LedgerBusy:
		return true
	}
	return false
}

// Known tells whether the name is on the list; others come from the platform, such as States.Timeout.
func (n Name) Known() bool {
	switch n {
	case Unauthorized, ProviderClosed, NotFound, Refused, MalformedAnswer, ForeignLink, ExportFailed, ExportTimeout,
		ExportUnreadable, ExportNotRemoved, UnknownBlobKind, ContainerBusy, ContainerNotOurs, ContainerRefused,
		UnreadableLine, StillThere, AuthenticationWrong, APIMisuse, RouteNotFound, MissingParameter,
		MalformedParameter, MalformedJSONBody, BadInput, UnknownTarget, WrongPlan, SealBroken, Internal:
		return true
	}
	return n.Transient()
}

// Meaning says in a sentence what a fault is and what to do, for people who see its name in an outcome. Names that are
// not on the list come from the platform.
func (n Name) Meaning() string {
	switch n {
	case Throttled:
		return "the provider asked to slow down, or requests_per_minute is used up, for longer than a step waits; run again later"
	case Unavailable:
		return "the provider gave no answer, or an error of its own; run again later"
	case Maintenance, ServerError:
		return "Batch has trouble of its own; run again later"
	case LedgerBusy:
		return "other writers were faster on the ledger, or its database was busy; run again"
	case Unauthorized:
		return "the token is wrong, expired or lacks a right; put a full-access token into the configuration"
	case AuthenticationWrong:
		return "Batch does not know the REST key; check rest_key"
	case APIMisuse:
		return "Batch does not allow this call; check the plan and the keys (the Custom Data API is part of Premier and Enterprise)"
	case ProviderClosed:
		return "the provider or the app is gone (410)"
	case NotFound:
		return "owner, app or route is not known there; check owner, app and base_url"
	case RouteNotFound:
		return "Batch does not know the route; check api_key and base_url"
	case Refused, MissingParameter, MalformedParameter, MalformedJSONBody:
		return "the provider did not accept the call; an identifier of this person may be one that it does not take"
	case MalformedAnswer:
		return "the provider's answer is not what its contract says; nothing was taken from it. Check base_url, and run again later"
	case ForeignLink:
		return "the provider gave a link to another host; following it would have given the token away"
	case ExportFailed:
		return "the provider reported the device export as failed, twice; run again later"
	case ExportTimeout:
		return "the device export did not complete in time; run again later"
	case ExportUnreadable:
		return "an exported file is missing, broke off or is damaged; run again"
	case ExportNotRemoved:
		return "exported files, with everybody's data, may still lie in the container; check the rights of its SAS and run again"
	case UnknownBlobKind:
		return "an exported file is neither JSON Lines nor gzip of it"
	case ContainerBusy:
		return "another export holds the container; give each target its own"
	case ContainerNotOurs:
		return "too much lies in the container that no export wrote; give Lethe a container of its own"
	case ContainerRefused:
		return "there is no such container, or its SAS is wrong, expired or lacks one of read, write, delete, list"
	case UnreadableLine:
		return "an unreadable line of the device export holds an identifier of this person; look for the device at the provider"
	case StillThere:
		return "found again by the last search; the provider kept it, or a device registered again. Run again"
	case UnknownTarget:
		return "the configuration lacks a target that the job works on; put it back and run again"
	case SealBroken:
		return "something sealed does not open; the ledger is damaged"
	case BadInput:
		return "an id or name that cannot be sent to the provider, such as one of dots only; delete the object there by hand"
	case WrongPlan, Internal:
		return "unexpected; nothing was lost, run again"
	}
	return "a step was cut short; run again"
}

// Error is a named fault. Its text is safe to log, store and show.
type Error struct {
	Name   Name
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// New makes a named fault; the formatted text says what happened, to what, and what to do next. Arguments must be safe
// to print: no identifiers, no object names, no provider bodies, no raw errors of net/http (they hold the URL).
func New(name Name, format string, args ...any) error {
	return &Error{Name: name, Detail: fmt.Sprintf(format, args...)}
}

// NameOf gives the name of the first named fault in err's chain; a context's end counts as Unavailable, an error
// without a name as Internal, and nil as "".
func NameOf(err error) Name {
	var named *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &named):
		return named.Name
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Unavailable
	}
	return Internal
}

// Is tells whether err carries this name.
func Is(err error, name Name) bool { return err != nil && NameOf(err) == name }
