package opendsr_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/opendsr"
)

func (w *world) configure(certificate, key string) {
	w.base.Config.Serve.OpenDSR.Certificate, w.base.Config.Serve.OpenDSR.Key = config.NewSecret(certificate), config.NewSecret(key)
}

func TestAKeyIsMadeOnceAndRenewed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	first := w.published()
	roots := x509.NewCertPool()
	roots.AddCert(first)
	if _, err := first.Verify(x509.VerifyOptions{DNSName: domain, Roots: roots, CurrentTime: w.base.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Error(err)
	}
	if first.Subject.CommonName != domain || first.KeyUsage != x509.KeyUsageDigitalSignature || first.SerialNumber.Sign() != 1 ||
		!first.NotAfter.Equal(w.base.Now().AddDate(2, 0, 0)) || !first.NotBefore.Before(w.base.Now()) {
		t.Errorf("got a certificate of %s with usage %v, from %s to %s", first.Subject, first.KeyUsage, first.NotBefore, first.NotAfter)
	}
	w.call("", http.MethodGet, "/v2/discovery", "").want(http.StatusOK)
	disk, err := os.ReadFile(w.file)
	must(t, err)
	if bytes.Contains(disk, first.Raw) || bytes.Contains(disk, []byte("BEGIN")) {
		t.Error("the key is not sealed")
	}

	w.later(2, 0, -31)
	w.listen() // a restart
	if !w.published().Equal(first) {
		t.Error("another key after a restart")
	}
	w.later(0, 0, 2)
	second := w.published()
	if second.Equal(first) || bytes.Equal(second.RawSubjectPublicKeyInfo, first.RawSubjectPublicKeyInfo) || !second.NotAfter.Equal(w.base.Now().AddDate(2, 0, 0)) {
		t.Errorf("not renewed: ends %s", second.NotAfter)
	}
	w.pub = nil
	w.call("", http.MethodGet, "/v2/discovery", "").want(http.StatusOK) // signed with the new one
	w.listen()
	if !w.published().Equal(second) {
		t.Error("another key after a restart")
	}
}

func TestAnotherDomainHasAnotherKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	first := w.published()
	w.base.Config.Serve.OpenDSR.Domain = "127.0.0.1"
	w.listen()
	second := w.published()
	if second.VerifyHostname("127.0.0.1") != nil || bytes.Equal(second.RawSubjectPublicKeyInfo, first.RawSubjectPublicKeyInfo) {
		t.Error("the certificate is not for the address")
	}
	w.base.Config.Serve.OpenDSR.Domain = strings.Repeat("long.", 20) + "example"
	w.listen()
	if third := w.published(); third.Subject.CommonName != "" || third.VerifyHostname(w.base.Config.Serve.OpenDSR.Domain) != nil {
		t.Errorf("got a certificate for %q", third.Subject)
	}
}

func TestProcessesThatStartTogetherShareAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var wg sync.WaitGroup
	bodies := make([]string, 4)
	for n := range bodies {
		wg.Go(func() {
			p, err := opendsr.New(w.options())
			if err != nil {
				t.Error(err)
				return
			}
			_, h, err := p.Callback(intake.View{}, ledger.Event{}, hook)
			if err != nil {
				t.Error(err)
			}
			bodies[n] = h.Get("X-OpenDSR-Signature")
		})
	}
	wg.Wait()
	for _, b := range bodies {
		if b != bodies[0] || b == "" {
			t.Fatal("they sign with several keys")
		}
	}
}

// brokenSealer seals and opens nothing while it is broken.
type brokenSealer struct {
	erase.Sealer
	mu     sync.Mutex
	broken error
}

func (s *brokenSealer) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

func (s *brokenSealer) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

func (s *brokenSealer) Seal(ctx context.Context, scope string, plain []byte) ([]byte, error) {
	if scope == "opendsr/key" && s.err() != nil {
		return nil, s.err()
	}
	return s.Sealer.Seal(ctx, scope, plain)
}

func (s *brokenSealer) Open(ctx context.Context, scope string, sealed []byte) ([]byte, error) {
	if scope == "opendsr/key" && s.err() != nil {
		return nil, s.err()
	}
	return s.Sealer.Open(ctx, scope, sealed)
}

func TestAKeyThatCannotBeRenewedServesToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sealer := &brokenSealer{Sealer: w.base.Seal}
	w.base.Seal = sealer
	var log bytes.Buffer
	w.listen(func(o *opendsr.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	first := w.published()
	sealer.set(errors.New("out of reach"))

	w.later(2, 0, -10)
	for range 3 {
		w.call("", http.MethodGet, "/v2/discovery", "").want(http.StatusOK)
	}
	if !w.published().Equal(first) || strings.Count(log.String(), "could not be renewed") != 1 {
		t.Errorf("logged %s", log.String())
	}
	w.pass(time.Minute)
	w.call("", http.MethodGet, "/v2/discovery", "").want(http.StatusOK)
	if strings.Count(log.String(), "could not be renewed") != 2 {
		t.Errorf("logged %s", log.String())
	}
	w.later(0, 0, 10)
	r := w.unchecked("cdp", http.MethodPost, "/v2/requests", body(nil))
	r.wantReason(http.StatusInternalServerError, "internal")
	if r.header.Get("X-OpenDSR-Signature") != "" {
		t.Error("signed with a key whose certificate has ended")
	}
	w.unchecked("", http.MethodGet, "/v2/certificate.pem", "").want(http.StatusInternalServerError)
	sealer.set(nil)
	w.pub = nil
	w.call("cdp", http.MethodPost, "/v2/requests", body(nil)).want(http.StatusCreated)
}

func TestTheConfigurationsKeyIsUsed(t *testing.T) {
	t.Parallel()
	certificate, key := pair()
	w := newWorld(t)
	w.configure(certificate+certificate, key)
	w.listen()
	if r := w.call("", http.MethodGet, "/v2/certificate.pem", "").want(http.StatusOK); string(r.body) != certificate+certificate || r.header.Get("Content-Type") != "application/pem-certificate-chain" {
		t.Errorf("published %s", r.body)
	}
	w.configure(certificate, certificate+key)
	w.later(5, 0, 0) // what is configured is used, also when it has expired
	var log bytes.Buffer
	w.listen(func(o *opendsr.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	w.call("", http.MethodGet, "/v2/discovery", "").want(http.StatusOK)
	if !strings.Contains(log.String(), "ends soon") {
		t.Errorf("logged %q", log.String())
	}
}

func TestAConfigurationThatCannotServeIsRefused(t *testing.T) {
	t.Parallel()
	certificate, key := pair()
	otherCertificate, otherKey := makePair("other.example", start.AddDate(1, 0, 0))
	for name, c := range map[string]struct{ certificate, key, want string }{
		"another domain":  {otherCertificate, otherKey, "is not for the domain erase.acme.example"},
		"another key":     {certificate, otherKey, "are not a pair"},
		"no certificate":  {key, key, "are not a pair"},
		"not PEM":         {"planted", "planted", "are not a pair"},
		"no key to speak": {certificate, "", "are not a pair"},
	} {
		w := newWorld(t)
		w.configure(c.certificate, c.key)
		if _, err := opendsr.New(w.options()); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
