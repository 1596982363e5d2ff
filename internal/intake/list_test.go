package intake_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

func TestACursorThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, after := range []string{"zzz", "0", "020260101000000.00", strings.Repeat("0", 10_000)} {
		var bad *intake.Invalid
		if _, _, err := d.List(t.Context(), intake.Filter{After: after}); !errors.As(err, &bad) || bad.Fields[0].Name != "after" {
			t.Errorf("%.20q: %v", after, err)
		}
	}
}

func TestThePreviewsJobShowsThatItsPlanCanBeRead(t *testing.T) {
	t.Parallel()
	d := open(t)
	if err := d.Ledger.KeepPreview(t.Context(), "JOBP", []byte("x"), d.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if j, err := d.Job(t.Context(), "JOBP"); err != nil || j.State != intake.Preview {
		t.Errorf("got %+v, %v", j, err)
	}
	if _, err := d.Job(t.Context(), "JOBX"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an unknown job: %v", err)
	}
}
