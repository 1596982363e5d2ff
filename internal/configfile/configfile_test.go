package configfile_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/configfile"
)

const whole = `controller: "Acme & <Sons> \" GmbH"   # what is said here stays behind
phone_region: "NO"
passes: 2
limits: {share: .05, devices: 7}
targets:
  - id: shop
    provider: appcenter
    owner: acme
    app: shop
    token: |-
      ${TOKEN}
    export_container: 'https://x.blob.core.windows.net/c?sig=a%2Fb&se=2030-01-01'
    learn_user_id: True
  - {id: batch, provider: batch, api_key: "123", rest_key: 0x1z, custom_id: property:Kund*in}
serve:
  tokens:
    - {name: jane, role: approve, token: "0123456789abcdef0123456789abcdef"}
  schedule: {cron: "0 4 * * *"}
`

func lookup(name string) (string, bool) { return "value-of-" + name, true }

func TestAsJSONItIsTheSameConfiguration(t *testing.T) {
	t.Parallel()
	b, err := configfile.JSON([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Parse(b, lookup)
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	want, err := configfile.Parse([]byte(whole), lookup)
	if err != nil || !same(got, want) {
		t.Errorf("%+v\nwant %+v, %v", got, want, err)
	}
	for _, part := range []string{`"Acme & <Sons> \" GmbH"`, `"${TOKEN}"`, `"NO"`, `"share": 0.05`, `"learn_user_id": true`, "\n    {\n"} {
		if !strings.Contains(string(b), part) {
			t.Errorf("it lacks %s:\n%s", part, b)
		}
	}
	if again, err := configfile.JSON(b); err != nil || string(again) != string(b) {
		t.Errorf("JSON became %s, %v", again, err)
	}
}

// same compares what can be compared: functions cannot.
func same(a, b config.Config) bool {
	zones := reflect.DeepEqual(a.Serve.Schedule.Zone, b.Serve.Schedule.Zone) && a.Serve.Schedule.Cron == b.Serve.Schedule.Cron
	a.Serve.Schedule, b.Serve.Schedule = config.Schedule{}, config.Schedule{}
	if len(a.Targets) != len(b.Targets) || !zones || a.Hash() != b.Hash() || a.Limits != b.Limits || a.Controller != b.Controller {
		return false
	}
	for n := range a.Targets {
		x, y := a.Targets[n], b.Targets[n]
		if x.Token.Reveal() != y.Token.Reveal() || x.ExportContainer.Reveal() != y.ExportContainer.Reveal() || x.APIKey.Reveal() != y.APIKey.Reveal() ||
			x.RESTKey.Reveal() != y.RESTKey.Reveal() || x.CustomID != y.CustomID || x.PhoneRegion != y.PhoneRegion || x.RequestsPerMinute != y.RequestsPerMinute {
			return false
		}
	}
	for n := range a.Serve.Tokens {
		if a.Serve.Tokens[n].Token.Reveal() != b.Serve.Tokens[n].Token.Reveal() {
			return false
		}
	}
	return len(a.Serve.Tokens) == len(b.Serve.Tokens)
}

func TestYAMLIsNoJSON(t *testing.T) {
	t.Parallel()
	if _, err := config.Parse([]byte(whole), lookup); err == nil || !strings.Contains(err.Error(), "lethe check --aws --json") {
		t.Errorf("got %v", err)
	}
	for doc, want := range map[string]string{
		"":                     "line 1: the document is empty",
		"a: [":                 "line 1: is neither YAML nor JSON",
		"a: 1\n---\nb: 2":      "line 2: a second document",
		"a: &x 1\nb: *x":       "line 1: an anchor (&) is not allowed\nline 2: an alias (*)",
		"a:\n  - !secret word": "line 2: a tag (!) is not allowed",
	} {
		if b, err := configfile.JSON([]byte(doc)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "word") {
			t.Errorf("%q: %s, %v", doc, b, err)
		}
	}
}

// FuzzJSON: whatever is in order as it is written is the same configuration as JSON.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{whole, `{"controller": "\ud83d\ude00"}`, "controller: ~\ntargets: []", strings.ReplaceAll(whole, "passes: 2", "passes: +2"), strings.ReplaceAll(whole, ".05", "1e-1")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		want, err := configfile.Parse([]byte(doc), lookup)
		if err != nil {
			return
		}
		b, err := configfile.JSON([]byte(doc))
		if err != nil {
			t.Fatalf("no JSON: %v", err)
		}
		if got, err := config.Parse(b, lookup); err != nil || !same(got, want) {
			t.Errorf("%s\nis another configuration: %v", b, err)
		}
	})
}
