package link

import (
	"crypto/hmac"
	"strings"
)

// The canary's mail goes to the mailbox simulator of Amazon SES, which takes every message for success, with any label
// (https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html).
const (
	simulator = "success+"
	simulated = "@simulator.amazonses.com"
)

const canary = "canary"

// CanaryAddress is the address of a request that proves that the door is open. It says which request that is to be, with a
// keyed digest: nobody else can mark a request so.
func (m Maker) CanaryAddress(request string) string {
	id := strings.ToLower(request)
	return simulator + id + "-" + m.Digest(canary, id) + simulated
}

// ReadCanary finds the request of a canary's address, in upper case; false for every other address.
func (m Maker) ReadCanary(address string) (request string, ok bool) {
	label, _ := strings.CutPrefix(address, simulator)
	id, _, _ := strings.Cut(label, "-")
	request = strings.ToUpper(id)
	return request, id != "" && hmac.Equal([]byte(address), []byte(m.CanaryAddress(request)))
}
