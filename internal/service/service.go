// Package service is on AWS what `lethe serve` is on one machine, in four functions around the state machine: the door
// (intake), the outbox (tell), housekeeping (keep-house) and a canary.
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

// open makes the desk of the configuration, without an engine: who only tells or looks can start nothing.
func open(c *boot.Cloud) (intake.Desk, error) {
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

// keepTime is what a function leaves of its time for writing down where it stands.
const keepTime = 15 * time.Second

// timeLeft tells whether a function has time to begin another piece of its work.
func timeLeft(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > keepTime)
}

// pause waits; false when the function has no time to begin something after it.
func pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline)-d <= keepTime {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return timeLeft(ctx)
	}
}

var errNoMail = errors.New("the configuration names nobody that mails come from: set serve.mail.from to an address of the identity that Amazon SES verified")
