package boot

import (
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/provider"
)

// pace gives a target its limit of calls, which all processes share by the ledger. A limit that was changed holds from
// the time its configuration is read: until then, at most fresh, a process keeps to the one it knows.
func (c *Cloud) pace(t config.Target) {
	if p := c.Link.Paces[t.ID]; p == nil || p.PerMinute() != t.RequestsPerMinute {
		c.Link.Paces[t.ID] = provider.NewPace(t.RequestsPerMinute, c.Base.Ledger.Calls(t.ID))
	}
}
