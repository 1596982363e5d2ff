package config_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/subject"
)

const full = `
controller: Acme GmbH
regulation: ccpa
mode: erase
phone_region: de
passes: 2
limits: {devices: 7, audiences: 2, notifications: 9, share: 0.5}
targets:
  - id: acme-ios
    provider: appcenter
    owner: acme
    app: acme-ios.v2
    token: "${APPCENTER_TOKEN}"
    export_container: "https://acct.blob.core.windows.net/lethe?sv=2020&sig=${SIG}%3D"
    base_url: https://appcenter.example/prefix
    requests_per_minute: 40
    learn_user_id: true
    phone_region: NO
  - {id: acme-batch, provider: batch, api_key: "${BATCH}-live", rest_key: planted-rest, custom_id: "property:Member id",
     base_url: "http://127.0.0.1:8080", requests_per_minute: 5}
`

// environment answers as os.LookupEnv does.
func environment(name string) (string, bool) {
	v, ok := map[string]string{
		"APPCENTER_TOKEN": "planted-token", "SIG": "planted-sig", "BATCH": "planted-key", "EMPTY": "", "LINE": "planted-line\n",
		"NESTED": "${SIG}", "PROVIDER": "batch", "SPACE": " ",
	}[name]
	return v, ok
}

func parse(t *testing.T, doc string) config.Config {
	t.Helper()
	c, err := configfile.Parse([]byte(doc), environment)
	if err != nil {
		t.Fatalf("got problems:\n%v", err)
	}
	return c
}

// minimal is a document with one target of each provider and no optional field; lines can be put into all three parts.
func minimal(root, appCenter, batch string) string {
	return "controller: Acme\n" + root + `
targets:
- id: a
  provider: appcenter
  owner: acme
  app: ios
  token: planted-token
  export_container: "https://acct.blob.core.windows.net/lethe?sig=planted-sig"
` + appCenter + `
- id: b
  provider: batch
  api_key: planted-key
  rest_key: planted-rest
  custom_id: user_id
` + batch
}

