package outbox

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/link"
)

// allLetters are the letters that letterOf names.
var allLetters = [...]string{"verify", "received", "extended", "erased", "nothing_found", "partial", "denied", "cancelled", "abandoned"}

func writer() *Outbox {
	return New(Options{
		Base: erase.Base{Config: config.Config{Controller: "Acme GmbH", Serve: config.Serve{Contact: "privacy@acme.example"}}},
		Links: link.Maker{
			Base:   &url.URL{Scheme: "https", Host: "lethe.example"},
			Digest: func(scope, value string) string { return strings.ReplaceAll(scope, "/", "-") + "-of-" + value },
		},
	})
}

// asked is a request with everything that letters may need.
func asked(language string) ledger.Request {
	received := time.Date(2026, 3, 31, 23, 30, 0, 0, time.UTC)
	return ledger.Request{
		ID: "R", Status: ledger.Unverified, Channel: "form", Language: language, Regulation: "gdpr", Received: received, Until: received.Add(48 * time.Hour),
		Due: time.Date(2026, 8, 1, 23, 30, 0, 0, time.UTC).In(time.FixedZone("", 7200)), Ground: intake.Unfounded,
		Extension: &ledger.Extension{Reason: intake.Complexity, By: "kim", Before: time.Date(2026, 3, 30, 23, 30, 0, 0, time.UTC)},
	}
}

func textOf(t *testing.T, r ledger.Request, letter string) string {
	t.Helper()
	m, err := writer().write(r, letter)
	if err != nil {
		t.Fatal(err)
	}
	return m.Text
}

func TestEveryLanguageHasEveryLetter(t *testing.T) {
	t.Parallel()
	o := writer()
	texts := map[string]bool{}
	for _, language := range languages {
		for _, letter := range allLetters {
			m, err := o.write(asked(language), letter)
			if err != nil {
				t.Error(err)
				continue
			}
			wantLink := "https://lethe.example/status/R.link-status-of-R?lang=" + language
			if letter == "verify" {
				wantLink = "https://lethe.example/verify?lang=" + language + "&token=R.link-verify-of-R"
			}
			lines := strings.Split(m.Text, "\n")
			if !slices.Contains(lines, wantLink) || !slices.Contains(lines, "Acme GmbH") || !slices.Contains(lines, "privacy@acme.example") {
				t.Errorf("%s, %s has not link, controller and contact on lines of their own:\n%s", language, letter, m.Text)
			}
			if m.Language != language || m.Subject == "" || len(m.Subject) > 200 || strings.ContainsFunc(m.Subject, unicode.IsControl) {
				t.Errorf("%s, %s: in %q with the subject %q", language, letter, m.Language, m.Subject)
			}
			for _, broken := range []string{"<no value>", "{{", "%!", "\n\n\n", " \n", "kim", " 0 "} {
				if strings.Contains(m.Text, broken) {
					t.Errorf("%s, %s has %q:\n%s", language, letter, broken, m.Text)
				}
			}
			for _, line := range lines {
				if len([]rune(line)) > 78 {
					t.Errorf("%s, %s has a line of %d characters: %s", language, letter, len([]rune(line)), line)
				}
			}
			texts[m.Text] = true
		}
		if got := len(o.letters[language].Templates()); got != len(o.letters["en"].Templates()) {
			t.Errorf("%s has %d templates, en has %d", language, got, len(o.letters["en"].Templates()))
		}
	}
	if want := len(languages) * len(allLetters); len(texts) != want {
		t.Errorf("%d different letters, want %d", len(texts), want)
	}
	if m, err := o.write(asked("xx"), "erased"); err != nil || m.Language != "en" {
		t.Errorf("a person with an unknown language is written to in %q, %v", m.Language, err)
	}
}

func TestLettersSayDatesAndHoursInWords(t *testing.T) {
	t.Parallel()
	for language, want := range map[string][2]string{
		"en": {"1 August 2026", "30 March 2026"}, "de": {"1. August 2026", "30. März 2026"}, "fr": {"1er août 2026", "30 mars 2026"},
	} {
		if text := textOf(t, asked(language), "received"); !strings.Contains(text, want[0]) {
			t.Errorf("%s has no %s", text, want[0])
		}
		if text := textOf(t, asked(language), "extended"); !strings.Contains(text, want[0]) || !strings.Contains(text, want[1]) {
			t.Errorf("%s has no %s or %s", text, want[0], want[1])
		}
		if text := textOf(t, asked(language), "verify"); strings.Count(text, "48 ") != 2 {
			t.Errorf("%s does not say how long the link works and when the request is deleted", text)
		}
	}
}

