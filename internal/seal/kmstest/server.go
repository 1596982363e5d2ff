// Package kmstest is a simulator of AWS KMS as far as Lethe uses it: stateful, strict, with real cryptography, and able to
// fail in the ways that KMS fails. It is served over HTTP, so that the SDK's client runs against it.
package kmstest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lethe-dsr/lethe/internal/awsjson/kms"

	"github.com/lethe-dsr/lethe/internal/awsfault"
)

// Region is the one that the Server is in.
const Region = "eu-central-1"

// Call is one call that the Server got, in the order of arrival.
type Call struct {
	Op      string            // GenerateDataKey and so on
	Key     string            // as the call named it
	Context map[string]string // the encryption context
}

// Server simulates KMS for one account. Its methods may be called at any time, from any goroutine.
type Server struct {
	URL string // of the endpoint, for AWS_ENDPOINT_URL_KMS; whoever serves it sets it

	awsfault.List // what it is ordered to fail at; disabled keys are no part of it

	mu    sync.Mutex
	keys  map[string]*key // by ARN
	alias map[string]string
	calls []Call
}

// Fault says how calls fail.
type Fault = awsfault.Fault

// Echo stands in every error text that a Fault makes.
const Echo = awsfault.Echo

// key is a KMS key; one of sealing and signing is set.
type key struct {
	arn      string
	sealing  cipher.AEAD
	signing  *ecdsa.PrivateKey
	disabled bool
}

// New makes an account without keys, which the caller serves: it is a http.Handler, and its Client needs URL to be set.
func New() *Server { return &Server{keys: map[string]*key{}, alias: map[string]string{}} }

// Start serves an account without keys until the test ends.
func Start(t interface{ Cleanup(func()) }) *Server {
	s := New()
	front := httptest.NewServer(s)
	t.Cleanup(front.Close)
	s.URL = front.URL
	return s
}

// Config leads a client of KMS to the Server, with three tries and no time between them.
func (s *Server) Config() aws.Config {
	return aws.Config{
		BaseEndpoint: aws.String(s.URL),
		Region:       Region,
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:   http.DefaultClient,
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
			})
		},
	}
}

// Client calls the Server by its Config.
func (s *Server) Client() *kms.Client { return kms.New(s.Config()) }

// SealingKey makes a symmetric key and gives its ARN.
func (s *Server) SealingKey() (arn string) {
	secret := make([]byte, 32)
	rand.Read(secret)
	return s.add(&key{sealing: newAEAD(secret)})
}

// SigningKey makes a key pair of this curve for signing and gives its ARN. Lethe uses P-256.
func (s *Server) SigningKey(curve elliptic.Curve) (arn string) {
	pair, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(fmt.Sprintf("kmstest: make a key: %v", err))
	}
	return s.add(&key{signing: pair})
}

func newAEAD(secret []byte) cipher.AEAD {
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(fmt.Sprintf("kmstest: %v", err))
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(fmt.Sprintf("kmstest: %v", err))
	}
	return aead
}

func (s *Server) add(k *key) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.arn = fmt.Sprintf("arn:aws:kms:%s:111122223333:key/%s", Region, strings.ToLower(rand.Text()))
	s.keys[k.arn] = k
	return k.arn
}

// Alias gives a key, by ARN, another name, or moves the name to it: "alias/lethe".
func (s *Server) Alias(name, arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alias[name] = arn
}

// Disable makes a key, by ARN, refuse every use.
func (s *Server) Disable(arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[arn].disabled = true
}

// Calls gives every call so far, those that failed included.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Forget begins the list of calls anew.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// refusal is an error that KMS documents.
type refusal struct {
	status int
	kind   string
	why    string
}

func refuse(kind, why string) *refusal { return &refusal{http.StatusBadRequest, kind, why} }

func (f *refusal) send(w http.ResponseWriter) {
	answer(w, f.status, map[string]string{"__type": f.kind, "message": f.why})
}

