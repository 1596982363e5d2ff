// Command remove-export is the function of the step RemoveExport: it deletes what a target's export left in its container.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/container"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/step"
	"github.com/lethe-dsr/lethe/internal/steps"
)

func main() {
	settings, err := boot.Read(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(boot.New[erase.On](settings, "RemoveExport", func(_ context.Context, c *boot.Cloud) (step.Step, error) {
		return steps.RemoveExport(c.Base, steps.Containers(c.Link, container.Open)), nil
	}))
}
