package outbox_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/deliver"
	"github.com/lethe-dsr/lethe/internal/duty"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/ledger/boltstore"
	"github.com/lethe-dsr/lethe/internal/link"
	"github.com/lethe-dsr/lethe/internal/mail"
	"github.com/lethe-dsr/lethe/internal/outbox"
	"github.com/lethe-dsr/lethe/internal/seal"
)

const (
	address = "ann.marker@example.com"
	secret  = "whsec_bWFya2VyLW1hcmtlci1tYXJrZXI="
)

// world is an outbox with everything around it. Set it up before the first pass.
type world struct {
	*testing.T
	*ledger.Ledger
	store *store
	seal  *seal.Key
	post  *postbox
	opts  outbox.Options
	out   *outbox.Outbox // made by the first pass
	log   *journal

	mu         sync.Mutex
	now        time.Time
	deliveries []outbox.Delivery
	operators  map[string]bool // URLs that may lead to this machine
}

func newWorld(t *testing.T) *world {
	t.Helper()
	bolt, err := boltstore.Open(filepath.Join(t.TempDir(), "ledger.db"), time.Second)
	must(t, err)
	t.Cleanup(func() { bolt.Close() })
	key, err := seal.OpenKey(filepath.Join(t.TempDir(), "lethe.key"), rand.Reader)
	must(t, err)
	folder, err := mail.NewFolder(filepath.Join(t.TempDir(), "mail"), "Acme Privacy <privacy@acme.example>")
	must(t, err)
	s := &store{Store: bolt}
	w := &world{
		T: t, Ledger: ledger.New(s), store: s, seal: key, post: &postbox{to: folder}, log: &journal{},
		now: time.Now().UTC().Truncate(time.Second), operators: map[string]bool{},
	}
	client := deliver.NewClient(deliver.Options{Own: func(url string) bool { return w.operators[url] }})
	w.opts = outbox.Options{
		Base: erase.Base{
			Ledger: w.Ledger, Seal: key, Now: w.clock,
			Config: config.Config{Controller: "Acme GmbH", Regulation: config.GDPR, Serve: config.Serve{Contact: "privacy@acme.example"}},
		},
		Mail: w.post, Client: client, Strangers: client,
		Links:  link.Maker{Base: &url.URL{Scheme: "https", Host: "privacy.acme.example"}, Digest: key.Digest},
		Random: func() float64 { return 0.5 },
		Log:    slog.New(slog.NewTextHandler(w.log, nil)),
		Report: func(d outbox.Delivery) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.deliveries = append(w.deliveries, d)
		},
	}
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// results counts how often attempts at a receiver had a result.
func (w *world) results(receiver string, r outbox.Result) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, d := range w.deliveries {
		if d.Receiver == receiver && d.Result == r {
			n++
		}
	}
	return n
}

func (w *world) outbox() *outbox.Outbox {
	if w.out == nil {
		w.out = outbox.New(w.opts)
	}
	return w.out
}

func (w *world) pass() (next time.Time) {
	w.Helper()
	next, err := w.outbox().Pass(w.Context())
	must(w, err)
	return next
}

// waiting lists the events in the outbox.
func (w *world) waiting() []ledger.Event {
	w.Helper()
	var all []ledger.Event
	must(w, w.Outbox(context.WithoutCancel(w.Context()), func(e ledger.Event) error { all = append(all, e); return nil }))
	return all
}

func (w *world) wantWaiting(n int) {
	w.Helper()
	if got := len(w.waiting()); got != n {
		w.Errorf("%d events wait in the outbox, want %d", got, n)
	}
}

func (w *world) sealed(scope, plain string) []byte {
	w.Helper()
	b, err := w.seal.Seal(w.Context(), scope, []byte(plain))
	must(w, err)
	return b
}

// request is a new one of somebody with an address.
func (w *world) request(id string, s ledger.Status) ledger.Request {
	w.Helper()
	r := ledger.Request{
		ID: id, Status: s, Channel: "form", Regulation: "gdpr", Received: w.clock(), Due: duty.Due(config.GDPR, w.clock()),
		Person: "person-" + id, Subject: []byte("sealed"), Keys: []string{"key-" + id}, Language: "en",
		Tell: true, Contact: w.sealed("contact/"+id, address),
	}
	if s == ledger.Unverified {
		r.Until = r.Received.Add(48 * time.Hour)
	}
	return r
}

func (w *world) file(rs ...ledger.Request) {
	w.Helper()
	must(w, w.File(w.Context(), rs))
}

func (w *world) change(id string, change func(*ledger.Request)) {
	w.Helper()
	_, err := w.ChangeRequest(w.Context(), id, w.clock(), func(r *ledger.Request) error { change(r); return nil })
	must(w, err)
}

