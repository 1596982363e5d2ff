package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/awsfault"
	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/service/canary"
	"github.com/lethe-dsr/lethe/internal/service/tell"
	"github.com/lethe-dsr/lethe/internal/subject"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // of the functions in this process
	os.Exit(m.Run())
}

// What disturbs nobody else shares a stack.
func TestTheDoor(t *testing.T) {
	t.Parallel()
	s := open(t, config.Approve, asl.Options{})
	for _, one := range []struct {
		name string
		do   func(*testing.T, *inside)
	}{
		{"tell waits for its turn", tellWaits}, {"what SES says", whatSESSays}, {"a canary counts", canaryCounts}, {"a canary without mail", canaryWithoutMail},
		{"keys", keyIsItsCallers}, {"roles", whoMayDoWhat}, {"form", formCounts}, // without its ledger at the end
	} {
		t.Run(one.name, func(t *testing.T) {
			s.t = t
			s.metrics()
			one.do(t, s)
			s.meets(nil)
		})
	}
}

// A policy says which routes a role of IAM may call, and a JWT which role its holder has.
func whoMayDoWhat(t *testing.T, s *inside) {
	id := s.file(0, "")
	person, preview, erase := s.submission(1, ""), s.submission(1, `, "mode": "preview"`), s.submission(1, `, "mode": "erase"`)
	for name, c := range map[string]struct {
		by   *authorizer
		want string // of a submission, a preview, one without approval, another's request, the list of all
	}{
		"nobody":                            {nil, "401 401 401 401 401"},
		"a role":                            {role("shop"), "202 403 403 404 200"}, // its policy lets it call the list
		"a role called as an approver":      {role("jane"), "202 202 202 200 200"},
		"the role that filed it":            {role("crm"), "202 403 403 200 200"},
		"a JWT without a role":              {bearer("u", "openid"), "403 403 403 403 403"},
		"a JWT to submit":                   {bearer("v", "lethe/submit"), "202 403 403 404 403"},
		"a JWT to approve":                  {bearer("w", "lethe/approve"), "202 202 202 200 200"},
		"a JWT called as an approver":       {bearer("jane", "lethe/submit"), "202 403 403 404 403"},
		"a JWT called as the one who filed": {bearer("crm", "lethe/submit"), "202 403 403 200 403"},
	} {
		var got []string
		for _, a := range []struct{ method, path, body string }{
			{"POST", "/requests", person}, {"POST", "/requests", preview}, {"POST", "/requests", erase}, {"GET", "/requests/" + id, ""}, {"GET", "/requests", ""},
		} {
			got = append(got, fmt.Sprint(s.ask(c.by, a.method, a.path, a.body).StatusCode))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if a := s.ask(nil, "GET", "/requests/"+id, "", "authorization", "Bearer "+janeToken); a.StatusCode != http.StatusOK {
		t.Errorf("a token of the configuration, where the gateway asks nobody: %d", a.StatusCode)
	}
}

func keyIsItsCallers(t *testing.T, s *inside) {
	file := func(by *authorizer, person int) (status int, id string) {
		t.Helper()
		a := s.ask(by, "POST", "/requests", s.submission(person, ""), "idempotency-key", "k")
		var filed struct{ ID string }
		if err := json.Unmarshal([]byte(a.Body), &filed); err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, filed.ID
	}
	_, first := file(role("crm"), 0)
	other := role("crm")
	other.IAM.UserARN = strings.Replace(other.IAM.UserARN, "/session", "/another", 1)
	if _, again := file(other, 0); again != first || first == "" {
		t.Errorf("another session of the same role filed %s, not %s", again, first)
	}
	if status, _ := file(role("crm"), 1); status != http.StatusUnprocessableEntity && status != http.StatusConflict {
		t.Errorf("another person under the key: %d", status)
	}
	if status, theirs := file(role("shop"), 0); status != http.StatusAccepted || theirs == first {
		t.Errorf("another role's key is mixed up with this one: %d", status)
	}
}

// The console is signed in to with a token of the configuration. Its live stream ends after a second, and has the states
// at work from the execution's history.
func TestTheConsoleOverAPIGateway(t *testing.T) {
	t.Parallel()
	s := open(t, config.Approve, asl.Options{})
	s.file(0, "")
	stopped, going := make(chan struct{}), make(chan struct{})
	s.meets(nil)
	s.hold("ReviewFindings", stopped, going)
	done := make(chan asl.Result)
	go func() { done <- s.start("job", `{"sweep": true}`) }()
	<-stopped

	if a := s.ask(nil, "GET", "/console/jobs/job", ""); a.StatusCode != http.StatusSeeOther {
		t.Errorf("without a session: %d", a.StatusCode)
	}
	a := s.ask(nil, "POST", "/console/sign-in", "token="+janeToken, "sec-fetch-site", "same-origin")
	if a.StatusCode != http.StatusSeeOther || len(a.Cookies) != 1 || !strings.HasPrefix(a.Cookies[0], "__Secure-lethe=") {
		t.Fatalf("%d, cookies %d", a.StatusCode, len(a.Cookies))
	}
	session, _, _ := strings.Cut(a.Cookies[0], ";")
	page := s.ask(nil, "GET", "/console/jobs/job", "", "cookie", session)
	if page.StatusCode != http.StatusOK || !strings.Contains(page.Body, "ReviewFindings.") && !strings.Contains(page.Body, `aria-current="step"`) {
		t.Errorf("the page of the job: %d", page.StatusCode)
	}
	live := s.ask(nil, "GET", "/console/jobs/job/events", "", "cookie", session)
	if live.StatusCode != http.StatusOK || live.Headers["Content-Type"] != "text/event-stream" || !strings.Contains(live.Body, `"states":["ReviewFindings"]`) {
		t.Errorf("live: %d %v %s", live.StatusCode, live.Headers, live.Body)
	}
	if head := s.ask(nil, "HEAD", "/console/jobs/job", "", "cookie", session); head.StatusCode != http.StatusOK || head.Body != "" {
		t.Errorf("HEAD: %d with %d bytes", head.StatusCode, len(head.Body))
	}
	close(going)
	if r := <-done; r.Status != asl.Waiting {
		t.Fatalf("%+v", r)
	}
	if live := s.ask(nil, "GET", "/console/jobs/job/events", "", "cookie", session); !strings.Contains(live.Body, "event: end") {
		t.Errorf("a job that waits: %s", live.Body)
	}
	if home := s.ask(nil, "GET", "/console", "", "cookie", session); home.StatusCode != http.StatusOK || !strings.Contains(home.Body, "/console/jobs/job") {
		t.Errorf("the overview: %d", home.StatusCode)
	}
}

// emailOf is the address of one of the demo's people.
func (s *inside) emailOf(person int) string {
	for _, i := range peopleOf(s.t, s.world)[person].Identifiers {
		if i.Type == subject.Email {
			return i.Value()
		}
	}
	return ""
}

func formCounts(t *testing.T, s *inside) {
	typed := "wish=erase&phone=&account=&email=" + s.emailOf(0)
	if a := s.ask(nil, "POST", "/", typed, "origin", insideURL); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, a.Body)
	}
	if a := s.ask(nil, "POST", "/", "wish=erase&email=nobody", "origin", insideURL); a.StatusCode >= 500 {
		t.Errorf("a typing error: %d", a.StatusCode)
	}
	s.wantMetrics(map[string]float64{"FiledRequests Stack=lethe Channel=form": 1, "FiledRequests Stack=lethe": 1, "FormErrors Stack=lethe": 0})
	s.Dynamo.Fail(awsfault.Fault{Kind: "AccessDeniedException"})
	if a := s.ask(nil, "POST", "/", typed, "origin", insideURL); a.StatusCode < 500 {
		t.Errorf("without a ledger: %d", a.StatusCode)
	}
	if a := s.ask(role("crm"), "GET", "/requests/R", ""); a.StatusCode < 500 {
		t.Errorf("without a ledger: %d", a.StatusCode)
	}
	s.wantMetrics(map[string]float64{"FormErrors Stack=lethe": 1})
}

