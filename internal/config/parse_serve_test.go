package config_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
)

const fullServe = `serve:
  listen: 0.0.0.0:8443
  url: https://privacy.acme.example/
  proxies: 2
  contact: privacy@acme.example
  tokens:
    - {name: crm, role: submit, token: "${APPCENTER_TOKEN}-of-the-crm"}
    - {name: dpo, role: approve, token: "${APPCENTER_TOKEN}-of-the-dpo"}
  mail:
    from: "Acme Privacy <privacy@acme.example>"
    smtp: {host: smtp.acme.example, port: 2525, security: tls, username: lethe, password: "${SIG} with spaces"}
  form: {per_address: 4, per_client: 30, all: 700}
  schedule: {cron: "0 3 * * 1-5", zone: Europe/Berlin}
  webhooks:
    - {name: crm, url: "https://crm.acme.example/hooks?for=lethe", secret: "${SIG}-of-the-webhook"}
    - {name: here, url: "http://127.0.0.1:9000/", secret: "${SIG}-of-the-webhook"}
  opendsr: {domain: Erase.Acme.example, controller: acme-1}
`

func TestAFullServe(t *testing.T) {
	t.Parallel()
	s := parse(t, minimal(fullServe, "", "")).Serve
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if s.Listen != "0.0.0.0:8443" || s.URL.String() != "https://privacy.acme.example" || s.Proxies != 2 || s.Contact != "privacy@acme.example" {
		t.Errorf("got %+v", s)
	}
	if want := []config.Token{
		{Name: "crm", Role: config.RoleSubmit, Token: config.NewSecret("planted-token-of-the-crm")},
		{Name: "dpo", Role: config.RoleApprove, Token: config.NewSecret("planted-token-of-the-dpo")},
	}; !reflect.DeepEqual(s.Tokens, want) {
		t.Errorf("tokens %+v", s.Tokens)
	}
	if want := (config.Mail{From: "Acme Privacy <privacy@acme.example>", SMTP: &config.SMTP{
		Host: "smtp.acme.example", Port: 2525, Security: config.TLS, Username: "lethe", Password: config.NewSecret("planted-sig with spaces"),
	}}); !reflect.DeepEqual(s.Mail, want) {
		t.Errorf("mail %+v, %+v", s.Mail, s.Mail.SMTP)
	}
	if want := (config.FormLimits{PerAddress: 4, PerClient: 30, All: 700}); s.Form != want {
		t.Errorf("form %+v", s.Form)
	}
	if want := (config.Schedule{Cron: "0 3 * * 1-5", Zone: berlin}); !reflect.DeepEqual(s.Schedule, want) {
		t.Errorf("schedule %+v", s.Schedule)
	}
	if w := s.Webhooks; len(w) != 2 || w[0].Name != "crm" || w[0].URL.String() != "https://crm.acme.example/hooks?for=lethe" ||
		w[0].Secret.Reveal() != "planted-sig-of-the-webhook" || w[1].Name != "here" || w[1].URL.String() != "http://127.0.0.1:9000/" {
		t.Errorf("webhooks %+v", w)
	}
	if want := (config.OpenDSR{Domain: "erase.acme.example", Controller: "acme-1"}); s.OpenDSR != want {
		t.Errorf("OpenDSR %+v", s.OpenDSR)
	}
}

func TestDefaultsOfServe(t *testing.T) {
	t.Parallel()
	want := config.Serve{
		Listen:   "127.0.0.1:8080",
		Form:     config.FormLimits{PerAddress: 3, PerClient: 20, All: 600},
		Schedule: config.Schedule{Zone: time.UTC},
		OpenDSR:  config.OpenDSR{Domain: "127.0.0.1", Controller: "Acme"},
	}
	for _, root := range []string{"", "serve: {}", "serve: {form: {}, tokens: [], webhooks: [], opendsr: {}}"} {
		got := parse(t, minimal(root, "", "")).Serve
		if got.URL == nil || got.URL.String() != "http://127.0.0.1:8080" {
			t.Errorf("%q: the URL is %v", root, got.URL)
		}
		got.URL = nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %+v", root, got)
		}
	}
}

func TestDefaultsThatDependOnOtherFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ serve, url, domain string }{
		{"listen: localhost:9", "http://localhost:9", "localhost"},
		{"listen: '[::1]:9'", "http://[::1]:9", "::1"},
		{"listen: 127.0.0.1:0", "", "127.0.0.1"}, // the server fills in the port that it got
		{"{listen: ':8080', url: https://Privacy.acme.example:444}", "https://Privacy.acme.example:444", "privacy.acme.example"},
		{"{listen: '127.0.0.1:0', url: http://localhost:80}", "http://localhost:80", "localhost"},
	} {
		got := parse(t, minimal("serve:\n  "+c.serve, "", "")).Serve
		url := ""
		if got.URL != nil {
			url = got.URL.String()
		}
		if url != c.url || got.OpenDSR.Domain != c.domain {
			t.Errorf("%s gives the URL %q and the domain %q", c.serve, url, got.OpenDSR.Domain)
		}
	}
	for serve, want := range map[string]config.SMTP{
		"{host: mail}":                                 {Host: "mail", Port: 587, Security: config.StartTLS},
		"{host: 192.0.2.1, security: tls}":             {Host: "192.0.2.1", Port: 465, Security: config.TLS},
		"{host: '::1', security: none, port: 1}":       {Host: "::1", Port: 1, Security: config.NoTLS},
		"{host: LocalHost, security: none, port: 25 }": {Host: "LocalHost", Port: 25, Security: config.NoTLS},
	} {
		if got := parse(t, minimal("serve: {mail: {from: a@acme.example, smtp: "+serve+"}}", "", "")).Serve.Mail.SMTP; *got != want {
			t.Errorf("%s gives %+v", serve, got)
		}
	}
	if got := parse(t, minimal("serve: {mail: {from: a@acme.example}}", "", "")).Serve.Mail; got != (config.Mail{From: "a@acme.example"}) {
		t.Errorf("mail without a server is %+v", got)
	}
}

