package local_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

// The thin path: one person, everything deleted and verified, nobody else touched.
func TestErasesOnePersonEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, "erase")
	run, err := w.house.Erase(t.Context(), people(t, []string{"email", annMail, "user_id", annUser}), config.Erase)
	if err != nil {
		t.Fatal(err)
	}
	id := run.Requests[0]
	if got := w.status(id); got != ledger.Erased {
		t.Errorf("status %s, want erased", got)
	}
	for _, c := range []struct{ target, area, want string }{
		{"acme-ios", "devices", "verified_absent"},
		{"acme-ios", "audiences", "verified_absent"},
		{"acme-ios", "notifications", "verified_absent"},
		{"acme-batch", "profile", "accepted"},
	} {
		if got := w.outcome(id, c.target, c.area); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.target, c.area, got, c.want)
		}
	}
	if got := len(w.apps.Devices(app)); got != 2 {
		t.Errorf("%d devices left, want Ben's and Carol's", got)
	}
	if got := len(w.apps.Audiences(app)); got != 1 {
		t.Errorf("%d audiences left, want 1", got)
	}
	if got := len(w.apps.Notifications(app)); got != 2 {
		t.Errorf("%d notifications left, want the sale and Ben's", got)
	}
	if got := len(w.apps.Blobs(app)); got != 0 {
		t.Errorf("%d exported blobs left in the container", got)
	}
	if got := len(w.profiles.Users("live-key")); got != 2 {
		t.Errorf("%d Batch users left, want 2", got)
	}
}
