package local_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/batch/batchtest"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// row is one way in which a lane of acme-ios or of acme-batch can fail. What a row leaves out is as in a run that ends
// well: every outcome verified, every object of Ann's gone, the request erased, nothing caught.
type row struct {
	name     string
	settings settings
	other    bool // acme-android is there too
	apps     []appcentertest.Fault
	profiles []batchtest.Fault

	devices, audiences, notifications string        // outcomes
	status                            ledger.Status // of the request
	caught                            []string      // by the machine, each once
	left                              []string      // of Ann's objects
	blobs                             bool          // exported files are left in the container
	calls                             map[appcentertest.Op]int
	after                             func(*appcentertest.App) // mends acme-ios before the next run
	never                             bool                     // not mended; no next run
}

// The lanes: what one finds is left when it fails.
var (
	devicesLeft       = []string{ios + " device " + annPhone, ios + " device " + annTablet}
	taughtLeft        = append(slices.Clone(devicesLeft), ios+" notification n-device") // found by a device's install id
	audiencesLeft     = []string{ios + " audience ann-only"}
	notificationsLeft = []string{ios + " notification n-ann", ios + " notification n-device"}
)

const (
	gone   = "verified_absent"
	failed = "failed: "
)

// lane is an operation of a lane, as the rows need it.
type lane struct {
	op     appcentertest.Op
	state  string // that calls it
	area   string
	left   []string
	search bool
}

func lanes() []lane {
	return []lane{
		{appcentertest.StartExport, "ExportDevices", "devices", taughtLeft, true},
		{appcentertest.ExportStatus, "ExportDevices", "devices", taughtLeft, true},
		{appcentertest.ListAudiences, "ListAudiences", "audiences", audiencesLeft, true},
		{appcentertest.ListNotifications, "ListNotifications", "notifications", notificationsLeft, true},
		{appcentertest.GetNotification, "ListNotifications", "notifications", notificationsLeft, true},
		{appcentertest.DeleteInstall, "DeleteInstall", "devices", devicesLeft, false},
		{appcentertest.DeleteAudience, "DeleteAudiences", "audiences", audiencesLeft, false},
		{appcentertest.DeleteNotifications, "DeleteNotifications", "notifications", notificationsLeft, false},
	}
}

func (r *row) outcome(area, o string) {
	switch area {
	case "devices":
		r.devices = o
	case "audiences":
		r.audiences = o
	case "notifications":
		r.notifications = o
	}
}

// laneRows makes the rows that every operation of App Center has.
func laneRows() []row {
	var rows []row
	for _, l := range lanes() {
		lasting := func(name, fault string, f appcentertest.Fault) *row {
			f.Op, f.App = l.op, ios
			r := row{name: string(l.op) + " " + name, apps: []appcentertest.Fault{f}, left: l.left, status: ledger.Partial, caught: []string{l.state + ": " + fault}}
			r.outcome(l.area, failed+fault)
			rows = append(rows, r)
			return &rows[len(rows)-1]
		}
		r := lasting("401", "Unauthorized", appcentertest.Fault{Status: 401})
		r.other, r.calls = true, map[appcentertest.Op]int{l.op: 1} // never tried again
		r = lasting("500 for ever", "ProviderUnavailable", appcentertest.Fault{Status: 500})
		r.never = true
		if l.op == appcentertest.StartExport { // each of these calls may have started an export; more than four is too many
			r.calls = map[appcentertest.Op]int{l.op: 4}
		}
		if !l.search {
			r = lasting("500 for ever, but it happened", "ProviderUnavailable", appcentertest.Fault{Status: 500, AfterEffect: true})
			r.devices, r.audiences, r.notifications, r.status, r.left = "", "", "", "", nil // the second search shows that it is gone
		}
	}
	// The same for all searches at once, and for all deletes.
	all := func(name, fault, outcome string, search bool, f appcentertest.Fault) *row {
		r := row{name: name, devices: outcome, audiences: outcome, notifications: outcome, status: ledger.Partial, never: true,
			left: slices.Concat(devicesLeft, audiencesLeft, notificationsLeft)}
		for _, l := range lanes() {
			if l.search == search && l.op != appcentertest.StartExport && l.op != appcentertest.GetNotification {
				f.Op, f.App = l.op, ios
				r.apps, r.caught = append(r.apps, f), append(r.caught, l.state+": "+fault)
			}
		}
		slices.Sort(r.caught)
		rows = append(rows, r)
		return &rows[len(rows)-1]
	}
	throttled := appcentertest.Fault{Status: 429, Header: map[string]string{"Retry-After": "3600"}}
	all("searches answer something else", "MalformedAnswer", failed+"MalformedAnswer", true, appcentertest.Fault{Body: `{"values":[{`})
	all("searches 429 for longer than a step waits", "Throttled", failed+"Throttled", true, throttled)
	all("deletes 429 for longer than a step waits", "Throttled", failed+"Throttled", false, throttled)
	all("searches 410", "ProviderClosed", "provider_closed", true, appcentertest.Fault{Status: 410}).status = ledger.Erased // at Batch
	return rows
}

