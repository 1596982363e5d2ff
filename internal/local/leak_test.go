package local_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/batch/batchtest"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// What the leak tests plant beside Ann's identifiers and install ids: names of objects, long enough not to stand
// anywhere by chance.
const (
	plantedAudience     = "Friends of Ann 9f3a"
	plantedNotification = "notification-ann-77aa"
	plantedTitle        = "Hello Ann Arbor 5c5c"
)

func plant(a *appcentertest.App) {
	a.Audiences = append(a.Audiences, appcentertest.Audience{Name: plantedAudience, Definition: "email eq '" + annMail + "'"})
	a.Notifications = append(a.Notifications, appcentertest.Notification{ID: plantedNotification, Name: plantedTitle, Body: "to " + annMail})
}

func planted() []string {
	return []string{
		annMail, annUser, annPhone, annTablet, annAndroid, benMail, benUser, benPhone, doraMail, shared,
		plantedAudience, plantedNotification, plantedTitle, "app-token", "rest-key",
	}
}

// needle is one planted value in one guise.
type needle struct {
	value, guise string
	bytes        []byte
}

// needles gives every planted value in the guises in which software writes text.
func needles(values []string) []needle {
	var out []needle
	seen := map[string]bool{}
	for _, value := range values {
		add := func(guise, text string) {
			if !seen[text] {
				seen[text] = true
				out = append(out, needle{value, guise, []byte(text)})
			}
		}
		for _, v := range []string{value, strings.ToLower(value), strings.ToUpper(value)} {
			add("plain", v)
			add("hex", hex.EncodeToString([]byte(v)))
			add("HEX", strings.ToUpper(hex.EncodeToString([]byte(v))))
			add("query", url.QueryEscape(v))
			add("path", url.PathEscape(v))
			add("percent", "%"+strings.Join(slices.Collect(pairs(hex.EncodeToString([]byte(v)))), "%"))
			quoted, err := json.Marshal(v)
			if err != nil {
				panic(err)
			}
			add("JSON", string(quoted[1:len(quoted)-1]))
			var escaped strings.Builder
			for _, u := range utf16.Encode([]rune(v)) {
				fmt.Fprintf(&escaped, `\u%04x`, u)
			}
			add("JSON escapes", escaped.String())
			for skip := range 3 { // where it may begin within a group of three bytes
				for name, e := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
					text := e.EncodeToString(append(make([]byte, skip), v...))
					whole := text[(skip*8+5)/6 : (skip+len(v))*8/6] // the characters that hold no bit of the neighbours
					add(name, whole)
				}
			}
		}
	}
	return out
}

func pairs(s string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for ; len(s) >= 2; s = s[2:] {
			if !yield(s[:2]) {
				return
			}
		}
	}
}

// leaks looks for the needles in some bytes.
func leaks(where string, data []byte, all []needle) []string {
	var out []string
	for _, n := range all {
		if bytes.Contains(data, n.bytes) {
			out = append(out, fmt.Sprintf("%s holds %q as %s", where, n.value, n.guise))
		}
	}
	return out
}

