package boot

import (
	"context"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/logging"
)

// attempts of a call to AWS. The SDK's default of 3 takes less than a second; a table that grows with its load
// throttles for longer, and a step that comes back later pays for its start again.
const attempts = 8

// fromEnvironment is what clients of AWS need, from the variables that Lambda sets, and from AWS_ENDPOINT_URL and
// AWS_ENDPOINT_URL_<SERVICE>. The SDK's own reader of configurations also knows files, logins and instance roles, none of
// which a function has, and its clients for those take half as long to start as an empty function.
func fromEnvironment() aws.Config {
	c := aws.Config{
		Region:           os.Getenv("AWS_REGION"),
		Credentials:      credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")),
		HTTPClient:       awshttp.NewBuildableClient(), // one for all services, with the connections that it keeps
		RetryMaxAttempts: attempts,
		ConfigSources:    []any{endpoints{}},
		Logger:           logging.Nop{}, // its lines are no JSON, and nobody has checked what is in them
	}
	if url := os.Getenv("AWS_ENDPOINT_URL"); url != "" {
		c.BaseEndpoint = &url
	}
	return c
}

// endpoints is where clients of the SDK look for the address of their own service.
type endpoints struct{}

// GetServiceBaseEndpoint gives AWS_ENDPOINT_URL_<SERVICE>, after
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
func (endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (url string, found bool, err error) {
	url = os.Getenv("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_")))
	return url, url != "", nil
}
