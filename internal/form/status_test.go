package form_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

const complaint = "supervisory authority"

func devices(w ledger.Word, reason string) ledger.Outcome {
	return ledger.Outcome{Target: "acme-ios", Provider: "appcenter", Area: erase.Devices, Word: w, Reason: reason}
}

func profile(w ledger.Word, reason string) ledger.Outcome {
	return ledger.Outcome{Target: "acme-batch", Provider: "batch", Area: erase.Profile, Word: w, Reason: reason}
}

func TestTheStatusPageOfARequestThatWaits(t *testing.T) {
	t.Parallel()
	d := open(t)
	_, path := d.confirmed("email", "ann@example.com", "phone", "030 1234567", "account", "AT-4711")
	a := d.get(path)
	wantStatus(t, a, http.StatusOK)
	wantText(t, a, "Waiting to start", "push-notification providers of Acme &amp; Söhne GmbH", "by 22 December 2096 at the latest", `datetime="2096-12-22T09:30:00Z"`, "noindex", path+"/cancel")
	wantNone(t, a, "example.com", "1234567", "4711", complaint, "/certificate", "http-equiv")
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	d.pass(31 * 24 * time.Hour)
	wantText(t, d.get(path), "We are late: the answer was due by 22 December 2096", complaint)
}

func TestTheStatusPageTellsWhatHappenedPlaceByPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		status   ledger.Status
		outcomes []ledger.Outcome
		want     []string
		none     []string
	}{
		{"erased", ledger.Erased, []ledger.Outcome{devices(ledger.VerifiedAbsent, ""), profile(ledger.Accepted, "")}, []string{
			"We have erased everything that we found", "App Center Push", "App: acme-ios", "Devices", "Deleted. We searched again and found nothing.",
			"User profile", "It offers no way to look", "Your request has ended.", "/certificate",
		}, []string{complaint, "/cancel", "fill in the form again"}},
		{"nothing found", ledger.NothingFound, []ledger.Outcome{devices(ledger.Nothing, ""), profile(ledger.Nothing, erase.NoIdentifier)}, []string{
			"We searched and found nothing about you.", "knows people only by an ID", "Not searched", "fill in the form again",
		}, []string{complaint}},
		{"closed", ledger.Partial, []ledger.Outcome{devices(ledger.ProviderClosed, ""), profile(ledger.Nothing, "")}, []string{"has closed this service"}, nil},
		{"failed, tried again", ledger.Failed, []ledger.Outcome{devices(ledger.NotDone, string(fault.Unauthorized))}, []string{
			"our access to the provider does not work. We try again.", "We try again by ourselves.", complaint,
		}, []string{"has ended", "Unauthorized"}},
		{"given up", ledger.Abandoned, []ledger.Outcome{devices(ledger.NotDone, string(fault.Throttled))}, []string{
			"does not answer", "could not finish everything", complaint, "has ended", "fill in the form again",
		}, []string{"We try again"}},
		{"kept", ledger.Partial, []ledger.Outcome{devices(ledger.Kept, erase.RejectedBy+": legal_claims, other_person"), profile(ledger.Kept, erase.NotApproved)}, []string{
			"decided that it stays. It belongs to somebody else. It is needed to establish, exercise or defend legal claims.", "has to look at what was found", "Waits", complaint,
		}, []string{"The law obliges"}},
		{"a word that is new", ledger.Partial, []ledger.Outcome{{Target: "x", Provider: "new", Area: "new", Word: "new", Reason: "New"}}, []string{"Another provider", "Other data", "technical problem"}, nil},
	} {
		d := open(t)
		id, path := d.confirmed("email", "ann@example.com")
		d.closed(id, c.status, c.outcomes...)
		a := d.get(path)
		wantStatus(t, a, http.StatusOK)
		wantText(t, a, c.want...)
		wantNone(t, a, append(c.none, "example.com", "%!")...)
	}
}