func TestEveryReasonAndGroundHasWords(t *testing.T) {
	t.Parallel()
	for _, language := range languages {
		texts := map[string]bool{}
		for _, reason := range []string{intake.Complexity, intake.Number, "another"} {
			r := asked(language)
			r.Extension.Reason = reason
			texts[textOf(t, r, "extended")] = true
		}
		for _, ground := range []string{intake.NotIdentified, intake.Unfounded, intake.LegalDuty, intake.LegalClaims, "another"} {
			r := asked(language)
			r.Ground = ground
			texts[textOf(t, r, "denied")] = true
		}
		if len(texts) != 8 {
			t.Errorf("%s: %d different texts for 3 reasons and 5 grounds", language, len(texts))
		}
	}
}

// GDPR art. 12(4) and 77; CCPA knows no such authority.
func TestWhoGetsNotAllTheyAskedForMayComplain(t *testing.T) {
	t.Parallel()
	for language, right := range map[string]string{"en": "supervisory authority", "de": "Aufsichtsbehörde", "fr": "autorité de"} {
		for _, letter := range allLetters {
			r := asked(language)
			under := textOf(t, r, letter)
			r.Regulation = "ccpa"
			want := slices.Contains([]string{"extended", "partial", "denied", "abandoned"}, letter)
			if got := strings.Contains(under, right); got != want {
				t.Errorf("%s, %s names the right to complain: %v, want %v", language, letter, got, want)
			}
			if strings.Contains(textOf(t, r, letter), right) {
				t.Errorf("%s, %s names it under CCPA", language, letter)
			}
		}
	}
}

func TestALetterForEveryEventThatConcernsThePerson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		e    ledger.Event
		want string
	}{
		{ledger.Event{Kind: "status", Status: ledger.Unverified, Number: 1}, "verify"},
		{ledger.Event{Kind: "status", Status: ledger.Pending, Number: 2}, "received"},
		{ledger.Event{Kind: "status", Status: ledger.Pending, Number: 4}, ""},
		{ledger.Event{Kind: "joined", Status: ledger.Running, Number: 4}, "received"},
		{ledger.Event{Kind: "extended", Status: ledger.Running, Number: 4}, "extended"},
		{ledger.Event{Kind: "due_soon", Status: ledger.Pending, Number: 1}, ""},
		{ledger.Event{Kind: "overdue", Status: ledger.Erased, Number: 1}, ""},
		{ledger.Event{Kind: "status", Status: ledger.Running, Number: 3}, ""},
		{ledger.Event{Kind: "status", Status: ledger.InReview, Number: 3}, ""},
		{ledger.Event{Kind: "status", Status: ledger.Partial, Number: 3}, ""},
		{ledger.Event{Kind: "status", Status: ledger.Failed, Number: 3}, ""},
		{ledger.Event{Kind: "status", Status: ledger.Partial, Settled: true, Number: 3}, "partial"},
		{ledger.Event{Kind: "status", Status: ledger.Erased, Number: 3}, "erased"},
		{ledger.Event{Kind: "status", Status: ledger.NothingFound, Number: 3}, "nothing_found"},
		{ledger.Event{Kind: "status", Status: ledger.Denied, Number: 3}, "denied"},
		{ledger.Event{Kind: "status", Status: ledger.Cancelled, Number: 3}, "cancelled"},
		{ledger.Event{Kind: "status", Status: ledger.Abandoned, Number: 3}, "abandoned"},
	} {
		if got := letterOf(asked("en"), c.e); got != c.want {
			t.Errorf("%+v: letter %q, want %q", c.e, got, c.want)
		}
	}
	// Filed over the API, the first event is the confirmation, and the second never is.
	r := ledger.Request{Channel: "api", Status: ledger.Pending}
	for number, want := range map[int]string{1: "received", 2: ""} {
		if got := letterOf(r, ledger.Event{Kind: "status", Status: ledger.Pending, Number: number}); got != want {
			t.Errorf("event %d over the API: letter %q, want %q", number, got, want)
		}
	}
}
