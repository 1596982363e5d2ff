package boot

import (
	"context"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
)

// Connect makes the clients as the first invocation does.
func Connect(ctx context.Context, s Settings) (*Cloud, error) { return connect(ctx, s) }

// Part is a process's part of a target's calls in a minute.
func Part(t config.Target) int { return part(t) }

// At gives a handler another clock.
func (h *Handler) At(now func() time.Time) { h.now = now }
