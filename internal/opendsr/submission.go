package opendsr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/deliver"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// The fields of a request (§7.1.1) and of an identity (§5.3), and the values that are taken of them.
const (
	fieldRegulation = "regulation"
	fieldID         = "subject_request_id"
	fieldType       = "subject_request_type"
	fieldIdentities = "subject_identities"
	fieldSubmitted  = "submitted_time"
	fieldVersion    = "api_version"
	fieldCallbacks  = "status_callback_urls"
	fieldExtensions = "extensions"

	fieldIdentityType   = "identity_type"
	fieldIdentityValue  = "identity_value"
	fieldIdentityFormat = "identity_format"

	fieldPhone    = "phone" // in our extension
	fieldInstalls = "install_ids"

	typeErasure  = "erasure"
	typeEmail    = "email"
	typeCustomer = "controller_customer_id"
	formatRaw    = "raw"
)

const (
	maxCallbacks = 10
	ahead        = 24 * time.Hour // that submitted_time may be
)

var (
	uuid4 = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	}) // §1.1: version 4, lower case
	rfc3339 = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)
	}) // time.Parse takes a bit more
)

// parse makes a submission of the body of a request, without saying who sent it; *intake.Invalid.
func (p *Processor) parse(body []byte) (intake.Submission, error) {
	s := intake.Submission{Channel: channel, Body: body}
	f := &form{}
	if !utf8.Valid(body) || !json.Valid(body) {
		f.add("body", "not_json", "is not JSON in UTF-8")
		return s, &intake.Invalid{Fields: f.bad}
	}
	in := f.object("body", bytes.TrimSpace(body), fieldRegulation, fieldID, fieldType, fieldIdentities, fieldSubmitted, fieldVersion, fieldCallbacks, fieldExtensions)
	if in == nil {
		return s, &intake.Invalid{Fields: f.bad}
	}
	s.Regulation = config.Regulation(f.oneOf(fieldRegulation, in[fieldRegulation], string(config.GDPR), string(config.CCPA)))
	if s.External = f.text(fieldID, in[fieldID]); s.External != "" && !uuid4().MatchString(s.External) {
		f.add(fieldID, "not_uuid", "must be a UUID of version 4 in lower case")
	}
	s.Key = s.External
	f.oneOf(fieldType, in[fieldType], typeErasure)
	f.submitted(in[fieldSubmitted], p.Base.Now())
	if v := in[fieldVersion]; v != nil {
		f.oneOf(fieldVersion, v, version)
	}
	s.Callbacks = f.callbacks(in[fieldCallbacks])
	s.Subject = p.subject(f, in)
	if len(f.bad) > 0 {
		return intake.Submission{}, &intake.Invalid{Fields: f.bad}
	}
	return s, nil
}

// submitted checks the time at which the person asked the controller. It is not kept: our own time begins when the
// request arrives.
func (f *form) submitted(raw json.RawMessage, now time.Time) {
	v := f.text(fieldSubmitted, raw)
	if v == "" {
		return
	}
	t, err := time.Parse(time.RFC3339, v)
	switch {
	case err != nil || !rfc3339().MatchString(v):
		f.add(fieldSubmitted, "not_time", "must be a date and time of RFC 3339, such as 2018-10-02T15:00:00Z")
	case t.After(now.Add(ahead)):
		f.add(fieldSubmitted, "in_future", "is more than a day in the future")
	}
}

func (f *form) callbacks(raw json.RawMessage) (urls []string) {
	for n, v := range f.list(fieldCallbacks, raw, maxCallbacks) {
		name := fmt.Sprintf("%s[%d]", fieldCallbacks, n)
		u := f.text(name, v)
		if u == "" || slices.Contains(urls, u) {
			continue
		}
		if err := deliver.CheckURL(u, nil); err != nil {
			f.add(name, "bad_url", err.Error())
			continue
		}
		urls = append(urls, u)
	}
	return urls
}

// subject reads whom the request is about.
func (p *Processor) subject(f *form, in map[string]json.RawMessage) subject.Subject {
	var s subject.Subject
	before := len(f.bad)
	add := func(name string, t subject.Type, value string) {
		id, err := subject.New(t, "", value, phone.In(p.Base.Config.PhoneRegion))
		if err != nil {
			f.add(name, "bad_value", err.Error()) // it names the type, never the value
			return
		}
		s.Add(id)
	}
	for n, v := range f.list(fieldIdentities, in[fieldIdentities], subject.MaxIdentifiers) {
		name := fmt.Sprintf("%s[%d]", fieldIdentities, n)
		i := f.object(name, v, fieldIdentityType, fieldIdentityValue, fieldIdentityFormat)
		if i == nil {
			continue
		}
		kind := f.oneOf(name+"."+fieldIdentityType, i[fieldIdentityType], typeEmail, typeCustomer)
		format := f.oneOf(name+"."+fieldIdentityFormat, i[fieldIdentityFormat], formatRaw)
		value := f.text(name+"."+fieldIdentityValue, i[fieldIdentityValue])
		switch {
		case kind == "" || format == "" || value == "":
		case kind == typeEmail:
			add(name+"."+fieldIdentityValue, subject.Email, value)
		default:
			add(name+"."+fieldIdentityValue, subject.UserID, value)
		}
	}
	if ours := f.extension(in[fieldExtensions], p.domain); ours != nil {
		name := fieldExtensions + "." + p.domain
		known := f.object(name, ours, fieldPhone, fieldInstalls)
		for _, k := range []struct {
			field string
			kind  subject.Type
		}{{fieldPhone, subject.Phone}, {fieldInstalls, subject.InstallID}} {
			for n, v := range f.list(name+"."+k.field, known[k.field], subject.MaxIdentifiers) {
				name := fmt.Sprintf("%s.%s[%d]", name, k.field, n)
				if value := f.text(name, v); value != "" {
					add(name, k.kind, value)
				}
			}
		}
	}
	switch n := len(s.Identifiers); {
	case len(f.bad) > before:
	case n == 0: // §5.3
		f.add(fieldIdentities, "required", "is required, unless "+fieldExtensions+"."+p.domain+" holds an identity")
	case n > subject.MaxIdentifiers:
		f.add(fieldIdentities, "too_many", fmt.Sprintf("holds more than %d identities, together with the extension", subject.MaxIdentifiers))
	}
	return s
}

// extension finds ours among the extensions. Domains have no case, and a phone number that is overlooked is not erased.
func (f *form) extension(raw json.RawMessage, domain string) (ours json.RawMessage) {
	if raw != nil && raw[0] != '{' {
		f.add(fieldExtensions, "not_object", "must be an object, keyed by processor domains")
	}
	for name, v := range members(raw) {
		if !strings.EqualFold(name, domain) || string(v) == "null" {
			continue
		}
		if ours != nil {
			f.add(fieldExtensions+"."+domain, "duplicate", "is there more than once")
		}
		ours = v
	}
	return ours
}