func (w *world) turn(id string, s ledger.Status) {
	w.Helper()
	w.change(id, func(r *ledger.Request) { r.Status = s })
}

func (w *world) end(id string, s ledger.Status, ground string) {
	w.Helper()
	_, err := w.End(w.Context(), id, s, ground, w.clock())
	must(w, err)
}

// store is the ledger's, which may die.
type store struct {
	ledger.Store
	mu   sync.Mutex
	dead bool // writes fail
	read int  // events
}

var errDead = errors.New("the ledger is dead")

func (s *store) die(dead bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = dead
}

func (s *store) Query(ctx context.Context, partition, prefix, after string, limit int) ([]ledger.Item, error) {
	items, err := s.Store.Query(ctx, partition, prefix, after, limit)
	if strings.HasPrefix(partition, "outbox/") {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.read += len(items)
	}
	return items, err
}

func (s *store) Write(ctx context.Context, changes ...ledger.Change) error {
	s.mu.Lock()
	dead := s.dead
	s.mu.Unlock()
	if dead {
		return errDead
	}
	return s.Store.Write(ctx, changes...)
}

// postbox keeps what was mailed, through the development sender, which takes only sound messages.
type postbox struct {
	to   mail.Sender              // nil for nobody
	fail func(mail.Message) error // nil for never

	mu            sync.Mutex
	mails         []mail.Message
	running, most int
}

func (b *postbox) Send(ctx context.Context, m mail.Message) error {
	b.mu.Lock()
	b.running++
	b.most = max(b.most, b.running)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.running--
	}()
	if b.fail != nil {
		if err := b.fail(m); err != nil {
			return err
		}
	}
	if err := b.to.Send(context.WithoutCancel(ctx), m); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails = append(b.mails, m)
	return nil
}

// sent lists the mails by id and subject.
func (b *postbox) sent() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, m := range b.mails {
		all = append(all, m.ID+": "+m.Subject)
	}
	return all
}

// journal is what was logged.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// hook is a system that takes webhooks or callbacks.
type hook struct {
	w      *world
	url    *url.URL
	answer func(http.ResponseWriter, *http.Request, call) // nil: 200

	mu            sync.Mutex
	calls         []call
	running, most int
}

// call is one message that a hook got. Of a callback only the body is set.
type call struct {
	ID, Type string
	Data     struct {
		Request string
		Number  int
		Status  ledger.Status
	}
	attempt int // at this hook, from 1
	body    string
}

// String is short, for comparisons.
func (c call) String() string {
	return fmt.Sprintf("%s %s %s", c.ID, strings.TrimPrefix(c.Type, "request."), c.Data.Status)
}

func (w *world) newHook() *hook {
	h := &hook{w: w}
	s := httptest.NewServer(h)
	w.Cleanup(s.Close)
	h.url, _ = url.Parse(s.URL + "/hook?token=url-marker")
	w.operators[h.url.String()] = true
	return h
}

// webhook configures a hook under a name.
func (w *world) webhook(name string) *hook {
	h := w.newHook()
	s := &w.opts.Base.Config.Serve
	s.Webhooks = append(s.Webhooks, config.Webhook{Name: name, URL: h.url, Secret: config.NewSecret(secret)})
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		h.w.Error(err)
	}
	c := call{body: string(body)}
	if r.Header.Get("Webhook-Id") != "" {
		at, _ := strconv.ParseInt(r.Header.Get("Webhook-Timestamp"), 10, 64)
		signed := deliver.SignWebhook([]byte(secret), r.Header.Get("Webhook-Id"), time.Unix(at, 0), body)
		if got := r.Header.Get("Webhook-Signature"); got != signed.Get("Webhook-Signature") || h.w.clock().Sub(time.Unix(at, 0)).Abs() > time.Minute {
			h.w.Errorf("a webhook is signed with %q", got)
		}
		if err := json.Unmarshal(body, &c); err != nil || c.ID != r.Header.Get("Webhook-Id") {
			h.w.Errorf("a webhook with the id %s has the body %s", r.Header.Get("Webhook-Id"), body)
		}
	}
	h.mu.Lock()
	h.calls = append(h.calls, c)
	c.attempt = len(h.calls)
	h.running++
	h.most = max(h.most, h.running)
	h.mu.Unlock()
	if h.answer != nil {
		h.answer(w, r, c)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running--
}

func (h *hook) got() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, c := range h.calls {
		if c.ID == "" {
			all = append(all, c.body)
		} else {
			all = append(all, c.String())
		}
	}
	return all
}

func status(code int) func(http.ResponseWriter, *http.Request, call) {
	return func(w http.ResponseWriter, _ *http.Request, _ call) { w.WriteHeader(code) }
}

func wantAll(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
