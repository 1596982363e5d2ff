package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/lethe-dsr/lethe/internal/phone"
	"github.com/lethe-dsr/lethe/internal/subject"
)

const (
	maxController = 200    // characters; it stands on certificates
	maxPerMinute  = 60_000 // more is no limit at all
	maxLimit      = 1_000_000
	maxName       = 128 // of a custom property (App Center's SDK checks the same)
)

// Fields by mapping. A target has the common ones and those of its provider.
func rootFields() []string {
	return []string{"controller", "regulation", "mode", "phone_region", "passes", "limits", "targets", "serve"}
}

func limitFields() []string { return []string{"devices", "audiences", "notifications", "share"} }

func commonFields() []string { return []string{"id", "provider", "base_url", "requests_per_minute"} }

// ownFields are the fields of one provider's targets; nil for a provider that there is not.
func ownFields(p Provider) []string {
	switch p {
	case AppCenter:
		return []string{"owner", "app", "token", "export_container", "learn_user_id", "phone_region"}
	case Batch:
		return []string{"api_key", "rest_key", "custom_id"}
	}
	return nil
}

// Parse reads a document in JSON, of at most 1 MiB. ${NAME} in a text stands for what lookup (os.LookupEnv) gives; what it
// gives is not looked into again. The error is a Problems that lists everything that is wrong. Package configfile reads YAML
// as well, which only programs do that people start: the YAML parser takes time at every start of a function.
func Parse(b []byte, lookup func(string) (string, bool)) (Config, error) {
	return ParseAs(b, lookup, func(_ []byte, wrong func(line int, format string, args ...any)) *Node {
		wrong(1, "is no JSON; `lethe check --aws --json FILE` writes a configuration as JSON")
		return nil
	})
}

// ParseAs is Parse for documents that other can read, besides JSON.
func ParseAs(b []byte, lookup func(string) (string, bool), other Reader) (Config, error) {
	p := &parser{&report{}, lookup}
	c := Config{}
	if root := read(b, other, p.report); root != nil {
		c = p.root(root)
	}
	if wrong := p.problems(); wrong != nil {
		return Config{}, wrong
	}
	return c, nil
}

func (p *parser) root(n *Node) (c Config) {
	m, ok := p.mapping(n, place{line: max(1, n.Line)}, rootFields(), nil)
	if !ok {
		return c
	}
	c = Config{
		Controller:  m.controller(true),
		Regulation:  Regulation(m.choice("regulation", false, string(GDPR), string(GDPR), string(CCPA))),
		Mode:        Mode(m.choice("mode", false, string(Approve), string(Preview), string(Approve), string(Erase))),
		PhoneRegion: m.region(""),
		Passes:      m.integer("passes", 3, 1, 3),
		Limits:      p.limits(m),
	}
	list, at := m.get("targets", true)
	switch {
	case list == nil || list.Kind == Refused:
	case list.Kind != Sequence || len(list.Content) == 0:
		p.add(at, "must be a list of at least one target")
	default:
		first := map[string]int{}
		for k, item := range list.Content {
			t, idAt := p.target(item, at.item(k, item.Line), c.PhoneRegion)
			p.distinct(first, t.ID, idAt, "id of the target")
			c.Targets = append(c.Targets, t)
		}
	}
	c.Serve = p.serve(m, c.Controller)
	return c
}

func (p *parser) limits(root mapping) Limits {
	m := mapping{p: p}
	if n, at := root.get("limits", false); n != nil {
		m, _ = p.mapping(n, at, limitFields(), nil)
	}
	return Limits{
		Devices:       m.integer("devices", 50, 1, maxLimit),
		Audiences:     m.integer("audiences", 3, 1, maxLimit),
		Notifications: m.integer("notifications", 20, 1, maxLimit),
		Share:         m.share("share", 0.01),
	}
}

// target reads one target and says where its id stands.
func (p *parser) target(n *Node, at place, region string) (t Target, idAt place) {
	provider := p.providerOf(n)
	known, foreign := commonFields(), func(string) string { return "" }
	for _, of := range []Provider{AppCenter, Batch} {
		switch provider {
		case "", of: // without a provider, which is reported, nothing is foreign
			known = append(slices.Clip(known), ownFields(of)...)
		default:
			foreign = func(name string) string {
				if !slices.Contains(ownFields(of), name) {
					return ""
				}
				return fmt.Sprintf("belongs to targets of provider %s; this one is of %s", of, provider)
			}
		}
	}
	m, ok := p.mapping(n, at, known, foreign)
	if !ok {
		return t, at
	}
	t.ID, idAt = m.pattern("id", targetID(), "must be 1 to 63 lower-case letters, digits and dashes, beginning with a letter or digit")
	t.Provider = Provider(m.choice("provider", true, "", string(AppCenter), string(Batch)))
	switch t.Provider {
	case AppCenter:
		t.BaseURL = m.baseURL(DefaultAppCenterURL)
		t.RequestsPerMinute = m.integer("requests_per_minute", DefaultAppCenterPerMinute, 0, maxPerMinute)
		t.Owner, _ = m.pattern("owner", appCenterName(), "must be the name in App Center's URL: letters, digits, dot, dash and underscore")
		t.App, _ = m.pattern("app", appCenterName(), "must be the name in App Center's URL: letters, digits, dot, dash and underscore")
		t.Token = m.key("token")
		t.ExportContainer = m.container()
		t.LearnUserID = m.boolean("learn_user_id", false)
		t.PhoneRegion = m.region(region)
	case Batch:
		t.BaseURL = m.baseURL(DefaultBatchURL)
		t.RequestsPerMinute = m.integer("requests_per_minute", DefaultBatchPerMinute, 0, maxPerMinute)
		t.APIKey = m.key("api_key")
		t.RESTKey = m.key("rest_key")
		t.CustomID = m.customID()
	}
	return t, idAt
}

