// Command canary is the function that goes the way of a person through the privacy form, to prove that it is open.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/service/canary"
)

func main() {
	settings, err := boot.Read(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(boot.NewPatient(settings, "Canary", canary.Function))
}
