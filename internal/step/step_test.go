package step

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/lethe-dsr/lethe/internal/fault"
)

type in struct{ Value string }

func TestAStepIsWhatLambdaStarts(t *testing.T) {
	t.Parallel()
	var handler lambda.Handler = New("Echo", func(_ context.Context, v in) (in, error) { return v, nil })
	out, err := handler.Invoke(t.Context(), []byte(`{"Value":"x","unknown":"an older or newer definition may send it"}`))
	if err != nil || string(out) != `{"Value":"x"}` {
		t.Errorf("%s, %v", out, err)
	}
}

// What an answer measures before, it measures after: a page that just fits into what Lambda hands on stays whole.
func TestAPageDoesNotGrow(t *testing.T) {
	t.Parallel()
	const page = `{"body":"<p>a & b</p>"}`
	out, err := New("Intake", func(context.Context, in) (json.RawMessage, error) { return json.RawMessage(page), nil }).Invoke(t.Context(), []byte(`{}`))
	if err != nil || string(out) != page {
		t.Errorf("%s, %v", out, err)
	}
}

// A Catch of the state machine sees the name of the outermost Go type unless the error says its own.
func TestErrorsLeaveUnderTheirFaultsName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		name string
		text string
	}{
		{fmt.Errorf("acme-ios: %w", fault.New(fault.Throttled, "slow down")), "Throttled", "Echo: acme-ios: slow down"},
		{errors.New("ann@example.com broke it"), "Internal", "Echo: unexpected error of type *errors.errorString; nothing was lost, run it again"},
		{context.DeadlineExceeded, "ProviderUnavailable", "Echo: context deadline exceeded"},
	} {
		_, err := New("Echo", func(context.Context, in) (in, error) { return in{}, c.err }).Invoke(t.Context(), []byte(`{}`))
		var named messages.InvokeResponse_Error
		if !errors.As(err, &named) || named.Type != c.name || named.Message != c.text {
			t.Errorf("got %+v, want %s: %s", err, c.name, c.text)
		}
		if _, ok := err.(messages.InvokeResponse_Error); !ok {
			t.Errorf("%T: aws-lambda-go knows the outermost type only", err)
		}
	}
}

func TestBadInputIsNamedAndNotRepeated(t *testing.T) {
	t.Parallel()
	_, err := New("Echo", func(_ context.Context, v in) (in, error) { return v, nil }).Invoke(t.Context(), []byte(`{"Value":["ann@example.com"]}`))
	b, _ := json.Marshal(err)
	if !strings.Contains(string(b), `"errorType":"BadInput"`) || strings.Contains(string(b), "ann@") {
		t.Errorf("%s", b)
	}
}

type picky struct{}

func (*picky) UnmarshalJSON([]byte) error { return fault.New(fault.BadInput, "want another") }

func TestAnInputMaySayWhatItTakes(t *testing.T) {
	t.Parallel()
	_, err := New("Echo", func(context.Context, picky) (in, error) { return in{}, nil }).Invoke(t.Context(), []byte(`{}`))
	var named messages.InvokeResponse_Error
	if !errors.As(err, &named) || named.Type != "BadInput" || named.Message != "Echo: want another" {
		t.Errorf("got %+v", err)
	}
}
