package steps

import (
	"fmt"
	"net/http"
	"time"

	"github.com/lethe-dsr/lethe/internal/appcenter"
	"github.com/lethe-dsr/lethe/internal/batch"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/provider"
)

// Link is how targets are reached.
type Link struct {
	Targets   []config.Target
	Paces     map[string]*provider.Pace // by target: its limit of calls; none for a target that is not in it
	Transport http.RoundTripper         // nil for one for each client
	RetryWait time.Duration             // of a client's first retry; 0 for its own

	Observe func(target string, o provider.Outcome) // how each attempt of a call ended; called from several goroutines; nil for none
}

// observer is Observe for one target.
func (l Link) observer(target string) func(provider.Outcome) {
	if l.Observe == nil {
		return nil
	}
	return func(o provider.Outcome) { l.Observe(target, o) }
}

// Apps makes the clients of the targets at App Center, by target.
func Apps(l Link) map[string]*appcenter.Client {
	out := map[string]*appcenter.Client{}
	for _, t := range l.Targets {
		if t.Provider == config.AppCenter {
			out[t.ID] = appcenter.New(appcenter.Options{
				Base: t.BaseURL, Token: t.Token.Reveal(), Owner: t.Owner, App: t.App,
				Pace: l.Paces[t.ID], Transport: l.Transport, RetryWait: l.RetryWait, Observe: l.observer(t.ID),
			})
		}
	}
	return out
}

// Containers opens the export containers of the targets at App Center, by target, with container.Open: programs that read
// no export do not link it. The error is a fault.BadInput that names the target whose container cannot be used.
func Containers[C erase.Container](l Link, open func(sas string, transport http.RoundTripper) (C, error)) (map[string]erase.Container, error) {
	out := map[string]erase.Container{}
	for _, t := range l.Targets {
		if t.Provider != config.AppCenter {
			continue
		}
		c, err := open(t.ExportContainer.Reveal(), l.Transport)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", t.ID, err)
		}
		out[t.ID] = c
	}
	return out, nil
}

// Profiles makes the clients of the targets at Batch, by target.
func Profiles(l Link) map[string]*batch.Client {
	out := map[string]*batch.Client{}
	for _, t := range l.Targets {
		if t.Provider == config.Batch {
			out[t.ID] = batch.New(batch.Options{
				Base: t.BaseURL, APIKey: t.APIKey.Reveal(), RESTKey: t.RESTKey.Reveal(),
				Pace: l.Paces[t.ID], Transport: l.Transport, RetryWait: l.RetryWait, Observe: l.observer(t.ID),
			})
		}
	}
	return out
}
