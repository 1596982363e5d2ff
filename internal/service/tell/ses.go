package tell

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/mail"
)

// transfer hands messages to Amazon SES. It refuses what it calls a bad request. It puts off a message that it rejects: an
// account in the sandbox takes mail to verified addresses only (MessageRejected), which may be over tomorrow. Everything
// else is SES itself: a limit, a pause, an identity that is not verified
// (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html).
func transfer(cfg aws.Config) mail.Transfer {
	client := sesv2.NewFromConfig(cfg)
	return func(ctx context.Context, from, to string, text []byte) error {
		_, err := client.SendEmail(ctx, &sesv2.SendEmailInput{
			FromEmailAddress: &from, Destination: &types.Destination{ToAddresses: []string{to}},
			Content: &types.EmailContent{Raw: &types.RawMessage{Data: text}},
		})
		var bad *types.BadRequestException
		var rejected *types.MessageRejected
		switch {
		case err == nil:
			return nil
		case errors.As(err, &bad):
			return fmt.Errorf("mail: Amazon SES calls the message a bad request: %w", mail.ErrRefused)
		case errors.As(err, &rejected):
			return fmt.Errorf("mail: Amazon SES rejects the message; is the account still in the sandbox, which takes mail to verified addresses only? %w", mail.ErrDeferred)
		}
		return fmt.Errorf("mail: %w", boot.Refused(ctx, client.Options().Retryer, "Amazon SES", err))
	}
}