func TestAFullDocument(t *testing.T) {
	t.Parallel()
	c := parse(t, full)
	if c.Controller != "Acme GmbH" || c.Regulation != config.CCPA || c.Mode != config.Erase || c.PhoneRegion != "DE" || c.Passes != 2 {
		t.Errorf("got %+v", c)
	}
	if want := (config.Limits{Devices: 7, Audiences: 2, Notifications: 9, Share: 0.5}); c.Limits != want {
		t.Errorf("limits %+v", c.Limits)
	}
	ios, _ := c.Target("acme-ios")
	if ios.Provider != config.AppCenter || ios.Owner != "acme" || ios.App != "acme-ios.v2" || ios.RequestsPerMinute != 40 ||
		!ios.LearnUserID || ios.PhoneRegion != "NO" || ios.BaseURL.String() != "https://appcenter.example/prefix" {
		t.Errorf("got %+v", ios)
	}
	if got := ios.Token.Reveal(); got != "planted-token" {
		t.Errorf("token %q", got)
	}
	if got := ios.ExportContainer.Reveal(); got != "https://acct.blob.core.windows.net/lethe?sv=2020&sig=planted-sig%3D" {
		t.Errorf("container %q", got)
	}
	if got := ios.Container(); got != "https://acct.blob.core.windows.net/lethe" {
		t.Errorf("container's name %q", got)
	}
	b, _ := c.Target("acme-batch")
	if b.Provider != config.Batch || b.BaseURL.Host != "127.0.0.1:8080" || b.RequestsPerMinute != 5 || b.Container() != "" ||
		b.CustomID != (config.CustomID{Type: subject.Property, Name: "Member id"}) || b.CustomID.String() != "property:Member id" {
		t.Errorf("got %+v", b)
	}
	if b.APIKey.Reveal() != "planted-key-live" || b.RESTKey.Reveal() != "planted-rest" {
		t.Errorf("keys %q and %q", b.APIKey.Reveal(), b.RESTKey.Reveal())
	}
	if _, ok := c.Target("other"); ok {
		t.Error("found a target that is not there")
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := parse(t, minimal("phone_region: FR", "", ""))
	if c.Regulation != config.GDPR || c.Mode != config.Approve || c.Passes != 3 {
		t.Errorf("got %+v", c)
	}
	if want := (config.Limits{Devices: 50, Audiences: 3, Notifications: 20, Share: 0.01}); c.Limits != want {
		t.Errorf("limits %+v", c.Limits)
	}
	a, b := c.Targets[0], c.Targets[1]
	if a.BaseURL.String() != "https://api.appcenter.ms" || a.RequestsPerMinute != 100 || a.LearnUserID || a.PhoneRegion != "FR" {
		t.Errorf("App Center: %+v", a)
	}
	if b.BaseURL.String() != "https://api.batch.com" || b.RequestsPerMinute != 0 || b.CustomID.String() != "user_id" {
		t.Errorf("Batch: %+v", b)
	}
}

func TestJSONAndYAMLSayTheSame(t *testing.T) {
	t.Parallel()
	doc := "{\n\t\"controller\": \"Acme \\ud83d\\ude80\",\n\t\"limits\": {\"share\": 1, \"devices\": 5},\n\t\"targets\": [{\"id\": \"b\", \"provider\": \"batch\", " +
		"\"api_key\": \"k\",\r\n \"rest_key\": \"${SIG}\", \"custom_id\": \"email\", \"base_url\": \"https:\\/\\/batch.example\"}]}"
	got := parse(t, doc)
	want := parse(t, "controller: Acme 🚀\nlimits:\n  share: 1.0\n  devices: 5\ntargets:\n- {provider: batch, id: b, custom_id: email, api_key: k, rest_key: planted-sig, base_url: https://batch.example}\n")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if parsed := parse(t, "\ufeff"+strings.ReplaceAll(minimal("", "", ""), "\n", "\r\n")); parsed.Hash() != parse(t, minimal("", "", "")).Hash() {
		t.Error("a byte order mark and CRLF change the meaning")
	}
}

func TestTargetsMayShareAContainer(t *testing.T) {
	t.Parallel()
	two := minimal("", "", "") + strings.ReplaceAll(`
- id: c
  provider: appcenter
  owner: acme
  app: android
  token: t
  export_container: "https://acct.blob.core.windows.net/lethe?sig=other"
`, "\t", "")
	if c := parse(t, two); len(c.Targets) != 3 {
		t.Errorf("got %d targets", len(c.Targets))
	}
}

// Each problem is found alone, with its field and line. None of them shows a value: bad values begin with "planted".
func TestProblems(t *testing.T) {
	t.Parallel()
	planted := "planted"
	for _, c := range []struct{ root, appCenter, batch, want string }{
		{root: "mode: planted", want: "mode (line 2): must be one of preview, approve, erase"},
		{root: "mode: Erase", want: "mode (line 2): must be one of"},
		{root: "mode:", want: "mode (line 2): is empty; leave the field out"},
		{root: "mode: ''", want: "mode (line 2): is empty"},
		{root: "regulation: hipaa", want: "regulation (line 2): must be one of gdpr, ccpa"},
		{root: "phone_region: planted", want: "phone_region (line 2): must be a country code"},
		{root: "phone_region: '001'", want: "phone_region (line 2): must be a country code"},
		{root: "phone_region: 49", want: "phone_region (line 2): must be text"},
		{root: "passes: 0", want: "passes (line 2): must be from 1 to 3"},
		{root: "passes: 4", want: "passes (line 2): must be from 1 to 3"},
		{root: "passes: 0x2", want: "passes (line 2): must be a whole number"},
		{root: "passes: 02", want: "passes (line 2): must be a whole number"},
		{root: "passes: 2.0", want: "passes (line 2): must be a whole number"},
		{root: "passes: '2'", want: "passes (line 2): must be a whole number"},
		{root: "passes: planted", want: "passes (line 2): must be a whole number"},
		{root: "passes: [2]", want: "passes (line 2): must be a whole number"},
		{root: "passes: 99999999999999999999", want: "passes (line 2): must be a whole number"},
		{root: "limits: planted", want: "limits (line 2): must be a mapping"},
		{root: "limits: {devices: 0}", want: "limits.devices (line 2): must be from 1"},
		{root: "limits: {audiences: -1}", want: "limits.audiences (line 2): must be from 1"},
		{root: "limits: {notifications: many}", want: "limits.notifications (line 2): must be a whole number"},
		{root: "limits: {share: 0}", want: "limits.share (line 2): must be above 0"},
		{root: "limits: {share: 1.01}", want: "limits.share (line 2): must be above 0"},
		{root: "limits: {share: .nan}", want: "limits.share (line 2): must be above 0"},
		{root: "limits: {share: -.inf}", want: "limits.share (line 2): must be above 0"},
		{root: "limits: {share: 5%}", want: "limits.share (line 2): must be a number"},
		{root: "limits:\n  planted: 1", want: "limits.planted (line 3): unknown field; known here: devices, audiences"},
		{root: "planted0: 1", want: "line 2: an unknown field, whose name is not shown"},
		{root: "Mode: erase", want: "Mode (line 2): unknown field"},
		{root: "controller: planted", want: "controller (line 2): stands twice, first on line 1"},
		{root: "? [planted]\n: 1", want: "line 2: an unknown field, whose name is not shown"},
		{root: "mode: &planted erase", want: "line 2: an anchor (&) is not allowed"},
		{root: "mode: !!str erase", want: "line 2: a tag (!) is not allowed"},
		{root: "mode: !planted erase", want: "line 2: a tag (!) is not allowed"},
		{root: "<<: {mode: erase}", want: "line 2: an unknown field, whose name is not shown"},
		{root: "mode: ${planted", want: "mode (line 2): has a ${ that is not followed"},
		{root: "mode: ${}", want: "mode (line 2): has a ${ that is not followed"},
		{root: "mode: ${UNSET}", want: "mode (line 2): the environment variable UNSET is not set"},
		{root: "mode: ${EMPTY}", want: "mode (line 2): is empty after its environment variables"},
		{root: "mode: ${SPACE}", want: "mode (line 2): is empty after its environment variables"},

		{appCenter: "  base_url: http://planted.example", want: "targets[0].base_url (line 10): must begin with https://; http:// is for this machine only"},
		{appCenter: "  base_url: http://localhost.planted.example", want: "targets[0].base_url (line 10): must begin with https://; http://"},
		{appCenter: "  base_url: ftp://planted", want: "targets[0].base_url (line 10): must begin with https://"},
		{appCenter: "  base_url: planted", want: "targets[0].base_url (line 10): must begin with https://"},
		{appCenter: "  base_url: 'https:planted'", want: "targets[0].base_url (line 10): is not a URL"},
		{appCenter: "  base_url: 'https://planted:xx'", want: "targets[0].base_url (line 10): is not a URL"},
		{appCenter: "  base_url: 'https://'", want: "targets[0].base_url (line 10): has no host"},
		{appCenter: "  base_url: 'https://:443'", want: "targets[0].base_url (line 10): has no host"},
		{appCenter: "  base_url: https://planted:planted@host", want: "targets[0].base_url (line 10): must not have a user name"},
		{appCenter: "  base_url: 'https://host/#planted'", want: "targets[0].base_url (line 10): must not have a fragment"},
		{appCenter: "  base_url: https://host/?planted=1", want: "targets[0].base_url (line 10): must not have a query"},
		{appCenter: "  requests_per_minute: -1", want: "targets[0].requests_per_minute (line 10): must be from 0"},
		{appCenter: "  learn_user_id: yes", want: "targets[0].learn_user_id (line 10): must be true or false"},
		{appCenter: "  learn_user_id: 'true'", want: "targets[0].learn_user_id (line 10): must be true or false"},
		{appCenter: "  phone_region: ZZ", want: "targets[0].phone_region (line 10): must be a country code"},
		{appCenter: "  api_key: planted", want: "targets[0].api_key (line 10): belongs to targets of provider batch; this one is of appcenter"},
		{appCenter: "  token: planted", want: "targets[0].token (line 10): stands twice, first on line 8"},
		{appCenter: "- planted", want: "targets[1] (line 10): must be a mapping"},
		{batch: "  learn_user_id: true", want: "targets[1].learn_user_id (line 16): belongs to targets of provider appcenter; this one is of batch"},
		{batch: "  tokn: planted", want: "targets[1].tokn (line 16): unknown field; known here: id, provider, base_url, requests_per_minute, api_key, rest_key, custom_id"},
	} {
		t.Run(strings.TrimSpace(c.root+c.appCenter+c.batch), func(t *testing.T) {
			t.Parallel()
			wantProblem(t, minimal(c.root, c.appCenter, c.batch), planted, c.want)
		})
	}
}

// wantProblem wants one problem, and in it neither what the environment holds nor any value that begins with planted.
func wantProblem(t *testing.T, doc, planted, want string) {
	t.Helper()
	_, err := configfile.Parse([]byte(doc), environment)
	problems, ok := err.(config.Problems)
	if !ok || len(problems) != 1 || !strings.HasPrefix(problems[0], want) {
		t.Fatalf("got %d problems:\n%v\nwant one: %s …", len(problems), err, want)
	}
	// The one unknown field of these tests that is called planted is shown, as a field's name.
	if strings.Contains(strings.ReplaceAll(err.Error(), "limits.planted", ""), planted) {
		t.Errorf("a value is shown: %v", err)
	}
	if !fault.Is(err, fault.BadInput) {
		t.Errorf("the fault is %s", fault.NameOf(err))
	}
}

// One required field of the minimal document at a time is replaced by another line, or taken out.
func TestProblemsOfRequiredFields(t *testing.T) {
	t.Parallel()
	const required = "(line 4): is required"
	for _, c := range []struct{ old, new, want string }{
		{"controller: Acme", "regulation: gdpr", "controller (line 1): is required"},
		{"controller: Acme", "controller: 7", "controller (line 1): must be text; put numbers"},
		{"controller: Acme", "controller: \"planted\\nplanted\"", "controller (line 1): must be one line"},
		{"controller: Acme", "controller: " + strings.Repeat("planted", 40), "controller (line 1): must be one line of at most 200"},
		{"- id: a\n", "- base_url: https://x\n", "targets[0].id " + required},
		{"- id: a\n", "- id: b\n", "targets[1].id (line 11): is the id of the target on line 4"},
		{"- id: a\n", "- id: -planted\n", "targets[0].id (line 4): must be 1 to 63 lower-case"},
		{"- id: a\n", "- id: Planted\n", "targets[0].id (line 4): must be 1 to 63 lower-case"},
		{"- id: a\n", "- id: " + strings.Repeat("a", 64) + "\n", "targets[0].id (line 4): must be 1 to 63 lower-case"},
		{"- id: a\n", "- id: 12\n", "targets[0].id (line 4): must be text"},
		{"provider: batch", "provider: planted", "targets[1].provider (line 12): must be one of appcenter, batch"},
		{"provider: batch", "requests_per_minute: 1", "targets[1].provider (line 11): is required"},
		{"provider: batch", "provider: ${PROVIDER}\n  owner: planted", "targets[1].owner (line 13): belongs to targets of provider appcenter"},
		{"  owner: acme\n", "", "targets[0].owner " + required},
		{"owner: acme", "owner: planted/acme", "targets[0].owner (line 6): must be the name in App Center's URL"},
		{"owner: acme", "owner: '..'", "targets[0].owner (line 6): must be the name in App Center's URL"},
		{"app: ios", "app: 1e5", "targets[0].app (line 7): must be text; put numbers"},
		{"app: ios", "app: planted ios", "targets[0].app (line 7): must be the name in App Center's URL"},
		{"  token: planted-token\n", "", "targets[0].token " + required},
		{"token: planted-token", "token: ''", "targets[0].token (line 8): is empty; give a value"},
		{"token: planted-token", "token:", "targets[0].token (line 8): is empty; give a value"},
		{"token: planted-token", "token: ~", "targets[0].token (line 8): is empty; give a value"},
		{"token: planted-token", "token: {planted: planted}", "targets[0].token (line 8): must be text"},
		{"token: planted-token", "token: 2020-01-01", "targets[0].token (line 8): must be text"},
		{"token: planted-token", "token: planted token", "targets[0].token (line 8): has a space"},
		{"token: planted-token", "token: ${LINE}", "targets[0].token (line 8): has a space, a line end"},
		{"token: planted-token", "token: ${SIG}${UNSET}", "targets[0].token (line 8): the environment variable UNSET is not set"},
		{"token: planted-token", "token: ${NESTED} ", "OK"},
		{"?sig=planted-sig", "?sig=", "targets[0].export_container (line 9): must carry its SAS: sig is missing"},
		{"?sig=planted-sig", "?Sig=planted", "targets[0].export_container (line 9): must carry its SAS: sig is missing"},
		{"?sig=planted-sig", "", "targets[0].export_container (line 9): must carry its SAS: sig is missing"},
		{"?sig=planted-sig", "?sig=%zz", "targets[0].export_container (line 9): must carry its SAS: sig is missing"},
		{"/lethe?sig", "/?sig", "targets[0].export_container (line 9): must name a container"},
		{"https://acct", "http://acct", "targets[0].export_container (line 9): must begin with https://; http:// is for"},
		{"https://acct.blob.core.windows.net", "http://[::1]:10000/acct", "OK"},
		{"https://acct.blob.core.windows.net", "http://localhost:10000/acct", "OK"},
		{"https://acct", "https://planted@acct", "targets[0].export_container (line 9): must not have a user name"},
		{"  rest_key: planted-rest\n", "", "targets[1].rest_key (line 11): is required"},
		{"rest_key: planted-rest", "rest_key: plantéd", "targets[1].rest_key (line 14): has a space"},
		{"  api_key: planted-key\n", "", "targets[1].api_key (line 11): is required"},
		{"  custom_id: user_id\n", "", "targets[1].custom_id (line 11): is required"},
		{"custom_id: user_id", "custom_id: planted", "targets[1].custom_id (line 15): must say which identifier"},
		{"custom_id: user_id", "custom_id: property", "targets[1].custom_id (line 15): must say which identifier"},
		{"custom_id: user_id", "custom_id: 'property:'", "targets[1].custom_id (line 15): must say which identifier"},
		{"custom_id: user_id", "custom_id: 'property: planted'", "targets[1].custom_id (line 15): must say which identifier"},
		{"custom_id: user_id", "custom_id: 'user_id:planted'", "targets[1].custom_id (line 15): must say which identifier"},
		{"custom_id: user_id", "custom_id: phone", "OK"},
		{"custom_id: user_id", "custom_id: 'property:a:b'", "OK"},
		{"custom_id: user_id", "custom_id: install_id", "OK"},
	} {
		t.Run(strings.TrimSpace(c.old+" "+c.new), func(t *testing.T) {
			t.Parallel()
			doc := minimal("", "", "")
			if !strings.Contains(doc, c.old) {
				t.Fatal("the minimal document has no such line")
			}
			doc = strings.Replace(doc, c.old, c.new, 1)
			if c.want == "OK" {
				parse(t, doc)
				return
			}
			wantProblem(t, doc, "lanted", c.want)
		})
	}
}

func TestProblemsOfTheDocument(t *testing.T) {
	t.Parallel()
	good := minimal("", "", "")
	for _, c := range []struct{ name, doc, want string }{
		{"nothing", "", "line 1: the document is empty"},
		{"only a comment", "# planted\n", "line 1: the document is empty"},
		{"a word", "planted", "line 1: must be a mapping"},
		{"a list", "- planted", "line 1: must be a mapping"},
		{"JSON of another kind", `["planted"]`, "line 1: must be a mapping"},
		{"too large", strings.Repeat("#", 1<<20) + "\n" + good, "line 1: the document is larger than 1 MiB"},
		{"Latin-1", "controller: Acme\nmode: plant\xe9d\n", "line 2: is not valid UTF-8"},
		{"two documents", good + "\n---\nplanted: 1\n", "line 17: a second document begins here"},
		{"a broken second document", good + "\n---\n\"planted\n", "line 18: is neither YAML nor JSON: found unexpected end of stream"},
		{"a tab", "controller: Acme\nlimits:\n\tdevices: planted", "line 3: is neither YAML nor JSON: found character that cannot start any token"},
		{"a colon too many", "controller: Acme: planted", "line 1: is neither YAML nor JSON: mapping values are not allowed"},
		{"an alias of nothing", "controller: *planted", "line 1: is neither YAML nor JSON: unknown anchor"},
		{"an open quote", "controller: 'planted", "line 1: is neither YAML nor JSON: found unexpected end of stream"},
		{"an open brace", `{"controller": "planted"`, "line 1: is neither YAML nor JSON: did not find expected ',' or '}'"},
		{"no targets", "controller: Acme", "targets (line 1): is required"},
		{"an empty list", "controller: Acme\ntargets: []", "targets (line 2): must be a list of at least one target"},
		{"a target without a list", "controller: Acme\ntargets:\n  id: planted", "targets (line 3): must be a list"},
		{"null targets", "controller: Acme\ntargets:", "targets (line 2): must be a list"},
		{"a duplicate in JSON", "{\"controller\":\"Acme\",\n\"controller\":\"planted\",\"targets\":[" + jsonTarget + "]}", "controller (line 2): stands twice, first on line 1"},
		{"a null in JSON", "{\"controller\":null,\n\"targets\":[" + jsonTarget + "]}", "controller (line 1): is empty"},
		{"a number in JSON", "{\"controller\":\"Acme\",\n\n\"passes\":1.5,\"targets\":[" + jsonTarget + "]}", "passes (line 3): must be a whole number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, c.doc, "planted", c.want)
		})
	}
}

