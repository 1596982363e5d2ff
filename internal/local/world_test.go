package local_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/batch/batchtest"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

const (
	annMail    = "ann.arbor@example.com"
	annUser    = "user-ann-4711"
	annPhone   = "0000a1a1-0000-4000-8000-0000000000a1" // install ids
	annTablet  = "0000A1A2-0000-4000-8000-0000000000A2"
	annAndroid = "0000a1a3-0000-4000-8000-0000000000a3"
	benMail    = "ben.nevis@example.com"
	benUser    = "user-ben-0815"
	benPhone   = "0000b1b1-0000-4000-8000-0000000000b1"
	carolPhone = "0000c1c1-0000-4000-8000-0000000000c1"
	shared     = "0000dddd-0000-4000-8000-0000000000dd" // Ann's and Dora's tablet
	doraMail   = "dora.day@example.com"
	foreign    = "somebody-elses-file.txt" // lies in the export container from the start

	ios     = "acme/ios"
	android = "acme/android"
	liveKey = "live-key"
)

// world is both providers with a few people, and a house that erases from them. The target acme-ios is the one that
// tests break; acme-android and acme-batch show that the rest goes on.
type world struct {
	t        *testing.T
	apps     *appcentertest.Server
	profiles *batchtest.Server
	url      string // of the simulated App Center
	settings settings
	doc      string // of the configuration
	cfg      config.Config
	dir      string
	house    *local.House
	before   []string // everything that the providers held at the start

	mu       sync.Mutex
	slept    time.Duration
	events   []asl.Event
	progress []erase.Event
}

// settings are what tests change of a world.
type settings struct {
	ios     func(*appcentertest.App)
	android func(*appcentertest.App)
	mode    config.Mode // of the configuration
	limits  string      // of the configuration, default the documented ones
	targets string      // more targets, or changes: %s is replaced by the URL of the simulated App Center
	noOther bool        // leave acme-android out
	sas     string      // rights of the container's SAS, default rwdl
	still   bool        // waits let no time pass
	deadApp bool        // acme-ios answers to nobody
	users   []string    // more users at Batch
	keys    []string    // more apps at Batch, each a target of its name, with the same users

	handler   func(http.Handler) http.Handler // around the simulated App Center
	transport func(http.RoundTripper) http.RoundTripper
	observe   func(asl.Event)
	report    func(erase.Event)
	sealer    func(erase.Sealer) erase.Sealer
}

// ann is the person that most tests erase.
func ann(t *testing.T) []subject.Subject {
	return people(t, []string{"email", annMail, "user_id", annUser})
}