// healingRows are failures that pass by themselves, at every operation in one run: nothing is seen of them at the end.
func healingRows() []row {
	late := map[string]string{"Retry-After": "3600"}
	var rows []row
	for _, f := range []struct {
		name string
		apps appcentertest.Fault
		user batchtest.Fault
	}{
		{"429", appcentertest.Fault{Status: 429}, batchtest.Fault{Status: 429}},
		{"429 with Retry-After", appcentertest.Fault{Status: 429, Header: late}, batchtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}},
		{"503", appcentertest.Fault{Status: 503}, batchtest.Fault{Status: 503, Code: 2}},
		{"closed connection", appcentertest.Fault{CloseConnection: true}, batchtest.Fault{Close: true}},
		{"closed connection, but it happened", appcentertest.Fault{CloseConnection: true, AfterEffect: true}, batchtest.Fault{Close: true, After: true}},
		{"500, but it happened", appcentertest.Fault{Status: 500, AfterEffect: true}, batchtest.Fault{Status: 500, Code: 1, After: true}},
		{"answer breaks off", appcentertest.Fault{Truncate: true}, batchtest.Fault{Close: true}},
	} {
		r := row{name: "each call once: " + f.name}
		f.apps.Times, f.user.Times = 1, 1
		for _, l := range lanes() {
			f.apps.Op = l.op
			r.apps = append(r.apps, f.apps)
		}
		for _, op := range []appcentertest.Op{appcentertest.ListBlobs, appcentertest.GetBlob, appcentertest.DeleteBlob} {
			f.apps.Op = op
			r.apps = append(r.apps, f.apps)
		}
		r.profiles = append(r.profiles, f.user)
		rows = append(rows, r)
	}
	return rows
}

