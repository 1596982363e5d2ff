package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/web"
)

// marker stands in every place of a request that a client can fill; no answer and no log line may hold it.
const marker = "ann-marker-0815"

// logged is a log that tests read.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func options(l *logged) web.GuardOptions {
	return web.GuardOptions{
		Hosts: []string{"privacy.acme.example"}, HTTPS: true, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// guarded is a small service behind the guard.
func guarded(l *logged) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "form") })
	mux.HandleFunc("GET /status/{token}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "status") })
	mux.HandleFunc("POST /things", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, len(b), r.ContentLength, err)
	})
	mux.HandleFunc("GET /none", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	mux.HandleFunc("GET /panic", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Half", "said")
		panic(marker)
	})
	mux.HandleFunc("GET /broken", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(errors.New(marker))
	})
	mux.Handle("GET /healthz", web.Health(func(context.Context) error { return nil }))
	mux.Handle("GET /problems/{name}", web.Problems())
	return web.Guard(mux, options(l))
}

func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "privacy.acme.example"
	return r
}

func answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func problemIn(t *testing.T, w *httptest.ResponseRecorder) web.Problem {
	t.Helper()
	var p web.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" || p.Status != w.Code {
		t.Errorf("%d %s %q is not a problem document: %v", w.Code, w.Header().Get("Content-Type"), w.Body, err)
	}
	return p
}

func TestTheGuardRefusesWhatNoClientSends(t *testing.T) {
	t.Parallel()
	l := &logged{}
	h := guarded(l)
	many := http.Header{}
	for n := range 150 {
		many.Set(fmt.Sprintf("X-%d", n), "v")
	}
	for _, c := range []struct {
		name   string
		r      *http.Request
		change func(*http.Request)
		want   int
	}{
		{"well", request("GET", "/", ""), nil, 200},
		{"well, in capitals", request("GET", "/", ""), func(r *http.Request) { r.Host = "Privacy.ACME.example" }, 200},
		{"well, with the scheme's port", request("GET", "/", ""), func(r *http.Request) { r.Host = "privacy.acme.example:443" }, 200},
		{"another host", request("GET", "/", ""), func(r *http.Request) { r.Host = marker + ".example" }, 421},
		{"another port", request("GET", "/", ""), func(r *http.Request) { r.Host = "privacy.acme.example:80" }, 421},
		{"a longer host", request("GET", "/", ""), func(r *http.Request) { r.Host = "privacy.acme.example.evil.example" }, 421},
		{"no host", request("GET", "/", ""), func(r *http.Request) { r.Host = "" }, 421},
		{"health under any name", request("GET", "/healthz", ""), func(r *http.Request) { r.Host = "10.0.0.1:8080" }, 200},
		{"a change of health under any name", request("POST", "/healthz", ""), func(r *http.Request) { r.Host = "10.0.0.1:8080" }, 421},
		{"a long target", request("GET", "/?"+strings.Repeat(marker, 400), ""), nil, 414},
		{"many headers", request("GET", "/", ""), func(r *http.Request) { r.Header = many }, 431},
		{"long headers", request("GET", "/", ""), func(r *http.Request) { r.Header.Set("Cookie", strings.Repeat(marker, 2000)) }, 431},
		{"two slashes", request("GET", "/", ""), func(r *http.Request) { r.URL.Path = "//" + marker }, 404},
		{"up", request("GET", "/a/../"+marker, ""), nil, 404},
		{"zero byte", request("GET", "/status/%00"+marker, ""), nil, 404},
		{"no path", request("OPTIONS", "/", ""), func(r *http.Request) { r.URL.Path = "*" }, 404},
		{"unknown path", request("GET", "/"+marker, ""), nil, 404},
		{"a handler's own 404", request("GET", "/none", ""), nil, 404},
		{"unknown method", request("DELETE", "/things?q="+marker, ""), nil, 405},
		{"invented method", request(strings.ToUpper(marker), "/things", ""), nil, 405},
		{"small body", request("POST", "/things", "x"), nil, 200},
		{"largest body", request("POST", "/things", strings.Repeat("x", 64<<10)), nil, 200},
		{"larger body", request("POST", "/things", strings.Repeat("x", 64<<10+1)), nil, 413},
		{"larger body in chunks", request("POST", "/things", strings.Repeat("x", 64<<10+1)), func(r *http.Request) { r.ContentLength = -1 }, 413},
		{"body that breaks off", request("POST", "/things", ""), func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(strings.NewReader("x"), failing{})) }, 400},
		{"another site", request("POST", "/things", ""), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"a sister site", request("POST", "/things", ""), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		{"another site, older browser", request("POST", "/things", ""), func(r *http.Request) { r.Header.Set("Origin", "https://"+marker+".example") }, 403},
		{"the same site", request("POST", "/things", ""), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, 200},
		{"a link from another site", request("GET", "/", ""), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 200},
	} {
		if c.change != nil {
			c.change(c.r)
		}
		w := answer(h, c.r)
		if w.Code != c.want {
			t.Errorf("%s: got %d %s, want %d", c.name, w.Code, w.Body, c.want)
		}
		if w.Code >= 400 && c.name != "a handler's own 404" {
			problemIn(t, w)
		}
		if w.Code == 405 && w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: Allow is %q", c.name, w.Header().Get("Allow"))
		}
		if all := fmt.Sprint(w.Header(), w.Body); strings.Contains(strings.ToLower(all), marker) {
			t.Errorf("%s: the answer repeats what came in: %s", c.name, all)
		}
	}
	if strings.Contains(strings.ToLower(l.String()), marker) {
		t.Errorf("the log repeats what came in:\n%s", l)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New(marker) }

