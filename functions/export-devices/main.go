// Command export-devices is the function of the step ExportDevices: it starts a target's device export, or looks how far it is.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/container"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/executions"
	"github.com/lethe-dsr/lethe/internal/step"
	"github.com/lethe-dsr/lethe/internal/steps"
)

func main() {
	settings, err := boot.Read(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(boot.New[erase.On](settings, "ExportDevices", func(_ context.Context, c *boot.Cloud) (step.Step, error) {
		return steps.ExportDevices(c.Base, steps.Apps(c.Link), steps.Containers(c.Link, container.Open), executions.Alive(c)), nil
	}))
}