// ownRows are the failures that only one lane has.
func ownRows() []row {
	app := func(change func(*appcentertest.App)) settings { return settings{ios: change} }
	export := func(fault string) row {
		return row{devices: failed + fault, left: taughtLeft, status: ledger.Partial, caught: []string{"ExportDevices: " + fault}}
	}
	named := func(r row, name string, change func(*row)) row {
		r.name = name
		change(&r)
		return r
	}
	match := func(fault string) row {
		r := export(fault)
		r.caught = []string{"MatchShards: " + fault, "MatchSubject: " + fault}
		return r
	}
	return []row{
		{name: "export Failed once", settings: app(func(a *appcentertest.App) { a.Behaviour.FailExports = 1 }), calls: map[appcentertest.Op]int{appcentertest.StartExport: 3}},
		named(export("ExportFailed"), "export Failed twice", func(r *row) {
			r.settings = app(func(a *appcentertest.App) { a.Behaviour.FailExports = 2 })
			r.calls = map[appcentertest.Op]int{appcentertest.StartExport: 2}
		}),
		named(export("ContainerRefused"), "container list refused", func(r *row) {
			r.settings = settings{sas: "rwd"}
			r.never = true
		}),
		named(match("ExportUnreadable"), "blob half-written", func(r *row) {
			r.settings = app(func(a *appcentertest.App) { a.Behaviour.HalfBlob, a.Export.Gzip = true, true })
			r.after = func(a *appcentertest.App) { a.Behaviour.HalfBlob = false }
			r.caught = slices.Insert(r.caught, 0, "ExportDevices: ExportUnreadable") // not tried again in the same job
		}),
		named(match("ProviderUnavailable"), "blob breaks off whenever it is read", func(r *row) {
			r.apps = []appcentertest.Fault{{Op: appcentertest.GetBlob, Skip: 1, Truncate: true}}
			r.caught = slices.Insert(r.caught, 0, "ExportDevices: ProviderUnavailable") // the second export is not even begun to read
		}),
		{name: "unreadable line with an identifier", settings: app(func(a *appcentertest.App) {
			a.Export.ExtraLines = []string{`{"installId":"x","email":"` + annMail + `"`}
		}), devices: failed + "UnreadableLine", status: ledger.Partial, after: func(a *appcentertest.App) { a.Export.ExtraLines = nil }},
		{name: "unreadable line of nobody", settings: app(func(a *appcentertest.App) { a.Export.ExtraLines = []string{`{"installId":`, ""} })},
		{name: "exported files cannot be removed", apps: []appcentertest.Fault{{Op: appcentertest.DeleteBlob, Status: 403}},
			devices: failed + "ExportNotRemoved", status: ledger.Partial, caught: []string{"ExportDevices: ExportNotRemoved", "RemoveExport: ExportNotRemoved"}, blobs: true},
		{name: "exported file is held once", apps: []appcentertest.Fault{{Op: appcentertest.DeleteBlob, Status: 500, Times: 1, AfterEffect: true}}},
		{name: "audiences with a link to another host", settings: app(func(a *appcentertest.App) {
			a.Behaviour.AudiencePage, a.Behaviour.NextLink = 1, appcentertest.Foreign
		}), audiences: failed + "ForeignLink", left: audiencesLeft, status: ledger.Partial, caught: []string{"ListAudiences: ForeignLink"},
			after: func(a *appcentertest.App) { a.Behaviour.NextLink = appcentertest.Relative }},
		{name: "audiences whose links go round", settings: app(func(a *appcentertest.App) {
			a.Behaviour.AudiencePage, a.Behaviour.NextLink = 1, appcentertest.SelfLoop
		}), audiences: failed + "MalformedAnswer", left: audiencesLeft, status: ledger.Partial, caught: []string{"ListAudiences: MalformedAnswer"},
			after: func(a *appcentertest.App) { a.Behaviour.NextLink = appcentertest.Absolute }},
		{name: "one install is refused", apps: []appcentertest.Fault{{Op: appcentertest.DeleteInstall, Object: annPhone, Status: 400}},
			devices: failed + "Refused", left: devicesLeft[:1], status: ledger.Partial},
		{name: "installs lie", settings: app(func(a *appcentertest.App) { a.Behaviour.KeepInstalls = true }), devices: failed + "StillThere", left: devicesLeft,
			status: ledger.Partial, after: func(a *appcentertest.App) { a.Behaviour.KeepInstalls = false }, calls: map[appcentertest.Op]int{appcentertest.StartExport: 4, appcentertest.DeleteInstall: 6}},
		{name: "audiences lie", settings: app(func(a *appcentertest.App) { a.Behaviour.KeepAudiences = true }), audiences: failed + "StillThere", left: audiencesLeft,
			status: ledger.Partial, after: func(a *appcentertest.App) { a.Behaviour.KeepAudiences = false }},
		{name: "notifications lie", settings: app(func(a *appcentertest.App) { a.Behaviour.KeepNotifications = true }), notifications: failed + "StillThere", left: notificationsLeft,
			status: ledger.Partial, after: func(a *appcentertest.App) { a.Behaviour.KeepNotifications = false }},
		{name: "devices come back once", settings: app(func(a *appcentertest.App) { a.Behaviour.Reregister = 1 }), calls: map[appcentertest.Op]int{appcentertest.StartExport: 3, appcentertest.DeleteInstall: 4}},
		{name: "devices come back for ever", settings: app(func(a *appcentertest.App) { a.Behaviour.Reregister = 99 }), devices: failed + "StillThere", left: devicesLeft,
			status: ledger.Partial, after: func(a *appcentertest.App) { a.Behaviour.Reregister = 0 }, calls: map[appcentertest.Op]int{appcentertest.StartExport: 4}},
		{name: "dead provider", settings: settings{deadApp: true}, devices: failed + "ProviderUnavailable", audiences: failed + "ProviderUnavailable", notifications: failed + "ProviderUnavailable",
			left: slices.Concat(devicesLeft, audiencesLeft, notificationsLeft), status: ledger.Partial, never: true,
			caught: []string{"ExportDevices: ProviderUnavailable", "ListAudiences: ProviderUnavailable", "ListNotifications: ProviderUnavailable"}},
	}
}

