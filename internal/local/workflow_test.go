package local_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/appcenter/appcentertest"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// The thin path: one person, everything deleted and verified, nobody else touched.
func TestErasesOnePersonEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	run := w.erase(ann(t), config.Erase)
	id := run.Requests[0]
	w.wantStatus(id, ledger.Erased)
	w.wantOutcome(id, "acme-ios", "devices", "verified_absent")
	w.wantOutcome(id, "acme-ios", "audiences", "verified_absent")
	w.wantOutcome(id, "acme-ios", "notifications", "verified_absent")
	w.wantOutcome(id, "acme-android", "devices", "verified_absent")
	w.wantOutcome(id, "acme-android", "audiences", "nothing_found")
	w.wantOutcome(id, "acme-batch", "profile", "accepted")
	w.wantLost(anns()...)
	w.wantEmptyContainers()
	if n := w.calls(ios, appcentertest.StartExport); n != 2 {
		t.Errorf("%d exports, want one to find and one to verify", n)
	}
	if n := len(w.profiles.Calls()); n != 1 {
		t.Errorf("%d calls to Batch, want 1", n)
	}
}

// Somebody whom nobody knows is told so, and costs one search.
func TestNothingIsFoundOfAStranger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	run := w.erase(people(t, []string{"email", "stranger@example.org"}), config.Erase)
	w.wantStatus(run.Requests[0], ledger.NothingFound)
	w.wantOutcome(run.Requests[0], "acme-batch", "profile", "nothing_found: "+erase.NoIdentifier)
	w.wantLost()
	w.wantEmptyContainers()
	if n := w.calls(ios, appcentertest.StartExport); n != 1 {
		t.Errorf("%d exports, want 1", n)
	}
	if end := w.lastState(); end != "NothingFound" {
		t.Errorf("the machine ended in %s", end)
	}
}
