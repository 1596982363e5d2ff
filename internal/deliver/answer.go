package deliver

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Why a message was not taken; see Client.Post.
var (
	ErrURL     = errors.New("the address cannot be used")
	ErrAddress = errors.New("the host has an address that messages must not go to, such as one in a private network; nothing was sent there")
	ErrGone    = errors.New("the receiver wants no more messages at this address; do not try again")
	ErrRefused = errors.New("the receiver does not accept the message; sending the same again rarely helps")
)

// answer is the error of a call that was answered with something else than 2xx.
type answer struct {
	status int
	after  time.Duration
	named  bool // the receiver said when to try again: after
}

func newAnswer(res *http.Response) *answer {
	after, named := retryAfter(res.Header)
	return &answer{res.StatusCode, after, named}
}

func (a *answer) Error() string {
	if kind := a.Unwrap(); kind != nil {
		return fmt.Sprintf("deliver: answered %d: %v", a.status, kind)
	}
	return fmt.Sprintf("deliver: answered %d", a.status)
}

// Unwrap sorts the status codes as the Standard Webhooks specification suggests; of 4xx it names 410 and 429.
func (a *answer) Unwrap() error {
	switch {
	case a.status == http.StatusGone:
		return ErrGone
	case a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly, a.status == http.StatusTooManyRequests:
		return nil
	case a.status >= 400 && a.status < 500:
		return ErrRefused
	}
	return nil
}

// RetryAfter is how long the receiver that answered with this error asked to wait, at most an hour.
func RetryAfter(err error) (time.Duration, bool) {
	if a, ok := errors.AsType[*answer](err); ok {
		return a.after, a.named
	}
	return 0, false
}

// retryAfter reads both forms of the header (RFC 9110, 10.2.3). A date counts from the answer's own Date, so that it
// does not matter how the two clocks differ.
func retryAfter(h http.Header) (time.Duration, bool) {
	v := h.Get("Retry-After")
	if s, err := strconv.ParseUint(v, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(s, uint64(maxWait/time.Second))) * time.Second, true
	}
	from, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0, false
	}
	to, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return min(max(0, to.Sub(from)), maxWait), true
}

const (
	// GiveUp is how long after its first attempt a message is given up. The Standard Webhooks specification recommends
	// several days.
	GiveUp = 3 * 24 * time.Hour

	firstWait = 5 * time.Second
	maxWait   = time.Hour
)

// Backoff is the wait after the attempt-th failed attempt, counted from 1: five seconds, doubling, with up to a fifth
// more or less by random, which is from [0, 1). It is never more than an hour, so that it doubles to 50 minutes.
func Backoff(attempt int, random float64) time.Duration {
	const most = maxWait * 5 / 6
	wait := firstWait
	for ; attempt > 1 && wait < most; attempt-- {
		wait *= 2
	}
	return time.Duration(float64(min(wait, most)) * (0.8 + 0.4*random))
}
