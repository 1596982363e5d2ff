package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/web"
)

func TestErrorsAreToldAsProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		kind   web.Kind
		after  string // Retry-After
	}{
		{&intake.Invalid{Fields: []intake.Field{{Name: "email", Code: "not_email", Text: "is no e-mail address"}}}, 422, web.Invalid, ""},
		{intake.ErrTooMany, 429, web.TooMany, "3600"},
		{intake.ErrLink, 404, web.LinkInvalid, ""},
		{intake.ErrUsed, 409, web.LinkUsed, ""},
		{intake.ErrExtended, 409, web.Extended, ""},
		{intake.ErrSweeping, 409, web.Sweeping, ""},
		{ledger.ErrNotFound, 404, web.NotFound, ""},
		{ledger.ErrHeld, 409, web.Held, ""},
		{ledger.ErrFinal, 409, web.Ended, ""},
		{ledger.ErrReused, 422, web.KeyReused, ""},
		{fault.New(fault.BadInput, "secret"), 422, web.Invalid, ""},
		{fault.New(fault.WrongPlan, "secret"), 409, web.WrongPlan, ""},
		{fault.New(fault.LedgerBusy, "secret"), 503, web.Busy, "2"},
		{fault.New(fault.Unavailable, "secret"), 503, web.Busy, "2"},
		{context.Canceled, 503, web.Busy, "2"},
		{context.DeadlineExceeded, 503, web.Busy, "2"},
		{fault.New(fault.SealBroken, "secret"), 500, web.Internal, ""},
		{errors.New("secret"), 500, web.Internal, ""},
		{web.ErrMalformed, 400, web.Malformed, ""},
		{web.ErrMediaType, 415, web.WrongMediaType, ""},
		{web.ErrNoToken, 401, web.Unauthenticated, ""},
		{web.ErrForbidden, 403, web.Forbidden, ""},
		{web.ErrTries, 429, web.TooMany, "600"},
		{&http.MaxBytesError{Limit: 1}, 413, web.TooLarge, ""},
	} {
		w := httptest.NewRecorder()
		web.WriteError(w, fmt.Errorf("show request: %w", c.err))
		p := problemIn(t, w)
		if w.Code != c.status || p.Type != "/problems/"+string(c.kind) || w.Header().Get("Retry-After") != c.after {
			t.Errorf("%v: got %d %s, Retry-After %q", c.err, w.Code, p.Type, w.Header().Get("Retry-After"))
		}
		if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "show request") {
			t.Errorf("%v: the problem repeats the error: %s", c.err, w.Body)
		}
		var invalid *intake.Invalid
		if errors.As(c.err, &invalid) && (len(p.Errors) != 1 || p.Errors[0] != invalid.Fields[0]) {
			t.Errorf("%v: the fields are %v", c.err, p.Errors)
		}
	}
}

func TestWhatWentWrongInsideIsLoggedOnce(t *testing.T) {
	t.Parallel()
	l := &logged{}
	h := web.Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		web.WriteError(w, errors.New("ledger: a record does not decode"))
	}), options(l))
	if w := answer(h, request("GET", "/", "")); w.Code != 500 || strings.Contains(w.Body.String(), "decode") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if said := l.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "level=ERROR") || !strings.Contains(said, "does not decode") {
		t.Errorf("logged: %s", said)
	}
}

func TestEveryTypeOfProblemIsExplainedAtItsAddress(t *testing.T) {
	t.Parallel()
	h := guarded(&logged{})
	for _, k := range []web.Kind{web.Invalid, web.WrongPlan, web.Internal, web.Sweeping, web.HeadersTooLarge} {
		p := web.NewProblem(k)
		if w := answer(h, request("GET", p.Type, "")); w.Code != 200 || !strings.Contains(w.Body.String(), p.Title) || !strings.Contains(w.Body.String(), p.Detail) {
			t.Errorf("%s: got %d %q", k, w.Code, w.Body)
		}
	}
	if w := answer(h, request("GET", "/problems/"+marker, "")); w.Code != 404 || strings.Contains(w.Body.String(), marker) {
		t.Errorf("an unknown type: got %d %s", w.Code, w.Body)
	}
}
