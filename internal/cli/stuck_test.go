package cli_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/cli"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/local"
	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// Somebody whose job cannot be taken up is not done, and a script must see that.
func TestAStuckJobIsNoSuccess(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, "erase")
	ctx := t.Context()
	h, err := local.Open(filepath.Join(x.dir, "data"), true, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := subject.New(subject.Email, "", annMail, phone.In(""))
	if err != nil {
		t.Fatal(err)
	}
	h.Base.Config.Regulation = config.GDPR
	filing, err := erase.File(ctx, h.Base, "cli", false, []subject.Subject{{Identifiers: []subject.Identifier{id}}})
	if err != nil {
		t.Fatal(err)
	}
	l := h.Base.Ledger
	if _, err := l.OpenJob(ctx, ledger.Job{ID: "01STUCK", Mode: "erase"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Invite(ctx, "01STUCK", filing.Requests, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Claim(ctx, "01STUCK", filing.Requests, time.Now()); err != nil {
		t.Fatal(err)
	}
	record := `{"status":"running","input":{},"started":"2026-01-01T00:00:00Z","state":"AStateOfAnotherVersion","state_input":{}}`
	if err := l.SaveExecution(ctx, "01STUCK", []byte(record)); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	code, shown := x.lethe(ctx, strings.NewReader(""), "erase", "--email", annMail)
	if code != cli.OtherError || !strings.Contains(x.err.String(), "job 01STUCK could not be taken up") {
		t.Errorf("exit code %d, want %d; on the screen:\n%s%s", code, cli.OtherError, shown, x.err.String())
	}
}