func TestABodyIsHandedOnWhole(t *testing.T) {
	t.Parallel()
	r := request("POST", "/things", "12345")
	r.ContentLength = -1
	if w := answer(guarded(&logged{}), r); w.Body.String() != "5 5 <nil>" {
		t.Errorf("the handler read %q", w.Body)
	}
}

func TestEveryAnswerIsKeptOutOfCachesFramesAndSearchEngines(t *testing.T) {
	t.Parallel()
	h := guarded(&logged{})
	for _, path := range []string{"/", "/status/x", "/none", "/" + marker, "/panic", "/problems/held"} {
		w := answer(h, request("GET", path, ""))
		for name, want := range map[string]string{
			"Content-Security-Policy": web.Policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"X-Robots-Tag": "noindex", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			"Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()", "Cache-Control": "no-store",
			"Strict-Transport-Security": "max-age=63072000",
		} {
			switch {
			case path == "/" && name == "X-Robots-Tag": // people may find the form
				want = ""
			case path == "/problems/held" && name == "Cache-Control":
				want = "public, max-age=86400"
			}
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
	o := options(&logged{})
	o.HTTPS = false
	if w := answer(web.Guard(http.NewServeMux(), o), request("GET", "/", "")); w.Header().Get("Strict-Transport-Security") != "" {
		t.Error("a service without https promises it")
	}
}

func TestAPanicIsAProblemAndALogLineWithoutWhatItSaid(t *testing.T) {
	t.Parallel()
	l := &logged{}
	h := guarded(l)
	w := answer(h, request("GET", "/panic", ""))
	if p := problemIn(t, w); w.Code != 500 || p.Type != "/problems/internal" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w.Header().Get("X-Half") != "" {
		t.Error("the answer carries what the handler was going to say")
	}
	if said := l.String(); strings.Contains(said, marker) || strings.Count(said, "\n") != 1 ||
		!strings.Contains(said, "panic of type string at github.com/lethe-dsr/lethe/internal/web_test.guarded") {
		t.Errorf("logged: %s", said)
	}
}

func TestAnAnswerThatPanicsHalfWayBreaksOff(t *testing.T) {
	t.Parallel()
	l := &logged{}
	srv := httptest.NewServer(guarded(l))
	t.Cleanup(srv.Close)
	r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/broken", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "privacy.acme.example"
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); string(b) != "half" || err == nil {
		t.Errorf("got %q, %v, want half an answer and an error", b, err)
	}
	if said := l.String(); strings.Contains(said, marker) || !strings.Contains(said, "level=ERROR") {
		t.Errorf("logged: %s", said)
	}
}

func TestTheLogNamesRoutesAndNeverPaths(t *testing.T) {
	t.Parallel()
	l := &logged{}
	answer(guarded(l), request("GET", "/status/"+marker+"?token="+marker, ""))
	for _, want := range []string{"method=GET", "route=/status/{token}", "status=200", "bytes=6", "milliseconds="} {
		if !strings.Contains(l.String(), want) {
			t.Errorf("%q is missing in %s", want, l)
		}
	}
	if strings.Contains(l.String(), marker) {
		t.Errorf("logged: %s", l)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	l := &logged{}
	sick := web.Guard(web.Health(func(context.Context) error { return errors.New("the disk is full") }), options(l))
	w := answer(sick, request("GET", "/healthz", ""))
	if w.Code != 503 || strings.Contains(w.Body.String(), "disk") || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if !strings.Contains(l.String(), "the disk is full") {
		t.Errorf("the log does not say why: %s", l)
	}
	if w := answer(guarded(l), request("GET", "/healthz", "")); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}
