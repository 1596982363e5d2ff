package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/batch/batchtest"
)

// Three people: Ann can be erased at once; a notification about Ben names Dora, who did not ask, so that the guard stops
// for it; Carol is known nowhere.
const (
	annMail   = "ann.arbor@example.com"
	annUser   = "user-ann-4711"
	annPhone  = "0000a1a1-0000-4000-8000-0000000000a1"
	benMail   = "ben.nevis@example.com"
	benUser   = "user-ben-0815"
	benPhone  = "0000b1b1-0000-4000-8000-0000000000b1"
	carolMail = "carol.king@example.com"
	doraMail  = "dora.day@example.com"

	ios      = "acme/ios"
	appToken = "secret-app-token"
	restKey  = "secret-rest-key"
	liveKey  = "secret-live-key"
)

// private is what no output may hold unless it was asked to reveal names: identifiers, names of objects, secrets.
func private() []string {
	return []string{annMail, annUser, annPhone, benMail, benUser, benPhone, carolMail, doraMail,
		"Trip of Ann", "Trip of Ben", "only-ann", appToken, restKey, liveKey}
}

// providers are one app at App Center and one at Batch, on this machine.
type providers struct {
	push        *appcentertest.Server
	profiles    *batchtest.Server
	pushServer  *httptest.Server
	batchServer *httptest.Server
	seen        chan string // "METHOD path" of every call to App Center, as it arrives
	background  *background // of a script
}

type providersKey struct{}

func newProviders() *providers {
	device := func(id, user, mail string) appcentertest.Device {
		return appcentertest.Device{InstallID: id, UserID: user, PushToken: "push-" + id, Platform: "iOS", Locale: "en-GB", Props: map[string]any{"email": mail}}
	}
	p := &providers{seen: make(chan string, 10_000)}
	p.push = appcentertest.New(appcentertest.World{Apps: []appcentertest.App{{
		Owner: "acme", Name: "ios", Token: appToken,
		Devices: []appcentertest.Device{
			device(annPhone, annUser, annMail), device(benPhone, benUser, benMail),
			device("0000c1c1-0000-4000-8000-0000000000c1", "somebody", "joann.arbor@example.com"),
		},
		Audiences: []appcentertest.Audience{
			{Name: "gold", Definition: "plan eq 'gold'"},
			{Name: "only-ann", Definition: "email eq '" + annMail + "'"},
		},
		Notifications: []appcentertest.Notification{
			{ID: "n-sale", Name: "Sale", Title: "Sale", Body: "Everything must go"},
			{ID: "n-ann", Name: "Trip of Ann", Title: "Your trip", Body: "Sent to " + annMail + "."},
			{ID: "n-ben", Name: "Trip of Ben", Title: "Your trip", Body: "Sent to " + benMail + " and " + doraMail + "."},
		},
	}}})
	p.profiles = batchtest.New(restKey, map[string][]string{liveKey: {annUser, benUser, "somebody"}})
	p.pushServer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.seen <- r.Method + " " + r.URL.Path
		p.push.ServeHTTP(w, r)
	}))
	p.batchServer = httptest.NewServer(p.profiles)
	return p
}

func (p *providers) close() {
	p.pushServer.Close()
	p.batchServer.Close()
}

// config is a configuration of these providers.
func (p *providers) config(mode string) string {
	return fmt.Sprintf(`controller: Acme GmbH
mode: %s
phone_region: DE
targets:
  - {id: acme-ios, provider: appcenter, owner: acme, app: ios, token: "${ACME_TOKEN}",
     export_container: %q, base_url: %q, requests_per_minute: 60000}
  - {id: acme-batch, provider: batch, api_key: %s, rest_key: %s, base_url: %q, custom_id: user_id}
`, mode, p.push.ContainerSAS(p.pushServer.URL, ios, "rwdl"), p.pushServer.URL, liveKey, restKey, p.batchServer.URL)
}

// calls counts all calls that the providers got.
func (p *providers) calls() int { return len(p.push.Calls()) + len(p.profiles.Calls()) }

// held gives the ids of what an area holds.
func (p *providers) held(area string) []string {
	var ids []string
	switch area {
	case "devices":
		for _, d := range p.push.Devices(ios) {
			ids = append(ids, d.InstallID)
		}
	case "audiences":
		for _, a := range p.push.Audiences(ios) {
			ids = append(ids, a.Name)
		}
	case "notifications":
		for _, n := range p.push.Notifications(ios) {
			ids = append(ids, n.ID)
		}
	case "users":
		ids = p.profiles.Users(liveKey)
	default:
		panic("there is no area " + area)
	}
	return ids
}
