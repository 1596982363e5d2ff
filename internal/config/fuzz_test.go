package config_test

import (
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
)

// FuzzParse gives any document with a secret put wherever it has an S: Parse ends, and its error is readable and does not
// hold the secret. A document that parses has what its type promises.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		full, minimal("mode: S", "  base_url: S", "  S: S"), minimal("S", "S: S", "S"), "", "S", "{\"S\": \"S\"}", "{\"controller\": S}", "a: *S\nb: &S S", "controller: !S 'S'",
		"%S\n---\nS", "? S\n: [S, {S: S}]", "controller: '${S}'", "targets: [[S], {id: S, provider: S}]", "\t\"S", "controller: |\n  S\n S\n", "---\nS\n---\nS", "- S: 'S\n", "{\"a\":\"\\ud800\"}",
		minimal(fullServe, "", ""), minimal("serve: S", "", ""), minimal("serve: {S: S, listen: S, url: S, proxies: S, contact: S, tokens: S, mail: S, form: S, schedule: S, webhooks: S, opendsr: S}", "", ""),
		minimal("serve: {listen: 'S:0', url: 'https://S:1', contact: S@S, tokens: [S, {name: S, role: S, token: SS}, {name: S, token: SS}], mail: {from: S <S@S>, smtp: {host: S, username: S, password: S}}}", "", ""),
		minimal("serve: {listen: '[::1]:0', contact: https://S, schedule: {cron: '*/9 1-2,4 ? jan SUN', zone: S}, webhooks: [{name: S, url: https://S/S?S, secret: SS}], opendsr: {domain: S, controller: S, certificate: S, key: S}}", "", ""),
		minimal("serve: {schedule: {cron: 'TZ=S'}, opendsr: {certificate: \"-----BEGIN CERTIFICATE-----\\nUw==\\n-----END CERTIFICATE-----\", key: \"-----BEGIN PRIVATE KEY-----\\nUw==\\n-----END PRIVATE KEY-----\"}}", "", ""),
	} {
		f.Add(seed)
	}
	const secret = "7h15-15-53cr37"
	f.Fuzz(func(t *testing.T, doc string) {
		doc = strings.ReplaceAll(doc, "S", secret)
		c, err := configfile.Parse([]byte(doc), func(name string) (string, bool) { return secret, len(name)%2 == 0 })
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
		checkServe(t, c.Serve)
	})
}

// checkServe wants what the comments of Serve promise.
func checkServe(t *testing.T, s config.Serve) {
	if _, _, err := net.SplitHostPort(s.Listen); err != nil || s.OpenDSR.Domain == "" || s.OpenDSR.Controller == "" || s.Form.PerAddress < 1 || s.Form.PerClient < 1 || s.Form.All < 1 || len(s.Tokens) > 100 || len(s.Webhooks) > 20 {
		t.Errorf("got %+v", s)
	}
	if s.URL == nil && !strings.HasSuffix(s.Listen, ":0") || s.URL != nil && (s.URL.Host == "" || s.URL.RequestURI() != "/") {
		t.Errorf("listens on %s, the URL is %v", s.Listen, s.URL)
	}
	if s.Schedule.Zone == nil || (s.Schedule.Cron == "") != s.Schedule.Next(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		t.Errorf("got %+v", s.Schedule)
	}
	names, tokens := map[string]bool{}, map[string]bool{}
	for _, token := range s.Tokens {
		names[token.Name], tokens[token.Token.Reveal()] = true, true
		if token.Name == "" || token.Role == "" || len(token.Token.Reveal()) < 20 {
			t.Errorf("got %+v", token)
		}
	}
	if len(names) < len(s.Tokens) || len(tokens) < len(s.Tokens) {
		t.Errorf("one name or token stands twice: %+v", s.Tokens)
	}
	for _, w := range s.Webhooks {
		if w.Name == "" || w.URL == nil || len(w.Secret.Reveal()) < 20 {
			t.Errorf("got %+v", w)
		}
	}
	if _, err := mail.ParseAddress(s.Mail.From); err != nil && s.Mail != (config.Mail{}) {
		t.Errorf("got %+v", s.Mail)
	}
	if m := s.Mail.SMTP; m != nil && (m.Host == "" || m.Port < 1 || m.Security == "" || (m.Username == "") != (m.Password.Reveal() == "")) {
		t.Errorf("got %+v", m)
	}
	if (s.OpenDSR.Certificate.Reveal() == "") != (s.OpenDSR.Key.Reveal() == "") {
		t.Error("a certificate without its key, or the other way round")
	}
}
