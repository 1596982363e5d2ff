package mail

import "context"

// Relay sends messages through a service that takes them whole.
type Relay struct {
	from string
	send Transfer
}

// Transfer hands a message over: its text with header and body (RFC 5322, lines ended by CRLF), for one recipient. Its
// errors are Sender's.
type Transfer func(ctx context.Context, from, to string, text []byte) error

// NewRelay makes a sender of a service; from is an address, maybe with a display name.
func NewRelay(from string, send Transfer) *Relay { return &Relay{from, send} }

// Send hands a message to the service. ErrRefused, without asking the service, for one that cannot be written as mail.
func (r *Relay) Send(ctx context.Context, m Message) error {
	from, err := parseAuthor(r.from)
	if err != nil {
		return err
	}
	l, err := compose(from, m, false)
	if err != nil {
		return err
	}
	return r.send(ctx, from.header, l.to, l.text)
}
