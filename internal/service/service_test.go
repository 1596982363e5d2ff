package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/lethe-dsr/lethe/internal/asl"
	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/awslocal/awstest"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/runtimeapi"
	"github.com/lethe-dsr/lethe/internal/seal"
	"github.com/lethe-dsr/lethe/internal/subject"
)

// letter is the text of a mail, and who got it.
func letter(t *testing.T, m awslocal.Mail) (to, text string) {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(string(m.Raw)))
	if err != nil {
		t.Fatal(err)
	}
	var body io.Reader = message.Body
	if message.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(m.To, ","), string(b)
}

// linkIn finds a link to a page of the service in the last mail.
func (s *stack) linkIn(path string) string {
	s.t.Helper()
	mails := s.Mails()
	if len(mails) == 0 {
		s.t.Fatalf("no mail was sent; printed: %s", s.Printed())
	}
	_, text := letter(s.t, mails[len(mails)-1])
	found := regexp.MustCompile(regexp.QuoteMeta(s.api.URL+path) + `\S*`).FindString(text)
	if found == "" {
		s.t.Fatalf("no link to %s in the mail:\n%s", path, text)
	}
	return found
}

// email is the address of one of the demo's people.
func (s *stack) email(n int) string {
	for _, i := range peopleOf(s.t, s.world)[n].Identifiers {
		if i.Type == subject.Email {
			return i.Value()
		}
	}
	s.t.Fatal("the person has no address")
	return ""
}

// wantNothingPersonal checks what the functions printed.
func (s *stack) wantNothingPersonal() {
	s.t.Helper()
	for _, p := range peopleOf(s.t, s.world) {
		for _, i := range p.Identifiers {
			if len(i.Value()) >= 8 && strings.Contains(s.Printed(), i.Value()) {
				s.t.Error("an identifier was printed")
			}
		}
	}
	for _, word := range []string{"verify?token", "/status/0", "@simulator"} {
		if strings.Contains(s.Printed(), word) {
			s.t.Errorf("%s was printed: %s", word, s.Printed())
		}
	}
}

// The programs as processes, on one deployed stack.
func TestTheFunctionsAsProcesses(t *testing.T) {
	t.Parallel()
	s := deploy(t, asl.Options{})
	for _, one := range []struct {
		name string
		do   func(*testing.T, *stack)
	}{
		{"a person by the form", wholeWay}, {"another sealing key", anotherKey}, {"a canary", canaryWay}, {"a system, urgently", urgent},
		{"a door that is closed", closedDoor},
	} {
		t.Run(one.name, func(t *testing.T) {
			s.t = t
			one.do(t, s)
		})
	}
}

