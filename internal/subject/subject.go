// Package subject is the person to be erased, as a list of identifiers. Identifiers are validated and normalised once,
// here, and cannot be printed by accident: fmt, log/slog and encoding/json show their type only.
package subject

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/phone"
)

// Type says what an identifier is.
type Type string

// The identifier types.
const (
	Email     Type = "email"
	Phone     Type = "phone"
	UserID    Type = "user_id"
	InstallID Type = "install_id"
	Property  Type = "property" // a custom property, bound to its name
)

// Types lists all identifier types, in the order in which they are shown.
var Types = [...]Type{Email, Phone, UserID, InstallID, Property}

// Identifier is one normalised identifier. Make it with New; the zero value matches nobody.
type Identifier struct {
	Type Type
	Name string // of the custom property; empty for the other types
	// A pointer, because fmt prints unexported strings of nested structs by reflection, and pointers as addresses.
	value *string
}

const (
	maxEmail = 254  // RFC 5321, 4.5.3.1.3
	maxValue = 1024 // Batch: custom ids are shorter than 1024 characters; App Center's limits are lower
)

// New validates and normalises an identifier. The error is a fault.BadInput that names the type and never the value.
func New(t Type, name, value string, phones phone.Reader) (Identifier, error) {
	bad := func(format string, args ...any) (Identifier, error) {
		return Identifier{}, fault.New(fault.BadInput, "%s: "+format, append([]any{t}, args...)...)
	}
	if !slices.Contains(Types[:], t) {
		return Identifier{}, fault.New(fault.BadInput, "unknown identifier type; use one of email, phone, user_id, install_id, property")
	}
	if !utf8.ValidString(value) {
		return bad("is not valid UTF-8")
	}
	if strings.TrimSpace(value) == "" {
		return bad("is empty")
	}
	if utf8.RuneCountInString(value) > maxValue {
		return bad("is longer than %d characters", maxValue)
	}
	if (t == Property) != (name != "") {
		return bad("a name belongs to a property, and a property needs one")
	}
	switch t {
	case Email:
		value = NormalEmail(value)
		if !IsEmail(value) {
			return bad("is not an e-mail address")
		}
	case Phone:
		e164, ok := phones.Normal(value)
		if !ok {
			return bad("is not a phone number; give it with its country code (+49 …) or set phone_region")
		}
		value = e164
	case InstallID:
		id, ok := NormalInstallID(value)
		if !ok {
			return bad("is not a UUID; an install id looks like 8 letters or digits, three times 4, then 12, with dashes between")
		}
		value = id
	}
	return Identifier{Type: t, Name: name, value: &value}, nil
}

// Value is the normalised identifier itself. It goes to matchers and providers, never into an error, a log or a file.
func (i Identifier) Value() string {
	if i.value == nil {
		return ""
	}
	return *i.value
}

// Equal tells whether two identifiers are the same.
func (i Identifier) Equal(o Identifier) bool {
	return i.Type == o.Type && i.Name == o.Name && i.Value() == o.Value()
}

// Key is one string for the identifier, to be digested or compared; it contains the value.
func (i Identifier) Key() string { return string(i.Type) + "\x00" + i.Name + "\x00" + i.Value() }

func (i Identifier) redacted() string { return string(i.Type) + "(redacted)" }

// Format hides the value from every verb of fmt.
func (i Identifier) Format(f fmt.State, _ rune) { fmt.Fprint(f, i.redacted()) }

// LogValue hides the value from log/slog.
func (i Identifier) LogValue() slog.Value { return slog.StringValue(i.redacted()) }

// MarshalJSON hides the value from encoding/json; Subject.Encode is for sealing.
func (i Identifier) MarshalJSON() ([]byte, error) { return json.Marshal(i.redacted()) }

// MaxIdentifiers of one person. Each is an index entry of its request, which is filed in one write.
const MaxIdentifiers = 60

// Subject is one person.
type Subject struct{ Identifiers []Identifier }

// Add puts an identifier to the subject unless it is there already.
func (s *Subject) Add(id Identifier) {
	if !slices.ContainsFunc(s.Identifiers, id.Equal) {
		s.Identifiers = append(s.Identifiers, id)
	}
}

// Canonical gives the subject with its identifiers in a fixed order, so that equal people have equal encodings.
func (s Subject) Canonical() Subject {
	ids := slices.Clone(s.Identifiers)
	slices.SortFunc(ids, func(a, b Identifier) int { return strings.Compare(a.Key(), b.Key()) })
	return Subject{slices.CompactFunc(ids, Identifier.Equal)}
}

type plain struct {
	Type  Type   `json:"type"`
	Name  string `json:"name,omitempty"`
	Value string `json:"value"`
}

// Encode writes the subject in clear, for sealing and for nothing else.
func (s Subject) Encode() []byte {
	out := make([]plain, len(s.Identifiers))
	for n, i := range s.Identifiers {
		out[n] = plain{i.Type, i.Name, i.Value()}
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic("subject: strings always marshal: " + err.Error())
	}
	return b
}

// Decode reads what Encode wrote; the values are already normalised.
func Decode(b []byte) (Subject, error) {
	var in []plain
	if err := json.Unmarshal(b, &in); err != nil {
		return Subject{}, fault.New(fault.SealBroken, "a sealed subject does not decode")
	}
	s := Subject{Identifiers: make([]Identifier, len(in))}
	for n, p := range in {
		s.Identifiers[n] = Identifier{Type: p.Type, Name: p.Name, value: &p.Value}
	}
	return s, nil
}

// NormalEmail trims, brings to NFC and lowers.
func NormalEmail(v string) string { return strings.ToLower(norm.NFC.String(strings.TrimSpace(v))) }

// IsEmail tells whether a normalised value is a mail address with a domain of at least two labels.
func IsEmail(v string) bool {
	at := strings.LastIndexByte(v, '@')
	if at < 1 || len(v) > maxEmail || strings.ContainsFunc(v, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return false
	}
	domain := v[at+1:]
	if !strings.Contains(domain, ".") || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") || strings.Contains(domain, "..") || strings.HasPrefix(domain, "[") {
		return false // an address of a machine, which no provider keeps
	}
	parsed, err := mail.ParseAddress(v)
	return err == nil && parsed.Name == "" && parsed.Address == v
}

// NormalInstallID gives the lower-case UUID form.
func NormalInstallID(v string) (string, bool) {
	v = strings.TrimSpace(v)
	if len(v) != 36 {
		return "", false
	}
	id, err := uuid.Parse(v)
	if err != nil {
		return "", false
	}
	return id.String(), true
}
