package service

import (
	"context"
	"encoding/json"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/gateway"
	"github.com/lethe-dsr/lethe/internal/step"
)

// Intake makes the function that API Gateway calls: privacy form, API, OpenDSR and console.
func Intake(ctx context.Context, c *boot.Cloud) (step.Step, error) {
	s, err := open(c)
	if err != nil {
		return step.Step{}, err
	}
	signer, err := c.Signer(ctx)
	if err != nil {
		return step.Step{}, err
	}
	d, err := s.door(signer.PublicSet())
	if err != nil {
		return step.Step{}, err
	}
	return step.New("Intake", func(ctx context.Context, event json.RawMessage) (json.RawMessage, error) {
		out, err := gateway.Answer(ctx, d, event)
		if err != nil {
			err = fault.New(fault.BadInput, "%v", err)
		}
		return out, err
	}), nil
}
