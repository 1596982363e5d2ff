// Command tell is the function that tells people and systems what became of requests.
package main

import (
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/service/tell"
)

func main() {
	settings, err := boot.Read(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(boot.NewPatient(settings, "Tell", tell.Function))
}
