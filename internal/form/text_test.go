package form

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/page"
)

// built are beginnings of keys that code puts together; TestEveryStateHasItsWords goes through what it puts behind them.
var built = []string{"badge.", "now.", "denied.", "extended.", "area.", "word.", "tell.", "kept.", "error.", "provider.", "typed."}

func TestNoTextIsUnused(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	for _, pattern := range []string{"*.go", "templates/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasPrefix(f, "text_") || strings.HasSuffix(f, "_test.go") {
				continue
			}
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(b)
		}
	}
	for key := range english() {
		used := strings.Contains(source.String(), `"`+key+`"`)
		for _, b := range built {
			used = used || strings.HasPrefix(key, b) && strings.Contains(source.String(), `"`+b+`"`)
		}
		for _, part := range []string{".title", ".lead"} { // of the pages for errors
			used = used || strings.HasSuffix(key, part) && strings.Contains(source.String(), `, "`+strings.TrimSuffix(key, part)+`", `)
		}
		if !used {
			t.Errorf("nobody says %q", key)
		}
	}
}

func TestLanguagesAgree(t *testing.T) {
	t.Parallel()
	verbs := regexp.MustCompile(`%.`)
	en := english()
	for language, texts := range texts() {
		if got, want := slices.Sorted(maps.Keys(texts)), slices.Sorted(maps.Keys(en)); !slices.Equal(got, want) {
			t.Errorf("%s: the keys differ from the English ones", language)
		}
		for key, text := range texts {
			if got, want := verbs.FindAllString(text, -1), verbs.FindAllString(en[key], -1); !slices.Equal(got, want) {
				t.Errorf("%s: %s has %v, want %v", language, key, got, want)
			}
			if text == "" || text != strings.TrimSpace(text) || strings.ContainsAny(text, "<>\n~") || strings.Contains(text, "  ") {
				t.Errorf("%s: %s is %q", language, key, text)
			}
			if language == page.French && regexp.MustCompile(`[^\x{a0}h][:;?!]( |$)| [:;?!]`).MatchString(strings.ReplaceAll(text, "https:", "")) {
				t.Errorf("%s has a wrong space: %q", key, text)
			}
			if language != page.English && text == en[key] && len(text) > 20 {
				t.Errorf("%s: %s is English", language, key)
			}
		}
	}
}

// Text panics where a key is missing.
func TestEveryStateHasItsWords(t *testing.T) {
	t.Parallel()
	f, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	words := []ledger.Word{ledger.VerifiedAbsent, ledger.Accepted, ledger.ProviderClosed, ledger.Nothing, ledger.Kept, ledger.NotDone, "new"}
	reasons := append([]string{"", erase.NoIdentifier, erase.NotApproved, erase.RejectedBy, "new"}, erase.Grounds[:]...)
	for _, l := range []string{page.English, page.German, page.French} {
		say := func(key string, args ...any) string { return f.set.Text(l, key, args...) }
		for _, s := range []ledger.Status{
			ledger.Pending, ledger.Running, ledger.InReview, ledger.Erased, ledger.NothingFound, ledger.Partial, ledger.Failed, ledger.Cancelled, ledger.Denied, ledger.Abandoned,
		} {
			for _, due := range []duty.State{duty.OnTime, duty.DueSoon, duty.Overdue, duty.Met, duty.Missed} {
				v := intake.View{Status: s, Ended: s.Final(), Duty: due, Settled: s == ledger.Partial && due == duty.Met}
				v.Ended = v.Ended || v.Settled
				next(say, v, "today")
				key := statusKey(v)
				say("badge." + key)
				say("now." + key)
			}
		}
		for _, area := range []string{erase.Devices, erase.Audiences, erase.Notifications, erase.Profile, "new"} {
			say(areaKey(area))
		}
		for _, provider := range []string{"appcenter", "batch", "new"} {
			say(providerKey(provider))
		}
		for _, ground := range []string{intake.NotIdentified, intake.Unfounded, intake.LegalDuty, intake.LegalClaims, "", "new"} {
			say(deniedKey(ground))
		}
		for _, reason := range []string{intake.Complexity, intake.Number, "new"} {
			say(extendedKey(reason), "a", "b", "c")
		}
		for _, field := range []string{"email", "phone", "account", "new"} {
			for _, code := range []string{"required", "new"} {
				say(problemKey(intake.Field{Name: field, Code: code}))
			}
		}
		for _, types := range [][]string{{"phone"}, {"user_id"}, {"user_id", "phone"}, {"new"}} {
			say(claimsKey(types))
		}
		told := map[string]string{}
		for _, w := range words {
			for _, r := range reasons {
				for _, ended := range []bool{true, false} {
					a := tell(say, ledger.Outcome{Word: w, Reason: r}, intake.View{Status: ledger.Partial, Ended: ended})
					if a.Name == "" || a.Text == "" || a.Badge.Text == "" {
						t.Errorf("%s: %s %s has no words: %+v", l, w, r, a)
					}
					if w == ledger.Kept {
						told[r] = a.Text
					}
				}
			}
		}
		for _, g := range erase.Grounds {
			if !strings.HasPrefix(told[g], told[erase.RejectedBy]+" ") {
				t.Errorf("%s: %s is told as %q", l, g, told[g])
			}
		}
	}
	for status, want := range map[string]string{"erased": "ok", "failed": "bad", "pending": "", "settled": "wait"} {
		if got := statusClass(status); got != want {
			t.Errorf("%s has the class %q, want %q", status, got, want)
		}
	}
}

func TestTextsNameTheTimesThatHold(t *testing.T) {
	t.Parallel()
	if intake.LinkTime != 48*time.Hour {
		t.Error("texts say that a link works for 48 hours")
	}
	if erase.ClaimTime != 7*24*time.Hour {
		t.Error("texts say that details are checked within 7 days")
	}
	if ledger.Retention != 3*365*24*time.Hour {
		t.Error("texts say that proofs are kept for three years")
	}
}
