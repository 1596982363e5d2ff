// Command list-notifications is the function of the step ListNotifications: it searches a target's notifications.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/step"
	"github.com/lethe-dsr/lethe/internal/steps"
)

func main() {
	settings, err := boot.Read(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(boot.New[erase.On](settings, "ListNotifications", func(_ context.Context, c *boot.Cloud) (step.Step, error) {
		return steps.ListNotifications(c.Base, steps.Apps(c.Link)), nil
	}))
}
