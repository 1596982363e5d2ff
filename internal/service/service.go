// Package service is on AWS what `lethe serve` is on one machine, in four functions around the state machine: the door
// (intake), the outbox (tell), housekeeping (keep-house) and a canary.
package service

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/door"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/gateway"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/link"
	"github.com/lethe-dsr/lethe/internal/web"
)

// service is what the functions have in common.
type service struct {
	desk   intake.Desk
	engine engine
}

func open(c *boot.Cloud) (service, error) {
	at := c.Settings.URL
	if at == nil {
		return service{}, fault.New(fault.BadInput, "the function's environment: LETHE_URL is not set; template.yaml sets it")
	}
	// The document may be that of one machine: where the service is, the stack knows better.
	serve := &c.Base.Config.Serve
	if serve.URL == nil || serve.OpenDSR.Domain == serve.URL.Hostname() {
		serve.OpenDSR.Domain = at.Hostname()
	}
	serve.URL, serve.Proxies = at, 0
	client := sfn.NewFromConfig(c.AWS)
	e := engine{
		Base: c.Base, client: client, machine: c.Settings.StateMachine,
		refused: func(ctx context.Context, err error) error {
			if err == nil {
				return nil
			}
			return boot.Refused(ctx, client.Options().Retryer, "Step Functions", err)
		},
	}
	links := link.Maker{Base: at, Digest: c.Base.Seal.Digest}
	return service{desk: intake.Desk{Base: c.Base, Engine: e, Links: links}, engine: e}, nil
}

// streamTime is how long a live stream of the console lasts: API Gateway hands an answer on when it is whole, and browsers
// come back for the next by themselves.
const streamTime = time.Second

// door makes the HTTP handler. keys are those that certificates are verified with.
func (s service) door(keys []byte) (*door.Door, error) {
	return door.New(door.Options{
		Desk: s.desk, Keys: keys, Board: board{s.engine}, Log: slog.Default(), Gateway: principal, StreamTime: streamTime,
	})
}

// principal gives what somebody may do whom the API's authorizer let through. The policy of a role of IAM names the routes
// that it may call, so that it has the role that the route needs.
func principal(r *http.Request, need config.Role) (web.Principal, bool) {
	c, ok := gateway.CallerOf(r.Context())
	p := web.Principal{Name: c.Name}
	switch {
	case !ok:
		return p, false
	case c.IAM:
		p.Role = need
		if need == config.RoleApprove && c.Session != "" { // the evidence says who approved
			p.Name += "/" + c.Session
		}
	case slices.Contains(c.Roles, string(config.RoleApprove)):
		p.Role = config.RoleApprove
	case slices.Contains(c.Roles, string(config.RoleSubmit)):
		p.Role = config.RoleSubmit
	}
	return p, true
}

// keepTime is what a function leaves of its time for writing down where it stands.
const keepTime = 15 * time.Second

// timeLeft tells whether a function has time to begin another piece of its work.
func timeLeft(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > keepTime)
}

// pause waits; false when the time of the function is over before.
func pause(ctx context.Context, d time.Duration) bool {
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
