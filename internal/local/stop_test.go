package local_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
)

// stuck is a provider's network that answers nothing before the call is given up.
type stuck struct{}

func (stuck) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// stopping begins a stop, and gives its end.
func (s *service) stopping() (ended chan struct{}) {
	s.t.Helper()
	ended = make(chan struct{})
	go func() { defer close(ended); s.stop() }()
	s.until("the end of listening", func() bool {
		c, err := net.Dial("tcp", s.at.Listen)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	return ended
}

// A request that was under way when the stop came is answered, and what it said is kept.
func TestAStopLetsAnswersEnd(t *testing.T) {
	t.Parallel()
	w := served(t, settings{mode: config.Approve}, "")
	s := w.serve()
	c, err := net.Dial("tcp", s.at.Listen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	body := annJSON + "}"
	fmt.Fprintf(c, "POST /requests HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", s.at.URL.Host, submitToken, len(body))
	from := bufio.NewReader(c)
	if line, err := from.ReadString('\n'); err != nil || !strings.Contains(line, "100") { // it is read from now on
		t.Fatalf("got %q (%v)", line, err)
	}
	if _, err := from.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	ended := s.stopping()
	if _, err := io.WriteString(c, body); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusAccepted {
		t.Fatalf("it was answered %d, %s (%v)", res.StatusCode, text, err)
	}
	<-ended
	id := strings.TrimPrefix(res.Header.Get("Location"), "/requests/")
	if s = w.serve(); s.status(id) != "pending" {
		t.Errorf("after the next start it is %s", s.status(id))
	}
}

// A page that follows a job would keep the stop waiting for as long as the job works.
func TestAStopEndsLiveStreamsAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := served(t, settings{mode: config.Approve, transport: func(http.RoundTripper) http.RoundTripper { return stuck{} }}, "")
	const label = "the-service-that-is-stopped"
	var s *service
	pprof.Do(t.Context(), pprof.Labels("of", label), func(context.Context) { s = w.serve() }) // its goroutines inherit the label
	s.submit(annJSON + "}")
	job := s.sweep().Jobs[0]
	s.until("the job", func() bool {
		code := s.call("GET", "/jobs/"+job, approveToken, "", nil)
		return code == http.StatusOK
	})
	res, err := s.client.PostForm(s.at.URL.String()+"/console/sign-in", url.Values{"token": {approveToken}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.at.URL.String()+"/console/jobs/"+job+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range res.Cookies() {
		req.AddCookie(cookie)
	}
	stream, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if stream.StatusCode != http.StatusOK {
		t.Fatalf("the stream was answered %d", stream.StatusCode)
	}
	ended := s.stopping()
	if _, err := io.ReadAll(stream.Body); err != nil { // cut off: it was waited for in vain
		t.Errorf("the stream broke off: %v", err)
	}
	<-ended
	var left bytes.Buffer
	s.until("the end of its goroutines", func() bool {
		left.Reset()
		return pprof.Lookup("goroutine").WriteTo(&left, 1) == nil && !strings.Contains(left.String(), label)
	})
}
