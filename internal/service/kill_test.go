package service_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/awslocal/awstest"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/runtimeapi"
)

// cut is a function whose process is killed with its nth call to AWS that changes something, after it was done and before
// it is answered. What it does before its first such call, or after the last, changes nothing.
type cut struct {
	*runtimeapi.Function
	to    http.Handler
	at    int
	all   bool // count calls that read as well
	mu    sync.Mutex
	made  int
	kills sync.WaitGroup
}

// cutting makes such a function.
func cutting(t *testing.T, c *awslocal.Cloud, folder string, at int, more ...string) *cut {
	t.Helper()
	f := &cut{to: c, at: at}
	front := httptest.NewServer(f)
	t.Cleanup(front.Close)
	f.Function = c.Function(awstest.Programs(t), folder, append(more, "AWS_ENDPOINT_URL="+front.URL)...)
	t.Cleanup(f.Close)
	return f
}

func (f *cut) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	f.mu.Lock()
	switch op {
	case "Query", "BatchGetItem", "GetSecretValue", "DescribeExecution", "Decrypt", "GenerateDataKey", "GetPublicKey", "Sign":
		if f.all {
			f.made++
		}
	default:
		f.made++
	}
	n := f.made
	f.mu.Unlock()
	switch {
	case n < f.at:
		f.to.ServeHTTP(w, r)
		return
	case n == f.at:
		f.to.ServeHTTP(httptest.NewRecorder(), r)
		f.kills.Go(f.Close)
	}
	panic(http.ErrAbortHandler)
}

// killed tells whether it came so far.
func (f *cut) killed() bool {
	f.kills.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.made >= f.at
}

// Whatever keep-house has done when it is killed, the next run does the rest.
func TestAKilledKeepHouse(t *testing.T) {
	t.Parallel()
	s := openUntidy(t)
	whole := s.Function(awstest.Programs(t), "keep-house", "LETHE_URL="+insideURL)
	t.Cleanup(whole.Close)
	n := 1
	for killed := true; killed; n += 6 { // jobs come in another order each time
		s.round(false, func(untidy) {
			f := cutting(t, s.Cloud, "keep-house", n, "LETHE_URL="+insideURL)
			_, err := f.Invoke(t.Context(), []byte(`{}`))
			if killed = f.killed(); killed == (err == nil) {
				t.Fatalf("killed %t: %v", killed, err)
			}
			if !killed {
				return
			}
			if _, err := whole.Invoke(t.Context(), []byte(`{}`)); err != nil {
				t.Errorf("after that: %v; printed: %s", err, s.Printed())
			}
		})
		if t.Failed() {
			t.Fatalf("it was killed with change %d", n)
		}
	}
	if n < 15 {
		t.Errorf("it made %d changes; the test has lost its grip", n)
	}
}

// many lets one client fill in many forms.
const many = "  form: {per_client: 10000, all: 10000}\n"

// open gives the ids of the open requests.
func (s *stack) open() map[string]bool {
	s.t.Helper()
	ids := map[string]bool{}
	if err := s.ledger.OpenRequests(s.t.Context(), func(id string) error { ids[id] = true; return nil }); err != nil {
		s.t.Fatal(err)
	}
	return ids
}

// mailsTo are the mails that an address got.
func (s *stack) mailsTo(address string) (all []awslocal.Mail) {
	for _, m := range s.Mails() {
		if m.To[0] == address {
			all = append(all, m)
		}
	}
	return all
}

// killing has the door killed with its nth change while do is done, and tells whether it came so far.
func (s *stack) killing(n int, do func()) bool {
	s.t.Helper()
	works := s.functions["intake"]
	f := cutting(s.t, s.Cloud, "intake", n, s.settings...)
	s.functions["intake"] = f.Function
	do()
	s.functions["intake"] = works
	return f.killed()
}

// Whoever gets no answer from the door tries again, and has one request.
func TestAKilledDoor(t *testing.T) {
	t.Parallel()
	s := deploy(t, asl.Options{})
	s.Configure(string(s.world.Config()) + serving + many)
	for name, do := range map[string]func(s *stack, n int) (killed bool){
		"the form": killedForm, "the link": killedLink, "the link of somebody who has asked before": killedJoin, "the API": killedAPI,
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			n := 1
			for do(s, n) {
				if n++; n > 50 {
					t.Fatal("it is killed each time")
				}
			}
			if n < 2 {
				t.Error("it was never killed; the test has lost its grip")
			}
		})
	}
	s.wantNothingPersonal()
}

