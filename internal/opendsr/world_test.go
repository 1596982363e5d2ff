package opendsr_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/opendsr"
	"github.com/lethe-dsr/lethe/internal/seal"
)

const (
	domain = "erase.acme.example"
	id     = "a7551968-d5d6-44b2-9831-815ac9017798" // of the specification's examples
	other  = "b7551968-d5d6-44b2-9831-815ac9017798"
)

var start = time.Date(2096, 3, 1, 12, 0, 0, 0, time.UTC)

// pair is a key and a certificate for domain as a configuration gives them, made once: keys take their time.
var pair = sync.OnceValues(func() (certificate, key string) { return makePair(domain, start.AddDate(1, 0, 0)) })

func makePair(domain string, until time.Time) (certificate, key string) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: domain}, DNSNames: []string{domain},
		NotBefore: start.AddDate(-1, 0, 0), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &k.PublicKey, k)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
}

// engine runs nothing.
type engine struct{ told atomic.Int64 }

func (e *engine) Start(context.Context, []string, config.Mode) (string, error) { return "job", nil }
func (e *engine) Decide(context.Context, string, erase.Word) error             { return nil }
func (e *engine) Tell()                                                        { e.told.Add(1) }

// world is a service with a ledger on disk and a clock that stands.
type world struct {
	t    *testing.T
	file string
	base erase.Base
	desk intake.Desk
	now  atomic.Int64
	http *httptest.Server
	pub  *rsa.PublicKey // as published; nil before it was asked for
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, file: filepath.Join(t.TempDir(), "ledger.db")}
	w.now.Store(start.UnixNano())
	store, err := boltstore.Open(w.file, time.Second)
	must(t, err)
	t.Cleanup(func() { store.Close() })
	key, err := seal.OpenKey(filepath.Join(t.TempDir(), "key"), rand.Reader)
	must(t, err)
	var ids atomic.Int64
	w.base = erase.Base{
		Ledger: ledger.New(store), Seal: key, Now: func() time.Time { return time.Unix(0, w.now.Load()).In(time.FixedZone("", -5*3600)) },
		NewID: func() string { return fmt.Sprintf("01JTESTREQUEST%012d", ids.Add(1)) },
		Config: config.Config{Controller: "Acme GmbH", Regulation: config.GDPR, Mode: config.Approve, PhoneRegion: "DE",
			Serve: config.Serve{OpenDSR: config.OpenDSR{Domain: domain, Controller: "acme-1"}}},
	}
	w.desk = intake.Desk{Base: w.base, Engine: &engine{}}
	return w
}

// serve starts a service with the key of pair, behind tokens that are their holders' names; change may alter its options.
func serve(t *testing.T, change ...func(*opendsr.Options)) *world {
	t.Helper()
	w := newWorld(t)
	certificate, key := pair()
	w.configure(certificate, key)
	w.listen(change...)
	return w
}

func (w *world) listen(change ...func(*opendsr.Options)) *opendsr.Processor {
	w.t.Helper()
	p, err := opendsr.New(w.options(change...))
	must(w.t, err)
	mux := http.NewServeMux()
	p.Register(mux)
	w.http = httptest.NewServer(mux)
	w.t.Cleanup(w.http.Close)
	w.pub = nil
	return p
}

type holder struct{}

func (w *world) options(change ...func(*opendsr.Options)) opendsr.Options {
	o := opendsr.Options{
		Base: w.base, Desk: w.desk, URL: &url.URL{Scheme: "https", Host: domain},
		Need: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
				if !ok { // as internal/web does it
					rw.Header().Set("Content-Type", "application/problem+json")
					rw.Header().Set("WWW-Authenticate", "Bearer")
					rw.WriteHeader(http.StatusUnauthorized)
					io.WriteString(rw, `{"type":"about:blank"}`)
					return
				}
				h.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), holder{}, name)))
			})
		},
		Who: func(ctx context.Context) string { return ctx.Value(holder{}).(string) },
	}
	for _, c := range change {
		c(&o)
	}
	return o
}

func (w *world) pass(d time.Duration) { w.now.Add(int64(d)) }

func (w *world) later(years, months, days int) {
	w.now.Store(w.base.Now().AddDate(years, months, days).UnixNano())
}

