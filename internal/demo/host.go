package demo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// host serves one simulator on this machine.
type host struct {
	url    string
	server *http.Server
	ended  chan error
}

func serve(ctx context.Context, h http.Handler) (*host, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &host{
		url:    "http://" + l.Addr().String(),
		server: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second},
		ended:  make(chan error, 1),
	}
	go func() { s.ended <- s.server.Serve(l) }()
	return s, nil
}

// close ends the server and waits until it no longer listens. Closing again does nothing.
func (s *host) close() error {
	err := s.server.Close()
	served := <-s.ended
	s.ended <- http.ErrServerClosed
	if errors.Is(served, http.ErrServerClosed) {
		served = nil
	}
	return errors.Join(err, served)
}