// form has the form filled in, and answers the status and the page that it leads to.
func (s *stack) form(address string) (int, string) {
	status, at, _ := s.browse(http.MethodPost, "/", url.Values{"wish": {"erase"}, "email": {address}, "phone": {""}, "account": {""}})
	return status, at
}

// link is the token of the link to confirm in the last mail to an address.
func (s *stack) link(address string) string {
	s.t.Helper()
	mails := s.mailsTo(address)
	if len(mails) == 0 {
		s.t.Fatalf("no mail was sent; printed: %s", s.Printed())
	}
	_, text := letter(s.t, mails[len(mails)-1])
	token := regexp.MustCompile(`/verify\?\S*token=(\S+)`).FindStringSubmatch(text)
	if token == nil {
		s.t.Fatalf("no link in the mail:\n%s", text)
	}
	return token[1]
}

// confirm follows the link, and answers whether it led to a status page.
func (s *stack) confirm(token string) bool {
	status, at, page := s.browse(http.MethodPost, "/verify", url.Values{"token": {token}})
	return status == http.StatusOK && (strings.HasPrefix(at, "/status/") || strings.Contains(page, `href="/status/`)) // said before
}

func killedForm(s *stack, n int) bool {
	address, before := fmt.Sprintf("form-%d@example.com", n), s.open()
	killed := s.killing(n, func() { s.form(address) })
	if killed {
		if status, at := s.form(address); status != http.StatusOK || at != "/sent" {
			s.t.Errorf("change %d: the second try ends with %d at %s", n, status, at)
		}
	}
	s.run("tell")
	if got := len(s.mailsTo(address)); got < 1 || got > 2 { // one for each time that it was sent
		s.t.Errorf("change %d: %d mails with a link", n, got)
	}
	if !s.confirm(s.link(address)) || len(s.open()) != len(before)+1 {
		s.t.Errorf("change %d: %d requests more are open", n, len(s.open())-len(before))
	}
	return killed
}

func killedLink(s *stack, n int) bool {
	address, before := fmt.Sprintf("link-%d@example.com", n), s.open()
	s.form(address)
	s.run("tell")
	token := s.link(address)
	killed := s.killing(n, func() { s.confirm(token) })
	if killed && !s.confirm(token) {
		s.t.Errorf("change %d: the link leads nowhere the second time", n)
	}
	s.run("tell")
	if got, open := len(s.mailsTo(address)), len(s.open())-len(before); got != 2 || open != 1 { // the link, and that it was received
		s.t.Errorf("change %d: %d mails, %d requests more are open", n, got, open)
	}
	return killed
}

func killedJoin(s *stack, n int) bool {
	address := fmt.Sprintf("join-%d@example.com", n)
	s.form(address)
	s.run("tell")
	s.confirm(s.link(address))
	s.run("tell")
	before := s.open()
	s.form(address)
	s.run("tell")
	token := s.link(address)
	killed := s.killing(n, func() { s.confirm(token) })
	if killed && !s.confirm(token) {
		s.t.Errorf("change %d: the link leads nowhere the second time", n)
	}
	s.run("tell")
	if got, open := len(s.mailsTo(address)), len(s.open())-len(before); got != 4 || open != 0 {
		s.t.Errorf("change %d: %d mails, want two links and two receipts; %d requests more are open", n, got, open)
	}
	return killed
}

func killedAPI(s *stack, n int) bool {
	before, role := s.open(), fmt.Sprintf("crm-%d", n)
	body := fmt.Sprintf(`{"subject": {"identifiers": [{"type": "email", "value": "api-%d@example.com"}]}}`, n)
	killed := s.killing(n, func() { s.system(role, http.MethodPost, "/requests", body) })
	var ids []any
	for range 2 {
		status, filed := s.system(role, http.MethodPost, "/requests", body)
		if status >= 300 {
			s.t.Fatalf("change %d: the second try: %d %v", n, status, filed)
		}
		ids = append(ids, filed["id"])
	}
	if open := len(s.open()) - len(before); ids[0] != ids[1] || open != 1 {
		s.t.Errorf("change %d: the requests %v, and %d more are open", n, ids, open)
	}
	return killed
}

