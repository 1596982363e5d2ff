package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/seal"
)

// without is a configuration that lost a target.
func without(doc, target string) string {
	lines := strings.SplitAfter(doc, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "{id: "+target+",") }), "")
}

// onlyApps is a world with App Center's acme-ios alone, in which nothing of Ann is left for a later job when audiences
// cannot be listed in the first one.
func onlyApps(t *testing.T) *world {
	w := newWorld(t, settings{noOther: true, ios: func(a *appcentertest.App) { a.Audiences = a.Audiences[:1] }})
	w.reconfigure(without(w.doc, "acme-batch"))
	w.apps.Fail(appcentertest.Fault{Op: appcentertest.ListAudiences, App: ios, Status: 401})
	return w
}

// wantEarlier checks the end of a request that an earlier job did everything for: erased, by the evidence of that job.
func (w *world) wantEarlier(id string) {
	w.t.Helper()
	w.wantStatus(id, ledger.Erased)
	w.wantOutcome(id, "acme-ios", "devices", gone)
	w.wantOutcome(id, "acme-ios", "audiences", "nothing_found")
	w.wantOutcome(id, "acme-ios", "notifications", gone)
	outcomes, err := w.house.Base.Ledger.Outcomes(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range outcomes {
		want := map[string]int{"devices": 2, "notifications": 2}[o.Area]
		if o.Earlier != want || o.Deleted+o.Already != 0 {
			w.t.Errorf("%s: %d of an earlier job and %d of this one, want %d and 0", o.Area, o.Earlier, o.Deleted+o.Already, want)
		}
	}
	signed, err := w.house.Base.Ledger.Certificate(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	payload, _, err := seal.Verify(signed, w.house.Key.PublicSet())
	if err != nil {
		w.t.Fatal(err)
	}
	var c erase.Certificate
	if err := json.Unmarshal(payload, &c); err != nil {
		w.t.Fatal(err)
	}
	if c.Request.Status != ledger.Erased || !slices.Equal(c.Recipients, []string{"appcenter (acme-ios)"}) {
		w.t.Errorf("the certificate says %s, told were %q", c.Request.Status, c.Recipients)
	}
}

// What the first job deleted is the evidence of the one that found nothing more.
func TestTheEvidenceOfAnEarlierJobIsCarried(t *testing.T) {
	t.Parallel()
	w := onlyApps(t)
	id := w.erase(ann(t), config.Erase).Requests[0]
	w.wantStatus(id, ledger.Partial)
	w.apps.Heal()
	w.again()
	w.erase(nil, config.Erase)
	w.wantEarlier(id)
}

// shutSealer opens nothing while it is shut: a key service that is away.
type shutSealer struct {
	erase.Sealer
	shut *atomic.Bool
}

func (s shutSealer) Open(ctx context.Context, scope string, sealed []byte) ([]byte, error) {
	if s.shut.Load() {
		return nil, errors.New("the key cannot be reached")
	}
	return s.Sealer.Open(ctx, scope, sealed)
}

// A job whose closing failed is closed by the next run, and what it deleted counts.
func TestAFailedClosingLosesNothing(t *testing.T) {
	t.Parallel()
	w := onlyApps(t)
	var shut atomic.Bool
	if err := w.house.Close(); err != nil {
		t.Fatal(err)
	}
	w.settings.sealer = func(s erase.Sealer) erase.Sealer { return shutSealer{s, &shut} }
	w.settings.observe = func(e asl.Event) {
		if e.Kind == asl.Entered && e.State == "CloseJob" {
			shut.Store(true)
		}
	}
	w.open()
	run, err := w.house.Erase(t.Context(), ann(t), config.Erase)
	if err == nil {
		t.Fatal("the job could not be closed, and nobody says so")
	}
	id := run.Requests[0]
	if w.lastState() != "JobNotClosed" {
		t.Errorf("the machine ended in %s", w.lastState())
	}
	w.wantStatus(id, ledger.Running)
	w.apps.Heal()
	w.again()
	w.erase(nil, config.Erase) // closes that job
	w.wantStatus(id, ledger.Partial)
	w.wantOutcome(id, "acme-ios", "devices", gone)
	w.again()
	w.erase(nil, config.Erase)
	w.wantEarlier(id)
}

// A notification that App Center does not want to delete keeps nobody else's.
func TestARefusedNotificationIsKeptAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{noOther: true})
	w.apps.Fail(appcentertest.Fault{Op: appcentertest.DeleteNotifications, Object: "n-ann", Status: 400})
	run := w.erase(people(t, []string{"email", annMail, "user_id", annUser}, []string{"email", benMail, "user_id", benUser}), config.Erase)
	w.wantStatus(run.Requests[0], ledger.Partial)
	w.wantOutcome(run.Requests[0], "acme-ios", "notifications", failed+"Refused")
	w.wantStatus(run.Requests[1], ledger.Erased)
	w.wantOutcome(run.Requests[1], "acme-ios", "notifications", gone)
	var left []string
	for _, n := range w.apps.Notifications(ios) {
		left = append(left, n.ID)
	}
	if !slices.Equal(left, []string{"n-sale", "n-ann"}) {
		t.Errorf("%q are left", left)
	}
}
