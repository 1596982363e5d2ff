package door_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/door"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/link"
	"github.com/lethe-dsr/lethe/internal/live"
	"github.com/lethe-dsr/lethe/internal/seal"
)

const (
	host     = "privacy.acme.example"
	token    = "crm-token-0123456789"
	document = `
controller: Acme GmbH
targets:
  - {id: acme-batch, provider: batch, api_key: k1, rest_key: k2, custom_id: user_id}
serve:
  url: https://` + host + `
  tokens: [{name: crm, role: submit, token: ` + token + `}]
`
)

// idle is an engine that has nothing to run.
type idle struct{}

func (idle) Start(context.Context, []string, config.Mode) (string, error) { return "JOB", nil }
func (idle) Decide(context.Context, string, erase.Word) error             { return nil }
func (idle) Tell()                                                        {}

type opened struct {
	*door.Door
	t      *testing.T
	ledger *ledger.Ledger
	path   string
}

func open(t *testing.T) opened {
	t.Helper()
	o := opened{t: t, path: filepath.Join(t.TempDir(), "ledger.db")}
	store, err := boltstore.Open(o.path, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	key, err := seal.OpenKey(filepath.Join(t.TempDir(), "key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := configfile.Parse([]byte(document), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	o.ledger = ledger.New(store)
	var ids atomic.Int64
	desk := intake.Desk{
		Base: erase.Base{
			Ledger: o.ledger, Seal: key, Config: cfg, Report: func(erase.Event) {},
			Now: func() time.Time { return time.Now().UTC() }, NewID: func() string { return fmt.Sprintf("R%d", ids.Add(1)) },
		},
		Engine: idle{}, Links: link.Maker{Base: cfg.Serve.URL, Digest: key.Digest},
	}
	o.Door, err = door.New(door.Options{Desk: desk, Keys: key.PublicSet(), Board: live.NewBoard(time.Now), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (o opened) do(method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://"+host+target, strings.NewReader(body))
	for n := 0; n < len(header); n += 2 {
		if header[n] == "Host" {
			r.Host = header[n+1]
		}
		r.Header.Set(header[n], header[n+1])
	}
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	return w
}

const urlencoded = "application/x-www-form-urlencoded"

// What belongs to the service answers, each in its own way, and all of it behind the guard.
func TestEveryWayInIsOpen(t *testing.T) {
	t.Parallel()
	o := open(t)
	for target, want := range map[string]int{
		"/": 200, "/sent": 200, "/verify?token=x": 410, "/status/x": 404, "/style.css": 200, "/healthz": 200, "/openapi.yaml": 200,
		"/.well-known/jwks.json": 200, "/problems/not-found": 200, "/v2/discovery": 200, "/v2/certificate.pem": 200, "/v2/requests/x": 401,
		"/requests/01JD0000000000000000000000": 401, "/jobs": 401, "/console": 303, "/console/sign-in": 200, "/nowhere": 404, "/../etc/passwd": 404,
	} {
		w := o.do("GET", target, "")
		if w.Code != want {
			t.Errorf("GET %s: %d, want %d", target, w.Code, want)
		}
		if h := w.Header(); !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Strict-Transport-Security") == "" {
			t.Errorf("GET %s: headers are missing: %v", target, h)
		}
		if target != "/healthz" {
			if w := o.do("GET", target, "", "Host", "evil.example"); w.Code != http.StatusMisdirectedRequest {
				t.Errorf("GET %s under another host: %d", target, w.Code)
			}
		}
	}
	if w := o.do("POST", "/", "email=ann@example.com&wish=erase", "Content-Type", urlencoded, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
		t.Errorf("another site's form: %d", w.Code)
	}
}

// Nobody is kept out, and nothing grows, by somebody who sends all kinds of nonsense.
func TestTenThousandHostilePostsLeaveTheServiceAnswering(t *testing.T) {
	t.Parallel()
	o := open(t)
	big := strings.Repeat("x", 70<<10)
	codes := map[int]int{}
	for n := range 10_000 {
		email := url.QueryEscape(fmt.Sprintf("victim%d@example.com", n))
		body, kind := "wish=erase&email="+email, urlencoded
		switch n % 10 {
		case 1:
			body = "wish=erase&email=%ff%00<script>"
		case 2:
			body += "&unknown=1"
		case 3:
			body, kind = `{"email":"x@example.com"}`, "application/json"
		case 4:
			body += "&email=" + email
		case 5:
			if n%200 == 5 {
				body += "&phone=" + big
			}
		case 6:
			body += "&account=" + strings.Repeat("%0d%0aBcc:", 20)
		case 7:
			body = strings.Repeat("&", 1000) + "=%zz"
		}
		w := o.do("POST", "/", body, "Content-Type", kind, "X-Forwarded-For", fmt.Sprint("203.0.113.", n%250))
		codes[w.Code]++
		if w.Code >= 500 {
			t.Fatalf("post %d answered %d", n, w.Code)
		}
	}
	// X-Forwarded-For is not believed without serve.proxies, so that all of it came from one client.
	if limit := 20; codes[http.StatusSeeOther] != limit || codes[http.StatusTooManyRequests] == 0 {
		t.Errorf("answers by status: %v; want %d taken", codes, limit)
	}
	mails := 0
	if err := o.ledger.Outbox(t.Context(), func(ledger.Event) error { mails++; return nil }); err != nil || mails != 20 {
		t.Errorf("%d mails are to be sent, want 20 (%v)", mails, err)
	}
	if file, err := os.Stat(o.path); err != nil || file.Size() > 1<<20 {
		t.Errorf("the ledger has %d bytes (%v)", file.Size(), err)
	}
	if w := o.do("GET", "/", ""); w.Code != http.StatusOK {
		t.Errorf("then the form answers %d", w.Code)
	}
	if w := o.do("GET", "/healthz", ""); w.Code != http.StatusOK {
		t.Errorf("then /healthz answers %d", w.Code)
	}
}

// A sender of OpenDSR is told of its request in a message that the processor signed.
func TestCallbacksAreSigned(t *testing.T) {
	t.Parallel()
	o := open(t)
	const id = "11111111-1111-4111-8111-111111111111"
	w := o.do("POST", "/v2/requests", `{"regulation":"gdpr","subject_request_id":"`+id+`","subject_request_type":"erasure","submitted_time":"2026-11-01T00:00:00Z","api_version":"2.0",
		"subject_identities":[{"identity_type":"email","identity_value":"ann@example.com","identity_format":"raw"}],"status_callback_urls":["https://cb.example/x"]}`,
		"Content-Type", "application/json", "Authorization", "Bearer "+token)
	if w.Code != http.StatusCreated {
		body, _ := io.ReadAll(w.Body)
		t.Fatalf("%d: %s", w.Code, body)
	}
	told := 0
	err := o.ledger.Outbox(t.Context(), func(e ledger.Event) error {
		r, err := o.ledger.Request(t.Context(), e.Request)
		if err != nil {
			return err
		}
		body, h, err := o.Callback(t.Context(), r, e, "https://cb.example/x")
		if err != nil || !strings.Contains(string(body), id) || h.Get("X-OpenDSR-Signature") == "" || h.Get("X-OpenDSR-Processor-Domain") != host {
			t.Errorf("%v, %s, %v", err, body, h)
		}
		told++
		return nil
	})
	if err != nil || told != 1 {
		t.Errorf("%d events, %v", told, err)
	}
}
