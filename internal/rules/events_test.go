package rules

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/lethe-dsr/lethe/internal/erase"
)

// samples says what each file in events is a sample of.
func samples() map[string]any {
	all := map[string]any{
		"start-requests.json": &erase.Input{}, "start-sweep.json": &erase.Input{}, "start-subject.json": &erase.Input{},
		"intake-form.json": &events.APIGatewayV2HTTPRequest{}, "intake-request.json": &events.APIGatewayV2HTTPRequest{},
		"tell-stream.json": &events.DynamoDBEvent{}, "tell-schedule.json": &struct{}{},
		"keep-house.json": &struct{}{}, "canary.json": &struct{}{},
	}
	for step, in := range inputs() {
		all[dashed(step, "-")+".json"] = in
	}
	return all
}

func sample(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../events", file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryFunctionAndEveryStartHasASampleEvent(t *testing.T) {
	t.Parallel()
	var files []string
	entries, err := os.ReadDir("../../events")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "README.md" {
			files = append(files, e.Name())
		}
	}
	if want := slices.Sorted(maps.Keys(samples())); !slices.Equal(files, want) {
		t.Fatalf("the sample events are %q, want %q", files, want)
	}
	for file, into := range samples() {
		d := json.NewDecoder(bytes.NewReader(sample(t, file)))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			t.Errorf("events/%s: %v", file, err)
		}
		if v := reflect.ValueOf(into).Elem(); v.NumField() > 0 && v.IsZero() {
			t.Errorf("events/%s says nothing", file)
		}
	}
	guide := documents(t)["events/README.md"]
	for _, file := range files {
		if !strings.Contains(guide, "`"+file+"`") {
			t.Errorf("events/README.md says nothing of %s", file)
		}
	}
	for _, name := range named() {
		if !slices.ContainsFunc(files, func(f string) bool { return strings.HasPrefix(f, dashed(name, "-")) }) {
			t.Errorf("%s has no sample event", name)
		}
	}
}

// Schedules send what the samples show, and the stream's filter lets its sample through, which has keys alone.
func TestSamplesAreWhatTheTemplateSends(t *testing.T) {
	t.Parallel()
	d := template(t)
	for file, path := range map[string][]string{
		"start-sweep.json":   {"Erasure", "Sweep"},
		"tell-schedule.json": {"TellFunction", "EveryMinute"},
		"keep-house.json":    {"KeepHouseFunction", "EveryFiveMinutes"},
		"canary.json":        {"CanaryFunction", "EveryQuarterOfAnHour"},
	} {
		input, _ := at(d.Resources[path[0]], "Properties", "Events", path[1], "Properties", "Input").(string)
		var got, want any
		if err := json.Unmarshal([]byte(input), &got); err != nil {
			t.Errorf("%s of %s sends %q: %v", path[1], path[0], input, err)
		}
		if err := json.Unmarshal(sample(t, file), &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s of %s sends %s, and events/%s shows %v", path[1], path[0], input, file, want)
		}
	}
	var stream events.DynamoDBEvent
	if err := json.Unmarshal(sample(t, "tell-stream.json"), &stream); err != nil {
		t.Fatal(err)
	}
	var filter struct {
		EventName []string `json:"eventName"`
		DynamoDB  struct {
			Keys struct {
				Partition struct {
					S []struct{ Prefix string }
				} `json:"pk"`
			}
		} `json:"dynamodb"`
	}
	filters := at(d.Resources["TellOfNewMessages"], "Properties", "FilterCriteria", "Filters").([]any)
	if err := json.Unmarshal([]byte(at(filters[0], "Pattern").(string)), &filter); err != nil {
		t.Fatal(err)
	}
	record := stream.Records[0]
	key := record.Change.Keys["pk"]
	prefixes := filter.DynamoDB.Keys.Partition.S
	if !slices.Equal(filter.EventName, []string{record.EventName}) || len(prefixes) != 1 || !strings.HasPrefix(key.String(), prefixes[0].Prefix) ||
		record.Change.StreamViewType != at(d.Resources["Ledger"], "Properties", "StreamSpecification", "StreamViewType") {
		t.Errorf("the filter %+v does not let %+v through", filter, record)
	}
}

// Samples are copied into consoles and tickets: whoever is in them must not exist. These addresses and numbers are those that
// standards and AWS keep for examples.
func TestNobodyIsInTheSamples(t *testing.T) {
	t.Parallel()
	for file := range samples() {
		text := string(sample(t, file))
		for kind, c := range map[string]struct{ is, may string }{
			"e-mail address": {`[\w.+-]+@[\w-]+(\.[\w-]+)+`, `@example\.(com|org|net)$`},
			"host":           {`"(?:host|domainName)": "[^"]+"`, `\bexample\.com"$`},
			"address":        {`\b\d{1,3}(\.\d{1,3}){3}\b`, `^192\.0\.2\.`},
			"number":         {`(?:^|[^\w.-])\+?\d{9,12}\b`, `111122223333$`},
			"access key":     {`\bA[A-Z]{3}[A-Z0-9]{12,}\b`, `EXAMPLE`},
		} {
			for _, found := range regexp.MustCompile(c.is).FindAllString(text, -1) {
				if !regexp.MustCompile(c.may).MatchString(found) && !strings.HasPrefix(found, " 1773342238") {
					t.Errorf("events/%s has the %s %s", file, kind, found)
				}
			}
		}
	}
}
