// Command close-job is the function of the step CloseJob: it closes the requests of a job, with their certificates.
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
	lambda.Start(boot.New[erase.CloseJobIn](settings, "CloseJob", func(ctx context.Context, c *boot.Cloud) (step.Step, error) {
		signer, err := c.Signer(ctx)
		return steps.CloseJob(c.Base, signer), err
	}))
}