func leaksInDir(t *testing.T, dir string, all []needle) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		out = append(out, leaks("the file "+filepath.Base(path), data, all)...)
		out = append(out, leaks("the name of a file", []byte(path), all)...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wantNoLeak looks for everything planted in the data directory and in all that came out of the house: progress of the
// steps, of the machine, errors, outcomes, certificates.
func (w *world) wantNoLeak(errs ...error) {
	w.t.Helper()
	all := needles(planted())
	found := leaksInDir(w.t, w.dir, all)
	look := func(where string, v any) {
		data, err := json.Marshal(v)
		if err != nil {
			w.t.Fatal(err)
		}
		found = append(found, leaks(where, data, all)...)
	}
	w.mu.Lock()
	look("the machine's progress", w.events)
	look("the steps' progress", w.progress)
	w.mu.Unlock()
	for _, err := range errs {
		if err != nil {
			found = append(found, leaks("an error", []byte(err.Error()), all)...)
			found = append(found, leaks("an error's fields", fmt.Appendf(nil, "%#v", err), all)...)
		}
	}
	l, ctx := w.house.Base.Ledger, context.Background()
	err := l.Requests(ctx, func(id string) error {
		outcomes, err := l.Outcomes(ctx, id)
		if err != nil {
			return err
		}
		look("an outcome", outcomes)
		r, err := l.Request(ctx, id)
		if err != nil {
			return err
		}
		found = append(found, leaks("a request", fmt.Appendf(nil, "%+v %s", r, r.Subject), all)...)
		certificate, err := l.Certificate(ctx, id)
		if errors.Is(err, ledger.ErrNotFound) {
			return nil
		}
		for _, part := range strings.Split(certificate, ".")[:2] {
			plain, err := base64.RawURLEncoding.DecodeString(part)
			if err != nil {
				return err
			}
			found = append(found, leaks("a certificate", plain, all)...)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	err = l.Executions(ctx, func(name string) error {
		record, err := l.LoadExecution(ctx, name)
		found = append(found, leaks("an execution's record", record, all)...)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range found {
		w.t.Error(f)
	}
}

// A search that finds nothing must be able to find something.
func TestTheLeakTestFindsEveryGuise(t *testing.T) {
	t.Parallel()
	all := needles(planted())
	for name, text := range map[string]string{
		"plain":     "x" + annMail + "y",
		"upper":     strings.ToUpper(annMail),
		"hex":       hex.EncodeToString([]byte("{" + annMail + "}")),
		"base64":    base64.StdEncoding.EncodeToString([]byte("x" + annMail + "y")),
		"base64 2":  base64.StdEncoding.EncodeToString([]byte("xx" + plantedAudience + "yy")),
		"base64url": base64.URLEncoding.EncodeToString([]byte("~~~" + plantedAudience + "yy")),
		"query":     url.QueryEscape("a=" + annMail),
		"path":      url.PathEscape(plantedAudience),
		"percent":   "%" + strings.Join(slices.Collect(pairs(hex.EncodeToString([]byte(annUser)))), "%"),
		"escapes":   `\u0061\u006e\u006e\u002e\u0061\u0072\u0062\u006f\u0072\u0040\u0065\u0078\u0061\u006d\u0070\u006c\u0065\u002e\u0063\u006f\u006d`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "file"), []byte("\x00\x01"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if len(leaksInDir(t, dir, all)) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
}

func everybody(t *testing.T) []subject.Subject {
	return people(t, []string{"email", annMail, "user_id", annUser}, []string{"email", doraMail}, []string{"email", benMail, "user_id", benUser})
}

func TestNothingPersonalIsLeftBehind(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*testing.T, *world) error{
		"ends well": func(t *testing.T, w *world) error {
			_, err := w.house.Erase(t.Context(), everybody(t), config.Erase)
			return err
		},
		"lanes fail": func(t *testing.T, w *world) error {
			for _, l := range lanes() {
				w.apps.Fail(appcentertest.Fault{Op: l.op, Status: 400, Body: `{"error":{"code":"` + annMail + `","message":"` + annMail + `"}}`})
			}
			w.profiles.Poison(annUser)
			w.profiles.Fail(batchtest.Fault{Status: 400, Body: `{"code":31,"message":"` + benUser + `"}`})
			_, err := w.house.Erase(t.Context(), everybody(t), config.Erase)
			return err
		},
		"deletes fail": func(t *testing.T, w *world) error {
			for _, l := range lanes() {
				if !l.search {
					w.apps.Fail(appcentertest.Fault{Op: l.op, Status: 409, Body: annMail})
				}
			}
			w.profiles.Fail(batchtest.Fault{Body: `{"token":"` + annUser + `"}`})
			_, err := w.house.Erase(t.Context(), everybody(t), config.Erase)
			return err
		},
		"waits": func(t *testing.T, w *world) error {
			run, err := w.house.Erase(t.Context(), everybody(t), config.Approve)
			if err == nil {
				w.wantStatus(run.Requests[0], ledger.InReview)
			}
			return err
		},
		"waits and is approved": func(t *testing.T, w *world) error {
			run, err := w.house.Erase(t.Context(), everybody(t), config.Approve)
			if err != nil {
				return err
			}
			job, err := w.house.Base.Ledger.Job(t.Context(), run.Job)
			if err != nil {
				return err
			}
			return w.house.Decide(t.Context(), run.Job, erase.Word{Plan: job.Plan, By: "officer", Approved: true})
		},
		"preview": func(t *testing.T, w *world) error {
			_, err := w.house.Preview(t.Context(), everybody(t))
			return err
		},
		"is refused": func(t *testing.T, w *world) error {
			return w.house.Decide(t.Context(), "01NOJOB", erase.Word{Plan: "hash", By: "officer", Approved: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, settings{ios: plant, noOther: true})
			w.wantNoLeak(run(t, w))
		})
	}
}

// Sealed identifiers are no identifiers in clear, but who holds the key could open them. After a request has ended they
// are in no file any more, not even in a free page.
func TestSealedIdentifiersAreDestroyedAtTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	run := w.erase(ann(t), config.Approve)
	r := w.request(run.Requests[0])
	if len(r.Subject) < 40 {
		t.Fatal("a request that waits has no sealed subject")
	}
	var sealed []needle
	sealed = append(sealed, needle{"the sealed subject", "record", []byte(base64.StdEncoding.EncodeToString(r.Subject)[:40])})
	for _, k := range r.Keys {
		sealed = append(sealed, needle{"the digest of an identifier", "index", []byte(k)})
	}
	for _, area := range []string{"devices", "audiences", "notifications"} {
		err := w.house.Base.Ledger.Findings(t.Context(), run.Job, "acme-ios", area, func(f ledger.Finding) error {
			sealed = append(sealed, needle{"a sealed object", "record", []byte(base64.StdEncoding.EncodeToString(f.Object)[:40])})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(leaksInDir(t, w.dir, sealed)) < len(sealed) {
		t.Error("what is to be destroyed cannot be found while it should be there: the test looks for the wrong thing")
	}
	job, err := w.house.Base.Ledger.Job(t.Context(), run.Job)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.house.Decide(t.Context(), run.Job, erase.Word{Plan: job.Plan, By: "officer", Approved: true}); err != nil {
		t.Fatal(err)
	}
	w.wantStatus(run.Requests[0], ledger.Erased)
	for _, l := range leaksInDir(t, w.dir, sealed) {
		t.Error(l)
	}
}