// reply is an answer whose signature was checked.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// call sends a request as a holder of a token ("" for nobody), and checks the signature of the answer.
func (w *world) call(who, method, path, body string, headers ...string) reply {
	w.t.Helper()
	r := w.unchecked(who, method, path, body, headers...)
	if w.pub == nil {
		w.pub = w.published().PublicKey.(*rsa.PublicKey)
	}
	if method != http.MethodHead {
		checkSignature(w.t, w.pub, r.header, r.body)
	}
	if r.status >= 400 {
		r.wantError()
	}
	return r
}

func (w *world) unchecked(who, method, path, body string, headers ...string) reply {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.http.URL+path, strings.NewReader(body))
	must(w.t, err)
	if who != "" {
		req.Header.Set("Authorization", "Bearer "+who)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for n := 0; n < len(headers); n += 2 {
		req.Header.Set(headers[n], headers[n+1])
	}
	res, err := w.http.Client().Do(req)
	must(w.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(w.t, err)
	return reply{w.t, res.StatusCode, res.Header, b}
}

// published is the certificate that the service publishes.
func (w *world) published() *x509.Certificate {
	w.t.Helper()
	r := w.unchecked("", http.MethodGet, "/v2/certificate.pem", "")
	block, _ := pem.Decode(r.body)
	if r.status != http.StatusOK || block == nil || block.Type != "CERTIFICATE" {
		w.t.Fatalf("no certificate is published: %d", r.status)
	}
	if bytes.Contains(r.body, []byte("PRIVATE")) {
		w.t.Fatal("the key is published")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	must(w.t, err)
	return c
}

func checkSignature(t *testing.T, pub *rsa.PublicKey, h http.Header, body []byte) {
	t.Helper()
	if got := h.Get("X-OpenDSR-Processor-Domain"); got != domain {
		t.Errorf("the domain is %q", got)
	}
	signature, err := base64.StdEncoding.DecodeString(h.Get("X-OpenDSR-Signature"))
	must(t, err)
	sum := sha256.Sum256(body)
	if err := rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], signature); err != nil {
		t.Errorf("the signature does not fit the body: %v", err)
	}
}

func (r reply) want(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("answered %d %s, want %d", r.status, r.body, status)
	}
	return r
}

func (r reply) into(v any) {
	r.t.Helper()
	must(r.t, json.Unmarshal(r.body, v))
}

type errorBody struct {
	Error struct {
		Code    int
		Message string
		Errors  []struct{ Domain, Reason, Message string }
	}
}

// wantError checks the form of an error.
func (r reply) wantError() (e errorBody) {
	r.t.Helper()
	r.into(&e)
	if e.Error.Code != r.status || len(e.Error.Errors) == 0 || e.Error.Message == "" || e.Error.Message != e.Error.Errors[0].Message {
		r.t.Errorf("not an error of OpenDSR: %d %s", r.status, r.body)
	}
	for _, d := range e.Error.Errors {
		if d.Domain == "" || d.Reason == "" || d.Message == "" {
			r.t.Errorf("an error without a part: %s", r.body)
		}
	}
	if r.header.Get("Content-Type") != "application/json" || r.header.Get("Cache-Control") != "no-store" {
		r.t.Errorf("got the headers %v", r.header)
	}
	return e
}

// wantReason checks the first reason of an error.
func (r reply) wantReason(status int, reason string) {
	r.t.Helper()
	if got := r.want(status).wantError().Error.Errors[0].Reason; got != reason {
		r.t.Errorf("the reason is %s, want %s", got, reason)
	}
}

// body makes a request from the valid one: a field that is nil is left out.
func body(changes map[string]any) string {
	fields := map[string]any{
		"regulation": "gdpr", "subject_request_id": id, "subject_request_type": "erasure", "submitted_time": "2096-02-28T15:00:00Z",
		"subject_identities": []any{identity("email", "ann@example.com")},
	}
	maps.Copy(fields, changes)
	maps.DeleteFunc(fields, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func identity(kind, value string) map[string]any {
	return map[string]any{"identity_type": kind, "identity_value": value, "identity_format": "raw"}
}

// requests counts what was filed.
func (w *world) requests() (n int) {
	w.t.Helper()
	must(w.t, w.base.Ledger.Requests(w.t.Context(), func(string) error { n++; return nil }))
	return n
}

// view is the request that was submitted under the id.
func (w *world) view(who, id string) intake.View {
	w.t.Helper()
	v, err := w.desk.Sent(w.t.Context(), "opendsr", who, id)
	must(w.t, err)
	return v
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