// waiting is how many messages are in the outbox.
func (s *inside) waiting() (n int) {
	s.t.Helper()
	if err := s.ledger.Outbox(s.t.Context(), func(ledger.Event) error { n++; return nil }); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// What SES does not take is told apart: what is wrong with the message, with this one for now, and with SES.
func whatSESSays(t *testing.T, s *inside) {
	for says, want := range map[string]struct {
		told, failed, gone float64
		calls              int
	}{
		"":                                   {told: 1, calls: 1},
		"MessageRejected":                    {failed: 1, calls: 1}, // the sandbox may be left tomorrow
		"BadRequestException":                {gone: 1, calls: 1},
		"TooManyRequestsException":           {failed: 1, calls: 3},
		"MailFromDomainNotVerifiedException": {failed: 1, calls: 1},
	} {
		t.Run(says, func(t *testing.T) {
			s.t = t
			waited := s.waiting()
			if a := s.ask(nil, "POST", "/", "wish=erase&phone=&account=&email=p"+says+"@example.com", "origin", insideURL); a.StatusCode != http.StatusSeeOther {
				t.Fatalf("%d %s", a.StatusCode, a.Body)
			}
			s.metrics()
			calls := 0
			s.meets(func(op string, send func() (*http.Response, error)) (*http.Response, error) {
				if op != "SendEmail" {
					return send()
				}
				if calls++; says == "" {
					return send()
				}
				body := fmt.Sprintf(`{"message": "%s, about %s"}`, says, s.emailOf(0))
				return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"X-Amzn-Errortype": {says}, "Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
			})
			s.tell()
			got := s.metrics()
			for metric, n := range map[string]float64{"MessagesTold": want.told, "MessagesFailed": want.failed, "MessagesGivenUp": want.gone} {
				if got[metric+" Stack=lethe Receiver=mail"] != n {
					t.Errorf("%s: %v, want %v", metric, got, n)
				}
			}
			if calls != want.calls {
				t.Errorf("%d calls, want %d", calls, want.calls)
			}
			if n := s.waiting() - waited; float64(n) != want.failed {
				t.Errorf("%d messages more wait", n)
			}
		})
	}
}

// The stream wakes a second invocation with news that the first one has passed by: it waits for its turn.
func tellWaits(t *testing.T, s *inside) {
	if held, err := s.ledger.Hold(t.Context(), "outbox", "another", s.now(), s.now().Add(time.Minute)); err != nil || !held {
		t.Fatal(held, err)
	}
	if a := s.ask(nil, "POST", "/", "wish=erase&phone=&account=&email="+s.emailOf(0), "origin", insideURL); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, a.Body)
	}
	teller := s.function(tell.Function)
	s.Dynamo.Forget()
	ended := make(chan string, 1)
	go func() {
		out, err := teller.Invoke(t.Context(), []byte(`{}`))
		ended <- fmt.Sprint(string(out), err)
	}()
	for len(s.Dynamo.Calls()) == 0 { // until it has looked
		select {
		case said := <-ended:
			t.Fatalf("it ended: %s", said)
		case <-time.After(time.Millisecond):
		}
	}
	if err := s.ledger.LetGo(t.Context(), "outbox", "another"); err != nil {
		t.Fatal(err)
	}
	if said := <-ended; len(s.Mails()) != 1 {
		t.Errorf("%d mails were sent: %s", len(s.Mails()), said)
	}
}

