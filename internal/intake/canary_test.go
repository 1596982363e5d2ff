package intake_test

import (
	"errors"
	"testing"

	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/link"
)

// The canary comes every quarter of an hour, by the way of everybody, and nothing comes of it.
func TestACanaryIsFiledUnderItsIDAndNeverConfirmed(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, id := range []string{"01CANARY1", "01CANARY2", "01CANARY3", "01CANARY4", "01CANARY5"} { // more than an address may in a day
		if err := d.Apply(t.Context(), intake.Application{Email: d.Links.CanaryAddress(id), Language: "en", Client: "203.0.113.1"}); err != nil {
			t.Fatal(err)
		}
		r, err := d.Ledger.Request(t.Context(), id)
		if err != nil || r.Channel != intake.Canary || r.Status != ledger.Unverified {
			t.Fatalf("%+v, %v", r, err)
		}
		if untold, err := d.Ledger.Untold(t.Context(), id); err != nil || !untold {
			t.Errorf("no mail waits: %v", err)
		}
		token := d.Links.VerifyToken(id)
		if _, err := d.CheckVerify(t.Context(), token); err != nil {
			t.Errorf("its link leads nowhere: %v", err)
		}
		if _, err := d.Confirm(t.Context(), token); !errors.Is(err, intake.ErrLink) {
			t.Errorf("it was confirmed: %v", err)
		}
	}
}

func TestAForgedCanaryIsAnAddressLikeOthers(t *testing.T) {
	t.Parallel()
	d := open(t)
	forger := link.Maker{Base: d.Links.Base, Digest: func(_, value string) string { return "abcdefghijklmnopqrstuvwxyz" }}
	for range 5 {
		if err := d.Apply(t.Context(), intake.Application{Email: forger.CanaryAddress("01FORGED"), Language: "en", Client: "203.0.113.1"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Ledger.Request(t.Context(), "01FORGED"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("it chose its id: %v", err)
	}
	n := 0
	if err := d.Ledger.Outbox(t.Context(), func(ledger.Event) error { n++; return nil }); err != nil || n != d.Config.Serve.Form.PerAddress {
		t.Errorf("%d mails, want %d: %v", n, d.Config.Serve.Form.PerAddress, err)
	}
}