const jsonTarget = `{"id":"b","provider":"batch","api_key":"k","rest_key":"r","custom_id":"user_id"}`

func TestAllProblemsComeAtOnceInTheirOrder(t *testing.T) {
	t.Parallel()
	_, err := configfile.Parse([]byte(`
colour: red
mode: fast
passes: 9
limits: {share: 7, devices: 0}
targets:
- id: A
  provider: batch
  api_key: "${NOWHERE} ${ELSEWHERE}"
  owner: acme
- provider: appcenter
  token: 1234
`), environment)
	got, _ := err.(config.Problems)
	var fields []string
	for _, p := range got {
		field, _, _ := strings.Cut(p, ":")
		fields = append(fields, field)
	}
	want := []string{
		"controller (line 2)", "colour (line 2)", "mode (line 3)", "passes (line 4)", "limits.devices (line 5)", "limits.share (line 5)",
		"targets[0].rest_key (line 7)", "targets[0].custom_id (line 7)", "targets[0].id (line 7)",
		"targets[0].api_key (line 9)", "targets[0].api_key (line 9)", "targets[0].owner (line 10)",
		"targets[1].id (line 11)", "targets[1].owner (line 11)", "targets[1].app (line 11)", "targets[1].export_container (line 11)", "targets[1].token (line 12)",
	}
	slices.Sort(fields)
	slices.Sort(want)
	if !slices.Equal(fields, want) {
		t.Errorf("got\n%v\nwant fields\n%s", err, strings.Join(want, "\n"))
	}
	if !slices.IsSortedFunc(got, func(a, b string) int { return lineOf(t, a) - lineOf(t, b) }) {
		t.Errorf("not in the order of the document:\n%v", err)
	}
}

