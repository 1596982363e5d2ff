package outbox

import (
	"embed"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/mail"
)

//go:embed letters
var letterFiles embed.FS

// languages that letters are written in; the first is for everybody else.
var languages = [...]string{"en", "de", "fr"}

// parseLetters reads one file for each language. A letter NAME is made of the templates "NAME subject" and "NAME".
func parseLetters() map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, l := range languages {
		all[l] = template.Must(template.New(l).Option("missingkey=error").ParseFS(letterFiles, "letters/"+l+".txt"))
	}
	return all
}

// letterOf names the letter that a person gets for an event; "" where they get none.
func letterOf(r ledger.Request, e ledger.Event) string {
	switch e.Kind {
	case "extended":
		return "extended"
	case "joined": // they asked again, and are told what they were told the first time
		return "received"
	case "status":
	default:
		return ""
	}
	switch {
	case e.Settled:
		return "partial"
	case e.Status == ledger.Unverified && r.Status != ledger.Unverified:
		return "" // they have found their way without it
	case e.Status == ledger.Pending && e.Number > 1 && !(e.Number == 2 && r.Channel == "form"):
		return "" // a job gave the request back; filed is the first event, or in the form the one after unverified
	}
	switch e.Status {
	case ledger.Unverified:
		return "verify"
	case ledger.Pending:
		return "received"
	case ledger.Erased, ledger.NothingFound, ledger.Denied, ledger.Cancelled, ledger.Abandoned:
		return string(e.Status)
	}
	return ""
}

// fields are what letters are filled with. None of them identifies a person.
type fields struct {
	Controller string
	Contact    string // of the controller; may be empty
	Link       string // to the page for this letter
	Hours      int    // that the link to verify works
	Due        string // in words
	Before     string // the due date before the extension, in words; may be empty
	Reason     string // of the extension
	Ground     string // of the denial
	Complain   bool   // there is a supervisory authority to complain to (GDPR art. 12(4), 77)
}

// write fills a letter in the request's language. ID, To and Date are left to the caller.
func (o *Outbox) write(r ledger.Request, letter string) (mail.Message, error) {
	language := r.Language
	t := o.letters[language]
	if t == nil {
		language = languages[0]
		t = o.letters[language]
	}
	f := fields{
		Controller: o.Base.Config.Controller, Contact: o.Base.Config.Serve.Contact,
		Due: day(language, r.Due), Ground: r.Ground, Complain: r.Regulation == string(config.GDPR),
	}
	switch letter {
	case "verify":
		f.Link, f.Hours = o.Links.Verify(r.ID, language), int(r.Until.Sub(r.Received).Round(time.Hour).Hours())
	default:
		f.Link = o.Links.Status(r.ID, language)
	}
	if x := r.Extension; x != nil {
		f.Reason, f.Before = x.Reason, day(language, x.Before)
	}
	var subject, text strings.Builder
	if err := t.ExecuteTemplate(&subject, letter+" subject", f); err != nil {
		return mail.Message{}, fmt.Errorf("outbox: write the subject of letter %s: %w", letter, err)
	}
	if err := t.ExecuteTemplate(&text, letter, f); err != nil {
		return mail.Message{}, fmt.Errorf("outbox: write letter %s: %w", letter, err)
	}
	return mail.Message{
		Subject: strings.TrimSpace(subject.String()), Text: strings.TrimSpace(text.String()) + "\n", Language: language,
	}, nil
}

var (
	months = [...]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"}
	mois   = [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
)

// day writes a date in words, in UTC like all dates of a request.
func day(language string, at time.Time) string {
	at = at.UTC()
	year, month, day := at.Date()
	switch {
	case language == "de":
		return fmt.Sprintf("%d. %s %d", day, months[month-1], year)
	case language == "fr" && day == 1:
		return fmt.Sprintf("1er %s %d", mois[month-1], year)
	case language == "fr":
		return fmt.Sprintf("%d %s %d", day, mois[month-1], year)
	}
	return at.Format("2 January 2006")
}
