package local_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/batch/batchtest"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/internal/subject"
)

const (
	annMail    = "ann.arbor@example.com"
	annUser    = "user-ann-4711"
	annPhone   = "0000a1a1-0000-4000-8000-0000000000a1" // install ids
	annTablet  = "0000A1A2-0000-4000-8000-0000000000A2"
	benMail    = "ben.nevis@example.com"
	benUser    = "user-ben-0815"
	benPhone   = "0000b1b1-0000-4000-8000-0000000000b1"
	carolPhone = "0000c1c1-0000-4000-8000-0000000000c1"
	shared     = "0000dddd-0000-4000-8000-0000000000dd" // Ann's and Dora's tablet
	doraMail   = "dora.day@example.com"
	app        = "acme/ios"
)

// world is both providers with a few people, and a house that erases from them.
type world struct {
	t          *testing.T
	apps       *appcentertest.Server
	profiles   *batchtest.Server
	cfg        config.Config
	dir        string
	house      *local.House
	now        time.Time
	appURL     string
	profileURL string
}

func people(t *testing.T, lists ...[]string) []subject.Subject {
	t.Helper()
	var out []subject.Subject
	for _, l := range lists {
		var s subject.Subject
		for n := 0; n < len(l); n += 2 {
			id, err := subject.New(subject.Type(l[n]), "", l[n+1], "DE")
			if err != nil {
				t.Fatal(err)
			}
			s.Add(id)
		}
		out = append(out, s)
	}
	return out
}

func device(id, user string, props map[string]any) appcentertest.Device {
	return appcentertest.Device{InstallID: id, UserID: user, PushToken: "token-" + id, Platform: "iOS", Locale: "en-GB", Props: props}
}

func newWorld(t *testing.T, change func(*appcentertest.App), mode string) *world {
	t.Helper()
	a := appcentertest.App{
		Owner: "acme", Name: "ios", Token: "app-token",
		Devices: []appcentertest.Device{
			device(annPhone, annUser, map[string]any{"email": annMail}),
			device(annTablet, "", map[string]any{"email": "Ann.Arbor@Example.com"}),
			device(benPhone, benUser, map[string]any{"email": benMail}),
			device(carolPhone, "user-carol", map[string]any{"email": "carol@example.com"}),
		},
		Audiences: []appcentertest.Audience{
			{Name: "gold", Definition: "plan eq 'gold'"},
			{Name: "ann-only", Definition: "email eq '" + annMail + "'"},
		},
		Notifications: []appcentertest.Notification{
			{ID: "n-sale", Name: "Sale", Title: "Sale", Body: "Everything must go"},
			{ID: "n-ann", Name: "Booking", Title: "Your booking", Body: "Sent to " + annMail + "."},
			{ID: "n-device", Name: "Welcome back", Title: "Hi", Body: "Hi", Target: appcentertest.Target{Type: "devices_target", Devices: []string{annPhone}}},
			{ID: "n-ben", Name: "Ben's", Title: "Hi", Body: "Hi", Target: appcentertest.Target{Type: "user_ids_target", UserIDs: []string{benUser}}, Archived: true},
		},
	}
	if change != nil {
		change(&a)
	}
	w := &world{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	w.apps = appcentertest.New(appcentertest.World{Apps: []appcentertest.App{a}})
	w.profiles = batchtest.New("rest-key", map[string][]string{"live-key": {annUser, benUser, "user-carol"}})
	appServer := httptest.NewServer(w.apps)
	profileServer := httptest.NewServer(w.profiles)
	t.Cleanup(appServer.Close)
	t.Cleanup(profileServer.Close)
	w.appURL, w.profileURL = appServer.URL, profileServer.URL
	w.configure(fmt.Sprintf(`
controller: Acme GmbH
mode: %s
phone_region: DE
targets:
  - {id: acme-ios, provider: appcenter, owner: acme, app: ios, token: app-token, export_container: %q, base_url: %q, requests_per_minute: 60000}
  - {id: acme-batch, provider: batch, api_key: live-key, rest_key: rest-key, base_url: %q, custom_id: user_id}
`, mode, w.apps.ContainerSAS(w.appURL, app, "rwdl"), w.appURL, w.profileURL))
	w.open()
	return w
}

func (w *world) configure(text string) {
	w.t.Helper()
	cfg, err := config.Parse([]byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		w.t.Fatal(err)
	}
	w.cfg = cfg
}

// open opens the data directory, as a new process would.
func (w *world) open() {
	w.t.Helper()
	h, err := local.Open(w.dir, true, local.Options{
		Now:       func() time.Time { return w.now },
		Sleep:     func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		RetryWait: time.Millisecond,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := h.Configure(w.cfg); err != nil {
		w.t.Fatal(err)
	}
	w.house = h
	w.t.Cleanup(func() { h.Close() })
}

// outcome is the word and reason of a request in one target's area.
func (w *world) outcome(request, target, area string) string {
	w.t.Helper()
	outcomes, err := w.house.Base.Ledger.Outcomes(w.t.Context(), request)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Target == target && o.Area == area {
			if o.Reason != "" {
				return string(o.Word) + ": " + o.Reason
			}
			return string(o.Word)
		}
	}
	return "none"
}

func (w *world) status(request string) ledger.Status {
	w.t.Helper()
	r, err := w.house.Base.Ledger.Request(w.t.Context(), request)
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Status
}
