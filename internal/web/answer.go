package web

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"
)

// answer watches what is answered.
type answer struct {
	http.ResponseWriter
	r      *http.Request
	status int
	bytes  int64
	drop   bool  // what a ServeMux writes is replaced by a problem
	broken bool  // a panic came when part of the answer was out
	cause  error // of an answer 5xx
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader replaces what a ServeMux says itself, in plain text: the request has no pattern then.
func (a *answer) WriteHeader(status int) {
	own := a.r.Pattern == "" && a.Header().Get("Content-Type") != problemType
	switch {
	case a.status != 0:
	case own && status == http.StatusNotFound:
		WriteProblem(a, NewProblem(NotFound))
		a.drop = true
	case own && status == http.StatusMethodNotAllowed:
		WriteProblem(a, NewProblem(WrongMethod))
		a.drop = true
	default:
		if status >= 200 {
			a.status = status
		}
		a.ResponseWriter.WriteHeader(status)
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.drop {
		return len(b), nil
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// FlushError is for http.ResponseController.
func (a *answer) FlushError() error {
	a.WriteHeader(http.StatusOK)
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// recovered makes a problem of a panic where nothing is out yet. What the panic says may hold anything, so only its type
// and place are logged.
func (o GuardOptions) recovered(a *answer, up any) {
	if up != http.ErrAbortHandler { // which says nothing but that the answer breaks off
		a.cause = fmt.Errorf("panic of type %T at %s", up, panicked())
	}
	if a.broken = a.status != 0 || up == http.ErrAbortHandler; a.broken {
		return
	}
	cause := a.cause
	clear(a.Header()) // of what the handler was going to say
	o.setHeaders(a.Header(), a.r)
	p := NewProblem(Internal)
	p.cause = cause
	WriteProblem(a, p)
}

// panicked finds the function and line that panicked, by the stack of the deferred call that recovers.
func panicked() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for below := false; ; {
		f, more := frames.Next()
		if below && !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", f.Function, f.Line)
		}
		below = below || f.Function == "runtime.gopanic"
		if !more {
			return "an unknown place"
		}
	}
}

// log writes the access log: nothing in it comes from the request but which route and method it was for.
func (o GuardOptions) log(a *answer, began time.Time) {
	level := slog.LevelInfo
	route := a.r.Pattern
	if _, path, ok := strings.Cut(route, " "); ok {
		route = path
	}
	attrs := []slog.Attr{
		slog.String("method", knownMethod(a.r.Method)), slog.String("route", cmp.Or(route, "none")),
		slog.Int("status", cmp.Or(a.status, http.StatusOK)), slog.Int64("milliseconds", o.Now().Sub(began).Milliseconds()), slog.Int64("bytes", a.bytes),
	}
	if a.cause != nil {
		level, attrs = slog.LevelWarn, append(attrs, slog.String("error", a.cause.Error()))
	}
	switch {
	case a.cause != nil && (a.broken || a.status == http.StatusInternalServerError):
		level = slog.LevelError
	case a.cause == nil && route == "/healthz":
		level = slog.LevelDebug
	}
	o.Log.LogAttrs(context.WithoutCancel(a.r.Context()), level, "answered", attrs...)
}

// knownMethod is the method, unless the client made it up.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