// A door that nobody opens is counted, and what the canary filed does not stay.
func canaryCounts(t *testing.T, s *inside) {
	s.boot.Link.Transport = refusing{}
	if _, err := s.function(canary.Function).Invoke(t.Context(), []byte(`{}`)); err != nil { // nothing for the dead letters
		t.Error(err)
	}
	s.wantMetrics(map[string]float64{"CanaryRuns Stack=lethe": 1, "CanaryFailures Stack=lethe": 1})
}

// A canary whose mail is given up has not come through, though nothing waits any more.
func canaryWithoutMail(t *testing.T, s *inside) {
	for says, failures := range map[string]float64{"": 0, "BadRequestException": 1} {
		s.meets(func(op string, send func() (*http.Response, error)) (*http.Response, error) {
			if op != "SendEmail" || says == "" {
				return send()
			}
			return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"X-Amzn-Errortype": {says}, "Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
		})
		s.boot.Link.Transport = opening{s}
		if _, err := s.function(canary.Function).Invoke(t.Context(), []byte(`{}`)); err != nil {
			t.Error(err)
		}
		s.wantMetrics(map[string]float64{"CanaryRuns Stack=lethe": 1, "CanaryFailures Stack=lethe": failures})
	}
}

// opening is the way to the door; what comes of a form is told before it is answered.
type opening struct{ s *inside }

func (o opening) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a := o.s.ask(nil, r.Method, r.URL.RequestURI(), string(body), "origin", insideURL)
	if r.Method == http.MethodPost {
		o.s.tell()
	}
	return &http.Response{StatusCode: a.StatusCode, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.Body)), Request: r}, nil
}

type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }

// A sweep is asked for at the door while the one that the schedule began works.
func TestSweepsAtTheDoor(t *testing.T) {
	t.Parallel()
	s := open(t, config.Approve, asl.Options{})
	s.file(0, "")
	late := s.file(1, "")
	stopped, going := make(chan struct{}), make(chan struct{})
	s.hold("ReviewFindings", stopped, going)
	done := make(chan asl.Result)
	go func() { done <- s.start("first", `{"sweep": true}`) }()
	<-stopped
	if a := s.ask(role("jane"), "POST", "/sweeps", "{}"); a.StatusCode != http.StatusConflict {
		t.Errorf("%d %s", a.StatusCode, a.Body)
	}
	later := s.file(2, "")
	if r := s.start("second", `{"sweep": true}`); r.Status != asl.Succeeded {
		t.Errorf("%+v", r)
	}
	close(going)
	<-done
	if err := s.keep(); err != nil { // the first one waits for a person now
		t.Fatal(err)
	}
	for _, job := range s.working() {
		s.settled(job)
	}
	if r := s.request(later); r.Job == "" && r.LastJob == "" || s.request(late).Job != "first" {
		t.Errorf("nobody swept what came in between: %+v", r)
	}
}
