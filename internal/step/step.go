// Package step turns a typed function into a JSON handler with named errors. The value is what aws-lambda-go starts on
// AWS and what the local runner calls: same JSON, same error names.
package step

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/lethe-dsr/lethe/internal/fault"
)

// Step is one step of the state machine. It implements lambda.Handler.
type Step struct {
	name   string
	invoke func(context.Context, []byte) ([]byte, error)
}

// New makes a step of a function. Its name is the one in the state machine's substitutions, without "FunctionArn".
func New[In, Out any](name string, run func(context.Context, In) (Out, error)) Step {
	return Step{name: name, invoke: func(ctx context.Context, payload []byte) ([]byte, error) {
		in, err := Decode[In](name, payload)
		if err != nil {
			return nil, err
		}
		out, err := run(ctx, in)
		if err != nil {
			return nil, Named(name, err)
		}
		return encode(out)
	}}
}

// encode is json.Marshal without the \u003c of HTML: pages go through here, and would outgrow what Lambda hands on after
// package gateway has measured them.
func encode(out any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(out)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Decode reads the input of the step of a name. Its error is as one of Invoke, a fault.BadInput. It never repeats the
// input; an In that reads itself may say by a fault what it takes.
func Decode[In any](step string, payload []byte) (in In, err error) {
	if err = json.Unmarshal(payload, &in); err == nil {
		return in, nil
	}
	var said *fault.Error
	if !errors.As(err, &said) {
		err = fault.New(fault.BadInput, "the input is not the JSON that this step takes")
	}
	return in, Named(step, err)
}

// Name is the step's name, such as DeleteInstall.
func (s Step) Name() string { return s.name }

// Invoke runs the step on a JSON input. Its error is a messages.InvokeResponse_Error that carries the fault's name.
func (s Step) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return s.invoke(ctx, payload)
}

// Named gives an error of a step its name at the boundary. Lambda reports an error under the name of its outermost Go type, so a
// wrapped one arrives as "wrapError" and no Catch matches. The text of an error without a name is left out: nobody has
// checked that it holds nothing personal.
func Named(step string, err error) error {
	name, text := fault.NameOf(err), err.Error()
	if name == fault.Internal {
		text = fmt.Sprintf("unexpected error of type %T; nothing was lost, run it again", err)
	}
	return messages.InvokeResponse_Error{Type: string(name), Message: step + ": " + text}
}
