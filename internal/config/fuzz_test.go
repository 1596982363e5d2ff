package config_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/config"
)

// FuzzParse gives any document with a secret put wherever it has an S: Parse ends, and its error is readable and does not
// hold the secret. A document that parses has what its type promises.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		full, minimal("mode: S", "  base_url: S", "  S: S"), minimal("S", "S: S", "S"), "", "S", "{\"S\": \"S\"}", "{\"controller\": S}", "a: *S\nb: &S S", "controller: !S 'S'",
		"%S\n---\nS", "? S\n: [S, {S: S}]", "controller: '${S}'", "targets: [[S], {id: S, provider: S}]", "\t\"S", "controller: |\n  S\n S\n", "---\nS\n---\nS", "- S: 'S\n", "{\"a\":\"\\ud800\"}",
	} {
		f.Add(seed)
	}
	const secret = "7h15-15-53cr37"
	f.Fuzz(func(t *testing.T, doc string) {
		doc = strings.ReplaceAll(doc, "S", secret)
		c, err := config.Parse([]byte(doc), func(name string) (string, bool) { return secret, len(name)%2 == 0 })
		if err != nil {
			if text := err.Error(); text == "" || strings.Contains(text, secret) || !utf8.ValidString(text) {
				t.Errorf("got the error %q", text)
			}
			return
		}
		if c.Controller == "" || len(c.Targets) == 0 || c.Passes < 1 || c.Passes > 3 || c.Limits.Devices < 1 || c.Limits.Share <= 0 || c.Limits.Share > 1 {
			t.Errorf("got %+v", c)
		}
		for _, target := range c.Targets {
			complete := target.Token.Reveal() != "" && target.ExportContainer.Reveal() != "" && target.Container() != "" && target.Owner != "" && target.App != ""
			if target.Provider == config.Batch {
				complete = target.APIKey.Reveal() != "" && target.RESTKey.Reveal() != "" && target.CustomID.Type != ""
			}
			if !complete || target.ID == "" || target.BaseURL == nil || strings.Contains(c.Hash(), secret) {
				t.Errorf("got %+v", target)
			}
		}
	})
}
