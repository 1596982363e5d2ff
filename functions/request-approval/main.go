// Command request-approval is the function of the step RequestApproval: it notes that a plan waits for a person.
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
	lambda.Start(boot.New[erase.RequestApprovalIn](settings, "RequestApproval", func(_ context.Context, c *boot.Cloud) (step.Step, error) {
		return steps.RequestApproval(c.Base), nil
	}))
}
