package deliver_test

import (
	"context"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/lethe-dsr/lethe/internal/deliver"
)

// secret stands in every URL, message and answer, and in no error.
const secret = "7h15-15-53cr37"

// receiver is a server on this machine that counts its connections.
type receiver struct {
	*httptest.Server
	mu          sync.Mutex
	connections int
	closed      chan struct{} // one for each connection that ended
}

func receive(t *testing.T, secure bool, h http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{Server: httptest.NewUnstartedServer(h), closed: make(chan struct{}, 100)}
	r.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail on purpose
	r.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			r.mu.Lock()
			r.connections++
			r.mu.Unlock()
		case http.StateClosed:
			r.closed <- struct{}{}
		}
	}
	if secure {
		r.StartTLS()
	} else {
		r.Start()
	}
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) seen() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connections
}

// url is the receiver's address under another host.
func (r *receiver) url(host string) string {
	_, port, _ := strings.Cut(r.Listener.Addr().String(), ":")
	scheme, _, _ := strings.Cut(r.URL, ":")
	return scheme + "://" + host + ":" + port + "/" + secret
}

// post sends a message, and checks that the error says nothing of it.
func post(t *testing.T, c *deliver.Client, url string) error {
	t.Helper()
	err := c.Post(t.Context(), url, "application/json", []byte(secret), http.Header{"X-Message": {secret}})
	quiet(t, err, url)
	return err
}

func quiet(t *testing.T, err error, url string) {
	t.Helper()
	if err == nil {
		return
	}
	for _, part := range []string{secret, strings.Split(url, "/")[2], "127.0.0.1", "::1"} {
		if strings.Contains(err.Error(), part) {
			t.Errorf("the error holds %q: %v", part, err)
		}
	}
}

// names is a name server: it answers with the addresses that lookup gives for the n-th question of a kind about the host,
// counted from 1.
func names(t *testing.T, lookup func(host string, n int) []string) *net.Resolver {
	t.Helper()
	var mu sync.Mutex
	asked := map[string]int{}
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			question, kind, host := readQuestion(server)
			if question == nil {
				return
			}
			mu.Lock()
			asked[host+string(kind)]++
			n := asked[host+string(kind)]
			mu.Unlock()
			writeAnswer(server, question, kind, lookup(host, n))
		}()
		return client, nil
	}}
}

const (
	kindA    = 1
	kindAAAA = 28
)

// readQuestion reads one DNS message over a stream (RFC 1035, 4.1 and 4.2.2), up to the end of its question.
func readQuestion(r io.Reader) (message []byte, kind rune, host string) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, 0, ""
	}
	message = make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(r, message); err != nil {
		return nil, 0, ""
	}
	at := 12
	for message[at] != 0 {
		n := int(message[at])
		host += string(message[at+1:at+1+n]) + "."
		at += 1 + n
	}
	kind = rune(binary.BigEndian.Uint16(message[at+1:]))
	return message[:at+5], kind, strings.TrimSuffix(host, ".")
}

func writeAnswer(w io.Writer, question []byte, kind rune, addresses []string) {
	var records []byte
	count := 0
	for _, text := range addresses {
		a := netip.MustParseAddr(text)
		if a.Is4() != (kind == kindA) || kind != kindA && kind != kindAAAA {
			continue
		}
		count++
		records = append(records, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(a.AsSlice()))) // the name of the question, IN, TTL 0
		records = append(records, a.AsSlice()...)
	}
	message := append(append([]byte{0, 0}, question...), records...)
	binary.BigEndian.PutUint16(message, uint16(len(message)-2))
	copy(message[4:], []byte{0x81, 0x80, 0, 1, 0, byte(count), 0, 0, 0, 0}) // an answer, one question, count answers
	_, _ = w.Write(message)                                                 // whoever asked may have gone
}
