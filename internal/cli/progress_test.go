package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
)

// A provider that does not answer is tried again for a while. Whoever waits is told so.
func TestRetriesAreTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		json bool
		want string
	}{
		{false, "ListAudiences: ProviderUnavailable; trying again in 4s\n"},
		{true, `{"fault":"ProviderUnavailable","retry":"ListAudiences","seconds":4}` + "\n"},
	} {
		var err bytes.Buffer
		p := newProgress(IO{Err: &err}, c.json)
		p.observe(asl.Event{Kind: asl.Entered, State: "ListAudiences"})
		p.observe(asl.Event{Kind: asl.Retried, State: "ListAudiences", Error: "ProviderUnavailable", Delay: 4 * time.Second})
		if got := err.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
