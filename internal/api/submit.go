package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
	"github.com/lethe-dsr/lethe/internal/web"
)

// submission is the body of POST /requests.
type submission struct {
	Subject struct {
		Identifiers []identifier `json:"identifiers"`
	} `json:"subject"`
	Mode       config.Mode       `json:"mode"`
	Regulation config.Regulation `json:"regulation"`
	Urgent     bool              `json:"urgent"`
}

type identifier struct {
	Type  subject.Type `json:"type"`
	Name  string       `json:"name"`
	Value string       `json:"value"`
}

func (a *API) submit(w http.ResponseWriter, r *http.Request) error {
	p := web.Who(r.Context())
	key, err := idempotencyKey(r.Header)
	if err != nil {
		return err
	}
	var in submission
	body, err := web.ReadJSON(r, &in)
	if err != nil {
		return err
	}
	person, wrong := in.read(a.o.PhoneRegion)
	if len(wrong) > 0 {
		return &intake.Invalid{Fields: wrong}
	}
	// The configuration may say that a person looks at every plan. Who may not approve must not get around that.
	if in.Mode == config.Erase && a.o.Mode != config.Erase && !p.May(config.RoleApprove) {
		return web.ErrForbidden
	}
	if in.Mode == config.Preview {
		if !p.May(config.RoleApprove) { // who could not read its plan
			return web.ErrForbidden
		}
		return a.look(w, r, person)
	}
	receipt, err := a.o.Desk.Submit(r.Context(), intake.Submission{
		Subject: person, Channel: "api", By: p.Name, Mode: in.Mode, Regulation: in.Regulation, Urgent: in.Urgent, Key: key, Body: body,
	})
	if err != nil {
		return err
	}
	out := requestOf(p, receipt.View)
	out.Joined, out.Repeated = receipt.Joined, receipt.Repeated
	w.Header().Set("Location", out.Links["self"])
	web.WriteJSON(w, http.StatusAccepted, out)
	return nil
}

// look begins a preview. It leaves no request behind, so there is nothing that an idempotency key could find again.
func (a *API) look(w http.ResponseWriter, r *http.Request, person subject.Subject) error {
	job, err := a.o.Desk.Look(r.Context(), person)
	if err != nil {
		return err
	}
	plan := jobPath(job) + "/plan"
	w.Header().Set("Location", plan)
	web.WriteJSON(w, http.StatusAccepted, struct {
		Job   string            `json:"job"`
		Links map[string]string `json:"links"`
	}{job, map[string]string{"plan": plan}})
	return nil
}

const maxName = 128 // characters of a property's name; App Center's SDK allows as many

// read gives the person, and everything that is wrong with the submission. Nothing of it is repeated there.
func (s submission) read(region string) (subject.Subject, []intake.Field) {
	var person subject.Subject
	var wrong []intake.Field
	add := func(name, code, text string) { wrong = append(wrong, intake.Field{Name: name, Code: code, Text: text}) }
	if !slices.Contains([]config.Mode{"", config.Preview, config.Approve, config.Erase}, s.Mode) {
		add("mode", "unknown", "must be one of preview, approve, erase")
	}
	if !slices.Contains([]config.Regulation{"", config.GDPR, config.CCPA}, s.Regulation) {
		add("regulation", "unknown", "must be one of gdpr, ccpa")
	}
	if n := len(s.Subject.Identifiers); n == 0 || n > subject.MaxIdentifiers {
		add("subject.identifiers", "count", fmt.Sprintf("must be a list of 1 to %d", subject.MaxIdentifiers))
		return person, wrong
	}
	for n, i := range s.Subject.Identifiers {
		at := fmt.Sprintf("subject.identifiers[%d].", n)
		field, code, text := i.problem()
		if field == "" {
			id, err := subject.New(i.Type, i.Name, i.Value, phone.In(region))
			if err == nil {
				person.Add(id)
				continue
			}
			field, code, text = "value", i.code(), "cannot be taken"
			var said *fault.Error // begins with the type, and holds nothing of the value
			if errors.As(err, &said) {
				text = strings.TrimPrefix(said.Detail, string(i.Type)+": ")
			}
		}
		add(at+field, code, text)
	}
	return person, wrong
}

// problem tells what is wrong with an identifier, and in which of its fields, before its value is looked at.
func (i identifier) problem() (field, code, text string) {
	switch {
	case i.Type == "":
		return "type", "required", "is missing"
	case !slices.Contains(subject.Types[:], i.Type):
		return "type", "unknown", "must be one of email, phone, user_id, install_id, property"
	case i.Type == subject.Property && i.Name == "":
		return "name", "required", "is missing; a property needs one"
	case i.Type != subject.Property && i.Name != "":
		return "name", "not_allowed", "belongs to properties only"
	case utf8.RuneCountInString(i.Name) > maxName:
		return "name", "too_long", fmt.Sprintf("is longer than %d characters", maxName)
	case strings.ContainsRune(i.Name, 0):
		return "name", "bad_value", "holds a zero byte"
	case strings.ContainsRune(i.Value, 0):
		return "value", "bad_value", "holds a zero byte"
	case strings.TrimSpace(i.Value) == "":
		return "value", "required", "is missing"
	}
	return "", "", ""
}

// code names what is wrong with a value that subject.New did not take.
func (i identifier) code() string {
	switch i.Type {
	case subject.Email:
		return "not_email"
	case subject.Phone:
		return "not_phone"
	case subject.InstallID:
		return "not_install_id"
	}
	return "too_long" // there is nothing else that a value of the other types can be
}

// idempotencyKey reads the header Idempotency-Key: a string of 1 to 255 printable ASCII characters, in quotes as
// draft-ietf-httpapi-idempotency-key-header has it (an RFC 8941 string), or bare as most clients send it. Both are the
// same key. "" where there is none.
func idempotencyKey(h http.Header) (string, error) {
	lines := h.Values("Idempotency-Key")
	if len(lines) == 0 {
		return "", nil
	}
	key, ok := lines[0], true
	if strings.HasPrefix(key, `"`) {
		key, ok = unquote(key)
	}
	printable := !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' })
	if len(lines) > 1 || !ok || key == "" || len(key) > 255 || !printable {
		return "", invalid("Idempotency-Key", "bad_value", "must be one header of 1 to 255 printable ASCII characters, bare or as a quoted string")
	}
	return key, nil
}

// unquote reads a string of RFC 8941, 3.3.3: only quotes and backslashes are escaped.
func unquote(v string) (string, bool) {
	var b strings.Builder
	for n := 1; n < len(v); n++ {
		switch c := v[n]; c {
		case '"':
			return b.String(), n == len(v)-1 // no parameters
		case '\\':
			n++
			if n == len(v) || v[n] != '"' && v[n] != '\\' {
				return "", false
			}
			b.WriteByte(v[n])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
