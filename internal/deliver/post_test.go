package deliver_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/deliver"
)

func TestPostSendsTheMessage(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201, 202, 204, 299} {
		r := receive(t, false, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || r.Method != http.MethodPost || r.RequestURI != "/hook/a%2Fb?c=d" || string(body) != "the message" || r.ContentLength != 11 {
				t.Errorf("got %s %s, %q, %v", r.Method, r.RequestURI, body, err)
			}
			want := http.Header{"Content-Type": {"application/json"}, "Content-Length": {"11"}, "Webhook-Id": {"evt_1"}, "User-Agent": {"Lethe"}, "Connection": {"close"}}
			if !maps.EqualFunc(r.Header, want, slices.Equal) {
				t.Errorf("got the header %v, want %v", r.Header, want)
			}
			w.Header().Set("Set-Cookie", "a=b")
			w.WriteHeader(status)
		})
		c := deliver.NewClient(deliver.Options{Own: all})
		header := http.Header{"Webhook-Id": {"evt_1"}, "Content-Type": {"text/plain"}}
		for range 2 { // the second shows that no cookie and no connection is kept
			if err := c.Post(t.Context(), r.URL+"/hook/a%2Fb?c=d", "application/json", []byte("the message"), header); err != nil {
				t.Errorf("%d: %v", status, err)
			}
			select {
			case <-r.closed:
			case <-time.After(5 * time.Second):
				t.Fatal("the connection is kept")
			}
		}
		if r.seen() != 2 {
			t.Errorf("got %d connections", r.seen())
		}
	}
}

func TestAnswersSayWhatToDo(t *testing.T) {
	t.Parallel()
	type want struct {
		err   error // nil for one that may pass
		after time.Duration
		named bool
	}
	for _, c := range []struct {
		status      int
		after, date string
		want        want
	}{
		{status: 410, want: want{err: deliver.ErrGone}},
		{status: 400, want: want{err: deliver.ErrRefused}},
		{status: 401, want: want{err: deliver.ErrRefused}},
		{status: 404, want: want{err: deliver.ErrRefused}},
		{status: 422, want: want{err: deliver.ErrRefused}},
		{status: 499, want: want{err: deliver.ErrRefused}},
		{status: 408},
		{status: 425},
		{status: 429},
		{status: 500},
		{status: 501},
		{status: 503},
		{status: 599},
		{status: 300},
		{status: 304},
		{status: 429, after: "120", want: want{after: 2 * time.Minute, named: true}},
		{status: 503, after: "0", want: want{named: true}},
		{status: 503, after: "3601", want: want{after: time.Hour, named: true}},
		{status: 503, after: "99999999999999999999999", want: want{after: time.Hour, named: true}},
		{status: 503, after: "-1"},
		{status: 503, after: "soon"},
		{status: 503, after: "1.5"},
		{status: 503, after: "Thu, 01 Jan 2026 00:01:00 GMT", date: "Thu, 01 Jan 2026 00:00:00 GMT", want: want{after: time.Minute, named: true}},
		{status: 503, after: "Thu, 01 Jan 2026 00:00:00 GMT", date: "Thu, 01 Jan 2026 00:01:00 GMT", want: want{named: true}},
		{status: 503, after: "Fri, 01 Jan 2027 00:00:00 GMT", date: "Thu, 01 Jan 2026 00:00:00 GMT", want: want{after: time.Hour, named: true}},
		{status: 503, after: "Fri, 01 Jan 2027 00:00:00 GMT", date: "today"},
	} {
		r := receive(t, false, func(w http.ResponseWriter, _ *http.Request) {
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			if c.date != "" {
				w.Header().Set("Date", c.date)
			}
			w.Header().Set("X-Secret", secret)
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, secret) // refused for 304
		})
		err := post(t, deliver.NewClient(deliver.Options{Own: all}), r.URL+"/"+secret)
		if err == nil {
			t.Errorf("%d: no error", c.status)
			continue
		}
		for _, sentinel := range []error{deliver.ErrGone, deliver.ErrRefused, deliver.ErrURL, deliver.ErrAddress} {
			if errors.Is(err, sentinel) != (sentinel == c.want.err) {
				t.Errorf("%d: got %v", c.status, err)
			}
		}
		if after, named := deliver.RetryAfter(err); after != c.want.after || named != c.want.named {
			t.Errorf("%d, %q: got %v, %v", c.status, c.after, after, named)
		}
		if r.seen() != 1 {
			t.Errorf("%d: got %d attempts", c.status, r.seen())
		}
	}
	if after, named := deliver.RetryAfter(errors.New("another error")); after != 0 || named {
		t.Errorf("got %v, %v", after, named)
	}
}

