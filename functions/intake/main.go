// Command intake is the function that API Gateway calls: privacy form, API, OpenDSR and console.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/gateway"
	"github.com/lethe-dsr/lethe/internal/service/frontdoor"
)

func main() {
	settings, err := boot.Read(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(boot.New[gateway.Event](settings, "Intake", frontdoor.Function))
}
