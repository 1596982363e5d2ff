// Command delete-audiences is the function of the step DeleteAudiences: it deletes a target's cleared audiences.
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
	lambda.Start(boot.New[erase.On](settings, "DeleteAudiences", func(_ context.Context, c *boot.Cloud) (step.Step, error) {
		return steps.DeleteAudiences(c.Base, steps.Apps(c.Link)), nil
	}))
}
