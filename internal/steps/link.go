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

// Containers opens the export containers of the targets at App Center with container.Open, which programs that read no
// export do not link, and gives each by its target. One that cannot be used is a fault.BadInput that names its target, and
// keeps nobody from the others.
func Containers[C erase.Container](l Link, open func(sas string, transport http.RoundTripper) (C, error)) func(target string) (erase.Container, error) {
	usable, unusable := map[string]erase.Container{}, map[string]error{}
	for _, t := range l.Targets {
		if t.Provider != config.AppCenter {
			continue
		}
		if c, err := open(t.ExportContainer.Reveal(), l.Transport); err == nil {
			usable[t.ID] = c
		} else {
			unusable[t.ID] = fmt.Errorf("target %s: %w", t.ID, err)
		}
	}
	return func(target string) (erase.Container, error) {
		if err := unusable[target]; err != nil {
			return nil, err
		}
		return at(usable, target)
	}
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