// send answers a call that meets a fault.
func send(w http.ResponseWriter, f *Fault) {
	(&refusal{f.Answer(), f.Kind, awsfault.Text}).send(w)
}

func answer(w http.ResponseWriter, status int, document any) {
	b, err := json.Marshal(document)
	if err != nil {
		panic(fmt.Sprintf("kmstest: answers always marshal: %v", err))
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	w.Write(b)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	service, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	signature := r.Header.Get("Authorization")
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/" || service != "TrentService" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1":
		refuse("UnknownOperationException", "not the protocol of KMS").send(w)
		return
	case !strings.HasPrefix(signature, "AWS4-HMAC-SHA256 ") || !strings.Contains(signature, "/"+Region+"/kms/aws4_request,"):
		refuse("IncompleteSignatureException", "the call is not signed for kms in this region").send(w)
		return
	}
	var in input
	read := json.NewDecoder(bytes.NewReader(body))
	read.DisallowUnknownFields()
	if err := read.Decode(&in); err != nil {
		refuse("SerializationException", err.Error()).send(w)
		return
	}
	s.mu.Lock()
	s.calls = append(s.calls, Call{op, in.KeyId, maps.Clone(in.EncryptionContext)})
	s.mu.Unlock()
	f := s.Meet(op)
	if f != nil && !f.After {
		send(w, f)
		return
	}
	out, bad := s.do(op, in)
	switch {
	case f != nil:
		send(w, f)
	case bad != nil:
		bad.send(w)
	default:
		answer(w, http.StatusOK, out)
	}
}

func (s *Server) do(op string, in input) (any, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch op {
	case "GenerateDataKey":
		return s.generateDataKey(in)
	case "Decrypt":
		return s.decrypt(in)
	case "GetPublicKey":
		return s.getPublicKey(in)
	case "Sign":
		return s.sign(in)
	}
	return nil, refuse("UnknownOperationException", "kmstest does not offer "+op)
}

// find gives the key that a call names by ARN, id or alias.
func (s *Server) find(id string) (*key, *refusal) {
	arn := id
	switch {
	case strings.HasPrefix(id, "alias/"):
		arn = s.alias[id]
	case !strings.HasPrefix(id, "arn:"):
		arn = fmt.Sprintf("arn:aws:kms:%s:111122223333:key/%s", Region, id)
	}
	k := s.keys[arn]
	switch {
	case k == nil:
		return nil, refuse("NotFoundException", "Key '"+id+"' does not exist")
	case k.disabled:
		return nil, refuse("DisabledException", k.arn+" is disabled.")
	}
	return k, nil
}

func (s *Server) getPublicKey(in input) (any, *refusal) {
	if in.EncryptionContext != nil || in.CiphertextBlob != nil || in.Message != nil {
		return nil, refuse("SerializationException", "GetPublicKey takes a KeyId")
	}
	k, bad := s.find(in.KeyId)
	if bad != nil {
		return nil, bad
	}
	if k.signing == nil {
		return nil, refuse("UnsupportedOperationException", k.arn+" is not an asymmetric key.")
	}
	der, err := x509.MarshalPKIXPublicKey(&k.signing.PublicKey)
	if err != nil {
		panic(fmt.Sprintf("kmstest: public keys always marshal: %v", err))
	}
	return map[string]any{
		"KeyId": k.arn, "PublicKey": der, "KeySpec": k.spec(), "CustomerMasterKeySpec": k.spec(),
		"KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": []string{k.algorithm()},
	}, nil
}

func (k *key) spec() string {
	return "ECC_NIST_" + strings.ReplaceAll(k.signing.Curve.Params().Name, "-", "")
}

func (k *key) algorithm() string {
	switch k.signing.Curve {
	case elliptic.P384():
		return "ECDSA_SHA_384"
	case elliptic.P521():
		return "ECDSA_SHA_512"
	}
	return "ECDSA_SHA_256"
}
