// Command open-job is the function of the step OpenJob: it claims the requests of a job.
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
	lambda.Start(boot.New[erase.OpenJobIn](settings, "OpenJob", func(_ context.Context, c *boot.Cloud) (step.Step, error) {
		return steps.OpenJob(c.Base), nil
	}))
}
