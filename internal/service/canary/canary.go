// Package canary is the function that proves that the door is open.
package canary

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/metric"
	"github.com/lethe-dsr/lethe/internal/service"
	"github.com/lethe-dsr/lethe/internal/step"
)

const (
	callTime = 20 * time.Second // of one call to the form
	mailTime = 3 * time.Minute  // until the mail is sent: the stream is quick, and the schedule comes every minute
	mailLook = 2 * time.Second  // between two looks whether it is
	maxPage  = 1 << 20
)

// Function makes the function: it goes the way of a person, from the form's page over what is typed into it and the mail to
// the page that asks for confirmation, with a request that is marked as the canary's. Nobody is searched for, and the
// request is destroyed at the end. What is in its input does not matter.
func Function(_ context.Context, c *boot.Cloud) (step.Step, error) {
	desk, err := service.Open(c)
	if err != nil {
		return step.Step{}, err
	}
	client := &http.Client{
		Timeout: callTime, Transport: c.Link.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return step.New("Canary", func(ctx context.Context, _ struct{}) (struct{}, error) {
		c.Journal.Metrics.Add(metric.CanaryRuns, 1, metric.Of{})
		c.Journal.Metrics.Gauge(metric.CanaryFailures, 0, metric.Of{}) // the alarm takes them off the runs: they must be there
		err := canary{desk: desk, client: client}.sing(ctx)
		if err != nil {
			c.Journal.Metrics.Add(metric.CanaryFailures, 1, metric.Of{})
			slog.ErrorContext(ctx, "the canary did not come through", "error", err.Error())
		}
		return struct{}{}, nil // counted, and logged: the alarm looks at the count, and there is nothing to try again
	}), nil
}

type canary struct {
	desk   intake.Desk
	client *http.Client
}

func (c canary) sing(ctx context.Context) (err error) {
	if c.desk.Config.Serve.Mail.From == "" {
		return service.ErrNoMail
	}
	id := c.desk.NewID()
	defer func() { // also what was filed before something failed
		err = errors.Join(err, c.desk.Ledger.Discard(context.WithoutCancel(ctx), id))
	}()
	page, err := c.call(ctx, "the form", http.MethodGet, "/", nil, http.StatusOK)
	if err != nil {
		return err
	}
	if !strings.Contains(page, `name="email"`) {
		return closed("the form: the page has no field for the e-mail address")
	}
	typed := url.Values{"wish": {"erase"}, "email": {c.desk.Links.CanaryAddress(id)}, "phone": {""}, "account": {""}}
	if _, err := c.call(ctx, "what was typed", http.MethodPost, "/", typed, http.StatusSeeOther); err != nil {
		return err
	}
	r, err := c.desk.Ledger.Request(ctx, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return closed("what was typed: the form took it, and no request came of it")
	case err != nil:
		return err
	case r.Channel != intake.Canary:
		return closed("what was typed: the request is not marked as the canary's")
	}
	until := time.Now().Add(mailTime)
	for waits := true; waits; {
		if waits, err = c.desk.Ledger.Untold(ctx, id); err != nil {
			return err
		}
		if waits && (time.Now().After(until) || !service.Pause(ctx, mailLook)) {
			return closed("the mail: it was not sent within %s; look at the log of the function tell", mailTime)
		}
	}
	if _, err = c.desk.Ledger.Request(ctx, id); errors.Is(err, ledger.ErrNotFound) { // by whoever gave its mail up
		return closed("the mail: it was refused for good; look at the log of the function tell")
	} else if err != nil {
		return err
	}
	_, err = c.call(ctx, "the link in the mail", http.MethodGet, "/verify?token="+url.QueryEscape(c.desk.Links.VerifyToken(id)), nil, http.StatusOK)
	return err
}

// call asks the service for a page, as a browser does.
func (c canary) call(ctx context.Context, what, method, path string, typed url.Values, want int) (page string, err error) {
	origin := strings.TrimSuffix(c.desk.Links.Base.String(), "/")
	r, err := http.NewRequestWithContext(ctx, method, origin+path, strings.NewReader(typed.Encode()))
	if err != nil {
		return "", closed("%s: the address of the service makes no request", what)
	}
	r.Header.Set("User-Agent", "lethe-canary")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
	}
	answer, err := c.client.Do(r)
	if err != nil { // its text holds the address, with the token
		return "", closed("%s: the service did not answer", what)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxPage))
	if err != nil {
		return "", closed("%s: the answer broke off", what)
	}
	if answer.StatusCode != want {
		return "", closed("%s: the service answered with status %d, want %d", what, answer.StatusCode, want)
	}
	return string(body), nil
}

// closed says where the way ends. It is safe to log.
func closed(format string, args ...any) error { return fmt.Errorf(format, args...) }