// providerOf looks ahead for the provider, which decides what the other fields mean; "" where it cannot be told. What is
// wrong on the way is reported by the walk proper.
func (p *parser) providerOf(n *Node) Provider {
	ahead := &parser{&report{}, p.lookup}
	m, _ := ahead.mapping(n, place{}, commonFields(), nil)
	v, _ := m.text("provider", true)
	if ownFields(Provider(v)) == nil {
		return ""
	}
	return Provider(v)
}

var (
	targetID      = sync.OnceValue(compiled(`^[a-z0-9][a-z0-9-]{0,62}$`))
	appCenterName = sync.OnceValue(compiled(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$`))
)

// pattern finds a required text of a certain form.
func (m mapping) pattern(name string, form *regexp.Regexp, must string) (string, place) {
	v, at := m.text(name, true)
	if v != "" && !form.MatchString(v) {
		m.p.add(at, "%s", must)
		return "", at
	}
	return v, at
}

func (m mapping) controller(required bool) string {
	v, at := m.text("controller", required)
	if utf8.RuneCountInString(v) > maxController || strings.ContainsFunc(v, unicode.IsControl) {
		m.p.add(at, "must be one line of at most %d characters", maxController)
	}
	return strings.TrimSpace(v)
}

// key finds a credential. It goes into a header or a path, so a line end that a shell or an editor added would break it.
func (m mapping) key(name string) Secret {
	v, at := m.text(name, true)
	if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) {
		m.p.add(at, "has a space, a line end or another character that no key has")
	}
	return NewSecret(v)
}

func (m mapping) region(def string) string {
	v, at := m.text("phone_region", false)
	if v == "" {
		return def
	}
	v = strings.ToUpper(v)
	if !phone.Known(v) {
		m.p.add(at, "must be a country code of two letters, such as DE")
		return def
	}
	return v
}

func (m mapping) customID() CustomID {
	v, at := m.text("custom_id", true)
	name, isProperty := strings.CutPrefix(v, string(subject.Property)+":")
	switch {
	case v == "":
		return CustomID{}
	case isProperty && name != "" && name == strings.TrimSpace(name) && utf8.RuneCountInString(name) <= maxName && !strings.ContainsFunc(name, unicode.IsControl):
		return CustomID{subject.Property, name}
	case !isProperty && v != string(subject.Property) && slices.Contains(subject.Types[:], subject.Type(v)):
		return CustomID{Type: subject.Type(v)}
	}
	m.p.add(at, "must say which identifier is Batch's user id: user_id, email, phone, install_id or property:NAME")
	return CustomID{}
}

func (m mapping) baseURL(def string) *url.URL {
	v, at := m.text("base_url", false)
	if v == "" {
		v = def
	}
	u, wrong := parseURL(v)
	if wrong == "" && (u.RawQuery != "" || u.ForceQuery) {
		wrong = "must not have a query (?)"
	}
	if wrong != "" {
		m.p.add(at, "%s", wrong)
	}
	return u
}

// container checks the URL of an Azure container with its SAS, as far as this can be done without calling it: sig is
// the parameter that no SAS lacks (https://learn.microsoft.com/rest/api/storageservices/create-service-sas).
func (m mapping) container() Secret {
	v, at := m.text("export_container", true)
	if v == "" {
		return Secret{}
	}
	u, wrong := parseURL(v)
	if wrong == "" {
		query, err := url.ParseQuery(u.RawQuery)
		switch {
		case strings.Trim(u.Path, "/") == "":
			wrong = "must name a container after the host"
		case err != nil || query.Get("sig") == "":
			wrong = "must carry its SAS: sig is missing"
		}
	}
	if wrong != "" {
		m.p.add(at, "%s", wrong)
	}
	return NewSecret(v)
}

// parseURL reads a URL that credentials go to; wrong says what is the matter.
func parseURL(v string) (u *url.URL, wrong string) {
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Opaque != "":
		return nil, "is not a URL"
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "must begin with https://"
	case u.Hostname() == "":
		return nil, "has no host"
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, "must begin with https://; http:// is for this machine only (127.0.0.1, ::1, localhost)"
	case u.User != nil:
		return nil, "must not have a user name or password"
	case u.Fragment != "":
		return nil, "must not have a fragment (#)"
	}
	return u, ""
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