// A mail may come twice where tell is killed between sending it and writing that down, and then has the same Message-ID.
// Nobody is left out.
func TestAKilledTell(t *testing.T) {
	t.Parallel()
	s := deploy(t, asl.Options{})
	s.Configure(string(s.world.Config()) + serving + many)
	n, twice := 1, 0
	for killed := true; killed; n++ {
		address := fmt.Sprintf("tell-%d@example.com", n)
		s.form(address)
		f := cutting(t, s.Cloud, "tell", n, s.settings...)
		f.Invoke(t.Context(), []byte(`{}`)) // its error is that it was killed
		killed = f.killed()
		// The one that was killed has the outbox for a minute. It is over now.
		later := time.Now().Add(time.Hour)
		if _, err := s.ledger.Hold(t.Context(), "outbox", "test", later, later); err != nil {
			t.Fatal(err)
		}
		if err := s.ledger.LetGo(t.Context(), "outbox", "test"); err != nil {
			t.Fatal(err)
		}
		s.run("tell")
		mails, ids := s.mailsTo(address), map[string]bool{}
		for _, m := range mails {
			ids[regexp.MustCompile(`(?m)^Message-ID: .*$`).FindString(strings.ReplaceAll(string(m.Raw), "\r", ""))] = true
		}
		if len(mails) < 1 || len(mails) > 2 || len(ids) != 1 || ids[""] {
			t.Errorf("change %d: %d mails with %d ids", n, len(mails), len(ids))
		}
		twice += len(mails) - 1
		if err := s.ledger.Outbox(t.Context(), func(ledger.Event) error { return fmt.Errorf("something is not told") }); err != nil {
			t.Errorf("change %d: %v", n, err)
		}
	}
	if n < 5 || twice != 1 {
		t.Errorf("it was killed %d times, and %d mails came twice; want the one after which it was killed at once", n-2, twice)
	}
	s.wantNothingPersonal()
}

// A canary that is killed leaves what goes by itself, and the next comes through.
func TestAKilledCanary(t *testing.T) {
	t.Parallel()
	s := deploy(t, asl.Options{})
	s.Configure(string(s.world.Config()) + serving + many)
	sing := func(f *runtimeapi.Function) error {
		done := make(chan error, 1)
		go func() {
			_, err := f.Invoke(t.Context(), []byte(`{}`))
			done <- err
		}()
		for {
			select {
			case err := <-done:
				return err
			default:
				s.run("tell") // woken by the stream
			}
		}
	}
	killed, n := true, 1
	for ; killed; n += 8 {
		f := cutting(t, s.Cloud, "canary", n, s.settings...)
		f.all = true
		err := sing(f.Function)
		if killed = f.killed(); killed == (err == nil) {
			t.Fatalf("killed %t: %v", killed, err)
		}
		if err := sing(s.functions["canary"]); err != nil {
			t.Fatalf("call %d: the next one: %v", n, err)
		}
		s.run("tell")
	}
	if n < 9 || strings.Contains(s.Printed(), "did not come through") {
		t.Errorf("killed up to call %d; printed: %s", n, s.Printed())
	}
	sent := map[string]bool{}
	for _, m := range s.Mails() {
		to := m.To[0]
		if sent[to] {
			t.Error("a canary's mail came twice")
		}
		sent[to] = true
		id := strings.ToUpper(strings.TrimPrefix(to[:strings.IndexByte(to, '-')], "success+"))
		r, err := s.ledger.Request(t.Context(), id)
		if err == nil && (r.Status != ledger.Unverified || r.Until.IsZero()) {
			t.Errorf("a canary's request is left, and does not go by itself: %s until %s", r.Status, r.Until)
		}
	}
	if open := s.open(); len(open) != 0 {
		t.Errorf("%d requests are open", len(open))
	}
	s.wantNothingPersonal()
}
