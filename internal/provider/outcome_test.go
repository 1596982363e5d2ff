package provider

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
)

// What a provider counts is what is observed: every attempt, and none that was not made.
func TestEveryAttemptIsObserved(t *testing.T) {
	t.Parallel()
	type answer = func(*http.Request) (*http.Response, error)
	for name, row := range map[string]struct {
		script []answer
		want   []Outcome
	}{
		"well":                       {[]answer{status(200)}, []Outcome{Answered}},
		"not there":                  {[]answer{status(404)}, []Outcome{Answered}},
		"a redirect, not followed":   {[]answer{status(302, "Location", "https://elsewhere.example/")}, []Outcome{Answered}},
		"no credentials":             {[]answer{status(401)}, []Outcome{Refused}},
		"no right":                   {[]answer{status(403)}, []Outcome{Refused}},
		"slowed down":                {[]answer{status(429), status(429), status(200)}, []Outcome{Throttled, Throttled, Answered}},
		"fails for ever":             {[]answer{status(500)}, []Outcome{Failed, Failed, Failed, Failed}},
		"not implemented":            {[]answer{status(501)}, []Outcome{Failed}},
		"no answer, and half of one": {[]answer{broken, brokenBody, status(204)}, []Outcome{Failed, Failed, Answered}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var got []Outcome
				c := New(Options{Base: base(t, "https://api.example"), Transport: &answers{script: row.script}, Observe: func(o Outcome) { got = append(got, o) }})
				c.Call(t.Context(), http.MethodGet, "/x", nil, nil) // its answer is tested elsewhere
				if !slices.Equal(got, row.want) {
					t.Errorf("observed %q, want %q", got, row.want)
				}
			})
		})
	}
}

func TestACallThatFoundNoPlaceWasNoAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []Outcome
		pace := NewPace(1, memory())
		c := New(Options{Base: base(t, "https://api.example"), Pace: pace, Transport: &answers{script: []func(*http.Request) (*http.Response, error){status(200)}}, Observe: func(o Outcome) { got = append(got, o) }})
		if _, err := c.Call(t.Context(), http.MethodGet, "/x", nil, nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), Window/2)
		defer cancel()
		if _, err := c.Call(ctx, http.MethodGet, "/x", nil, nil); err == nil || len(got) != 1 {
			t.Errorf("%v, observed %q", err, got)
		}
	})
}
