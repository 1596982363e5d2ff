// Package mail sends plain-text messages to one person each: through an SMTP server, or into a folder during
// development. Both write the same message.
//
// Errors hold the SMTP code and the phase, never an address or a server's words: servers repeat addresses in them.
package mail

import (
	"context"
	"errors"
	"time"
)

// ErrRefused says that this message is never sent: it cannot be written as mail, or the server refused it for good.
// After any other error another try can help.
var ErrRefused = errors.New("refused for good; sending it again does not help")

// ErrDeferred says that the server works and does not take this message for now, because of its recipient or what is in
// it: others can go out meanwhile. After an error that is neither this nor ErrRefused, the server itself fails.
var ErrDeferred = errors.New("put off for now; others can be sent meanwhile")

// Message is one plain-text mail to one person.
type Message struct {
	ID       string    // makes the Message-ID, so that a message that is sent again is recognised; letters, digits, and . _ - between, 1 to 100
	To       string    // address without a name; its domain may be an internationalised one
	Subject  string    // at most 200 bytes of UTF-8; line breaks and other controls become spaces
	Text     string    // at most 64 KiB of UTF-8, lines ended by \n
	Language string    // BCP 47, for Content-Language; "" for none
	Date     time.Time // of writing, years 1900 to 9999
}

// Sender sends messages. A nil error says that the message was taken over for delivery. After an error it may have been
// taken all the same, when the connection broke before the answer came: sending it again then makes a second copy with
// the same Message-ID. ErrRefused tells to give up, ErrDeferred that only this message has to wait. The context's error is
// returned when it ended first. Senders may be used by several goroutines at once.
type Sender interface {
	Send(ctx context.Context, m Message) error
}
