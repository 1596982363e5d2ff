package provider

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"
)

// perCall is the longest that one attempt may take, from connecting to the last byte of the answer. The wait for a
// place in the Pace is not part of it: that can be longer.
const perCall = 60 * time.Second

// noPlace is why a call was not sent: the Pace's error.
type noPlace struct{ error }

func (n noPlace) Unwrap() error { return n.error }

// transport makes one attempt: it counts it, retries included, because the provider does; bounds its time; and reads
// the whole answer, so that one that breaks off is a failed attempt like any other. What it counts is also what is observed.
type transport struct {
	pace    *Pace
	next    http.RoundTripper
	most    int64 // bytes of an answer; one more is read, for the caller to see that there are more
	observe func(Outcome)
}

func (t transport) RoundTrip(r *http.Request) (res *http.Response, err error) {
	ended, err := t.pace.Take(r.Context())
	if err != nil {
		return nil, noPlace{err}
	}
	defer func() {
		ended()
		t.observed(res)
	}()
	ctx, cancel := context.WithTimeout(r.Context(), perCall)
	defer cancel()
	// net/http sends a GET again by itself when a kept-alive connection breaks while the answer is awaited. That is one
	// more call to the provider, and takes one more place.
	sent := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		if sent {
			again, err := t.pace.Take(ctx)
			if err != nil {
				cancel() // it must not be sent; the next attempt waits for its place
				return
			}
			before := ended
			ended = func() { before(); again() }
			t.observed(nil)
		}
		sent = true
	}})
	res, err = t.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = b.ReadFrom(io.LimitReader(res.Body, t.most+1))
	if closed := res.Body.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(&b)
	return res, nil
}

// observed tells how an attempt ended.
func (t transport) observed(res *http.Response) {
	if t.observe != nil {
		t.observe(outcomeOf(res))
	}
}