func lineOf(t *testing.T, problem string) (n int) {
	t.Helper()
	_, after, _ := strings.Cut(problem, "line ")
	if _, err := fmt.Sscan(strings.TrimRight(strings.Fields(after)[0], "):"), &n); err != nil {
		t.Fatalf("no line in %q", problem)
	}
	return n
}

func TestTheListOfProblemsIsBounded(t *testing.T) {
	t.Parallel()
	_, err := configfile.Parse([]byte("controller: Acme\ntargets: ["+strings.TrimSuffix(strings.Repeat("1,", 5000), ",")+"]"), environment)
	got, _ := err.(config.Problems)
	if len(got) != 101 || got[100] != "and 4900 more problems" {
		t.Errorf("%d problems, the last: %s", len(got), got[max(0, len(got)-1)])
	}
}

func TestHashIsOfTheMeaningWithoutSecrets(t *testing.T) {
	t.Parallel()
	base := minimal("", "", "")
	hash := parse(t, base).Hash()
	if len(hash) != 64 || strings.Trim(hash, "0123456789abcdef") != "" {
		t.Errorf("not a SHA-256: %q", hash)
	}
	swapped := strings.SplitAfter(base, "targets:\n")
	at := strings.Index(swapped[1], "- id: b")
	for name, same := range map[string]string{
		"other credentials": strings.NewReplacer("planted-token", "t2", "planted-sig", "s2", "planted-key", "k2", "planted-rest", "r2").Replace(base),
		"written defaults":  minimal("mode: approve\npasses: 3\nlimits: {share: 1e-2}", "  requests_per_minute: 100", "  base_url: https://api.batch.com"),
		"order of targets":  swapped[0] + swapped[1][at:] + "\n" + swapped[1][:at],
		"spelling":          "# hello\n" + strings.Replace(base, "owner: acme", "owner: \"acme\"", 1),
	} {
		if got := parse(t, same).Hash(); got != hash {
			t.Errorf("%s changes the hash", name)
		}
	}
	seen := map[string]string{hash: "the base"}
	for _, doc := range []string{
		minimal("mode: erase", "", ""), minimal("regulation: ccpa", "", ""), minimal("passes: 1", "", ""), minimal("phone_region: DE", "", ""),
		minimal("limits: {devices: 51}", "", ""), minimal("limits: {share: 0.02}", "", ""),
		minimal("", "  learn_user_id: true", ""), minimal("", "  phone_region: DE", ""), minimal("", "  requests_per_minute: 99", ""), minimal("", "", "  base_url: https://x"),
		strings.Replace(base, "controller: Acme", "controller: Acme 2", 1), strings.Replace(base, "app: ios", "app: android", 1),
		strings.Replace(base, "user_id", "email", 1), strings.Replace(base, "/lethe?", "/other?", 1), strings.Replace(base, "id: b", "id: c", 1),
	} {
		got := parse(t, doc).Hash()
		if other, taken := seen[got]; taken {
			t.Errorf("two documents have one hash:\n%s\n---\n%s", doc, other)
		}
		seen[got] = doc
	}
}

func TestAHashDoesNotChangeByItself(t *testing.T) {
	t.Parallel()
	// Certificates name it; a new value here means that old certificates name documents nobody can find again.
	const want = "637195b7b116591c6e872f04063d3051ca22668bb08cfe38ef992cea396e01dc"
	if got := parse(t, minimal("", "", "")).Hash(); got != want {
		t.Errorf("got %s", got)
	}
}

func TestAConfigCanBeMarshalledWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(parse(t, full))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "planted") || !strings.Contains(string(b), "Acme") {
		t.Errorf("got %s", b)
	}
}
