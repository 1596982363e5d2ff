// Command keep-house is the function that looks after jobs, due dates and what nobody took up.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/container"
	"github.com/lethe-dsr/lethe/internal/service/house"
	"github.com/lethe-dsr/lethe/internal/step"
)

func main() {
	settings, err := boot.Read(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(boot.NewPatient(settings, "KeepHouse", func(ctx context.Context, c *boot.Cloud) (step.Step, error) {
		return house.Function(ctx, c, container.Open)
	}))
}
