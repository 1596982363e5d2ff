package erase

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestACertificateSaysHowTheIdentityWasVerified(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]ledger.Request{
		"by the operator who filed the request (cli)":                                             {Channel: "cli"},
		"by the operator who filed the request (console)":                                         {Channel: "console"},
		"by the operator who filed the request (console, token desk)":                             {Channel: "console", By: "desk"},
		"by the system that filed the request (api, token crm)":                                   {Channel: "api", By: "crm"},
		"by the system that filed the request (opendsr, token controller)":                        {Channel: "opendsr", By: "controller"},
		"by the system that filed the request (api, token crm); not verified and left out: phone": {Channel: "api", By: "crm", Claimed: []string{"phone"}},
		"link sent to the e-mail address":                                                         {Channel: "form"},
		"link sent to the e-mail address; not verified and left out: phone, user_id":              {Channel: "form", Claimed: []string{"phone", "user_id"}},
		"link sent to the e-mail address; not verified and left out: phone":                       {Channel: "form", Claimed: []string{"phone"}, Vouched: &ledger.Vouch{By: "dpo", Types: []string{"phone"}}},
		"link sent to the e-mail address; phone: vouched for by dpo":                              {Channel: "form", Vouched: &ledger.Vouch{By: "dpo", Verified: true, Types: []string{"phone"}}},
	} {
		if got := verifiedHow(r); got != want {
			t.Errorf("%s: %q, want %q", r.Channel, got, want)
		}
	}
}

func TestACertificateSaysWhatHappenedToTheRequest(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsDevices(), "", "")
	verified, due := time.Date(2026, 5, 2, 8, 0, 0, 0, time.UTC), time.Date(2026, 8, 1, 8, 0, 0, 0, time.UTC)
	plain := m.file(m.person("user_id", "nobody"), "form", func(r *ledger.Request) { r.Verified = time.Time{} })
	full := m.file(m.person("email", annMail), "api", func(r *ledger.Request) {
		r.By, r.Verified, r.Due, r.Extension = "crm", verified, due, &ledger.Extension{Reason: "complexity", By: "officer"}
	})
	m.run("job", config.Erase, plain, full)
	c := m.certified(full).Request
	if c.By != "crm" || !c.Verified.Equal(verified) || !c.Due.Equal(due) || c.Extension == nil || !c.Extension.Until.Equal(due) || c.Extension.Reason != "complexity" || c.Settled {
		t.Errorf("it says %+v", c)
	}
	b, err := json.Marshal(m.certified(plain).Request)
	m.must(err)
	for _, field := range []string{"verified", "extension", `"by"`, "settled"} { // what was not is not said
		if strings.Contains(string(b), field) {
			t.Errorf("%s has %s", b, field)
		}
	}
}
