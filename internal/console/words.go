package console

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/page"
	"github.com/lethe-dsr/lethe/internal/subject"
	"github.com/lethe-dsr/lethe/internal/web"
)

// badge is a state in a word, with a colour that says nothing more than the word does.
type badge struct{ Text, Class string }

func statusBadge(s ledger.Status, settled bool) badge {
	switch s {
	case ledger.Pending:
		return badge{"pending", ""}
	case ledger.Running:
		return badge{"running", ""}
	case ledger.InReview:
		return badge{"in review", "wait"}
	case ledger.Erased:
		return badge{"erased", "ok"}
	case ledger.NothingFound:
		return badge{"nothing found", "ok"}
	case ledger.Partial:
		if settled {
			return badge{"partly erased, settled", "ok"}
		}
		return badge{"partly erased", "wait"}
	case ledger.Failed:
		return badge{"failed", "bad"}
	case ledger.Abandoned:
		return badge{"given up", "bad"}
	}
	return badge{string(s), ""} // cancelled, denied
}

// statusMeaning says what a status means, and what comes next.
func (c *Console) statusMeaning(v intake.View) string {
	if c.waits(v) {
		return "It waits until somebody has checked its details."
	}
	switch v.Status {
	case ledger.Pending:
		return "It waits for the next sweep."
	case ledger.Running:
		return "A job works on it."
	case ledger.InReview:
		return "What was found for it waits for a person's word."
	case ledger.Erased:
		return "Everything that was found is gone, or ordered to be deleted."
	case ledger.NothingFound:
		return "Every place was searched, and nothing was there."
	case ledger.Partial:
		if v.Settled {
			return "What is left was kept by a person's decision. It does not change any more."
		}
		return "Something failed or stays. The next sweep takes it up again."
	case ledger.Failed:
		return "Nothing could be done. The next sweep takes it up again."
	case ledger.Cancelled:
		return "It was cancelled. Nothing more happens."
	case ledger.Denied:
		return "It was denied. Nothing more happens."
	case ledger.Abandoned:
		return "It had not succeeded when its time was over. The identifiers were destroyed; a new request is needed."
	}
	return ""
}

// dutyBadge says how a request stands with its due date: "in 6 days", "3 days over".
func dutyBadge(v intake.View, now time.Time) badge {
	left := v.Due.Sub(now)
	switch v.Duty {
	case duty.Met:
		return badge{"ended in time", "ok"}
	case duty.Missed:
		return badge{"ended too late", "bad"}
	case duty.Overdue:
		if left > -24*time.Hour {
			return badge{"less than a day over", "bad"}
		}
		return badge{days(-left) + " over", "bad"}
	}
	text := "in " + days(left)
	if left < 24*time.Hour {
		text = "in less than a day"
	}
	if v.Duty == duty.DueSoon {
		return badge{text, "wait"}
	}
	return badge{text, ""}
}

func days(d time.Duration) string { return count(int(d/(24*time.Hour)), "day") }

// count is a number with its thing: 1 day, 1,234 days.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return number(int64(n)) + " " + thing + "s"
}

func number(n int64) string { return page.Number(page.English, n) }

func channel(name string) string {
	switch name {
	case "form":
		return "privacy form"
	case "api":
		return "API"
	case "opendsr":
		return "OpenDSR"
	case "cli":
		return "command line"
	}
	return name
}

func regulation(r config.Regulation) string {
	if r == config.CCPA {
		return "CCPA (45 days)"
	}
	return "GDPR (one month)"
}

func jobBadge(s intake.JobState) badge {
	switch s {
	case intake.Working:
		return badge{"working", ""}
	case intake.Waiting:
		return badge{"waits for approval", "wait"}
	case intake.Preview:
		return badge{"preview", ""}
	}
	return badge{"closed", "ok"}
}

func mode(m config.Mode) string {
	switch m {
	case config.Preview:
		return "preview: nothing is deleted"
	case config.Approve:
		return "approve: everything waits for a person before it is deleted"
	case config.Erase:
		return "erase: only what the guard stops waits for a person"
	}
	return "not known yet"
}

func wordBadge(w ledger.Word) badge {
	switch w {
	case ledger.VerifiedAbsent:
		return badge{"verified absent", "ok"}
	case ledger.Accepted:
		return badge{"order accepted", "ok"}
	case ledger.ProviderClosed:
		return badge{"provider closed", "wait"}
	case ledger.Nothing:
		return badge{"nothing found", "ok"}
	case ledger.Kept:
		return badge{"kept", "wait"}
	}
	return badge{"failed", "bad"}
}

func wordMeaning(w ledger.Word) string {
	switch w {
	case ledger.VerifiedAbsent:
		return "Deleted, searched again, and not there any more."
	case ledger.Accepted:
		return "The provider took the order and offers no way to look."
	case ledger.ProviderClosed:
		return "The provider or the app is gone, and answers nobody."
	case ledger.Nothing:
		return "The whole area was searched, and nothing was there."
	case ledger.Kept:
		return "It stays there."
	}
	return "It could not be done here."
}

