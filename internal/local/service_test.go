package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/local"
)

// service is `lethe serve` over a world.
type service struct {
	*world
	at     local.Serving
	stop   func() // as an interrupt does, and waits for the end
	log    *lockedBuffer
	client *http.Client
}

// served makes a world whose document has a serve section, and no house open.
func served(t *testing.T, s settings, serve string) *world {
	t.Helper()
	w := newWorld(t, s)
	if err := w.house.Close(); err != nil {
		t.Fatal(err)
	}
	w.configure(w.doc + `
serve:
  listen: 127.0.0.1:0
  tokens: [{name: crm, role: submit, token: ` + submitToken + `}, {name: dpo, role: approve, token: ` + approveToken + `}]
` + serve)
	return w
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// serve starts the service as a new process would.
func (w *world) serve() *service {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan local.Serving, 1), make(chan error, 1)
	transport := &http.Transport{}
	o := local.Options{Sleep: w.sleep, Now: w.now, Transport: transport, RetryWait: time.Microsecond}
	if w.settings.transport != nil {
		o.Transport = w.settings.transport(transport)
	}
	s := &service{world: w, log: &lockedBuffer{}, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	logger := slog.New(slog.NewJSONHandler(s.log, nil))
	go func() {
		ended <- local.Serve(ctx, w.dir, w.cfg, o, logger, func(at local.Serving) { ready <- at })
	}()
	var once sync.Once
	s.stop = func() {
		w.t.Helper()
		once.Do(func() {
			cancel()
			s.client.CloseIdleConnections()
			if err := <-ended; err != nil {
				w.t.Errorf("serve ended with %v", err)
			}
			transport.CloseIdleConnections()
		})
	}
	select {
	case s.at = <-ready:
	case err := <-ended:
		cancel()
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.stop)
	return s
}

// until waits for something that happens in the background.
func (s *service) until(what string, ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// call calls the API and decodes the answer; it gives the status.
func (s *service) call(method, path, token string, body string, v any) int {
	s.t.Helper()
	req, err := http.NewRequest(method, s.at.URL.String()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if v != nil {
		if err := json.Unmarshal(text, v); err != nil {
			s.t.Fatalf("%s %s answered %d: %s", method, path, res.StatusCode, text)
		}
	}
	return res.StatusCode
}

type answer struct {
	ID, Status, Job, State, Plan string
	Jobs                         []string
}

func (s *service) submit(body string) answer {
	s.t.Helper()
	var a answer
	if code := s.call("POST", "/requests", submitToken, body, &a); code != http.StatusAccepted {
		s.t.Fatalf("POST /requests answered %d", code)
	}
	return a
}

func (s *service) status(id string) string {
	s.t.Helper()
	var a answer
	if code := s.call("GET", "/requests/"+id, approveToken, "", &a); code != http.StatusOK {
		s.t.Fatalf("GET /requests/… answered %d", code)
	}
	return a.Status
}

func (s *service) sweep() answer {
	s.t.Helper()
	var a answer
	if code := s.call("POST", "/sweeps", approveToken, "{}", &a); code != http.StatusAccepted || len(a.Jobs) != 1 {
		s.t.Fatalf("POST /sweeps answered %d, %v", code, a.Jobs)
	}
	return a
}

// plan waits for a job's plan, and gives its hash.
func (s *service) plan(job string) string {
	s.t.Helper()
	var plan struct {
		State string
		Plan  struct{ Hash string }
	}
	s.until("a plan", func() bool {
		code := s.call("GET", "/jobs/"+job+"/plan", approveToken, "", &plan)
		return code == http.StatusOK && plan.State == "waiting"
	})
	return plan.Plan.Hash
}

// approve approves the plan of a job, when there is one.
func (s *service) approve(job string) {
	s.t.Helper()
	if code := s.call("POST", "/jobs/"+job+"/approve", approveToken, `{"plan":"`+s.plan(job)+`"}`, nil); code != http.StatusAccepted {
		s.t.Fatalf("approve answered %d", code)
	}
}

const annJSON = `{"subject":{"identifiers":[{"type":"email","value":"` + annMail + `"},{"type":"user_id","value":"` + annUser + `"}]}`

// mails reads the folder, oldest first.
func (s *service) mails() []string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.at.MailFolder, "*.eml"))
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(files)
	var out []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			s.t.Fatal(err)
		}
		if bytes.Contains(b, []byte("quoted-printable")) {
			if b, err = io.ReadAll(quotedprintable.NewReader(bytes.NewReader(b))); err != nil {
				s.t.Fatal(err)
			}
		}
		out = append(out, string(b))
	}
	return out
}

// link is the path of the last mail's link.
func (s *service) link() string {
	s.t.Helper()
	all := s.mails()
	found := regexp.MustCompile(regexp.QuoteMeta(s.at.URL.String()) + `(/\S+)`).FindStringSubmatch(all[len(all)-1])
	if found == nil {
		s.t.Fatalf("no link in: %s", all[len(all)-1])
	}
	return found[1]
}

func (s *service) post(path string, form url.Values) *http.Response {
	s.t.Helper()
	res, err := s.client.PostForm(s.at.URL.String()+path, form)
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
	return res
}

func (s *service) get(path string) (int, string) {
	s.t.Helper()
	res, err := s.client.Get(s.at.URL.String() + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
