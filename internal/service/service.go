// Package service is what the functions around the state machine share: the door (frontdoor), the outbox (tell), housekeeping
// (house) and the canary. Together they are on AWS what `lethe serve` is on one machine. Each is a package of its own, so
// that a function links, and at every start initialises, only what it uses.
package service

import (
	"context"
	"errors"
	"time"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/link"
)

// Open makes the desk of the configuration, without an engine: who only tells or looks can start nothing.
func Open(c *boot.Cloud) (intake.Desk, error) {
	at := c.Settings.URL
	if at == nil {
		return intake.Desk{}, fault.New(fault.BadInput, "the function's environment: LETHE_URL is not set; template.yaml sets it")
	}
	// The document may be that of one machine: where the service is, the stack knows better.
	serve := &c.Base.Config.Serve
	if serve.URL == nil || serve.OpenDSR.Domain == serve.URL.Hostname() {
		serve.OpenDSR.Domain = at.Hostname()
	}
	serve.URL, serve.Proxies = at, 0
	return intake.Desk{Base: c.Base, Links: link.Maker{Base: at, Digest: c.Base.Seal.Digest}}, nil
}

// KeepTime is what a function leaves of its time for writing down where it stands.
const KeepTime = 15 * time.Second

// TimeLeft tells whether a function has time to begin another piece of its work.
func TimeLeft(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > KeepTime)
}

// Pause waits; false when the function has no time to begin something after it.
func Pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline)-d <= KeepTime {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return TimeLeft(ctx)
	}
}

// ErrNoMail is said where mails should be sent.
var ErrNoMail = errors.New("the configuration names nobody that mails come from: set serve.mail.from to an address of the identity that Amazon SES verified")