// Each problem of serve is found alone, with its field and line. None of them shows a value: bad values hold "planted".
func TestProblemsOfServe(t *testing.T) {
	t.Parallel()
	const (
		port = "must be a host and a port from 0 to 65535"
		long = "planted-0123456789-0123456789"
		name = "must be 1 to 63 lower-case letters, digits and dashes"
	)
	for _, c := range []struct{ serve, want string }{
		{"listn: planted", "serve.listn (line 3): unknown field; known here: listen, url, proxies"},
		{"listen: planted", "serve.listen (line 3): " + port},
		{"listen: 8080", "serve.listen (line 3): must be text"},
		{"listen: 'localhost:'", "serve.listen (line 3): " + port},
		{"listen: localhost:http", "serve.listen (line 3): " + port},
		{"listen: localhost:65536", "serve.listen (line 3): " + port},
		{"listen: localhost:-1", "serve.listen (line 3): " + port},
		{"listen: localhost:080", "serve.listen (line 3): " + port},
		{"listen: ::1:8080", "serve.listen (line 3): " + port},
		{"listen: http://localhost:8080", "serve.listen (line 3): " + port},
		{"listen: 'planted host:8080'", "serve.listen (line 3): " + port},
		{"listen: ':8080'", "serve.url (line 3): is required, because listen is open to other machines"},
		{"listen: 0.0.0.0:8080", "serve.url (line 3): is required, because"},
		{"listen: planted.example:0", "serve.url (line 3): is required, because"},
		{"{listen: ':8080', url: http://planted.example}", "serve.url (line 3): must begin with https://; http:// is for this machine only"},
		{"url: https://planted:planted@acme.example", "serve.url (line 3): must not have a user name"},
		{"url: https://acme.example/planted", "serve.url (line 3): must end after the host and port"},
		{"url: https://acme.example//", "serve.url (line 3): must end after the host and port"},
		{"url: https://acme.example?planted", "serve.url (line 3): must end after the host and port"},
		{"url: https://acme.example?", "serve.url (line 3): must end after the host and port"},
		{"url: ''", "serve.url (line 3): is empty"},
		{"proxies: -1", "serve.proxies (line 3): must be from 0 to 5"},
		{"proxies: 6", "serve.proxies (line 3): must be from 0 to 5"},
		{"contact: planted", "serve.contact (line 3): must be an e-mail address or a URL that begins with https://"},
		{"contact: http://planted.example", "serve.contact (line 3): must be an e-mail address"},
		{"contact: https://planted@acme.example", "serve.contact (line 3): must be an e-mail address"},
		{"contact: 'https://'", "serve.contact (line 3): must be an e-mail address"},
		{"contact: Planted <planted@acme.example>", "serve.contact (line 3): must be an e-mail address"},
		{"contact: plantéd@acme.example", "serve.contact (line 3): must be an e-mail address"},
		{"contact: " + strings.Repeat("planted", 45) + "@acme.example", "serve.contact (line 3): must be an e-mail address"},

		{"tokens: {planted: 1}", "serve.tokens (line 3): must be a list"},
		{"tokens: planted", "serve.tokens (line 3): must be a list"},
		{"tokens: [" + strings.Repeat("1,", 101) + "]", "serve.tokens (line 3): must have at most 100 elements"},
		{"tokens: [planted]", "serve.tokens[0] (line 3): must be a mapping"},
		{"tokens: [{name: a, role: submit, token: " + long + ", planted0: 1}]", "serve.tokens[0] (line 3): an unknown field"},
		{"tokens: [{role: submit, token: " + long + "}]", "serve.tokens[0].name (line 3): is required"},
		{"tokens: [{name: Planted, role: submit, token: " + long + "}]", "serve.tokens[0].name (line 3): " + name},
		{"tokens: [{name: a, token: " + long + "}]", "serve.tokens[0].role (line 3): is required"},
		{"tokens: [{name: a, role: planted, token: " + long + "}]", "serve.tokens[0].role (line 3): must be one of submit, approve"},
		{"tokens: [{name: a, role: submit}]", "serve.tokens[0].token (line 3): is required"},
		{"tokens: [{name: a, role: submit, token: planted-0123456789a}]", "serve.tokens[0].token (line 3): must have at least 20 characters"},
		{"tokens: [{name: a, role: submit, token: '${LINE}" + long + "'}]", "serve.tokens[0].token (line 3): has a space, a line end"},
		{"tokens: [{name: a, role: submit, token: é" + long + "}]", "serve.tokens[0].token (line 3): has a space"},
		{"tokens:\n  - {name: a, role: submit, token: " + long + "}\n  - {name: a, role: submit, token: b" + long + "}",
			"serve.tokens[1].name (line 5): is the name of the token on line 4; each needs its own"},
		{"tokens:\n  - {name: a, role: submit, token: " + long + "}\n  - {name: b, role: approve, token: " + long + "}",
			"serve.tokens[1].token (line 5): is the token on line 4; each needs its own"},

		{"mail: {}", "serve.mail.from (line 3): is required"},
		{"mail: planted", "serve.mail (line 3): must be a mapping"},
		{"mail: {from: planted}", "serve.mail.from (line 3): must be an e-mail address, with or without a name"},
		{"mail: {from: 'a@acme.example, planted@acme.example'}", "serve.mail.from (line 3): must be an e-mail address"},
		{"mail: {from: \"a@acme.example\\n\"}", "serve.mail.from (line 3): must be an e-mail address"},
		{"mail: {from: '=?utf-8?q?planted=0Aplanted?= <a@acme.example>'}", "serve.mail.from (line 3): must be an e-mail address"},
		{"mail: {from: \"Acme (planted\\nplanted) X <a@acme.example>\"}", "serve.mail.from (line 3): must be an e-mail address"},
		{"mail: {from: '\"planted planted\"@acme.example'}", "serve.mail.from (line 3): must be an e-mail address"},
		{"mail: {from: Planted <plantéd@acme.example>}", "serve.mail.from (line 3): must be an e-mail address"},
		{"mail: {from: a@acme.example, to: planted}", "serve.mail.to (line 3): unknown field; known here: from, smtp"},
		{"mail: {from: a@acme.example, smtp: planted}", "serve.mail.smtp (line 3): must be a mapping"},
		{"mail: {from: a@acme.example, smtp: {}}", "serve.mail.smtp.host (line 3): is required"},
		{"mail: {from: a@acme.example, smtp: {host: planted:587}}", "serve.mail.smtp.host (line 3): must be a host name or an IP address"},
		{"mail: {from: a@acme.example, smtp: {host: mail, tls: true}}", "serve.mail.smtp.tls (line 3): unknown field"},
		{"mail: {from: a@acme.example, smtp: {host: mail, port: 0}}", "serve.mail.smtp.port (line 3): must be from 1 to 65535"},
		{"mail: {from: a@acme.example, smtp: {host: mail, port: 65536}}", "serve.mail.smtp.port (line 3): must be from 1 to 65535"},
		{"mail: {from: a@acme.example, smtp: {host: mail, security: planted}}", "serve.mail.smtp.security (line 3): must be one of starttls, tls, none"},
		{"mail: {from: a@acme.example, smtp: {host: planted, security: none}}", "serve.mail.smtp.host (line 3): must be this machine"},
		{"mail: {from: a@acme.example, smtp: {host: mail, username: planted}}", "serve.mail.smtp.password (line 3): is required, because username is given"},
		{"mail: {from: a@acme.example, smtp: {host: mail, password: planted}}", "serve.mail.smtp.username (line 3): is required, because password is given"},
		{"mail: {from: a@acme.example, smtp: {host: mail, username: a, password: '${LINE}'}}", "serve.mail.smtp.password (line 3): has a line end"},
		{"mail: {from: a@acme.example, smtp: {host: mail, username: '${LINE}', password: a}}", "serve.mail.smtp.username (line 3): has a line end"},

		{"form: {per_address: 0}", "serve.form.per_address (line 3): must be from 1 to 100"},
		{"form: {per_address: 101}", "serve.form.per_address (line 3): must be from 1 to 100"},
		{"form: {per_client: 0}", "serve.form.per_client (line 3): must be from 1 to 10000"},
		{"form: {per_client: 10001}", "serve.form.per_client (line 3): must be from 1 to 10000"},
		{"form: {all: 0}", "serve.form.all (line 3): must be from 1 to 1000000"},
		{"form: {all: 1000001}", "serve.form.all (line 3): must be from 1 to 1000000"},
		{"form: {each: 1}", "serve.form.each (line 3): unknown field; known here: per_address, per_client, all"},

		{"webhooks: {planted: 1}", "serve.webhooks (line 3): must be a list"},
		{"webhooks: [" + strings.Repeat("1,", 21) + "]", "serve.webhooks (line 3): must have at most 20 elements"},
		{"webhooks: [{name: a, url: https://planted.example, secret: " + long + ", to: planted}]", "serve.webhooks[0].to (line 3): unknown field"},
		{"webhooks: [{url: https://planted.example, secret: " + long + "}]", "serve.webhooks[0].name (line 3): is required"},
		{"webhooks: [{name: planted/, url: https://planted.example, secret: " + long + "}]", "serve.webhooks[0].name (line 3): " + name},
		{"webhooks: [{name: a, url: https://planted.example, secret: whsec_planted!planted!planted!}]", "serve.webhooks[0].secret (line 3): begins with whsec_ and must go on with 24 to 64 bytes in base64"},
		{"webhooks: [{name: a, url: https://planted.example, secret: whsec_cGxhbnRlZHBsYW50ZWQ=}]", "serve.webhooks[0].secret (line 3): begins with whsec_"},
		{"webhooks: [{name: a, secret: " + long + "}]", "serve.webhooks[0].url (line 3): is required"},
		{"webhooks: [{name: a, url: http://planted.example, secret: " + long + "}]", "serve.webhooks[0].url (line 3): must begin with https://; http:// is for"},
		{"webhooks: [{name: a, url: https://planted.example}]", "serve.webhooks[0].secret (line 3): is required"},
		{"webhooks: [{name: a, url: https://planted.example, secret: planted-0123456789a}]", "serve.webhooks[0].secret (line 3): must have at least 20"},
		{"webhooks:\n  - {name: a, url: https://x, secret: " + long + "}\n  - {name: a, url: https://x, secret: " + long + "}",
			"serve.webhooks[1].name (line 5): is the name of the webhook on line 4"},

		{"opendsr: {domain: https://planted.example}", "serve.opendsr.domain (line 3): must be a domain name"},
		{"opendsr: {domain: 'planted:443'}", "serve.opendsr.domain (line 3): must be a domain name"},
		{"opendsr: {controller: \"planted\\nplanted\"}", "serve.opendsr.controller (line 3): must be one line"},
		{"opendsr: {cert: planted}", "serve.opendsr.cert (line 3): unknown field; known here: domain, controller, certificate, key"},
	} {
		t.Run(c.serve[:min(len(c.serve), 80)], func(t *testing.T) {
			t.Parallel()
			wantProblem(t, minimal("serve:\n  "+c.serve, "", ""), "lanted", c.want)
		})
	}
	for _, root := range []string{"serve: planted", "serve:", "serve: []"} {
		wantProblem(t, minimal(root, "", ""), "planted", "serve (line 2): must be a mapping")
	}
}

