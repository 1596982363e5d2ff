package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// answers is a transport that gives one scripted answer after the other, the last one for ever.
type answers struct {
	script []func(*http.Request) (*http.Response, error)
	sent   []time.Time
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
	}
	a.sent = append(a.sent, time.Now())
	return a.script[min(len(a.sent), len(a.script))-1](r)
}

func status(code int, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader("body")), Request: r}, nil
	}
}

func broken(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

func brokenBody(r *http.Request) (*http.Response, error) {
	body := io.MultiReader(strings.NewReader("ha"), failing{})
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func base(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestWhatIsSentAgainAndWhen(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		once   bool
		script []func(*http.Request) (*http.Response, error)
		status int // of the answer; 0 for an error
		waits  []time.Duration
	}{
		{"well", false, []func(*http.Request) (*http.Response, error){status(200)}, 200, nil},
		{"4xx", false, []func(*http.Request) (*http.Response, error){status(404)}, 404, nil},
		{"not implemented", false, []func(*http.Request) (*http.Response, error){status(501)}, 501, nil},
		{"5xx for ever", false, []func(*http.Request) (*http.Response, error){status(500)}, 500, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}},
		{"5xx for a while", false, []func(*http.Request) (*http.Response, error){status(502), status(504), status(200)}, 200, []time.Duration{time.Second, 2 * time.Second}},
		{"Retry-After in seconds", false, []func(*http.Request) (*http.Response, error){status(429, "Retry-After", "17"), status(200)}, 200, []time.Duration{17 * time.Second}},
		{"Retry-After of a 500", false, []func(*http.Request) (*http.Response, error){status(500, "Retry-After", "3"), status(200)}, 200, []time.Duration{3 * time.Second}},
		{"Retry-After too long", false, []func(*http.Request) (*http.Response, error){status(503, "Retry-After", "31")}, 503, nil},
		{"Retry-After too long, 500", false, []func(*http.Request) (*http.Response, error){status(500, "Retry-After", "3600")}, 500, nil},
		{"Retry-After absurd", false, []func(*http.Request) (*http.Response, error){status(429, "Retry-After", "18446744073709551615")}, 429, nil},
		{"Retry-After no number", false, []func(*http.Request) (*http.Response, error){status(429, "Retry-After", "-4"), status(200)}, 200, []time.Duration{time.Second}},
		{"lost", false, []func(*http.Request) (*http.Response, error){broken, brokenBody, status(200)}, 200, []time.Duration{time.Second, 2 * time.Second}},
		{"lost for ever", false, []func(*http.Request) (*http.Response, error){brokenBody}, 0, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}},
		{"once: 429", true, []func(*http.Request) (*http.Response, error){status(429), status(200)}, 200, []time.Duration{time.Second}},
		{"once: 503", true, []func(*http.Request) (*http.Response, error){status(503)}, 503, nil},
		{"once: 500", true, []func(*http.Request) (*http.Response, error){status(500)}, 500, nil},
		{"once: lost", true, []func(*http.Request) (*http.Response, error){broken}, 0, nil},
		{"once: broken off", true, []func(*http.Request) (*http.Response, error){brokenBody}, 0, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				next := &answers{script: row.script}
				c := New(Options{Base: base(t, "https://api.example"), Transport: next})
				ctx := t.Context()
				if row.once {
					ctx = Once(ctx)
				}
				a, err := c.Call(ctx, http.MethodPost, "/x", nil, "in")
				if a.Status != row.status || (err != nil) != (row.status == 0) || err != nil && !fault.Is(err, fault.Unavailable) {
					t.Errorf("got %d, %v, want %d", a.Status, err, row.status)
				}
				if len(next.sent) != len(row.waits)+1 {
					t.Fatalf("sent %d times, want %d", len(next.sent), len(row.waits)+1)
				}
				for i, want := range row.waits {
					if got := next.sent[i+1].Sub(next.sent[i]); got != want {
						t.Errorf("wait %d: %s, want %s", i, got, want)
					}
				}
			})
		})
	}
}

func TestRetryAfterAsDate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(9 * time.Second)
		next := &answers{script: []func(*http.Request) (*http.Response, error){status(429, "Retry-After", at.UTC().Format(http.TimeFormat)), status(200)}}
		c := New(Options{Base: base(t, "https://api.example"), Transport: next})
		if _, err := c.Call(t.Context(), http.MethodGet, "/x", nil, nil); err != nil {
			t.Fatal(err)
		}
		if got := next.sent[1].Sub(at).Abs(); got > time.Second {
			t.Errorf("sent again %s off the date", got)
		}
	})
}

func TestAWaitBeyondTheDeadlineIsNotBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := &answers{script: []func(*http.Request) (*http.Response, error){status(429, "Retry-After", "20")}}
		c := New(Options{Base: base(t, "https://api.example"), Transport: next})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		a, err := c.Call(ctx, http.MethodGet, "/x", nil, nil)
		if err != nil || a.Status != 429 || time.Since(start) > 0 {
			t.Errorf("got %d, %v after %s, want the 429 at once", a.Status, err, time.Since(start))
		}
	})
}

// TestWaitingForAPlaceIsNoTimeout: with few calls a minute the wait is longer than one attempt may take.
func TestWaitingForAPlaceIsNoTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := &answers{script: []func(*http.Request) (*http.Response, error){status(200)}}
		c := New(Options{Base: base(t, "https://api.example"), Transport: next, Pace: NewPace(1, memory())})
		for range 4 {
			if _, err := c.Call(t.Context(), http.MethodGet, "/x", nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if got := next.sent[3].Sub(next.sent[0]); got != 3*(Window+apart) {
			t.Errorf("four calls at one a minute took %s", got)
		}
	})
}

func TestRetriesTakePlacesToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := &answers{script: []func(*http.Request) (*http.Response, error){status(500), broken, status(200)}}
		c := New(Options{Base: base(t, "https://api.example"), Transport: next, Pace: NewPace(2, memory())})
		if _, err := c.Call(t.Context(), http.MethodGet, "/x", nil, nil); err != nil {
			t.Fatal(err)
		}
		if got := next.sent[2].Sub(next.sent[0]); got < Window {
			t.Errorf("three attempts at two a minute within %s", got)
		}
	})
}

func TestAnAttemptHasItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next := &answers{script: []func(*http.Request) (*http.Response, error){func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}}
		c := New(Options{Base: base(t, "https://api.example"), Transport: next})
		start := time.Now()
		_, err := c.Call(Once(t.Context()), http.MethodGet, "/x", nil, nil)
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "no answer in time") || time.Since(start) != perCall {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
	})
}

// TestAGetThatNetHTTPSendsAgainIsCounted: a kept-alive connection that breaks makes net/http repeat a GET by itself.
func TestAGetThatNetHTTPSendsAgainIsCounted(t *testing.T) {
	t.Parallel()
	var seen atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if seen.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(srv.Close)
	pace := NewPace(10, memory())
	var observed []Outcome
	c := New(Options{Base: base(t, srv.URL), Pace: pace, RetryWait: time.Hour, Observe: func(o Outcome) { observed = append(observed, o) }})
	for range 2 {
		if _, err := c.Call(t.Context(), http.MethodGet, "/x", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := taken(t, pace); got != int(seen.Load()) || got != 3 {
		t.Errorf("%d places taken for %d calls that the server saw, want 3", got, seen.Load())
	}
	if want := []Outcome{Answered, Failed, Answered}; !slices.Equal(observed, want) {
		t.Errorf("observed %q, want %q", observed, want)
	}
}

func TestCallKeepsEscapesAndSendsItsHeaders(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Method, " ", r.URL.EscapedPath(), "?", r.URL.Query().Get("q"), " ", r.Header.Get("X-Key"), " ", r.Header.Get("Content-Type"), " ", string(b), err)
	}))
	t.Cleanup(srv.Close)
	c := New(Options{Base: base(t, srv.URL+"/pre%2Ffix/"), Header: http.Header{"X-Key": {"k"}}})
	a, err := c.Call(t.Context(), http.MethodDelete, "/a%2Fb%20c", url.Values{"q": {"ü&"}}, []string{"x"})
	if want := `DELETE /pre%2Ffix/a%2Fb%20c?ü& k application/json ["x"]<nil>`; err != nil || string(a.Body) != want {
		t.Errorf("got %s, %v, want %s", a.Body, err, want)
	}
}

func TestATooLargeAnswerIsMalformed(t *testing.T) {
	t.Parallel()
	next := &answers{script: []func(*http.Request) (*http.Response, error){status(200)}}
	o := Options{Base: base(t, "https://api.example"), Transport: next}
	if a, err := bounded(o, 4).Call(t.Context(), http.MethodGet, "/x", nil, nil); err != nil || string(a.Body) != "body" {
		t.Errorf("as large as may be: got %q, %v", a.Body, err)
	}
	if _, err := bounded(o, 3).Call(t.Context(), http.MethodGet, "/x", nil, nil); !fault.Is(err, fault.MalformedAnswer) || len(next.sent) != 2 {
		t.Errorf("too large: got %v after %d calls, want MalformedAnswer after one", err, len(next.sent)-1)
	}
}

func TestUnreachableHostsAreNamedWithoutTheirPaths(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	untrusted := httptest.NewUnstartedServer(nil)
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0) // it will complain of the client
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	for raw, want := range map[string]string{closed.URL: "refuses connections", untrusted.URL: "certificate is not trusted"} {
		c := New(Options{Base: base(t, raw)})
		_, err := c.Call(Once(t.Context()), http.MethodDelete, "/secret", url.Values{"q": {"secret"}}, nil)
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want Unavailable: %s", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(Options{Base: base(t, closed.URL)}).Call(ctx, http.MethodGet, "/x", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
}

func TestLinksStayAtTheirHost(t *testing.T) {
	t.Parallel()
	c := New(Options{Base: base(t, "https://api.example/v1")})
	from := base(t, "https://api.example/v1/list?page=1")
	for link, want := range map[string]string{
		"https://api.example/v1/list?page=2":     "https://api.example/v1/list?page=2",
		"https://API.example:443/v1/list?page=2": "https://API.example:443/v1/list?page=2",
		"/v1/list?page=2#here":                   "https://api.example/v1/list?page=2",
		"?page=2":                                "https://api.example/v1/list?page=2",
		"other":                                  "https://api.example/v1/other",
		"http://api.example/v1/list":             "",
		"https://api.example:8443/v1/list":       "",
		"https://api.example.elsewhere.example/": "",
		"//elsewhere.example/":                   "",
		"https://me@api.example/":                "",
		"https://api.example@elsewhere.example/": "",
		"file:///etc/passwd":                     "",
		"javascript:x":                           "",
	} {
		got, err := c.Resolve(from, link)
		switch {
		case want == "" && !fault.Is(err, fault.ForeignLink):
			t.Errorf("%s: got %v, %v, want ForeignLink", link, got, err)
		case want != "" && (err != nil || got.String() != want):
			t.Errorf("%s: got %v, %v, want %s", link, got, err, want)
		}
	}
	if _, err := c.Resolve(from, "%zz"); !fault.Is(err, fault.MalformedAnswer) {
		t.Errorf("no URL: got %v, want MalformedAnswer", err)
	}
}
