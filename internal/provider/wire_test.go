package provider

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// raw serves one canned answer on every connection and closes it, and gives what it was sent.
func raw(t *testing.T, answer string) (url string, got <-chan *http.Request) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	seen := make(chan *http.Request, attempts)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err == nil {
				_, err = io.Copy(io.Discard, r.Body)
			}
			if err == nil {
				_, err = io.WriteString(conn, answer)
			}
			if err != nil {
				t.Error(err)
			}
			conn.Close()
			seen <- r
		}
	}()
	return "http://" + l.Addr().String(), seen
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func chunked(text string) string {
	half := len(text) / 2
	return fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", half, text[:half], len(text)-half, text[half:])
}

// TestAnswersAsServersWriteThem covers old and simple servers (Python's http.server speaks HTTP/1.0) and packing ones.
func TestAnswersAsServersWriteThem(t *testing.T) {
	t.Parallel()
	const text = `{"values":["ann@example.com"]}`
	zip := packed(t, text)
	for name, answer := range map[string]string{
		"HTTP/1.0, until the connection ends":       "HTTP/1.0 200 OK\r\n\r\n" + text,
		"HTTP/1.0 with a length":                    fmt.Sprintf("HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6 Python/3.12\r\nContent-Length: %d\r\n\r\n%s", len(text), text),
		"HTTP/1.1, until the connection ends":       "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + text,
		"bare line feeds":                           "HTTP/1.1 200 OK\n\n" + text,
		"chunked":                                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(text),
		"after an interim answer":                   "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" + text,
		"gzip with a length":                        fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(zip), zip),
		"gzip, chunked":                             "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(zip),
		"gzip, HTTP/1.0, until the connection ends": "HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zip,
	} {
		for _, in := range []any{nil, []string{"x"}} {
			url, got := raw(t, answer)
			a, err := New(Options{Base: base(t, url)}).Call(t.Context(), http.MethodDelete, "/x", nil, in)
			if err != nil || a.Status != http.StatusOK || string(a.Body) != text {
				t.Errorf("%s: got %d %q, %v", name, a.Status, a.Body, err)
				continue
			}
			r := <-got
			if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				t.Errorf("%s: gzip was not offered", name)
			}
			// A server that cannot read chunks finds the body by its length.
			if len(r.TransferEncoding) > 0 || in != nil && r.ContentLength != 5 {
				t.Errorf("%s: the body was sent as %v with length %d", name, r.TransferEncoding, r.ContentLength)
			}
		}
	}
}