func TestWhatServeAccepts(t *testing.T) {
	t.Parallel()
	const token = "0123456789-0123456789"
	for _, serve := range []string{
		"contact: 'https://acme.example/privacy?lang=de#contact'",
		"contact: o'hara+privacy@acme.example",
		"mail: {from: 'Datenschutzbüro <privacy@acme.example>'}",
		"mail: {from: '\"Acme, Privacy\" <privacy@acme.example>'}",
		"{listen: '[2001:db8::1]:443', url: https://acme.example}",
		"tokens: [{name: a, role: submit, token: 01234567890123456789x}, {name: a-1, role: submit, token: '!\"#$%&()*+,-./:;<=>?@[]~'}]",
		"webhooks: [{name: a, url: https://x, secret: " + token + "}, {name: b, url: https://x, secret: " + token + "}]",
		"tokens: [" + strings.Repeat(",{}", 100)[1:] + "]",
		"webhooks: [" + strings.Repeat(",{}", 20)[1:] + "]",
	} {
		for n := 0; strings.Contains(serve, "{}"); n++ {
			serve = strings.Replace(serve, "{}", fmt.Sprintf("{name: n%d, %s}", n, map[bool]string{
				true: fmt.Sprintf("role: submit, token: %s-%d", token, n), false: "url: https://x, secret: " + token,
			}[strings.HasPrefix(serve, "tokens")]), 1)
		}
		parse(t, minimal("serve:\n  "+serve, "", ""))
	}
}

