package config

import (
	"cmp"
	"net/url"
	"time"

	"github.com/robfig/cron/v3"
)

// Defaults of serve that may be left out.
const (
	DefaultListen     = "127.0.0.1:8080"
	DefaultPerAddress = 3   // mails to one address in a day
	DefaultPerClient  = 20  // submissions from one client address in an hour
	DefaultAll        = 600 // submissions in an hour
)

// Serve is what `lethe serve`, and its like on AWS, need beyond the erasure itself. A document without it gives a service
// for this machine. Nothing in it decides what is erased, so it is no part of Config.Hash.
type Serve struct {
	Listen   string   // host:port; default DefaultListen
	URL      *url.URL // scheme and host by which people reach the service; nil where Listen ends with :0 and the document gives none
	Proxies  int      // reverse proxies in front, whose X-Forwarded-For is believed; 0 to 5; default 0
	Contact  string   // e-mail address or https URL, shown to people for all that the form cannot do; "" for none
	Tokens   []Token  // at most 100, names and tokens unique, in the order of the document
	Mail     Mail
	Form     FormLimits
	Schedule Schedule
	Webhooks []Webhook // at most 20, names unique, in the order of the document
	OpenDSR  OpenDSR
}

// Role says what the holder of a token may do.
type Role string

// The roles. They are not called like the modes, of which one is Approve.
const (
	RoleSubmit  Role = "submit"  // file requests and follow them
	RoleApprove Role = "approve" // that, and see plans, approve and reject
)

// Token lets one system or person use the API.
type Token struct {
	Name  string // lower-case letters, digits and dashes, 1 to 63; recorded as who filed or approved
	Role  Role
	Token Secret // at least 20 characters, printable ASCII without spaces
}

// Mail is how messages leave.
type Mail struct {
	From string // an address, maybe with a display name: "Acme Privacy <privacy@acme.example>"; "" only where the document has no mail
	SMTP *SMTP  // nil: messages are written to the folder mail in the data directory, for development
}

// How a connection to an SMTP server is secured.
const (
	StartTLS = "starttls" // upgraded before anything is said; the default
	TLS      = "tls"      // from the first byte
	NoTLS    = "none"     // for servers on this machine only
)

// SMTP is the server that takes messages.
type SMTP struct {
	Host     string
	Port     int    // default 587; 465 with TLS (RFC 8314)
	Security string // StartTLS, TLS or NoTLS
	Username string // "" for no login; then Password is empty, too
	Password Secret
}

// FormLimits are how often the public form may be used.
type FormLimits struct {
	PerAddress int // mails to one address in a day; 1 to 100
	PerClient  int // submissions from one client address in an hour; 1 to 10,000
	All        int // submissions in an hour; 1 to 1,000,000
}

// Schedule is when sweeps start by themselves.
type Schedule struct {
	Cron string         // minute, hour, day of month, month, day of week; "" for never
	Zone *time.Location // that Cron is meant in; default UTC
}

// Next is the first time of the schedule after a time, in Zone; the zero time where there is none. When clocks change, a
// time that they skip is left out, and one that comes twice is given twice.
func (s Schedule) Next(after time.Time) time.Time {
	times, err := cron.ParseStandard(s.Cron)
	if err != nil { // there is none; Parse lets no bad one through
		return time.Time{}
	}
	return times.Next(after.In(cmp.Or(s.Zone, time.UTC)))
}

// Webhook is a system that is told when a request changes.
type Webhook struct {
	Name   string   // as of a Token
	URL    *url.URL // https, or http to this machine
	Secret Secret   // that messages are signed with; at least 20 characters, printable ASCII without spaces
}

// OpenDSR is how Lethe, as a processor, shows itself to controllers that speak OpenDSR
// (https://github.com/opengdpr/opendsr).
type OpenDSR struct {
	Domain      string // processor domain; default the host name of Serve.URL, or of Serve.Listen where that is nil
	Controller  string // controller_id in answers; default Config.Controller
	Certificate Secret // PEM, X.509, the leaf first; empty for one that Lethe makes and signs itself
	Key         Secret // PEM, the leaf's RSA key of 2048 bits or more, PKCS#1 or PKCS#8; empty where Certificate is
}