func TestWhatOneProviderDidIsInOnePlace(t *testing.T) {
	t.Parallel()
	d := open(t)
	id, path := d.confirmed("email", "ann@example.com")
	groups := devices(ledger.Nothing, "")
	groups.Area = erase.Audiences
	d.closed(id, ledger.Erased, devices(ledger.VerifiedAbsent, ""), groups, profile(ledger.Accepted, ""))
	a := d.get(path)
	wantText(t, a, "<dt>Devices</dt>", "<dt>Groups of recipients</dt>", "<dt>User profile</dt>")
	if got := strings.Count(a.text, "App: acme-ios"); got != 1 {
		t.Errorf("the app is named %d times", got)
	}
}

func TestWhatNeedsAPersonsWordIsSaid(t *testing.T) {
	t.Parallel()
	day := time.Date(2096, 11, 22, 9, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		view intake.View
		want []string
		none []string
	}{
		{
			"all that is left is kept by a decision",
			intake.View{Status: ledger.Partial, Settled: true, Ended: true, Duty: duty.Met, Closed: day},
			[]string{"Done, something is kept", "Some or all of what we found stays", complaint, "<dt>Ended</dt>", "22 November 2096"},
			[]string{"We try again", "We are late"},
		},
		{"ended too late", intake.View{Status: ledger.Erased, Ended: true, Duty: duty.Missed}, []string{"We finished after the date that was due", complaint}, nil},
		{"in work again after a failure", intake.View{Status: ledger.Running, Duty: duty.OnTime, Outcomes: []ledger.Outcome{devices(ledger.NotDone, "")}, Closed: day}, []string{complaint, "<dt>Last worked on</dt>"}, []string{"<dt>Ended</dt>"}},
		{"in work again, something is kept", intake.View{Status: ledger.Running, Duty: duty.OnTime, Outcomes: []ledger.Outcome{devices(ledger.Kept, "")}}, []string{complaint}, nil},
		{"a person looks at it", intake.View{Status: ledger.InReview, Duty: duty.DueSoon}, []string{"Being looked at", "A person looks at what we would delete"}, []string{complaint, "We are late"}},
		{"a failure that is late", intake.View{Status: ledger.Partial, Duty: duty.Overdue}, []string{"We are late", "We try again by ourselves. You need not do anything.", complaint}, []string{"The answer is due by"}},
	} {
		c.view.Regulation = config.GDPR
		a := openWith(t, "gdpr", "", shown{view: c.view}).get("/status/T.x")
		wantText(t, a, c.want...)
		wantNone(t, a, c.none...)
	}
}

func TestTheRightToComplainIsToldUnderGDPROnly(t *testing.T) {
	t.Parallel()
	d := openWith(t, "ccpa", "", nil)
	id, path := d.confirmed("email", "ann@example.com")
	d.closed(id, ledger.Failed, devices(ledger.NotDone, string(fault.Throttled)))
	wantNone(t, d.get(path), complaint)
}

func TestAnExtensionIsToldWithItsReason(t *testing.T) {
	t.Parallel()
	d := open(t)
	for reason, want := range map[string]string{
		intake.Complexity: "from 22 December 2096 to 22 February 2097, because your request is complex",
		intake.Number:     "from 22 December 2096 to 22 February 2097, because there are many requests",
	} {
		id, path := d.confirmed("email", reason+"@example.com")
		_, err := d.desk.Extend(t.Context(), id, reason, "operator-7")
		must(t, err)
		a := d.get(path)
		wantText(t, a, want, `datetime="2097-02-22T09:30:00Z"`)
		wantNone(t, a, "operator-7")
	}
}

