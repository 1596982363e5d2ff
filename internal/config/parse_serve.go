package config

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/robfig/cron/v3"
)

const (
	maxProxies  = 5
	maxTokens   = 100
	maxWebhooks = 20
	minToken    = 20   // characters; fewer can be guessed
	maxAddress  = 320  // characters of an e-mail address with its display name
	minRSA      = 2048 // bits
)

// serve reads the section of that name; without it, everything has its default.
func (p *parser) serve(root mapping, controller string) (s Serve) {
	m, _ := root.section("serve", "listen", "url", "proxies", "contact", "tokens", "mail", "form", "schedule", "webhooks", "opendsr")
	var host string
	s.Listen, host, s.URL = m.listen()
	s.Proxies = m.integer("proxies", 0, 0, maxProxies)
	s.Contact = m.contact()
	s.Tokens = m.tokens()
	s.Mail = m.mail()
	form, _ := m.section("form", "per_address", "per_client", "all")
	s.Form = FormLimits{
		PerAddress: form.integer("per_address", DefaultPerAddress, 1, 100),
		PerClient:  form.integer("per_client", DefaultPerClient, 1, 10_000),
		All:        form.integer("all", DefaultAll, 1, 1_000_000),
	}
	s.Schedule = m.schedule()
	s.Webhooks = m.webhooks()
	if s.URL != nil {
		host = s.URL.Hostname()
	}
	s.OpenDSR = m.opendsr(host, controller)
	return s
}

// section finds a mapping in a mapping, and tells whether there is one. Where there is none it has no fields.
func (m mapping) section(name string, known ...string) (mapping, bool) {
	n, at := m.get(name, false)
	if n == nil {
		return mapping{p: m.p}, false
	}
	return m.p.mapping(n, at, known, nil)
}

// list finds a list of mappings, of at most so many elements. Elements of another kind are reported and left out.
func (m mapping) list(name string, most int, known ...string) (items []mapping) {
	n, at := m.get(name, false)
	switch {
	case n == nil || n.Kind == Refused:
		return nil
	case n.Kind != Sequence:
		m.p.add(at, "must be a list")
		return nil
	case len(n.Content) > most:
		m.p.add(at, "must have at most %d elements", most)
		return nil
	}
	for k, c := range n.Content {
		if item, ok := m.p.mapping(c, at.item(k, c.Line), known, nil); ok {
			items = append(items, item)
		}
	}
	return items
}

// listen finds where the service listens, on which host, and how people reach it. The URL is nil where only the running
// service knows its port.
func (m mapping) listen() (listen, host string, reached *url.URL) {
	listen, at := m.text("listen", false)
	listen = cmp.Or(listen, DefaultListen)
	host, port, _ := net.SplitHostPort(listen) // an error leaves the port empty
	number, _ := strconv.ParseUint(port, 10, 16)
	valid := (host == "" || isHost(host)) && strconv.FormatUint(number, 10) == port
	if !valid {
		m.p.add(at, "must be a host and a port from 0 to 65535, such as 127.0.0.1:8080 or \"[::1]:8080\"")
	}
	_, given := m.fields["url"]
	switch {
	case given:
		reached = m.origin()
	case !valid:
	case !loopback(host):
		m.p.add(m.at.field("url", at.line), "is required, because listen is open to other machines")
	case number != 0:
		reached = &url.URL{Scheme: "http", Host: listen}
	}
	return listen, host, reached
}

// hostName is loose: what it lets through cannot change the meaning of an address that it is put into.
var hostName = sync.OnceValue(compiled(`^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63}){0,9}$`))

func isHost(v string) bool { return hostName().MatchString(v) || net.ParseIP(v) != nil }

