package tell

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lethe-dsr/lethe/internal/awsjson/sesv2"
	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/mail"
)

// transfer hands messages to Amazon SES. It refuses what it calls a bad request. It puts off a message that it rejects: an
// account in the sandbox takes mail to verified addresses only (MessageRejected), which may be over tomorrow. Everything
// else is SES itself: a limit, a pause, an identity that is not verified
// (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html).
func transfer(cfg aws.Config) mail.Transfer {
	client := sesv2.New(cfg)
	return func(ctx context.Context, from, to string, text []byte) error {
		err := client.SendEmail(ctx, from, to, text)
		switch code := fault.Code(err); {
		case err == nil:
			return nil
		case code == "BadRequestException":
			return fmt.Errorf("mail: Amazon SES calls the message a bad request: %w", mail.ErrRefused)
		case code == "MessageRejected":
			return fmt.Errorf("mail: Amazon SES rejects the message; is the account still in the sandbox, which takes mail to verified addresses only? %w", mail.ErrDeferred)
		}
		return fmt.Errorf("mail: %w", boot.Refused(ctx, client.Retryer(), "Amazon SES", err))
	}
}
