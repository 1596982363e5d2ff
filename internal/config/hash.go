package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// Hash is the SHA-256, in hex, of everything that the document decides, credentials left out: a certificate names by it
// what the erasure ran under. Defaults count like written values, and neither the order of targets nor the spelling of
// the document matters. The container of exports is in it without its SAS.
func (c Config) Hash() string {
	type target struct {
		ID, Provider, BaseURL                        string
		RequestsPerMinute                            int
		Owner, App, Container, PhoneRegion, CustomID string
		LearnUserID                                  bool
	}
	targets := make([]target, len(c.Targets))
	for n, t := range c.Targets {
		targets[n] = target{
			t.ID, string(t.Provider), t.BaseURL.String(), t.RequestsPerMinute,
			t.Owner, t.App, t.Container(), t.PhoneRegion, t.CustomID.String(), t.LearnUserID,
		}
	}
	slices.SortFunc(targets, func(a, b target) int { return cmp.Compare(a.ID, b.ID) })
	b, err := json.Marshal(struct {
		Version                                   int
		Controller, Regulation, Mode, PhoneRegion string
		Passes                                    int
		Limits                                    Limits
		Targets                                   []target
	}{1, c.Controller, string(c.Regulation), string(c.Mode), c.PhoneRegion, c.Passes, c.Limits, targets})
	if err != nil {
		panic("config: strings and numbers always marshal: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
