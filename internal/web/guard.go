// Package web is what every door of Lethe needs around its own handlers: the guard in front of all of them, problem
// documents, who is asking, and strict reading of JSON. It knows nothing of requests and jobs.
package web

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Limits of what comes in.
const (
	MaxBody    = 64 << 10 // bytes of a body
	maxURI     = 4 << 10  // bytes of a request target
	maxHeader  = 16 << 10 // bytes of all header fields together
	maxHeaders = 100      // header lines
)

// Policy is the Content-Security-Policy of every answer whose handler sets no other: a page may use the service's own
// styles, pictures and forms, and no script at all.
const Policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// GuardOptions are what Guard needs to know of the service.
type GuardOptions struct {
	Hosts []string // host or host:port, as in the URLs by which the service is reached; the scheme's own port may be left out
	HTTPS bool     // people reach the service by https, maybe through a proxy
	Log   *slog.Logger
	Now   func() time.Time
}

// Guard goes around everything that the service answers; next is its ServeMux. It
//
//   - answers 421 to a request for another host than Hosts (GET /healthz is answered under any name), 414, 431, 404 and
//     413 to targets, headers, paths and bodies that no client of Lethe sends, and 403 to a change that another site's page
//     asks a browser for;
//   - hands on the body whole, at most MaxBody bytes of it, so that reading it cannot fail;
//   - sets headers that keep an answer out of caches, search engines, frames and other sites' hands; a handler may replace
//     Policy (for a page with a script) and Cache-Control (for what is public);
//   - makes problem documents of a ServeMux's own 404 and 405, and of a panic;
//   - logs one line an answer: the pattern of the route, never the path or the query, which hold tokens.
//
// A handler that streams uses http.NewResponseController.
func Guard(next http.Handler, o GuardOptions) http.Handler {
	hosts := make([]string, len(o.Hosts))
	for n, h := range o.Hosts {
		hosts[n] = o.host(h)
	}
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &answer{ResponseWriter: w, r: r}
		began := o.Now()
		defer func() {
			if up := recover(); up != nil {
				o.recovered(a, up)
			}
			o.log(a, began)
			if a.broken {
				panic(http.ErrAbortHandler) // the client has to see that the answer broke off
			}
		}()
		o.setHeaders(w.Header(), r)
		health := r.URL.Path == "/healthz" && (r.Method == http.MethodGet || r.Method == http.MethodHead)
		switch p := problemOf(r); {
		case !health && !slices.Contains(hosts, o.host(r.Host)):
			WriteProblem(a, NewProblem(WrongHost))
		case p != "":
			WriteProblem(a, NewProblem(p))
		case cross.Check(r) != nil:
			WriteProblem(a, NewProblem(CrossOrigin))
		default:
			if err := readBody(r); err != nil {
				w.Header().Set("Connection", "close") // the rest of the body is not worth reading
				WriteProblem(a, ProblemOf(err))
				return
			}
			next.ServeHTTP(a, r)
		}
	})
}

// host brings a host to one form: lower case, without the scheme's own port.
func (o GuardOptions) host(h string) string {
	own := ":80"
	if o.HTTPS {
		own = ":443"
	}
	return strings.TrimSuffix(strings.ToLower(h), own)
}

// setHeaders sets what every answer carries. A status link's token is part of its URL, so that other sites get no referrer;
// without any, browsers that do not send Sec-Fetch-Site would send their own forms with Origin: null.
func (o GuardOptions) setHeaders(h http.Header, r *http.Request) {
	h.Set("Content-Security-Policy", Policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
	if r.URL.Path != "/" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("X-Robots-Tag", "noindex")
	}
	if o.HTTPS {
		h.Set("Strict-Transport-Security", "max-age=63072000")
	}
}

// problemOf names what is wrong with a request's target and headers; "" when nothing is.
func problemOf(r *http.Request) Kind {
	size, lines := 0, 0
	for name, values := range r.Header {
		lines += len(values)
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	switch p := r.URL.Path; {
	case len(r.RequestURI) > maxURI:
		return URITooLong
	case size > maxHeader || lines > maxHeaders:
		return HeadersTooLarge
	// A ServeMux would answer an unclean path with a redirect that repeats it.
	case !strings.HasPrefix(p, "/"), path.Clean(p) != p && path.Clean(p)+"/" != p, strings.ContainsFunc(p, isControl):
		return NotFound
	}
	return ""
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// errBroken is a body that ended too early, or took too long.
var errBroken = errors.New("the body did not arrive whole")

// readBody replaces the body by what was read of it.
func readBody(r *http.Request) error {
	if r.ContentLength > MaxBody {
		return &http.MaxBytesError{Limit: MaxBody}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	switch {
	case len(body) > MaxBody:
		return &http.MaxBytesError{Limit: MaxBody}
	case err != nil:
		return errBroken
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}
