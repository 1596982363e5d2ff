package boot

import (
	"context"
	"io"
	"os"
	"time"
)

// Connect makes the clients as the first invocation does.
func Connect(ctx context.Context, s Settings, log io.Writer) (*Cloud, error) {
	c, err := connect(ctx, s)
	if err == nil {
		c.keep(NewJournal(s.Stack, log, os.Getenv))
	}
	return c, err
}

// At gives a handler another clock.
func (h *Handler) At(now func() time.Time) { h.now = now }

// To has a handler write its journal elsewhere.
func (h *Handler) To(log io.Writer) { h.journal = NewJournal(h.settings.Stack, log, os.Getenv) }