func TestADenialIsToldWithItsGround(t *testing.T) {
	t.Parallel()
	d := open(t)
	for ground, want := range map[string]string{
		intake.NotIdentified: "could not make sure", intake.Unfounded: "clearly unfounded or excessive", intake.LegalDuty: "the law obliges us", intake.LegalClaims: "legal claims",
	} {
		id, path := d.confirmed("email", ground+"@example.com")
		_, err := d.desk.Ledger.End(t.Context(), id, ledger.Denied, ground, d.clock())
		must(t, err)
		wantText(t, d.get(path), "We do not carry out your request.", "The reason: ", want, complaint)
		d.pass(time.Hour)
	}
}

func TestTheCertificateIsAFile(t *testing.T) {
	t.Parallel()
	d := open(t)
	id, path := d.confirmed("email", "ann@example.com")
	wantStatus(t, d.get(path+"/certificate"), http.StatusNotFound)
	d.closed(id, ledger.Erased, devices(ledger.VerifiedAbsent, ""))
	a := d.get(path + "/certificate")
	wantStatus(t, a, http.StatusOK)
	for name, want := range map[string]string{"Content-Type": "application/jose", "Content-Disposition": `attachment; filename="lethe-certificate.jws"`, "Cache-Control": "no-store"} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a.text != "aGVhZA.Ym9keQ.c2ln" {
		t.Errorf("got %q", a.text)
	}
	wantText(t, d.get(path), `href="`+path+`/certificate"`, "lethe verify lethe-certificate.jws", "/.well-known/jwks.json")
}

func TestStatusLinksOpenTheirRequestOnly(t *testing.T) {
	t.Parallel()
	d := open(t)
	id, verify := d.applied("email", "ann@example.com")
	wantStatus(t, d.get("/status/"+d.desk.Links.StatusToken(id)), http.StatusNotFound) // not confirmed
	_, path := d.confirmed("email", "ben@example.com")
	for _, token := range []string{verify, "x", path[len("/status/"):] + "x", "%2e%2e", "%3Cscript%3E", d.desk.Links.StatusToken("R9999")} {
		for _, suffix := range []string{"", "/certificate", "/cancel"} {
			a := d.get("/status/" + token + suffix)
			wantStatus(t, a, http.StatusNotFound)
			wantNone(t, a, "<script")
		}
		wantStatus(t, d.post("/status/"+token+"/cancel"), http.StatusNotFound)
	}
}

func TestARequestIsCancelledByASecondClickOnly(t *testing.T) {
	t.Parallel()
	d := open(t)
	id, path := d.confirmed("email", "ann@example.com")
	wantText(t, d.get(path), `href="`+path+`/cancel"`)
	wantText(t, d.get(path+"/cancel"), `<form method="post" action="`+path+`/cancel">`, "<button")
	wantStatus(t, d.post(path+"/cancel", "x", "y"), http.StatusUnprocessableEntity)
	if got := d.statusOf(id); got != ledger.Pending {
		t.Fatalf("it is %s", got)
	}
	for range 2 { // a double click
		if a := d.post(path + "/cancel"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path {
			t.Errorf("got %d to %q", a.StatusCode, a.Header.Get("Location"))
		}
	}
	a := d.get(path)
	wantText(t, a, "cancelled before anything was erased")
	wantNone(t, a, path+"/cancel")
}

func TestARequestThatIsWorkedOnIsNotCancelled(t *testing.T) {
	t.Parallel()
	d := open(t)
	id, path := d.confirmed("email", "ann@example.com")
	must(t, d.desk.Ledger.Invite(t.Context(), "J1", []string{id}, time.Time{}))
	_, err := d.desk.Ledger.Claim(t.Context(), "J1", []string{id}, d.clock())
	must(t, err)
	a := d.get(path)
	wantText(t, a, "In progress")
	wantNone(t, a, path+"/cancel")
	wantStatus(t, d.get(path+"/cancel"), http.StatusConflict)
	wantStatus(t, d.post(path+"/cancel"), http.StatusConflict)
	if got := d.statusOf(id); got != ledger.Running {
		t.Errorf("it is %s", got)
	}
}