func TestStrangersReachNothingHere(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{true, false} {
		r := receive(t, secure, func(http.ResponseWriter, *http.Request) {})
		c := deliver.NewClient(deliver.Options{})
		for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1", "0.0.0.0", "[::1]"} {
			if err := post(t, c, r.url(host)); !errors.Is(err, deliver.ErrURL) {
				t.Errorf("%s: got %v", host, err)
			}
		}
		if r.seen() != 0 {
			t.Errorf("%d connections were made", r.seen())
		}
	}
}

func TestNamesOfStrangersLeadNowhereHere(t *testing.T) {
	t.Parallel()
	r := receive(t, true, func(http.ResponseWriter, *http.Request) {})
	lists := [][]string{
		{"127.0.0.1"}, {"127.0.0.1", "::1"}, {"0.0.0.0"}, {"10.0.0.1", "192.168.0.1", "172.16.0.1"}, {"169.254.169.254"}, {"100.64.0.1"},
	}
	if l, err := net.ListenPacket("udp6", "[::1]:0"); err == nil { // without IPv6 there is nothing to refuse
		l.Close()
		lists = append(lists, []string{"::1"}, []string{"::ffff:127.0.0.1"}, []string{"::"}, []string{"fd00:ec2::254"}, []string{"64:ff9b::7f00:1"}, []string{"2002:7f00:1::"})
	}
	for _, addresses := range lists {
		c := deliver.NewClient(deliver.Options{
			RootCAs:  roots(r),
			Resolver: names(t, func(string, int) []string { return addresses }),
		})
		if err := post(t, c, r.url("example.com")); !errors.Is(err, deliver.ErrAddress) || errors.Is(err, deliver.ErrURL) {
			t.Errorf("%v: got %v", addresses, err)
		}
	}
	if r.seen() != 0 {
		t.Errorf("%d connections were made", r.seen())
	}
}

// A name server may answer whoever checks a name with a public address, and whoever connects with another.
func TestNameThatTurnsInward(t *testing.T) {
	t.Parallel()
	r := receive(t, true, func(http.ResponseWriter, *http.Request) {})
	resolver := names(t, func(_ string, n int) []string {
		if n == 1 {
			return []string{"93.184.216.34"}
		}
		return []string{"127.0.0.1"}
	})
	url := r.url("example.com")
	if err := deliver.CheckURL(url, nil); err != nil {
		t.Fatal(err)
	}
	checked, err := resolver.LookupNetIP(t.Context(), "ip", "example.com")
	if err != nil || len(checked) != 1 || checked[0].Unmap() != netip.MustParseAddr("93.184.216.34") {
		t.Fatalf("got %v, %v", checked, err)
	}
	c := deliver.NewClient(deliver.Options{RootCAs: roots(r), Resolver: resolver})
	if err := post(t, c, url); !errors.Is(err, deliver.ErrAddress) {
		t.Errorf("got %v", err)
	}
	if r.seen() != 0 {
		t.Errorf("%d connections were made", r.seen())
	}
}

// The operator's server often runs beside Lethe and is known by its public name, which leads to 127.0.1.1 there.
func TestOnlyTheOperatorsURLLeadsHere(t *testing.T) {
	t.Parallel()
	r := receive(t, true, func(http.ResponseWriter, *http.Request) {})
	own := r.url("example.com")
	c := deliver.NewClient(deliver.Options{
		Own:      func(url string) bool { return url == own },
		RootCAs:  roots(r),
		Resolver: names(t, func(string, int) []string { return []string{"127.0.0.1"} }),
	})
	for range 2 { // the second time there was a connection already
		if err := post(t, c, own); err != nil {
			t.Errorf("got %v", err)
		}
		if err := post(t, c, own+"/other"); !errors.Is(err, deliver.ErrAddress) {
			t.Errorf("got %v", err)
		}
	}
	if r.seen() != 2 {
		t.Errorf("%d connections were made", r.seen())
	}
}

func TestWithoutTLSNothingLeavesThisMachine(t *testing.T) {
	t.Parallel()
	c := deliver.NewClient(deliver.Options{Own: all, Resolver: names(t, func(string, int) []string { return []string{"93.184.216.34"} })})
	if err := post(t, c, "http://lethe.localhost/"+secret); !errors.Is(err, deliver.ErrAddress) {
		t.Errorf("got %v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	inside := receive(t, false, func(http.ResponseWriter, *http.Request) {})
	for _, status := range []int{301, 302, 303, 307, 308} {
		r := receive(t, false, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inside.URL+"/"+secret, status) })
		err := post(t, deliver.NewClient(deliver.Options{Own: all}), r.URL+"/"+secret)
		if err == nil || errors.Is(err, deliver.ErrRefused) || errors.Is(err, deliver.ErrGone) {
			t.Errorf("%d: got %v", status, err)
		}
	}
	if inside.seen() != 0 {
		t.Errorf("%d redirects were followed", inside.seen())
	}
}

