package intake_test

import (
	"fmt"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/intake"
)

// Whoever asks for an approval gets one, also by joining a request that asked for none.
func TestTheStricterModeWins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ configured, open, joins, want config.Mode }{
		{config.Erase, "", config.Approve, config.Approve},
		{config.Erase, config.Erase, config.Approve, config.Approve},
		{config.Erase, config.Approve, "", config.Approve},
		{config.Erase, config.Approve, config.Erase, config.Approve},
		{config.Erase, "", "", ""},
		{config.Erase, "", config.Erase, ""},
		{config.Erase, config.Erase, "", config.Erase},
		{config.Approve, config.Erase, "", config.Approve},
		{config.Approve, "", config.Erase, config.Approve},
		{config.Approve, config.Erase, config.Erase, config.Erase},
		{config.Approve, "", "", ""},
		{config.Preview, config.Erase, "", config.Erase},
	} {
		d := open(t)
		d.Config.Mode = c.configured
		submit := func(m config.Mode, urgent bool) intake.Receipt {
			return got(d.Submit(t.Context(), intake.Submission{Subject: person(t, "ann@example.com"), Channel: "api", By: "crm", Mode: m, Urgent: urgent}))(t)
		}
		first := submit(c.open, false)
		if joined := submit(c.joins, false); joined.ID != first.ID || joined.Mode != c.want {
			t.Errorf("%q joins %q where %q is configured: %q, want %q", c.joins, c.open, c.configured, joined.Mode, c.want)
		}
		// Who has no time does not get around it.
		if joined := submit(c.joins, true); joined.Mode != c.want || !joined.Urgent {
			t.Errorf("urgently: %q, %v", joined.Mode, joined.Urgent)
		}
		if want := fmt.Sprintf("[%s: [%s]]", c.want, first.ID); fmt.Sprint(d.engine.jobs) != want {
			t.Errorf("%q joins %q: started %v, want %s", c.joins, c.open, d.engine.jobs, want)
		}
	}
}