func people(t *testing.T, lists ...[]string) []subject.Subject {
	t.Helper()
	out, err := subjects(lists...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func subjects(lists ...[]string) ([]subject.Subject, error) {
	var out []subject.Subject
	for _, l := range lists {
		var s subject.Subject
		for n := 0; n < len(l); n += 2 {
			id, err := subject.New(subject.Type(l[n]), "", l[n+1], phone.In("DE"))
			if err != nil {
				return nil, err
			}
			s.Add(id)
		}
		out = append(out, s)
	}
	return out, nil
}

func device(id, user string, props map[string]any) appcentertest.Device {
	return appcentertest.Device{InstallID: id, UserID: user, PushToken: "token-" + id, Platform: "iOS", Locale: "en-GB", Props: props}
}

func newWorld(t *testing.T, s settings) *world {
	t.Helper()
	i := appcentertest.App{
		Owner: "acme", Name: "ios", Token: "app-token",
		Devices: []appcentertest.Device{
			device(annPhone, annUser, map[string]any{"email": annMail}),
			device(annTablet, "", map[string]any{"email": "Ann.Arbor@Example.com"}),
			device(benPhone, benUser, map[string]any{"email": benMail}),
			device(carolPhone, "user-carol", map[string]any{"email": "joann.arbor@example.com"}),
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
	a := appcentertest.App{
		Owner: "acme", Name: "android", Token: "app-token",
		Devices: []appcentertest.Device{
			device(annAndroid, annUser, nil),
			device("0000b2b2-0000-4000-8000-0000000000b2", benUser, nil),
		},
	}
	for app, change := range map[*appcentertest.App]func(*appcentertest.App){&i: s.ios, &a: s.android} {
		if change != nil {
			change(app)
		}
	}
	w := &world{t: t, dir: t.TempDir(), settings: s}
	w.apps = appcentertest.New(appcentertest.World{Apps: []appcentertest.App{i, a}})
	users := map[string][]string{}
	for _, key := range append(s.keys, liveKey) {
		users[key] = append([]string{annUser, benUser, "user-carol"}, s.users...)
	}
	w.profiles = batchtest.New("rest-key", users)
	handler := http.Handler(w.apps)
	if s.handler != nil {
		handler = s.handler(handler)
	}
	appServer, profileServer := httptest.NewServer(handler), httptest.NewServer(w.profiles)
	dead := httptest.NewServer(nil)
	dead.Close()
	t.Cleanup(appServer.Close)
	t.Cleanup(profileServer.Close)
	w.url = appServer.URL
	for _, app := range []string{ios, android} {
		w.apps.PutBlob(app, foreign, []byte("{\"installId\":\""+benPhone+"\",\"email\":\""+annMail+"\"}\n"))
	}
	if s.mode == "" {
		s.mode = config.Erase
	}
	if s.limits == "" {
		s.limits = "{}"
	}
	iosURL := w.url
	if s.deadApp {
		iosURL = dead.URL
	}
	rights := s.sas
	if rights == "" {
		rights = "rwdl"
	}
	doc := fmt.Sprintf("controller: Acme GmbH\nmode: %s\nphone_region: DE\nlimits: %s\ntargets:\n", s.mode, s.limits) +
		fmt.Sprintf("  - {id: acme-ios, provider: appcenter, owner: acme, app: ios, token: app-token, export_container: %q, base_url: %q, requests_per_minute: 60000}\n",
			w.apps.ContainerSAS(w.url, ios, rights), iosURL)
	if !s.noOther {
		doc += fmt.Sprintf("  - {id: acme-android, provider: appcenter, owner: acme, app: android, token: app-token, export_container: %q, base_url: %q, requests_per_minute: 60000}\n",
			w.apps.ContainerSAS(w.url, android, "rwdl"), w.url)
	}
	for _, key := range append(s.keys, liveKey) {
		id := key
		if key == liveKey {
			id = "acme-batch"
		}
		doc += fmt.Sprintf("  - {id: %s, provider: batch, api_key: %s, rest_key: rest-key, base_url: %q, custom_id: user_id}\n", id, key, profileServer.URL)
	}
	if s.targets != "" {
		doc += strings.ReplaceAll(s.targets, "%s", w.url)
	}
	w.configure(doc)
	w.before = w.held()
	w.open()
	return w
}

func (w *world) configure(doc string) {
	w.t.Helper()
	cfg, err := configfile.Parse([]byte(doc), func(string) (string, bool) { return "", false })
	if err != nil {
		w.t.Fatal(err)
	}
	w.doc, w.cfg = doc, cfg
}

// open opens the data directory, as a new process would.
func (w *world) open() {
	w.t.Helper()
	transport := &http.Transport{}
	w.t.Cleanup(transport.CloseIdleConnections)
	o := local.Options{
		Sleep:     w.sleep,
		Now:       w.now,
		Transport: transport,
		RetryWait: time.Microsecond,
		Observe: func(e asl.Event) {
			w.mu.Lock()
			w.events = append(w.events, e)
			w.mu.Unlock()
			if w.settings.observe != nil {
				w.settings.observe(e)
			}
		},
		Report: func(e erase.Event) {
			w.mu.Lock()
			w.progress = append(w.progress, e)
			w.mu.Unlock()
			if w.settings.report != nil {
				w.settings.report(e)
			}
		},
	}
	if w.settings.transport != nil {
		o.Transport = w.settings.transport(transport)
	}
	h, err := local.Open(w.dir, true, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { h.Close() })
	if w.settings.sealer != nil {
		h.Base.Seal = w.settings.sealer(h.Base.Seal)
	}
	if err := h.Configure(w.cfg); err != nil {
		w.t.Fatal(err)
	}
	w.house = h
}

// now is the time that the machine's waits let pass.
func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.slept)
}

func (w *world) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.settings.still {
		w.slept += d
	}
	return ctx.Err()
}

// again closes the house and opens it as a new process that nothing disturbs.
func (w *world) again() {
	w.t.Helper()
	if err := w.house.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.settings.transport, w.settings.observe, w.settings.report, w.settings.sealer = nil, nil, nil, nil
	w.open()
}

// erase runs Erase, which must not fail.
func (w *world) erase(people []subject.Subject, mode config.Mode) local.Run {
	w.t.Helper()
	run, err := w.house.Erase(w.t.Context(), people, mode)
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// held lists everything that the providers hold.
func (w *world) held() []string {
	var out []string
	for _, app := range []string{ios, android} {
		for _, d := range w.apps.Devices(app) {
			out = append(out, app+" device "+d.InstallID)
		}
		for _, a := range w.apps.Audiences(app) {
			out = append(out, app+" audience "+a.Name)
		}
		for _, n := range w.apps.Notifications(app) {
			out = append(out, app+" notification "+n.ID)
		}
	}
	for _, u := range w.profiles.Users(liveKey) {
		out = append(out, "user "+u)
	}
	return out
}

// anns is all that the providers hold of Ann at the start.
func anns() []string {
	return []string{
		ios + " device " + annPhone, ios + " device " + annTablet, ios + " audience ann-only",
		ios + " notification n-ann", ios + " notification n-device", android + " device " + annAndroid, "user " + annUser,
	}
}

// wantLost checks that the providers lost exactly these objects since the start.
func (w *world) wantLost(want ...string) {
	w.t.Helper()
	now := w.held()
	for _, o := range w.before {
		lost, should := !slices.Contains(now, o), slices.Contains(want, o)
		if lost && !should {
			w.t.Errorf("%s is gone and should be there", o)
		} else if should && !lost {
			w.t.Errorf("%s is there and should be gone", o)
		}
	}
}

// wantLostAllBut checks that of Ann's objects just these are left, and that nobody else lost anything.
func (w *world) wantLostAllBut(left ...string) {
	w.t.Helper()
	w.wantLost(slices.DeleteFunc(anns(), func(o string) bool { return slices.Contains(left, o) })...)
}

// wantEmptyContainers checks that no exported file is left, and that the file that lay there before was neither deleted
// nor read.
func (w *world) wantEmptyContainers() {
	w.t.Helper()
	for _, app := range []string{ios, android} {
		for name := range w.apps.Blobs(app) {
			if name != foreign {
				w.t.Errorf("an exported file is left in the container of %s", app)
			}
		}
	}
	w.wantForeignUntouched()
}

func (w *world) wantForeignUntouched() {
	w.t.Helper()
	for _, c := range w.apps.Calls(appcentertest.GetBlob, appcentertest.GetBlobProperties, appcentertest.DeleteBlob) {
		if c.Object == foreign {
			w.t.Errorf("%s of a file that lay in the container before", c.Op)
		}
	}
	for _, app := range []string{ios, android} {
		if w.apps.Blobs(app)[foreign] == nil {
			w.t.Errorf("a file that lay in the container of %s before is gone", app)
		}
	}
}

// outcome is the word and reason of a request in one target's area.
func (w *world) outcome(request, target, area string) string {
	w.t.Helper()
	outcomes, err := w.house.Base.Ledger.Outcomes(context.Background(), request)
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

func (w *world) wantOutcome(request, target, area, want string) {
	w.t.Helper()
	if got := w.outcome(request, target, area); got != want {
		w.t.Errorf("%s %s: %s, want %s", target, area, got, want)
	}
}

func (w *world) request(id string) ledger.Request {
	w.t.Helper()
	r, err := w.house.Base.Ledger.Request(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) wantStatus(request string, want ledger.Status) {
	w.t.Helper()
	r := w.request(request)
	if r.Status != want {
		w.t.Errorf("status %s, want %s", r.Status, want)
	}
	if r.Status.Final() && (len(r.Subject) > 0 || len(r.Keys) > 0) {
		w.t.Errorf("a request that is %s keeps its identifiers", r.Status)
	}
}

// caught lists what the machine caught, each once: "ExportDevices: Unauthorized".
func (w *world) caught() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, e := range w.events {
		if e.Kind == asl.Caught || e.Kind == asl.Broken {
			out = append(out, e.State+": "+e.Error)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// lastState is the state in which the machine ended.
func (w *world) lastState() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range slices.Backward(w.events) {
		if e.Kind == asl.Entered {
			return e.State
		}
	}
	return ""
}

// calls counts an app's calls of an operation; the container's have no app.
func (w *world) calls(app string, op appcentertest.Op) int {
	n := 0
	for _, c := range w.apps.Calls(op) {
		if c.App == app {
			n++
		}
	}
	return n
}
