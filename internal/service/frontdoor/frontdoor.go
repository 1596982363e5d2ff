// Package frontdoor is the function that API Gateway calls: privacy form, API, OpenDSR and console.
package frontdoor

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/door"
	"github.com/lethe-dsr/lethe/internal/executions"
	"github.com/lethe-dsr/lethe/internal/gateway"
	"github.com/lethe-dsr/lethe/internal/metric"
	"github.com/lethe-dsr/lethe/internal/service"
	"github.com/lethe-dsr/lethe/internal/step"
	"github.com/lethe-dsr/lethe/internal/web"
)

// Function makes the function.
func Function(ctx context.Context, c *boot.Cloud) (step.Step, error) {
	desk, err := service.Open(c)
	if err != nil {
		return step.Step{}, err
	}
	signer, err := c.Signer(ctx)
	if err != nil {
		return step.Step{}, err
	}
	e := executions.NewEngine(c)
	desk.Engine = e
	d, err := door.New(door.Options{
		Desk: desk, Keys: signer.PublicSet(), Board: executions.Board{Engine: e}, Log: slog.Default(), StreamTime: streamTime,
		Gateway: func(r *http.Request, need config.Role) (web.Principal, bool) {
			return principal(c.Base.Config.Serve.Tokens, r, need)
		},
	})
	if err != nil {
		return step.Step{}, err
	}
	return step.New("Intake", func(ctx context.Context, event gateway.Event) (json.RawMessage, error) {
		return gateway.Answer(ctx, counted{d, c.Journal.Metrics}, event, slog.Default())
	}), nil
}

// streamTime is how long a live stream of the console lasts: API Gateway hands an answer on when it is whole, and browsers
// come back for the next by themselves.
const streamTime = time.Second

// principal gives what somebody may do whom the API's authorizer let through. The policy of a role of IAM names the routes
// that it may call, so that it has the role that the route needs. What of others it may see there, and whether it may ask
// for a preview or an erasure without approval, no policy can say: for that it must be called like a token of the
// configuration with the role approve.
func principal(tokens []config.Token, r *http.Request, need config.Role) (web.Principal, bool) {
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
		if slices.ContainsFunc(tokens, func(t config.Token) bool { return t.Name == tokenName(c.Name) && t.Role == config.RoleApprove }) {
			p.Role = config.RoleApprove
		}
	case slices.Contains(c.Roles, string(config.RoleApprove)):
		p.Role = config.RoleApprove
	case slices.Contains(c.Roles, string(config.RoleSubmit)):
		p.Role = config.RoleSubmit
	}
	return p, true
}

// tokenName writes a role's name as a token of the configuration may be called: AWSReservedSSO_Privacy_1a as
// awsreservedsso-privacy-1a.
func tokenName(role string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(role))
}

// counted counts the pages of the privacy form that did not come to be.
type counted struct {
	http.Handler
	metrics *metric.Set
}

func (c counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := &statusOf{ResponseWriter: w}
	whole := false
	defer func() { // also when the answer breaks off
		switch page, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); page {
		case "", "sent", "other", "verify", "status":
			if !whole || s.status >= http.StatusInternalServerError {
				c.metrics.Add(metric.FormErrors, 1, metric.Of{})
			}
		}
	}()
	c.Handler.ServeHTTP(s, r)
	whole = true
}

// statusOf notes the status of an answer.
type statusOf struct {
	http.ResponseWriter
	status int
}

func (s *statusOf) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *statusOf) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}
