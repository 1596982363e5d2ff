package config

import (
	"fmt"
	"log/slog"
)

const redacted = "(redacted)"

// Secret is a credential. fmt, log/slog, encoding/json and YAML show that there is one and nothing else.
type Secret struct {
	// A pointer, because fmt prints unexported strings of nested structs by reflection, and pointers as addresses.
	value *string
}

// NewSecret hides a value.
func NewSecret(v string) Secret { return Secret{&v} }

// Reveal gives the credential, for the call that needs it and for nothing else.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Format hides the value from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue hides the value from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the value from encoding/json, YAML and whatever else asks for text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
