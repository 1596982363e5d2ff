package form_test

import (
	"net/http"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

const (
	checks  = "A person checks the details that you gave"
	leftOut = "could not be verified. What"
)

func TestTheFormSaysThatAPersonChecksDetails(t *testing.T) {
	t.Parallel()
	a := open(t).get("/")
	wantText(t, a, "in the app. A person checks that it is yours; what cannot be verified is left out.", "123456. A person checks that it is yours; what cannot be verified is left out.", "within 7 days", "We check your details")
	wantNone(t, a, "With it we find more")
}

func TestDetailsAreCheckedThenUsedOrLeftOut(t *testing.T) {
	t.Parallel()
	for word, verified := range map[string]bool{"theirs": true, "left out": false} {
		d := open(t)
		id, path := d.confirmed("email", "ann@example.com", "phone", "030 1234567", "account", "AT-4711")
		a := d.get(path)
		wantText(t, a, checks)
		wantNone(t, a, leftOut, "dpo")
		_, err := d.desk.Vouch(t.Context(), id, "dpo", verified)
		must(t, err)
		for _, a := range []answer{d.get(path), func() answer {
			d.closed(id, ledger.Erased, devices(ledger.VerifiedAbsent, ""), profile(ledger.Nothing, erase.NoIdentifier))
			return d.get(path)
		}()} {
			wantStatus(t, a, http.StatusOK)
			wantNone(t, a, checks, "dpo", "4711", "1234567")
			if verified {
				wantNone(t, a, leftOut, "Is this a mistake?", "kind of ID")
				continue
			}
			wantText(t, a, "The phone number and the account ID could not be verified. What only they would lead to is not searched.",
				"Is this a mistake? Then write to Acme &amp; Söhne GmbH:", `href="mailto:privacy@acme.example"`, complaint)
		}
		a = d.get(path)
		if verified {
			wantText(t, a, "an ID that we do not have from you")
		} else {
			wantText(t, a, "We have none from you that is verified.")
			wantNone(t, a, "fill in the form again and give it")
		}
		check(t, word, a)
	}
}

func TestWhoeverWasNotCheckedInTimeIsToldToo(t *testing.T) {
	t.Parallel()
	d := open(t)
	id, path := d.confirmed("email", "ann@example.com", "account", "AT-4711")
	d.pass(erase.ClaimTime)
	wantText(t, d.get(path), checks)
	d.closed(id, ledger.NothingFound, devices(ledger.Nothing, ""))
	a := d.get(path)
	wantText(t, a, "The account ID could not be verified. What only it would lead to is not searched.")
	wantNone(t, a, checks, "phone number")
}

func TestWhereNothingIsSearchedDetailsDoNotMatter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		view intake.View
		want string
	}{
		{"cancelled", intake.View{Status: ledger.Cancelled, Ended: true, Claimed: []string{"phone"}}, ""},
		{"denied", intake.View{Status: ledger.Denied, Ended: true, Claimed: []string{"phone"}}, ""},
		{"no details", intake.View{Status: ledger.Pending}, ""},
		{"in work", intake.View{Status: ledger.Running, Claimed: []string{"phone"}}, "The phone number could not be verified. What only it would lead to is not searched."},
		{"given up", intake.View{Status: ledger.Abandoned, Ended: true, Claimed: []string{"phone"}, Vouched: &ledger.Vouch{Types: []string{"phone"}}}, "The phone number could not be verified."},
	} {
		c.view.Regulation = config.GDPR
		a := openWith(t, "gdpr", "", shown{view: c.view}).get("/status/T.x")
		wantNone(t, a, checks)
		if c.want == "" {
			wantNone(t, a, leftOut)
		} else {
			wantText(t, a, c.want)
		}
	}
}
