package erase

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/seal"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// providers is what the targets app and batch hold, in memory: the seams of the steps, and no protocol. Package local
// tests the same steps against simulators.
type providers struct {
	devices       map[string]string // install id to the rest of its exported line
	audiences     map[string]string // name to definition
	notifications map[string]appcenter.Notification
	ordered       []string
	fail          map[string]error // by what is done: list audiences, delete install
	onDelete      func()           // of a device
	blobs         map[string][]byte
}

func (p *providers) StartExport(context.Context, string) (string, error) {
	var lines bytes.Buffer
	for _, id := range slices.Sorted(maps.Keys(p.devices)) {
		fmt.Fprintf(&lines, `{"installId":%q,%s}`+"\n", id, p.devices[id])
	}
	p.blobs = map[string][]byte{"export": lines.Bytes()}
	return "export", nil
}

func (p *providers) ExportStatus(context.Context, string) (appcenter.ExportStatus, error) {
	return appcenter.ExportCompleted, nil
}

func (p *providers) ID() string { return "container" }

func (p *providers) List(context.Context, int) (out []appcenter.Blob, err error) {
	for name, b := range p.blobs {
		out = append(out, appcenter.Blob{Name: name, Size: int64(len(b))})
	}
	return out, nil
}

func (p *providers) Kind(context.Context, appcenter.Blob) (appcenter.Kind, error) {
	return appcenter.Lines, nil
}

func (p *providers) Open(_ context.Context, b appcenter.Blob, _ appcenter.Kind, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(p.blobs[b.Name][offset:])), nil
}

func (p *providers) Delete(_ context.Context, name string) error {
	delete(p.blobs, name)
	return nil
}

func (p *providers) Audiences(context.Context, string) (page []appcenter.Audience, next string, err error) {
	for name, definition := range p.audiences {
		page = append(page, appcenter.Audience{Name: name, Definition: definition})
	}
	return page, "", p.fail["list audiences"]
}

func (p *providers) Notifications(context.Context, string) (page []appcenter.NotificationItem, next string, err error) {
	for id := range p.notifications {
		page = append(page, appcenter.NotificationItem{ID: id})
	}
	return page, "", nil
}

func (p *providers) Notification(_ context.Context, id string) (appcenter.Notification, bool, error) {
	n, ok := p.notifications[id]
	return n, ok, nil
}

func (p *providers) DeleteInstall(_ context.Context, id string) (bool, error) {
	if err := p.fail["delete install"]; err != nil {
		return false, err
	}
	delete(p.devices, id)
	if p.onDelete != nil {
		p.onDelete()
	}
	return false, nil
}

func (p *providers) DeleteAudience(_ context.Context, name string) (bool, error) {
	delete(p.audiences, name)
	return false, nil
}

func (p *providers) DeleteNotifications(_ context.Context, ids []string) ([]string, error) {
	for _, id := range ids {
		delete(p.notifications, id)
	}
	return nil, nil
}

// profiles is the target batch.
type profiles struct{ *providers }

func (p profiles) Delete(_ context.Context, ids []string) (string, error) {
	p.ordered = append(p.ordered, ids...)
	return "token", nil
}

// held lists what the providers have, and what batch was ordered to delete.
func (p *providers) held() []string {
	out := slices.Concat(slices.Collect(maps.Keys(p.devices)), slices.Collect(maps.Keys(p.audiences)), slices.Collect(maps.Keys(p.notifications)))
	for _, id := range p.ordered {
		out = append(out, "ordered "+id)
	}
	slices.Sort(out)
	return out
}

// machine runs the steps of jobs in the order of the state machine.
type machine struct {
	Base
	t      *testing.T
	at     *providers
	key    *seal.Key
	store  ledger.Store
	events []Event
	ids    int
}