func TestAllProblemsOfServeComeAtOnce(t *testing.T) {
	t.Parallel()
	_, err := configfile.Parse([]byte(minimal(`serve:
  listen: planted
  proxies: 9
  tokens:
  - {name: A, role: x}
  mail: {smtp: {security: x, port: 0, username: a}}
  form: {all: 0}
  schedule: {zone: x}
  webhooks: [{}]
  opendsr: {domain: "/", certificate: planted}
  colour: red`, "", "")), environment)
	if got, _ := err.(config.Problems); len(got) != 20 {
		t.Errorf("got %d problems:\n%v", len(got), err)
	}
}

func TestAnAliasInServeIsReportedOnce(t *testing.T) {
	t.Parallel()
	_, err := configfile.Parse([]byte(minimal("serve:\n  tokens: &a []\n  webhooks: *a\n  mail: *a", "", "")), environment)
	want := config.Problems{
		"line 3: an anchor (&) is not allowed", "line 4: an alias (*) is not allowed; write the value out", "line 5: an alias (*) is not allowed; write the value out",
	}
	if got, _ := err.(config.Problems); !slices.Equal(got, want) {
		t.Errorf("got\n%v", err)
	}
}

func TestServeDoesNotChangeTheHash(t *testing.T) {
	t.Parallel()
	// A certificate names the document that decided the erasure, and nothing in serve does.
	if a, b := parse(t, minimal("", "", "")).Hash(), parse(t, minimal(fullServe, "", "")).Hash(); a != b {
		t.Errorf("got %s and %s", a, b)
	}
}

func TestServeCanBePrintedWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.Replace(full, "targets:", fullServe+"targets:", 1))
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{string(b), fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprintf("%v %+v %#v", c.Serve.Mail.SMTP, c.Serve.Mail.SMTP, *c.Serve.Mail.SMTP)} {
		if strings.Contains(out, "planted") || !strings.Contains(out, "acme.example") {
			t.Errorf("got %s", out)
		}
	}
}
