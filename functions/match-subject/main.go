// Command match-subject is the function of the step MatchSubject: it matches a shard of a target's export.
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
	lambda.Start(boot.New[erase.MatchSubjectIn](settings, "MatchSubject", func(_ context.Context, c *boot.Cloud) (step.Step, error) {
		return steps.MatchSubject(c.Base, steps.Containers(c.Link, container.Open)), nil
	}))
}