// newMachine has the targets app and batch, which knows people by their user ids. more is put into the document.
func newMachine(t *testing.T, at *providers, app, more string) *machine {
	t.Helper()
	store, err := boltstore.Open(filepath.Join(t.TempDir(), "ledger.db"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	key, err := seal.OpenKey(filepath.Join(t.TempDir(), "lethe.key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	doc := "controller: Acme GmbH\nmode: erase\nphone_region: DE\n" + more + `
targets:
  - {id: app, provider: appcenter, owner: acme, app: ios, token: app-token, export_container: "https://acme.example/c?sv=1&sp=rwdl&sr=c&sig=x", ` + app + `}
  - {id: batch, provider: batch, api_key: key, rest_key: rest-key, custom_id: user_id}
`
	cfg, err := configfile.Parse([]byte(doc), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, at: at, key: key, store: store}
	m.Base = Base{
		Ledger: ledger.New(store), Seal: key, Config: cfg,
		Now:    func() time.Time { return time.Now().UTC().Truncate(time.Millisecond) },
		NewID:  func() string { m.ids++; return fmt.Sprintf("r%d", m.ids) },
		Report: func(e Event) { m.events = append(m.events, e) },
	}
	return m
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// person makes a subject of types and values in turn.
func (m *machine) person(ids ...string) (s subject.Subject) {
	m.t.Helper()
	for n := 0; n < len(ids); n += 2 {
		id, err := subject.New(subject.Type(ids[n]), "", ids[n+1], phone.In("DE"))
		m.must(err)
		s.Add(id)
	}
	return s
}

// file brings a request into the ledger as the door does.
func (m *machine) file(s subject.Subject, channel string, change func(*ledger.Request)) string {
	m.t.Helper()
	r, err := NewRequest(m.t.Context(), m.Base, s, channel)
	m.must(err)
	if change != nil {
		change(&r)
	}
	m.must(m.Ledger.File(m.t.Context(), []ledger.Request{r}))
	return r.ID
}

func claims(types ...string) func(*ledger.Request) {
	return func(r *ledger.Request) { r.Claimed = types }
}

// run opens a job over requests and works on it until it waits or has ended.
func (m *machine) run(job string, mode config.Mode, requests ...string) ReviewFindingsOut {
	m.t.Helper()
	out, err := OpenJob(m.Base)(m.t.Context(), OpenJobIn{Job: job, Input: Input{Requests: requests, Mode: mode}})
	m.must(err)
	if out.Empty {
		m.t.Fatalf("%s holds no request", job)
	}
	return m.find(job, 1, nil)
}

// find searches for a pass, and goes on with it.
func (m *machine) find(job string, pass int, forgot Results) ReviewFindingsOut {
	m.t.Helper()
	ctx, on := m.t.Context(), On{Job: job, Target: "app", Pass: pass}
	container := func(string) (Container, error) { return m.at, nil }
	export, err := ExportDevices(m.Base, func(string) (Exporter, Container, error) { return m.at, m.at, nil }, func(context.Context, string) bool { return false })(ctx, on)
	m.must(err)
	for _, n := range export.Shards {
		_, err := MatchSubject(m.Base, container)(ctx, MatchSubjectIn{On: on, Shard: n})
		m.must(err)
	}
	_, err = RemoveExport(m.Base, container)(ctx, on)
	m.must(err)
	_, audiences := ListAudiences(m.Base, func(string) (AudienceLister, error) { return m.at, nil })(ctx, on)
	_, notifications := ListNotifications(m.Base, func(string) (NotificationReader, error) { return m.at, nil })(ctx, on)
	return m.review(ReviewFindingsIn{Job: job, Pass: pass, Forgot: forgot, Found: Results{
		{"app", Devices, ""}, {"app", "export", ""}, {"app", Audiences, string(fault.NameOf(audiences))}, {"app", Notifications, string(fault.NameOf(notifications))},
	}})
}

// review decides, and does what was decided until something waits or the job has ended.
func (m *machine) review(in ReviewFindingsIn) ReviewFindingsOut {
	m.t.Helper()
	ctx := m.t.Context()
	out, err := ReviewFindings(m.Base)(ctx, in)
	m.must(err)
	switch out.Decision {
	case AskApproval:
		m.closeJob(in.Job, in.Pass, false)
		_, err := RequestApproval(m.Base)(ctx, RequestApprovalIn{Job: in.Job, Plan: out.Plan, Token: "token"})
		m.must(err)
		return out
	case Forget:
		on, order := On{Job: in.Job, Target: "app", Pass: in.Pass}, On{Job: in.Job, Target: "batch", Pass: in.Pass}
		_, devices := DeleteInstall(m.Base, func(string) (InstallDeleter, error) { return m.at, nil })(ctx, on)
		_, audiences := DeleteAudiences(m.Base, func(string) (AudienceDeleter, error) { return m.at, nil })(ctx, on)
		_, notifications := DeleteNotifications(m.Base, func(string) (NotificationDeleter, error) { return m.at, nil })(ctx, on)
		_, orders := BatchDelete(m.Base, func(string) (ProfileDeleter, error) { return profiles{m.at}, nil })(ctx, order)
		return m.find(in.Job, out.NextPass, Results{
			{"app", Devices, string(fault.NameOf(devices))}, {"app", Audiences, string(fault.NameOf(audiences))},
			{"app", Notifications, string(fault.NameOf(notifications))}, {"batch", Profile, string(fault.NameOf(orders))},
		})
	}
	m.closeJob(in.Job, in.Pass, true)
	return out
}

func (m *machine) closeJob(job string, pass int, final bool) {
	m.t.Helper()
	out, err := CloseJob(m.Base, m.key, "test")(m.t.Context(), CloseJobIn{Job: job, Pass: pass, Final: final})
	m.must(err)
	if !out.Done {
		m.t.Fatalf("%s was not closed", job)
	}
}

// decide gives a person's word on what waits, and goes on.
func (m *machine) decide(job string, approved bool, ground string) ReviewFindingsOut {
	m.t.Helper()
	j, err := m.Ledger.Job(m.t.Context(), job)
	m.must(err)
	_, err = Decide(m.t.Context(), m.Base, job, Word{Plan: j.Plan, By: "officer", Approved: approved, Ground: ground})
	m.must(err)
	return m.review(ReviewFindingsIn{Job: job, Pass: j.Pass})
}

// wantWaiting checks what waits in a job and why: area, name and grounds of each.
func (m *machine) wantWaiting(job string, want ...string) {
	m.t.Helper()
	p, err := LoadPlan(m.t.Context(), m.Base, job, true)
	m.must(err)
	var got []string
	for _, e := range p.Entries {
		got = append(got, e.Area+" "+e.Name+": "+strings.Join(e.Waits, "; "))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		m.t.Errorf("waiting are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (m *machine) wantHeld(want ...string) {
	m.t.Helper()
	slices.Sort(want)
	if got := m.at.held(); !slices.Equal(got, want) {
		m.t.Errorf("the providers have %q, want %q", got, want)
	}
}

func (m *machine) request(id string) ledger.Request {
	m.t.Helper()
	r, err := m.Ledger.Request(m.t.Context(), id)
	m.must(err)
	return r
}

// wantEnd checks a request's status, whether it has ended for good, and that it knows the person only if it has not.
func (m *machine) wantEnd(id string, status ledger.Status, final bool) {
	m.t.Helper()
	r := m.request(id)
	if r.Status != status || r.Final() != final || (len(r.Subject) > 0) == final || final && len(r.Learned)+len(r.Kept) > 0 {
		m.t.Errorf("%s is %s, ended %t, with %d bytes of subject; want %s, %t", id, r.Status, r.Final(), len(r.Subject), status, final)
	}
}

// outcome is the word and reason of a request in an area.
func (m *machine) outcome(id, area string) string {
	m.t.Helper()
	outcomes, err := m.Ledger.Outcomes(m.t.Context(), id)
	m.must(err)
	for _, o := range outcomes {
		if o.Area == area {
			return strings.TrimSuffix(string(o.Word)+": "+o.Reason, ": ")
		}
	}
	return "none"
}

func (m *machine) certified(id string) (c Certificate) {
	m.t.Helper()
	signed, err := m.Ledger.Certificate(m.t.Context(), id)
	m.must(err)
	payload, _, err := seal.Verify(signed, m.key.PublicSet())
	m.must(err)
	m.must(json.Unmarshal(payload, &c))
	return c
}

// Several jobs run at once, and whoever watches must know which one says something.
func TestEveryEventNamesItsJob(t *testing.T) {
	t.Parallel()
	m := newMachine(t, annsThings(), "", "")
	id := m.file(m.person("email", annMail, "user_id", annUser), "cli", nil)
	m.run("job1", config.Erase, id)
	m.wantEnd(id, ledger.Erased, true)
	doing := map[string]bool{}
	for _, e := range m.events {
		doing[e.Doing+" "+e.Area] = true
		if e.Job != "job1" {
			t.Errorf("%s %s is of the job %q", e.Doing, e.Area, e.Job)
		}
	}
	for _, want := range []string{"exporting devices", "matching devices", "listing audiences", "listing notifications", "deleting devices", "deleting audiences", "deleting notifications", "ordering profile"} {
		if !doing[want] {
			t.Errorf("nobody said: %s", want)
		}
	}
}