func TestALaneFailsAloneAndTheNextRunTakesItUp(t *testing.T) {
	t.Parallel()
	for _, r := range slices.Concat(laneRows(), healingRows(), ownRows()) {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.run(t)
		})
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (r row) run(t *testing.T) {
	r.settings.noOther = !r.other
	w := newWorld(t, r.settings)
	w.apps.Fail(r.apps...)
	for _, f := range r.profiles {
		w.profiles.Fail(f)
	}
	run := w.erase(ann(t), config.Erase)
	id := run.Requests[0]
	w.wantOutcome(id, "acme-ios", "devices", or(r.devices, gone))
	w.wantOutcome(id, "acme-ios", "audiences", or(r.audiences, gone))
	w.wantOutcome(id, "acme-ios", "notifications", or(r.notifications, gone))
	w.wantOutcome(id, "acme-batch", "profile", "accepted")
	left := r.left
	if r.other {
		w.wantOutcome(id, "acme-android", "devices", gone)
		w.wantOutcome(id, "acme-android", "notifications", "nothing_found")
	} else {
		left = append(slices.Clone(left), android+" device "+annAndroid)
	}
	status := ledger.Status(or(string(r.status), string(ledger.Erased)))
	w.wantStatus(id, status)
	w.wantLostAllBut(left...)
	if want := map[ledger.Status]string{ledger.Erased: "Erased", ledger.Partial: "PartlyErased"}[status]; w.lastState() != want {
		t.Errorf("the machine ended in %s, want %s", w.lastState(), want)
	}
	if got := w.caught(); !slices.Equal(got, r.caught) {
		t.Errorf("caught %q, want %q", got, r.caught)
	}
	for op, want := range r.calls {
		if got := w.calls(ios, op); got != want {
			t.Errorf("%d calls of %s, want %d", got, op, want)
		}
	}
	exports := 0
	for _, c := range w.apps.Calls(appcentertest.StartExport) {
		if c.App == ios && c.Status != 429 && c.Status != 401 {
			exports++
		}
	}
	if exports > 4 {
		t.Errorf("%d exports in one job, want at most 4", exports)
	}
	if r.blobs {
		if len(w.apps.Blobs(ios)) < 2 {
			t.Error("the outcome says that exported files are left, and none is")
		}
		w.wantForeignUntouched()
	} else {
		w.wantEmptyContainers()
	}
	if !r.never && status == ledger.Partial {
		r.next(t, w, id)
	}
}

// next mends the world: a sweep finishes the request, and everything is as if nothing had failed.
func (r row) next(t *testing.T, w *world, id string) {
	w.apps.Heal()
	w.profiles.Heal()
	if r.after != nil {
		w.apps.Change(ios, r.after)
	}
	w.again()
	w.erase(nil, config.Erase)
	w.wantStatus(id, ledger.Erased)
	if r.other {
		w.wantLostAllBut()
	} else {
		w.wantLostAllBut(android + " device " + annAndroid)
	}
	w.wantEmptyContainers()
}

// Nobody's data is touched, and the request says why, when not one lane can do its work.
func TestARequestFailsWhenEveryLaneDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	ops := map[appcentertest.Op]bool{}
	for _, l := range lanes() {
		ops[l.op] = true
	}
	for _, op := range slices.Sorted(maps.Keys(ops)) {
		w.apps.Fail(appcentertest.Fault{Op: op, Status: 401})
	}
	w.profiles.Fail(batchtest.Fault{Status: 401, Code: 10})
	run, err := w.house.Erase(t.Context(), ann(t), config.Erase)
	if err != nil {
		t.Fatalf("outcomes say what failed, not the command: %v", err)
	}
	id := run.Requests[0]
	w.wantStatus(id, ledger.Failed)
	w.wantOutcome(id, "acme-ios", "devices", "failed: Unauthorized")
	w.wantOutcome(id, "acme-batch", "profile", "failed: AuthenticationInvalid")
	w.wantLost()
	w.wantEmptyContainers()
	if end := w.lastState(); end != "NothingErased" {
		t.Errorf("the machine ended in %s", end)
	}
	if r := w.request(id); len(r.Subject) == 0 || strings.Contains(string(r.Subject), annMail) {
		t.Error("a request that the next run takes up has lost its sealed subject")
	}
	w.apps.Heal()
	w.profiles.Heal()
	w.again()
	w.erase(ann(t), config.Erase)
	w.wantStatus(id, ledger.Erased)
	w.wantLost(anns()...)
}

