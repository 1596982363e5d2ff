package opendsr

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/fault"
)

const (
	keyBits = 2048
	years   = 2                   // that a certificate made here is valid
	margin  = 30 * 24 * time.Hour // before its end, when the next one is made
	again   = time.Minute         // after a renewal that failed
	loading = 30 * time.Second    // at most, for a key from the ledger

	sealScope = "opendsr/key"
	maxCN     = 64 // characters (RFC 5280, ub-common-name)
)

// signer is a key with the certificate that is published for it.
type signer struct {
	key   *rsa.PrivateKey
	leaf  *x509.Certificate
	chain []byte   // PEM, the leaf first
	known sync.Map // signatures by body, of answers that are the same for everybody
}

// signature is what a signature header holds: base64 of RSA PKCS#1 v1.5 with SHA-256 over the body as it is sent (§4.2
// names FIPS 186-4, §7.3 SHA-256; mParticle signs the raw body).
func (s *signer) signature(body []byte) (string, error) {
	sum := sha256.Sum256(body)
	b, err := rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, sum[:])
	return base64.StdEncoding.EncodeToString(b), err
}

// fixed is signature for bodies that are few and often asked for by anybody: no stranger makes this machine sign all day.
func (s *signer) fixed(body []byte) (string, error) {
	if v, ok := s.known.Load(string(body)); ok {
		return v.(string), nil
	}
	v, err := s.signature(body)
	if err == nil {
		s.known.Store(string(body), v)
	}
	return v, err
}

// signer gives the key to sign with now. One from the configuration is used as it is, also when its certificate has
// expired: New warns of that. One that was made here is replaced 30 days before its certificate ends. That a controller
// who keeps a copy does not know the new one at once is its cache's affair: §8.8 sends it to /v2/discovery again.
func (p *Processor) signer() (*signer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.Base.Now()
	if p.given || p.current != nil && (fresh(p.current, now) || now.Before(p.retry)) {
		return p.current, nil
	}
	next, err := p.kept(now)
	switch {
	case err == nil:
		p.current = next
	case p.current == nil || now.After(p.current.leaf.NotAfter):
		return nil, fmt.Errorf("opendsr: no key to sign with: %w", err)
	default:
		p.retry = now.Add(again)
		p.Log.Warn("opendsr: the certificate ends soon and could not be renewed; it is tried again", "fault", fault.NameOf(err), "ends", p.current.leaf.NotAfter)
	}
	return p.current, nil
}

func fresh(s *signer, now time.Time) bool { return now.Before(s.leaf.NotAfter.Add(-margin)) }

// kept finds the first key in the ledger whose certificate is fresh, and makes one after the last where there is none.
// What the ledger keeps is never replaced, so each has a name with a number. The key is everybody's: no single caller's
// context ends the search.
func (p *Processor) kept(now time.Time) (*signer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), loading)
	defer cancel()
	for n := 1; ; n++ {
		sealed, err := p.Base.Ledger.Keep(ctx, fmt.Sprintf("opendsr/%s/%d", p.domain, n), time.Time{}, func() ([]byte, error) {
			text, err := makePair(p.domain, now)
			if err != nil {
				return nil, err
			}
			return p.Base.Seal.Seal(ctx, sealScope, text)
		})
		if err != nil {
			return nil, err
		}
		text, err := p.Base.Seal.Open(ctx, sealScope, sealed)
		if err != nil {
			return nil, err
		}
		s, err := newSigner(text, text)
		if err != nil {
			return nil, err
		}
		if fresh(s, now) {
			return s, nil
		}
	}
}

// makePair makes a key and a certificate for a domain, both in one PEM text. §4.1 forbids certificates that nobody else
// signed, so this one is for trying, and for controllers that pin it: a controller that follows §4.1 needs one from an
// authority, in the configuration.
func makePair(domain string, now time.Time) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		NotBefore:             now.Add(-time.Hour), // other clocks are late
		NotAfter:              now.AddDate(years, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature, // asked for by the project's security_guidelines.md
		BasicConstraintsValid: true,
	}
	if len(domain) <= maxCN {
		c.Subject = pkix.Name{CommonName: domain}
	}
	if ip := net.ParseIP(domain); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{domain}
	}
	leaf, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf})...), nil
}

// newSigner reads a chain of certificates and its key. Nothing but certificates gets into what is published, whatever
// else the text holds.
func newSigner(certificates, key []byte) (*signer, error) {
	pair, err := tls.X509KeyPair(certificates, key)
	if err != nil {
		return nil, errors.New("the certificate and the key are not a pair in PEM") // the cause might quote them
	}
	private, ok := pair.PrivateKey.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not an RSA key")
	}
	s := &signer{key: private, leaf: pair.Leaf}
	for _, c := range pair.Certificate {
		s.chain = append(s.chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	return s, nil
}

// configured is the signer of the configuration.
func (p *Processor) configured(certificates, key string) (*signer, error) {
	s, err := newSigner([]byte(certificates), []byte(key))
	if err != nil {
		return nil, fmt.Errorf("serve.opendsr: %w", err)
	}
	if s.leaf.VerifyHostname(p.domain) != nil { // §8.3: the domain of the header and of the certificate match
		return nil, fmt.Errorf("serve.opendsr.certificate: is not for the domain %s; get one whose subject alternative name it is, or set serve.opendsr.domain", p.domain)
	}
	if !fresh(s, p.Base.Now()) {
		p.Log.Warn("opendsr: the certificate in the configuration has ended or ends soon; controllers refuse signatures after that. Replace it",
			"ends", s.leaf.NotAfter)
	}
	return s, nil
}