func TestContextEndsASlowCall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r := receive(t, false, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server sees a connection end when it has read all
		cancel()
		<-r.Context().Done()
	})
	c := deliver.NewClient(deliver.Options{Own: all, Timeout: time.Hour})
	err := c.Post(ctx, r.URL+"/"+secret, "text/plain", []byte(secret), nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	quiet(t, err, r.URL)
}

func TestTimeoutEndsASlowCall(t *testing.T) {
	t.Parallel()
	const short = 50 * time.Millisecond
	silent := receive(t, false, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	c := deliver.NewClient(deliver.Options{Own: all, Timeout: short})
	start := time.Now()
	err := post(t, c, silent.URL+"/"+secret)
	if err == nil || err.Error() != "deliver: answer: timed out" || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took < short || took > 5*time.Second {
		t.Errorf("it took %v", took)
	}

	mute := deliver.NewClient(deliver.Options{Timeout: short, Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}})
	if err := post(t, mute, "https://example.com/"+secret); err == nil || err.Error() != "deliver: resolve: timed out" {
		t.Errorf("got %v", err)
	}

	// A message that was taken is taken, however slow the rest of the answer is.
	slow := receive(t, false, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	if err := post(t, c, slow.URL+"/"+secret); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestLongAnswersAreCutOff(t *testing.T) {
	t.Parallel()
	sent := make(chan int64, 1)
	body := receive(t, false, func(w http.ResponseWriter, _ *http.Request) {
		n, err := io.CopyN(w, endless{}, 1<<30)
		if err == nil {
			t.Error("a gibibyte was taken")
		}
		sent <- n
	})
	c := deliver.NewClient(deliver.Options{Own: all})
	if err := post(t, c, body.URL+"/"+secret); err != nil {
		t.Errorf("got %v", err)
	}
	if n := <-sent; n == 0 {
		t.Error("no answer was taken")
	}
	header := receive(t, false, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("A", strings.Repeat(secret, 100_000)) })
	if err := post(t, c, header.URL+"/"+secret); err == nil || err.Error() != "deliver: answer: failed" {
		t.Errorf("got %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestStrangeAnswers are sent by hand. Whoever takes a 101 owns the connection: no context ends its reads.
func TestStrangeAnswers(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + secret + "\r\n\r\n": "deliver: answered 101",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":               "",
		"HTTP/1.1 200 " + secret + "\r\nContent-Length: 0\r\n\r\n":                                   "",
		"HTTP/1.1 503 " + secret + "\r\nContent-Length: 99\r\n\r\n":                                  "deliver: answered 503",
		"220 " + secret + " ESMTP\r\n":                                                               "deliver: answer: failed",
		"HTTP/1.1 999999 OK\r\n\r\n":                                                                 "deliver: answer: failed",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		ended := make(chan error, 1)
		go func() {
			conn, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second)) // the test fails when it is reached
			b := make([]byte, 4096)
			for got := ""; !strings.Contains(got, "\r\n\r\n"+secret); {
				n, err := conn.Read(b)
				if err != nil {
					ended <- err
					return
				}
				got += string(b[:n])
			}
			_, _ = io.WriteString(conn, answer)
			_, err = io.Copy(io.Discard, conn)
			ended <- err
		}()
		got := ""
		if err := post(t, deliver.NewClient(deliver.Options{Own: all}), "http://"+l.Addr().String()+"/"+secret); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q", answer, got)
		}
		if timeout, ok := errors.AsType[net.Error](<-ended); ok && timeout.Timeout() {
			t.Errorf("%q: the connection was kept", answer)
		}
	}
}

func TestNoConnection(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	secure := receive(t, true, func(http.ResponseWriter, *http.Request) {})
	plain := receive(t, false, func(http.ResponseWriter, *http.Request) {})
	hangsUp := receive(t, false, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for url, want := range map[string]string{
		"http://" + l.Addr().String() + "/" + secret:                   "deliver: connect: failed",
		secure.URL + "/" + secret:                                      "deliver: handshake: the receiver's certificate is not trusted, or not for this host",
		"https" + strings.TrimPrefix(plain.URL, "http") + "/" + secret: "deliver: handshake: failed",
		hangsUp.URL + "/" + secret:                                     "deliver: answer: failed",
		"https://nowhere.example/" + secret:                            "deliver: resolve: failed",
		"https://nowhere.example:99/" + secret:                         "deliver: resolve: failed",
	} {
		c := deliver.NewClient(deliver.Options{Own: all, Resolver: names(t, func(string, int) []string { return nil })})
		if err := post(t, c, url); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func roots(r *receiver) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(r.Certificate())
	return pool
}
