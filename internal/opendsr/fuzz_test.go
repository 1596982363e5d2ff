package opendsr

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/deliver"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// FuzzParse gives any body with a secret put wherever it has an S: what is refused is refused without the secret, and what
// is taken is what the desk may be given.
func FuzzParse(f *testing.F) {
	const valid = `{"regulation":"gdpr","subject_request_id":"a7551968-d5d6-44b2-9831-815ac9017798","subject_request_type":"erasure","submitted_time":"2018-10-02T15:00:00Z",` +
		`"subject_identities":[{"identity_type":"email","identity_value":"S@example.com","identity_format":"raw"},{"identity_type":"controller_customer_id","identity_value":"S","identity_format":"raw"}],` +
		`"api_version":"2.0","status_callback_urls":["https://example.com/S"],"extensions":{"S":{"S":1},"acme.example":{"phone":["+491713920042"],"install_ids":["0000a1a2-0000-4000-8000-0000000000a2"]}}}`
	for _, seed := range []string{
		valid, `{}`, `null`, `[]`, ``, `"S"`, `{"S":"S"}`, strings.ReplaceAll(valid, `"raw"`, `"S"`), strings.Replace(valid, "2018", "S", 1), strings.ReplaceAll(valid, "https", "S"),
		strings.Replace(valid, "+49", "S", 1), strings.Replace(valid, "0000a1a2", "S", 1), strings.Replace(valid, "a755", "S", 1), strings.Replace(valid, `:{"phone"`, `:null,"acme.EXAMPLE":{"phone"`, 1),
		strings.Replace(valid, `"gdpr"`, `null,"regulation":"ccpa"`, 1), strings.Replace(valid, "S@example.com", `\ud800`, 1), "\xff" + valid, valid + valid, strings.ReplaceAll(valid, ":", ":["),
	} {
		f.Add(seed)
	}
	const secret = "7h15-15-53cr37"
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := &Processor{domain: "acme.example", Options: Options{Base: erase.Base{Now: func() time.Time { return now }, Config: config.Config{PhoneRegion: "DE"}}}}
	f.Fuzz(func(t *testing.T, body string) {
		body = strings.ReplaceAll(body, "S", secret)
		s, err := p.parse([]byte(body))
		if err != nil {
			var invalid *intake.Invalid
			if !errors.As(err, &invalid) || len(invalid.Fields) == 0 || len(invalid.Fields) > maxProblems {
				t.Fatalf("got %v", err)
			}
			for _, field := range invalid.Fields {
				if field.Name == "" || field.Code == "" || field.Text == "" || strings.Contains(field.Name+field.Code+field.Text, secret) {
					t.Errorf("got %+v", field)
				}
			}
			return
		}
		n := len(s.Subject.Identifiers)
		if s.Channel != "opendsr" || string(s.Body) != body || !uuid4().MatchString(s.External) || s.Key != s.External || s.By != "" || s.Urgent ||
			s.Regulation != config.GDPR && s.Regulation != config.CCPA || n == 0 || n > subject.MaxIdentifiers || len(s.Callbacks) > maxCallbacks {
			t.Errorf("took %+v", s)
		}
		for _, i := range s.Subject.Identifiers {
			if _, err := subject.New(i.Type, i.Name, i.Value(), phone.In("")); err != nil {
				t.Error(err)
			}
		}
		for _, u := range s.Callbacks {
			if err := deliver.CheckURL(u, nil); err != nil {
				t.Error(err)
			}
		}
	})
}
