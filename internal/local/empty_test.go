package local_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// The export of an app without devices is an empty file: that is a search like any other.
func TestAnAppWithoutDevicesIsSearched(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                     string
		devices                  int // of Ann's that are there
		gzip                     bool
		texts                    bool // audiences and notifications are there
		person                   []string
		want                     ledger.Status
		area, audiences, profile string
		end                      string
	}{
		{name: "nothing at all", person: []string{"email", annMail}, want: ledger.NothingFound, area: "nothing_found", audiences: "nothing_found", profile: "nothing_found: no identifier for this provider", end: "NothingFound"},
		{name: "nothing at all, packed", gzip: true, person: []string{"email", annMail}, want: ledger.NothingFound, area: "nothing_found", audiences: "nothing_found", profile: "nothing_found: no identifier for this provider", end: "NothingFound"},
		{name: "texts only", texts: true, person: []string{"email", annMail, "user_id", annUser}, want: ledger.Erased, area: "nothing_found", audiences: gone, profile: "accepted", end: "Erased"},
		{name: "the last device goes", devices: 1, person: []string{"email", annMail, "user_id", annUser}, want: ledger.Erased, area: gone, audiences: "nothing_found", profile: "accepted", end: "Erased"},
		{name: "the last devices go, packed", devices: 2, gzip: true, texts: true, person: []string{"email", annMail, "user_id", annUser}, want: ledger.Erased, area: gone, audiences: gone, profile: "accepted", end: "Erased"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, settings{noOther: true, ios: func(a *appcentertest.App) {
				a.Devices, a.Export.Gzip = a.Devices[:c.devices], c.gzip
				if !c.texts {
					a.Audiences, a.Notifications = nil, nil
				}
			}})
			run := w.erase(people(t, c.person), config.Erase)
			id := run.Requests[0]
			w.wantStatus(id, c.want)
			w.wantOutcome(id, "acme-ios", "devices", c.area)
			w.wantOutcome(id, "acme-ios", "audiences", c.audiences)
			w.wantOutcome(id, "acme-batch", "profile", c.profile)
			if got := w.caught(); len(got) > 0 || w.lastState() != c.end {
				t.Errorf("the machine caught %q and ended in %s, want %s", got, w.lastState(), c.end)
			}
			if left := w.apps.Devices(ios); len(left) > 0 {
				t.Errorf("%d devices are left", len(left))
			}
			w.wantEmptyContainers()
		})
	}
}

// unwritten hides the empty files of a container: a service that writes no file where there is nothing to write.
func unwritten(next http.Handler) http.Handler {
	listed := regexp.MustCompile(`<Blob>.*?</Blob>`)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("comp") != "list" {
			next.ServeHTTP(rw, r)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		for k, v := range answer.Header() {
			if k != "Content-Length" {
				rw.Header()[k] = v
			}
		}
		rw.WriteHeader(answer.Code)
		rw.Write(listed.ReplaceAllFunc(answer.Body.Bytes(), func(blob []byte) []byte {
			if bytes.Contains(blob, []byte("<Content-Length>0<")) {
				return nil
			}
			return blob
		}))
	})
}

// An export without any file is believed only where this job deleted every device that it saw.
func TestAnExportWithoutAnyFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		devices int
		status  ledger.Status
		want    string
	}{
		{"after the last device went", 1, ledger.Erased, gone},
		{"from the start", 0, ledger.Partial, failed + "ExportUnreadable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, settings{noOther: true, handler: unwritten, ios: func(a *appcentertest.App) { a.Devices = a.Devices[:c.devices] }})
			id := w.erase(ann(t), config.Erase).Requests[0]
			w.wantStatus(id, c.status)
			w.wantOutcome(id, "acme-ios", "devices", c.want)
		})
	}
}