// origin finds the URL that paths are put behind.
func (m mapping) origin() *url.URL {
	u, at := m.link(false)
	if u == nil {
		return nil
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery {
		m.p.add(at, "must end after the host and port, without a path or a query (?)")
	}
	u.Path = ""
	return u
}

// link finds a URL that credentials or people's data go to; nil where there is none that could be used.
func (m mapping) link(required bool) (*url.URL, place) {
	v, at := m.text("url", required)
	if v == "" {
		return nil, at
	}
	u, wrong := parseURL(v)
	if wrong != "" {
		m.p.add(at, "%s", wrong)
	}
	return u, at
}

// contact finds what people are pointed to: nothing is sent there, so the URL may have a query and a fragment.
func (m mapping) contact() string {
	v, at := m.text("contact", false)
	u, err := url.Parse(v)
	page := err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil
	if v != "" && !page && !isAddress(v, false) {
		m.p.add(at, "must be an e-mail address or a URL that begins with https://")
	}
	return v
}

// isAddress tells whether v is an e-mail address that every mail server takes; named allows a display name. Letters beyond
// ASCII are for that name only, because servers need not know RFC 6531. Control characters are for nothing: net/mail lets
// line ends stand in comments, and they would begin another header.
func isAddress(v string, named bool) bool {
	if len(v) > maxAddress {
		return false
	}
	a, err := mail.ParseAddress(v)
	return err == nil && (named || a.Address == v) && !strings.ContainsFunc(v+a.Name, unicode.IsControl) &&
		!strings.ContainsFunc(a.Address, func(r rune) bool { return r <= ' ' || r > '~' })
}

func (m mapping) tokens() (out []Token) {
	names, tokens := map[string]int{}, map[string]int{}
	for _, item := range m.list("tokens", maxTokens, "name", "role", "token") {
		t := Token{Name: item.named(names, "name of the token")}
		t.Role = Role(item.choice("role", true, "", string(RoleSubmit), string(RoleApprove)))
		var at place
		t.Token, at = item.longKey("token")
		m.p.distinct(tokens, t.Token.Reveal(), at, "token")
		out = append(out, t)
	}
	return out
}

func (m mapping) webhooks() (out []Webhook) {
	names := map[string]int{}
	for _, item := range m.list("webhooks", maxWebhooks, "name", "url", "secret") {
		w := Webhook{Name: item.named(names, "name of the webhook")}
		w.URL, _ = item.link(true)
		secret, at := item.longKey("secret")
		if encoded, ok := strings.CutPrefix(secret.Reveal(), "whsec_"); ok {
			// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: 24 to 64 bytes
			if b, err := base64.StdEncoding.DecodeString(encoded); err != nil || len(b) < 24 || len(b) > 64 {
				m.p.add(at, "begins with whsec_ and must go on with 24 to 64 bytes in base64; or use a secret without whsec_")
			}
		}
		w.Secret = secret
		out = append(out, w)
	}
	return out
}

// named finds a name that no other element of the list has; taken keeps them.
func (m mapping) named(taken map[string]int, what string) string {
	v, at := m.pattern("name", targetID(), "must be 1 to 63 lower-case letters, digits and dashes, beginning with a letter or digit")
	m.p.distinct(taken, v, at, what)
	return v
}

// longKey finds a credential of the operator's own making, which must not be guessable.
func (m mapping) longKey(name string) (Secret, place) {
	before := len(m.p.found)
	s := m.key(name)
	_, at := m.get(name, false)
	if len(m.p.found) == before && len(s.Reveal()) < minToken {
		m.p.add(at, "must have at least %d characters", minToken)
	}
	return s, at
}

func (m mapping) mail() (out Mail) {
	m, given := m.section("mail", "from", "smtp")
	if !given {
		return out
	}
	v, at := m.text("from", true)
	if v != "" && !isAddress(v, true) {
		m.p.add(at, "must be an e-mail address, with or without a name: Acme Privacy <privacy@acme.example>")
	}
	out.From = v
	if smtp, given := m.section("smtp", "host", "port", "security", "username", "password"); given {
		out.SMTP = smtp.smtp()
	}
	return out
}

func (m mapping) smtp() *SMTP {
	s := &SMTP{Security: m.choice("security", false, StartTLS, StartTLS, TLS, NoTLS)}
	host, at := m.text("host", true)
	switch {
	case host == "":
	case !isHost(host):
		m.p.add(at, "must be a host name or an IP address; the port is a field of its own")
	case s.Security == NoTLS && !loopback(host):
		m.p.add(at, "must be this machine (127.0.0.1, ::1, localhost) when security is none")
	}
	s.Host = host
	port := 587
	if s.Security == TLS {
		port = 465
	}
	s.Port = m.integer("port", port, 1, 65535)
	m.together("username", "password")
	s.Username = m.line("username")
	if v := m.line("password"); v != "" {
		s.Password = NewSecret(v)
	}
	return s
}

// together reports a field of two that stands without the other.
func (m mapping) together(a, b string) {
	for _, pair := range [][2]string{{a, b}, {b, a}} {
		if n := m.fields[pair[0]]; n != nil && m.fields[pair[1]] == nil {
			m.p.add(m.at.field(pair[1], n.Line), "is required, because %s is given", pair[0])
		}
	}
}

// line finds a text without line ends and other control characters; "" for none. Unlike a key it may have spaces.
func (m mapping) line(name string) string {
	v, at := m.text(name, false)
	if strings.ContainsFunc(v, unicode.IsControl) {
		m.p.add(at, "has a line end or another control character")
	}
	return v
}

// cronField keeps out what the library takes beyond the five fields: @every and the like, TZ=, and empty lists.
var cronField = sync.OnceValue(compiled(`^[0-9A-Za-z*?/-]+(,[0-9A-Za-z*?/-]+)*$`))

func (m mapping) schedule() Schedule {
	m, given := m.section("schedule", "cron", "zone")
	s := Schedule{Zone: time.UTC}
	if v, at := m.text("zone", false); v != "" {
		zone, err := time.LoadLocation(v)
		switch {
		case err != nil || zone == time.Local: // Local would be another one on each machine
			m.p.add(at, "must be the name of a time zone, such as Europe/Berlin or UTC")
		default:
			s.Zone = zone
		}
	}
	v, at := m.text("cron", given)
	if v == "" {
		return s
	}
	s.Cron = v
	switch {
	case !isCron(v):
		m.p.add(at, "must be five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12), day of week (0-6, 0 is Sunday); "+
			"no @ words, and no time zone, which is the field zone")
	case s.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero(): // a leap year
		m.p.add(at, "never comes: no such month has that day")
	}
	return s
}

func isCron(v string) bool {
	if slices.ContainsFunc(strings.Fields(v), func(f string) bool { return !cronField().MatchString(f) }) {
		return false
	}
	_, err := cron.ParseStandard(v)
	return err == nil
}

func (m mapping) opendsr(host, controller string) OpenDSR {
	m, _ = m.section("opendsr", "domain", "controller", "certificate", "key")
	o := OpenDSR{Domain: host}
	if v, at := m.text("domain", false); v != "" {
		if !hostName().MatchString(v) {
			m.p.add(at, "must be a domain name, without https:// or a port")
		}
		o.Domain = v
	}
	o.Domain = strings.ToLower(o.Domain)
	o.Controller = cmp.Or(m.controller(false), controller)
	m.together("certificate", "key")
	var leaf *x509.Certificate
	var key *rsa.PrivateKey
	var at place
	o.Certificate, leaf = m.certificate()
	o.Key, key, at = m.rsaKey()
	if leaf != nil && key != nil && !key.PublicKey.Equal(leaf.PublicKey) {
		m.p.add(at, "does not belong to the first of the certificates")
	}
	return o
}

// certificate finds a chain of certificates and its first, which is nil where there is none that could be used. Anything
// else in the text is refused: certificates are published, and a key may have slipped in.
func (m mapping) certificate() (Secret, *x509.Certificate) {
	text, at := m.text("certificate", false)
	if text == "" {
		return Secret{}, nil
	}
	var chain []*x509.Certificate
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != "CERTIFICATE" {
			break
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 || len(chain) != strings.Count(text, "-----BEGIN") {
		m.p.add(at, "must be X.509 certificates in PEM and nothing else, with their line ends")
		return Secret{}, nil
	}
	return NewSecret(text), chain[0]
}

// rsaKey finds a key; nil where there is none that could be used.
func (m mapping) rsaKey() (Secret, *rsa.PrivateKey, place) {
	text, at := m.text("key", false)
	if text == "" {
		return Secret{}, nil, at
	}
	block, rest := pem.Decode([]byte(text))
	var parsed any
	var err error
	switch {
	case block == nil || strings.TrimSpace(string(rest)) != "":
	case block.Type == "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	switch {
	case err != nil || !ok:
		m.p.add(at, "must be one RSA key in PEM, PKCS#1 or PKCS#8, without a passphrase and with its line ends")
		return Secret{}, nil, at
	case key.N.BitLen() < minRSA:
		m.p.add(at, "must have at least %d bits", minRSA)
		return Secret{}, nil, at
	}
	return NewSecret(text), key, at
}