// Each error that Batch documents, and the others, by its own target: the name in the outcome, the number of calls, and
// that the order of no other target suffers.
func TestEachErrorOfBatchIsNamed(t *testing.T) {
	t.Parallel()
	// A call is sent 4 times, and a step is run 4 times; what stays is never sent twice.
	rows := []struct {
		key, want string
		calls     int
		fault     batchtest.Fault
	}{
		{"k-server", failed + "ServerError", 16, batchtest.Fault{Status: 500, Code: 1}},
		{"k-maintenance", failed + "MaintenanceError", 16, batchtest.Fault{Status: 503, Code: 2}},
		{"k-auth", failed + "AuthenticationInvalid", 1, batchtest.Fault{Status: 401, Code: 10}},
		{"k-misuse", failed + "ApiMisuse", 1, batchtest.Fault{Status: 403, Code: 12}},
		{"k-route", failed + "RouteNotFound", 1, batchtest.Fault{Status: 404, Code: 20}},
		{"k-missing", failed + "MissingParameter", 1, batchtest.Fault{Status: 400, Code: 30}},
		{"k-parameter", failed + "MalformedParameter", 1, batchtest.Fault{Status: 400, Code: 31}},
		{"k-json", failed + "MalformedJsonBody", 1, batchtest.Fault{Status: 400, Code: 32}},
		{"k-answer", failed + "MalformedAnswer", 1, batchtest.Fault{Body: "{"}},
		{"k-slow", failed + "Throttled", 5, batchtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}},
		{"k-teapot", failed + "Refused", 1, batchtest.Fault{Status: 418}},
		{"k-gone", "provider_closed", 1, batchtest.Fault{Status: 410}},
		{"k-dead", failed + "ProviderUnavailable", 16, batchtest.Fault{Close: true}},
		{"k-once", "accepted", 2, batchtest.Fault{Status: 500, Code: 1, Times: 1}},
		{"k-late", "accepted", 2, batchtest.Fault{Status: 503, Code: 2, Times: 1, After: true}},
	}
	var s settings
	for _, r := range rows {
		s.keys = append(s.keys, r.key)
	}
	w := newWorld(t, s)
	for _, r := range rows {
		r.fault.App = r.key
		w.profiles.Fail(r.fault)
	}
	id := w.erase(ann(t), config.Erase).Requests[0]
	calls := map[string]int{}
	for _, c := range w.profiles.Calls() {
		calls[c.App]++
	}
	for _, r := range rows {
		w.wantOutcome(id, r.key, "profile", r.want)
		if got := calls[r.key]; got != r.calls {
			t.Errorf("%s: %d calls, want %d", r.key, got, r.calls)
		}
		if left := slices.Contains(w.profiles.Users(r.key), annUser); left == (r.want == "accepted") {
			t.Errorf("%s: the user is left: %v", r.key, left)
		}
	}
	w.wantOutcome(id, "acme-batch", "profile", "accepted")
	w.wantStatus(id, ledger.Partial)
	w.wantLost(anns()...)
	w.profiles.Heal()
	w.again()
	w.erase(nil, config.Erase)
	w.wantStatus(id, ledger.Erased)
	for _, r := range rows {
		if r.want != "provider_closed" && slices.Contains(w.profiles.Users(r.key), annUser) {
			t.Errorf("%s: the next run did not order again", r.key)
		}
	}
}

// One id that Batch does not take costs the others nothing.
func TestAPoisonIDFailsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	w.profiles.Poison(benUser)
	run := w.erase(people(t, []string{"user_id", annUser}, []string{"user_id", benUser}, []string{"user_id", "user-carol"}), config.Erase)
	for n, want := range []string{"accepted", failed + "MalformedParameter", "accepted"} {
		w.wantOutcome(run.Requests[n], "acme-batch", "profile", want)
	}
	if got := w.profiles.Users(liveKey); !slices.Equal(got, []string{benUser}) {
		t.Errorf("%q are left at Batch", got)
	}
}

// A notification that somebody else deletes first does not keep the others of its call.
func TestANotificationGoneBeforeItsBulkDelete(t *testing.T) {
	t.Parallel()
	var w *world
	w = newWorld(t, settings{noOther: true, observe: func(e asl.Event) {
		if e.Kind == asl.Entered && e.State == "DeleteNotifications" {
			w.apps.Change(ios, func(a *appcentertest.App) {
				a.Notifications = slices.DeleteFunc(a.Notifications, func(n appcentertest.Notification) bool { return n.ID == "n-ann" })
			})
		}
	}})
	id := w.erase(ann(t), config.Erase).Requests[0]
	w.wantOutcome(id, "acme-ios", "notifications", gone)
	w.wantLostAllBut(android + " device " + annAndroid)
	outcomes, err := w.house.Base.Ledger.Outcomes(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Area == "notifications" && (o.Deleted != 1 || o.Already != 1) {
			t.Errorf("%d deleted and %d gone before, want 1 and 1", o.Deleted, o.Already)
		}
	}
}