// reason explains the reason of an outcome, a lane or a plan: a ground, or the name of a fault.
func reason(name string) string {
	if name == "" {
		return ""
	}
	if text := ground(name); text != "" {
		return text
	}
	if list, ok := strings.CutPrefix(name, erase.RejectedBy+": "); ok {
		grounds := strings.Split(list, ", ")
		for n, g := range grounds {
			grounds[n] = keeping(g)
		}
		return ground(erase.RejectedBy) + " The ground: " + strings.Join(grounds, "; ") + "."
	}
	return sentence(fault.Name(name).Meaning())
}

// ground says what a ground means on which something waits or is kept; "" for what is none.
func ground(name string) string {
	switch name {
	case erase.SharedDevice:
		return "The device also carries an e-mail or phone of somebody who did not ask. Deleting it deletes it for them, too."
	case erase.NamesOthers:
		return "It names somebody who did not ask in the same job. Deleting it takes it from them, too."
	case erase.OverLimit:
		return "One person has more of these than the configuration's limit. Look whether an identifier stands for many people."
	case erase.OverShare:
		return "The job would delete more of the app's devices than the configuration allows. Look whether an identifier is on everybody's device."
	case erase.ThroughDevices:
		return "Only devices that wait lead to it. Where they are not the person's, it is not either."
	case erase.RejectedBy:
		return "A person rejected its deletion."
	case erase.NotApproved:
		return "Nobody approved its deletion in time."
	case erase.NoIdentifier:
		return "The request has no identifier that this provider knows people by, or none that was verified."
	}
	return ""
}

// keeping says on what ground a person keeps what a plan would delete.
func keeping(name string) string {
	switch name {
	case erase.OtherPerson:
		return "it belongs to somebody else"
	case erase.LegalDuty:
		return "the law obliges to keep it (GDPR art. 17(3)(b))"
	case erase.LegalClaims:
		return "it is needed for legal claims (GDPR art. 17(3)(e))"
	case erase.FreeSpeech:
		return "freedom of expression and information (GDPR art. 17(3)(a))"
	case erase.PublicInterest:
		return "public health, archives or research (GDPR art. 17(3)(c), (d))"
	}
	return name
}

// denial says why a request was denied.
func denial(name string) string {
	switch name {
	case intake.NotIdentified:
		return "The person's identity could not be verified"
	case intake.Unfounded:
		return "The request is manifestly unfounded or excessive"
	case intake.LegalDuty:
		return "The law obliges to keep the data"
	case intake.LegalClaims:
		return "The data is needed for legal claims"
	}
	return name
}

// extension says why a due date was put off.
func extension(name string) string {
	switch name {
	case intake.Complexity:
		return "The request is complex"
	case intake.Number:
		return "There are many requests"
	}
	return name
}

// details names types of identifiers.
func details(types []string) string {
	var names []string
	for _, t := range types {
		switch subject.Type(t) {
		case subject.Email:
			t = "e-mail address"
		case subject.Phone:
			t = "phone number"
		case subject.UserID:
			t = "account id"
		}
		names = append(names, t)
	}
	return strings.Join(names, " and ")
}

// told says what went wrong to somebody at a browser.
func told(err error) (title, detail string) {
	var invalid *intake.Invalid
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return "There is no such page", "Perhaps the link is not complete. A job goes some time after its end, a plan as soon as nothing waits any more."
	case errors.Is(err, ledger.ErrHeld):
		return "A job works on the request", "Nothing was changed. Wait until the job has ended, then try again."
	case errors.Is(err, ledger.ErrFinal):
		return "The request has ended", "Nothing was changed: a request that has ended stays as it is."
	case errors.Is(err, intake.ErrExtended):
		return "The due date cannot be extended", "It was extended before, or it is over."
	case errors.Is(err, intake.ErrUsed):
		return "Somebody has said so before", "Nothing was changed. The page of the request says who, and what."
	case errors.Is(err, intake.ErrSweeping):
		return "A sweep is running", "What comes in now is taken with the next one. Try again when its job has ended."
	case fault.Is(err, fault.WrongPlan):
		return "Another plan waits now, or none", "Nothing was decided: since you looked, the plan has changed or was decided. Look at what waits now."
	case errors.Is(err, web.ErrMalformed):
		return "The form did not arrive whole", "Nothing was changed. Load its page again, and send it once more."
	case errors.As(err, &invalid):
		return "There is nothing to check", "Nothing was changed: the request has no details that nobody verified."
	case web.ProblemOf(err).Status == http.StatusServiceUnavailable:
		return "The service is busy", "Wait a moment, then try again."
	}
	return "Something went wrong here", "Nothing was lost. Try again later; the log of the service says more."
}

// undone says what could not be done.
func undone(name string) string {
	switch name {
	case "search":
		return "could not be searched"
	case "read":
		return "could not be read whole"
	case "delete":
		return "could not be deleted"
	}
	return name
}

// sentence makes a sentence of a clause.
func sentence(s string) string {
	first, size := []rune(s)[0], len(string([]rune(s)[:1]))
	return string(unicode.ToUpper(first)) + s[size:] + "."
}

const longest = 500 // characters of an object's name on a page

// legible is an object's name as it may stand on a page, where somebody has to judge it: without control characters, and
// not longer than a person reads.
func legible(name string) string {
	name = strings.Map(func(r rune) rune {
		// One that turns the direction of writing can make a name read as another: "exe.png" of "gnp.exe".
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, name)
	if r := []rune(name); len(r) > longest {
		return fmt.Sprintf("%s… (%s characters)", string(r[:longest]), number(int64(len(r))))
	}
	return name
}
