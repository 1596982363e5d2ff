package intake_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// claim files a confirmed application with an account id that nobody verified, and gives its id.
func (d *door) claim(email string) string {
	d.t.Helper()
	id := d.apply(intake.Application{Email: email, Account: "AT-1", Client: email})
	if _, err := d.Confirm(d.t.Context(), d.Links.VerifyToken(id)); err != nil {
		d.t.Fatal(err)
	}
	return id
}

func TestAPersonsWordOnClaims(t *testing.T) {
	t.Parallel()
	for _, verified := range []bool{true, false} {
		d := open(t)
		id := d.claim("ann@example.com")
		told := len(d.events())
		d.pass(time.Hour)
		v := got(d.Vouch(t.Context(), id, "dpo", verified))(t)
		left := []string{"user_id"}
		if verified {
			left = nil // they count like those that the link verified
		}
		w := v.Vouched
		if w == nil || w.By != "dpo" || !w.At.Equal(d.Now()) || w.Verified != verified || !slices.Equal(w.Types, []string{"user_id"}) || !slices.Equal(v.Claimed, left) {
			t.Errorf("verified %v: claimed %v, vouched %+v", verified, v.Claimed, w)
		}
		if len(d.events()) != told || v.Status != ledger.Pending {
			t.Errorf("verified %v: somebody was told, or the request is %s", verified, v.Status)
		}
		for _, again := range []bool{true, false} {
			if _, err := d.Vouch(t.Context(), id, "other", again); !errors.Is(err, intake.ErrUsed) {
				t.Errorf("verified %v, then %v: %v, want ErrUsed", verified, again, err)
			}
		}
		if r := got(d.Ledger.Request(t.Context(), id))(t); r.Vouched.By != "dpo" || !slices.Equal(r.Claimed, left) {
			t.Errorf("a refused word changed the request: %+v", r.Vouched)
		}
	}
}

func TestWhoseClaimsCanBeVouchedFor(t *testing.T) {
	t.Parallel()
	d := open(t)
	var bad *intake.Invalid
	plain := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com", "AT-1"), Channel: "api", By: "crm"}))(t).ID
	if _, err := d.Vouch(t.Context(), plain, "dpo", true); !errors.As(err, &bad) {
		t.Errorf("a request without claims: %v", err)
	}
	if r := got(d.Ledger.Request(t.Context(), plain))(t); r.Vouched != nil {
		t.Errorf("it is vouched for: %+v", r.Vouched)
	}
	held := d.claim("ben@example.com")
	if err := d.Ledger.Invite(t.Context(), "JOB", []string{held}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	got(d.Ledger.Claim(t.Context(), "JOB", []string{held}, d.Now()))(t)
	ended := d.claim("cleo@example.com")
	got(d.Cancel(t.Context(), ended))(t)
	unconfirmed := d.apply(intake.Application{Email: "dora@example.com", Account: "AT-1", Client: "c"})
	for id, want := range map[string]error{held: ledger.ErrHeld, ended: ledger.ErrFinal, unconfirmed: ledger.ErrNotFound, "R9999": ledger.ErrNotFound} {
		if _, err := d.Vouch(t.Context(), id, "dpo", true); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if r, err := d.Ledger.Request(t.Context(), id); err == nil && (r.Vouched != nil || len(r.Claimed) != 1) {
			t.Errorf("%v, and all the same vouched for: %+v", want, r.Vouched)
		}
	}
}

// A person may look at claims before their request is worked on; nobody has to.
func TestASweepLeavesPeopleTimeToLookAtClaims(t *testing.T) {
	t.Parallel()
	d := open(t)
	waits, checked, left := d.claim("ann@example.com"), d.claim("ben@example.com"), d.claim("cleo@example.com")
	claims := func() int { return got(d.Overview(t.Context()))(t).Claims }
	if n := claims(); n != 3 {
		t.Errorf("%d requests have claims to look at, want 3", n)
	}
	got(d.Vouch(t.Context(), checked, "dpo", true))(t)
	got(d.Vouch(t.Context(), left, "dpo", false))(t)
	if n := claims(); n != 1 {
		t.Errorf("%d requests have claims to look at, want 1", n)
	}
	got(d.Sweep(t.Context(), ""))(t)
	if want := fmt.Sprintf("[approve: [%s %s]]", checked, left); fmt.Sprint(d.engine.jobs) != want {
		t.Errorf("swept %v, want %s", d.engine.jobs, want)
	}
	for _, id := range []string{checked, left} { // as their job would
		got(d.Cancel(t.Context(), id))(t)
	}
	sweep := func() string {
		before := len(d.engine.jobs)
		d.pass(2 * 24 * time.Hour) // whatever the last sweep was doing
		got(d.Sweep(t.Context(), config.Erase))(t)
		return fmt.Sprint(d.engine.jobs[before:])
	}
	for range 3 {
		if got := sweep(); got != "[]" {
			t.Errorf("before its time: swept %s", got)
		}
	}
	if erase.ClaimTime > 8*24*time.Hour {
		t.Fatal("the time is longer than this test")
	}
	if got, want := sweep(), fmt.Sprintf("[erase: [%s]]", waits); got != want {
		t.Errorf("after %s: swept %s, want %s", erase.ClaimTime, got, want)
	}
	got(d.Cancel(t.Context(), waits))(t)
	if n := claims(); n != 0 {
		t.Errorf("%d ended requests have claims to look at", n)
	}
}

// Whoever is asked for a word sees what it is about, for as long as the word is waited for.
func TestClaimsAreOpenWhileAWordIsWaitedFor(t *testing.T) {
	t.Parallel()
	d := open(t)
	id := d.claim("ann@example.com")
	shown := map[string]bool{}
	for _, i := range got(d.Claims(t.Context(), id))(t) {
		shown[i.Value] = i.Verified
	}
	if verified, ok := shown["AT-1"]; len(shown) != 2 || !ok || verified || !shown["ann@example.com"] {
		t.Errorf("got %v: want the address, verified, and the account, not", shown)
	}
	other := got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ben@example.com"), Channel: "api", By: "crm"}))(t).ID
	unconfirmed := d.apply(intake.Application{Email: "cleo@example.com", Account: "AT-2", Client: "c"})
	vouched, ended := d.claim("dora@example.com"), d.claim("eve@example.com")
	got(d.Vouch(t.Context(), vouched, "dpo", false))(t)
	got(d.Cancel(t.Context(), ended))(t)
	for name, id := range map[string]string{"without claims": other, "unconfirmed": unconfirmed, "vouched for": vouched, "ended": ended, "unknown": "R9999"} {
		if _, err := d.Claims(t.Context(), id); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
}
