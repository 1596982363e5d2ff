package page

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The languages of pages for the public. The first is for everybody who asks for none of them.
const (
	English = "en"
	German  = "de"
	French  = "fr"
)

var spoken = [...]string{English, German, French}

var months = [...][12]string{
	{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
	{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"},
	{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"},
}

// Texts are sentences by key, maybe with verbs of fmt in them.
type Texts map[string]string

func frameTexts(language string) Texts {
	switch language {
	case German:
		return Texts{"skip": "Zum Inhalt", "menu": "Menü", "languages": "Sprache"}
	case French:
		return Texts{"skip": "Aller au contenu", "menu": "Menu", "languages": "Langue"}
	}
	return Texts{"skip": "Skip to content", "menu": "Menu", "languages": "Language"}
}

// Language is the language to answer in: what the reader chose by a link of Languages, or else what the browser asks for.
func Language(r *http.Request) string {
	if chosen := Chosen(r); chosen != "" {
		return chosen
	}
	return wanted(r.Header.Get("Accept-Language"))
}

// wanted is the language that a reader wants most of those spoken, by the header Accept-Language (RFC 9110, 12.5.4): the one
// of the highest weight, the first of several. A region makes no difference; what has no proper weight is left out.
func wanted(header string) string {
	best, most := English, 0.0
	for part := range strings.SplitSeq(header, ",") {
		tag, weight, weighed := strings.Cut(part, ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		q := 1.0
		if weighed {
			v, isWeight := strings.CutPrefix(strings.TrimSpace(weight), "q=")
			var err error
			if q, err = strconv.ParseFloat(v, 64); err != nil || !isWeight || q > 1 {
				continue
			}
		}
		if q > most && slices.Contains(spoken[:], primary) {
			best, most = primary, q
		}
	}
	return best
}

// Chosen is the language that the reader chose by a link of Languages; "" for none. There is no cookie: links to other
// pages carry the choice on, by Keep.
func Chosen(r *http.Request) string {
	if chosen := r.URL.Query().Get("lang"); slices.Contains(spoken[:], chosen) {
		return chosen
	}
	return ""
}

// Keep is the query that carries the reader's choice of language to another path: "?lang=de", or "" without a choice.
func Keep(r *http.Request) string {
	if chosen := Chosen(r); chosen != "" {
		return "?lang=" + chosen
	}
	return ""
}

// Languages are links to the page at path, in all languages; current is the one it is shown in. They keep these fields of
// the query.
func Languages(r *http.Request, path, current string, keep ...string) []Link {
	var out []Link
	for _, s := range spoken {
		q := url.Values{"lang": {s}}
		for _, k := range keep {
			if v := r.URL.Query().Get(k); v != "" {
				q.Set(k, v)
			}
		}
		out = append(out, Link{Text: languageName(s), Path: path + "?" + q.Encode(), Language: s, Current: s == current})
	}
	return out
}

func languageName(l string) string {
	switch l {
	case German:
		return "Deutsch"
	case French:
		return "Français"
	}
	return "English"
}

// Text gives a sentence in a language (English for an unknown one), with its arguments as in fmt.Sprintf; numbers are written
// as the language does. A key that is not there is a mistake of the caller and panics: keys from outside are no keys.
func (s *Set) Text(language, key string, args ...any) string {
	text, err := s.text(language, key, args)
	if err != nil {
		panic(err)
	}
	return text
}

func (s *Set) text(language, key string, args []any) (string, error) {
	texts, ok := s.texts[language]
	if !ok {
		language, texts = English, s.texts[English]
	}
	text, ok := texts[key]
	switch {
	case !ok:
		return "", fmt.Errorf("page: there is no text %q", key)
	case len(args) == 0:
		return text, nil
	}
	args = slices.Clone(args)
	for n, a := range args {
		if v, ok := a.(int); ok {
			args[n] = written(Number(language, int64(v)))
		}
	}
	return fmt.Sprintf(text, args...), nil
}

// written is a number in its language, whatever verb stands for it.
type written string

// Format is fmt.Formatter's.
func (w written) Format(f fmt.State, _ rune) { io.WriteString(f, string(w)) }

// Number writes thousands apart as the language does: 1,234 in English, 1.234 in German, 1 234 in French.
func Number(language string, n int64) string {
	separator := ","
	switch language {
	case German:
		separator = "."
	case French:
		separator = "\u00a0"
	}
	s := strconv.FormatInt(n, 10)
	for at := len(s) - 3; at > 0 && s[at-1] != '-'; at -= 3 {
		s = s[:at] + separator + s[at:]
	}
	return s
}

// plural is the ending of a key: French counts 0 as one thing.
func plural(language string, n int) string {
	if n == 1 || n == 0 && language == French {
		return ".one"
	}
	return ".other"
}

// sameKeys makes sure that no language lacks a sentence.
func sameKeys(texts map[string]Texts) error {
	english, ok := texts[English]
	if !ok {
		return errors.New("page: there are no English texts")
	}
	for l, t := range texts {
		for _, k := range slices.Sorted(maps.Keys(english)) {
			if _, ok := t[k]; !ok {
				return fmt.Errorf("page: %s has no text %q", l, k)
			}
		}
		for _, k := range slices.Sorted(maps.Keys(t)) {
			if _, ok := english[k]; !ok {
				return fmt.Errorf("page: %s has a text %q that English has not", l, k)
			}
		}
	}
	return nil
}

// Date writes a day (of UTC) as people do: 22 November 2026, 22. November 2026, 22 novembre 2026.
func Date(language string, t time.Time) string {
	t = t.UTC()
	at := max(0, slices.Index(spoken[:], language))
	month := months[at][t.Month()-1]
	switch {
	case language == German:
		return fmt.Sprintf("%d. %s %d", t.Day(), month, t.Year())
	case language == French && t.Day() == 1:
		return fmt.Sprintf("1er %s %d", month, t.Year())
	}
	return fmt.Sprintf("%d %s %d", t.Day(), month, t.Year())
}

// Moment writes a day with its time: 22 November 2026, 14:05 UTC.
func Moment(language string, t time.Time) string {
	return Date(language, t) + ", " + t.UTC().Format("15:04 UTC")
}
