package local_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// A sweep over many people costs what one person costs: an export a pass, and one call to Batch for each 10,000 ids.
func TestOneExportServesEverybody(t *testing.T) {
	t.Parallel()
	const n = 300
	s := settings{noOther: true, limits: "{share: 1}", ios: func(a *appcentertest.App) {
		a.Export.Blobs = 5
		for i := range n {
			a.Devices = append(a.Devices, device(fmt.Sprintf("00001111-0000-4000-8000-%012d", i), fmt.Sprintf("crowd-%d", i), nil))
		}
	}}
	lists := [][]string{{"email", annMail, "user_id", annUser}}
	for i := range n {
		s.users = append(s.users, fmt.Sprintf("crowd-%d", i))
		lists = append(lists, []string{"user_id", fmt.Sprintf("crowd-%d", i)})
	}
	w := newWorld(t, s)
	run := w.erase(people(t, lists...), config.Erase)
	for _, id := range run.Requests {
		w.wantStatus(id, ledger.Erased)
	}
	if got := len(w.apps.Devices(ios)); got != 2 {
		t.Errorf("%d devices are left, want Ben's and Carol's", got)
	}
	if got := w.profiles.Users(liveKey); !slices.Equal(got, []string{benUser, "user-carol"}) {
		t.Errorf("%d users are left at Batch, want 2", len(got))
	}
	if got := w.calls(ios, appcentertest.StartExport); got != 2 {
		t.Errorf("%d exports, want 2", got)
	}
	if got := w.profiles.Calls(); len(got) != 1 || len(got[0].IDs) != n+1 {
		t.Errorf("%d calls to Batch, want one with %d ids", len(got), n+1)
	}
	w.wantEmptyContainers()
}

// App Center does not say which file belongs to which export, so two never run into one container.
func TestTargetsThatShareAContainerExportOneAfterTheOther(t *testing.T) {
	t.Parallel()
	share := func(a *appcentertest.App) {
		a.Container, a.Export.Polls = "both", 2
	}
	w := newWorld(t, settings{ios: share, android: share, still: true})
	run := w.erase(ann(t), config.Erase)
	w.wantStatus(run.Requests[0], ledger.Erased)
	w.wantLost(anns()...)
	w.wantEmptyContainers()
	if got := w.apps.MostExports()["both"]; got != 1 {
		t.Errorf("%d exports ran into one container at a time", got)
	}
}