// A ledger that was sealed with another key is noticed before anything is written into it.
func anotherKey(t *testing.T, s *stack) {
	other := s.KMS.SealingKey()
	in, err := json.Marshal(map[string]any{
		"version": "2.0", "rawPath": "/", "body": "wish=erase&email=new@example.com&phone=&account=", "headers": map[string]string{"content-type": "application/x-www-form-urlencoded", "origin": s.api.URL},
		"requestContext": map[string]any{"domainName": strings.TrimPrefix(s.api.URL, "https://"), "http": map[string]string{"method": "POST", "path": "/", "sourceIp": "203.0.113.9"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, input := range map[string][]byte{"intake": in, "keep-house": []byte(`{}`), "tell": []byte(`{}`), "open-job": []byte(`{"job": "OTHER", "input": {"sweep": true}}`)} {
		f := s.Function(awstest.Programs(t), folder, "LETHE_URL="+s.api.URL, "LETHE_SEALING_KEY="+other)
		s.Dynamo.Forget()
		_, err := f.Invoke(t.Context(), input)
		f.Close()
		var named *runtimeapi.Error
		if !errors.As(err, &named) || named.Type != string(fault.SealBroken) {
			t.Errorf("%s: %v", folder, err)
		}
		for _, c := range s.Dynamo.Calls() {
			if c.Op != "BatchGetItem" && c.Op != "Query" {
				t.Errorf("%s calls %s", folder, c.Op)
			}
		}
	}
}

// A person asks by the form, confirms by the link in the mail, and reads in the end what became of it; in between comes a
// sweep as its schedule starts it, and somebody who approves over the API.
func wholeWay(t *testing.T, s *stack) {
	if status, _, page := s.browse(http.MethodGet, "/?lang=de", nil); status != http.StatusOK || !strings.Contains(page, `lang="de"`) {
		t.Fatalf("the form: %d\n%s\n%s", status, page, s.Printed())
	}
	status, at, _ := s.browse(http.MethodPost, "/", url.Values{"wish": {"erase"}, "email": {s.email(0)}, "phone": {""}, "account": {""}})
	if status != http.StatusOK || at != "/sent" {
		t.Fatalf("%d at %s", status, at)
	}
	s.run("tell")
	if to, _ := letter(t, s.Mails()[0]); to != s.email(0) {
		t.Error("the mail went to somebody else")
	}
	verify, err := url.Parse(s.linkIn("/verify"))
	if err != nil {
		t.Fatal(err)
	}
	if status, _, _ := s.browse(http.MethodGet, verify.String(), nil); status != http.StatusOK {
		t.Fatalf("the link: %d", status)
	}
	status, page, text := s.browse(http.MethodPost, "/verify", url.Values{"token": verify.Query()["token"]})
	if status != http.StatusOK || !strings.HasPrefix(page, "/status/") {
		t.Fatalf("confirmed: %d at %s\n%s", status, page, text)
	}

	// The schedule starts the state machine itself.
	name, input := "sweep-1", `{"sweep": true}`
	machine := awslocal.MachineARN
	if _, err := s.calls.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &machine, Name: &name, Input: &input}); err != nil {
		t.Fatal(err)
	}
	if r := s.settled(name); r.Status != asl.Waiting {
		t.Fatalf("%+v; printed: %s", r, s.Printed())
	}
	s.run("keep-house") // which beats
	status, plan := s.system("officer", http.MethodGet, "/jobs/"+name+"/plan", "")
	if status != http.StatusOK {
		t.Fatalf("the plan: %d %v", status, plan)
	}
	hash := plan["plan"].(map[string]any)["hash"].(string)
	if status, answer := s.system("officer", http.MethodPost, "/jobs/"+name+"/approve", fmt.Sprintf(`{"plan": %q}`, strings.Repeat("0", len(hash)))); status != http.StatusConflict {
		t.Errorf("another plan: %d %v", status, answer)
	}
	for range 2 { // said twice is said once
		if status, answer := s.system("officer", http.MethodPost, "/jobs/"+name+"/approve", fmt.Sprintf(`{"plan": %q}`, hash)); status >= 300 {
			t.Fatalf("approve: %d %v; printed: %s", status, answer, s.Printed())
		}
		if r := s.settled(name); r.Status != asl.Succeeded {
			t.Fatalf("%+v; printed: %s", r, s.Printed())
		}
	}
	if status, answer := s.system("officer", http.MethodPost, "/jobs/"+name+"/reject", fmt.Sprintf(`{"plan": %q}`, hash)); status != http.StatusConflict {
		t.Errorf("rejected after it was approved: %d %v", status, answer)
	}
	job, err := s.ledger.Job(t.Context(), name)
	if err != nil || len(job.Approvals) != 1 || job.Approvals[0].By != "officer/session" {
		t.Errorf("the evidence names %+v, %v", job.Approvals, err)
	}

	if status, _, text := s.browse(http.MethodGet, page, nil); status != http.StatusOK || strings.Contains(text, s.email(0)) {
		t.Errorf("the status page: %d", status)
	}
	_, _, certificate := s.ask(http.MethodGet, page+"/certificate", "")
	_, _, keys := s.ask(http.MethodGet, "/.well-known/jwks.json", "")
	if payload, _, err := seal.Verify(certificate, []byte(keys)); err != nil || !strings.Contains(string(payload), `"erased"`) {
		t.Errorf("the certificate: %v\n%s", err, payload)
	}
	s.run("tell")
	if to, text := letter(t, s.Mails()[len(s.Mails())-1]); to != s.email(0) || !strings.Contains(text, s.api.URL+"/status/") {
		t.Errorf("the last mail is for %s:\n%s", to, text)
	}
	s.wantNothingPersonal()
}

// A system files an urgent request as a role of IAM; its job begins at once.
func urgent(t *testing.T, s *stack) {
	body := fmt.Sprintf(`{"subject": {"identifiers": [{"type": "email", "value": %q}]}, "urgent": true}`, s.email(0))
	if status, _, _ := s.ask(http.MethodPost, "/requests", body, "Content-Type", "application/json"); status != http.StatusForbidden {
		t.Errorf("without a role: %d", status)
	}
	status, filed := s.system("crm", http.MethodPost, "/requests", body)
	if status != http.StatusAccepted {
		t.Fatalf("%d %v; printed: %s", status, filed, s.Printed())
	}
	id := filed["id"].(string)
	r, err := s.ledger.Request(t.Context(), id)
	if err != nil || r.By != "crm" {
		t.Fatalf("%+v, %v", r, err)
	}
	for began := false; !began; { // the machine gets to its first step
		if r, err = s.ledger.Request(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		began = r.Job != "" || r.LastJob != ""
	}
	s.wantNothingPersonal()
}

// A canary goes through the form like everybody, and leaves nothing.
func canaryWay(t *testing.T, s *stack) {
	done := make(chan error, 1)
	go func() { done <- s.invoke("canary") }()
	before := len(s.Mails())
	for sent := false; !sent; { // the stream wakes tell
		s.run("tell")
		sent = len(s.Mails()) > before
		select {
		case err := <-done:
			if err != nil || !sent {
				t.Fatalf("it ended, and its mail was sent: %t, %v; printed: %s", sent, err, s.Printed())
			}
			done <- nil // it was quick
		default:
		}
	}
	if err := <-done; err != nil {
		t.Fatalf("%v; printed: %s", err, s.Printed())
	}
	to, _ := letter(t, s.Mails()[before])
	if !strings.HasSuffix(to, "@simulator.amazonses.com") {
		t.Errorf("its mail went to %s", to)
	}
	id := strings.ToUpper(strings.TrimPrefix(to[:strings.IndexByte(to, '-')], "success+"))
	if _, err := s.ledger.Request(t.Context(), id); err == nil {
		t.Error("its request is still there")
	}
	s.wantNothingPersonal()
}

func closedDoor(t *testing.T, s *stack) {
	s.functions["intake"].Close()
	err := s.invoke("canary")
	s.functions["canary"].Close() // what it printed is there then
	if err != nil || !strings.Contains(s.Printed(), "status 500") || !strings.Contains(s.Printed(), `"CanaryFailures":1`) {
		t.Errorf("%v; printed: %s", err, s.Printed())
	}
	// The one before came through. The alarm takes failures off the runs, so that both must always be there.
	for _, numbers := range []string{`"CanaryFailures":0,"CanaryRuns":1`, `"CanaryFailures":1,"CanaryRuns":1`} {
		if !strings.Contains(s.Printed(), numbers) {
			t.Errorf("no %s is printed: %s", numbers, s.Printed())
		}
	}
	s.wantNothingPersonal()
}
