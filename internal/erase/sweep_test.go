package erase

import (
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestWhatASweepTakesNow(t *testing.T) {
	t.Parallel()
	verified := time.Date(2026, 5, 2, 8, 0, 0, 0, time.UTC)
	claim := ledger.Request{Status: ledger.Pending, Verified: verified, Claimed: []string{"phone"}}
	vouched := claim
	vouched.Vouched = &ledger.Vouch{By: "dpo"}
	for name, c := range map[string]struct {
		r     ledger.Request
		after time.Duration
		want  bool
	}{
		"verified":                      {ledger.Request{Status: ledger.Pending, Verified: verified}, 0, true},
		"partial":                       {ledger.Request{Status: ledger.Partial, Verified: verified}, 0, true},
		"not confirmed":                 {ledger.Request{Status: ledger.Unverified}, 0, false},
		"ended":                         {ledger.Request{Status: ledger.Erased}, 0, false},
		"settled":                       {ledger.Request{Status: ledger.Partial, Settled: true}, 0, false},
		"in a job":                      {ledger.Request{Status: ledger.Running, Job: "job"}, 0, false},
		"with claims":                   {claim, 7*24*time.Hour - 1, false},
		"with claims, after their time": {claim, 7 * 24 * time.Hour, true},
		"with claims to be left out":    {vouched, 0, true},
	} {
		if got := Ready(c.r, verified.Add(c.after)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestInWhichModeASweepTakesARequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ own, asked, configured, want config.Mode }{
		{config.Erase, config.Preview, config.Approve, config.Preview},
		{"", config.Preview, config.Approve, config.Preview},
		{config.Approve, config.Erase, config.Erase, config.Approve},
		{config.Erase, config.Approve, config.Erase, config.Erase},
		{"", config.Approve, config.Erase, config.Approve},
		{"", "", config.Erase, config.Erase},
		{config.Approve, "", config.Preview, config.Approve},
	} {
		if got := ModeFor(ledger.Request{Mode: string(c.own)}, c.asked, c.configured); got != c.want {
			t.Errorf("own %q, asked %q, configured %q: %s, want %s", c.own, c.asked, c.configured, got, c.want)
		}
	}
}
