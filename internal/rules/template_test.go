package rules

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/lethe-dsr/lethe/internal/boot"
)

// object is a mapping of the template. Intrinsic functions are in their long form: !Ref X is {"Ref": "X"}.
type object = map[string]any

// deployed is template.yaml.
type deployed struct {
	Parameters, Conditions, Resources, Outputs map[string]object
	Globals                                    object
}

func template(t *testing.T) deployed {
	t.Helper()
	b, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(b, &root); err != nil {
		t.Fatal(err)
	}
	all := plain(t, root.Content[0]).(object)
	part := func(name string) map[string]object {
		out := map[string]object{}
		for k, v := range all[name].(object) {
			out[k] = v.(object)
		}
		return out
	}
	return deployed{part("Parameters"), part("Conditions"), part("Resources"), part("Outputs"), all["Globals"].(object)}
}

// plain makes maps, lists and scalars of a node.
func plain(t *testing.T, n *yaml.Node) any {
	t.Helper()
	var v any
	switch n.Kind {
	case yaml.MappingNode:
		m := object{}
		for i := 0; i < len(n.Content); i += 2 {
			if _, twice := m[n.Content[i].Value]; twice {
				t.Errorf("template.yaml, line %d: %s stands there twice", n.Line, n.Content[i].Value)
			}
			m[n.Content[i].Value] = plain(t, n.Content[i+1])
		}
		v = m
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			list = append(list, plain(t, c))
		}
		v = list
	case yaml.ScalarNode:
		if v = n.Value; n.Tag == "!!int" || n.Tag == "!!bool" {
			if err := n.Decode(&v); err != nil {
				t.Fatal(err)
			}
		}
	default:
		t.Fatalf("template.yaml, line %d: CloudFormation knows no aliases", n.Line)
	}
	switch tag := strings.TrimPrefix(n.Tag, "!"); {
	case strings.HasPrefix(tag, "!"): // YAML's own
		return v
	case tag == "Ref" || tag == "Condition":
		return object{tag: v}
	case tag == "GetAtt":
		resource, attribute, _ := strings.Cut(v.(string), ".")
		return object{"Fn::GetAtt": []any{resource, attribute}}
	default:
		return object{"Fn::" + tag: v}
	}
}

// within calls do for everything in a value.
func within(v any, do func(any)) {
	do(v)
	switch v := v.(type) {
	case object:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			within(v[k], do)
		}
	case []any:
		for _, item := range v {
			within(item, do)
		}
	}
}

// at follows keys; nil where one is not there.
func at(v any, keys ...string) any {
	for _, k := range keys {
		m, ok := v.(object)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

// many makes a list of what may be one thing.
func many(v any) []any {
	if list, ok := v.([]any); ok || v == nil {
		return list
	}
	return []any{v}
}

// refers lists what a value refers to: resources, parameters and conditions.
func refers(v any) (names []string) {
	within(v, func(v any) {
		m, ok := v.(object)
		if !ok || len(m) > 2 {
			return
		}
		if name, ok := m["Ref"].(string); ok {
			names = append(names, name)
		}
		if list, ok := m["Fn::GetAtt"].([]any); ok {
			names = append(names, list[0].(string))
		}
		if list, ok := m["Fn::If"].([]any); ok {
			names = append(names, "if "+list[0].(string))
		}
		sub, own := m["Fn::Sub"], object{}
		if list, ok := sub.([]any); ok {
			sub, own = list[0], list[1].(object)
		}
		if text, ok := sub.(string); ok {
			for _, found := range regexp.MustCompile(`\$\{([^!}][^}]*)\}`).FindAllStringSubmatch(text, -1) {
				name, _, _ := strings.Cut(found[1], ".")
				if own[name] == nil {
					names = append(names, name)
				}
			}
		}
	})
	return slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, "AWS::") })
}

// resources of a type, in order.
func (d deployed) typed(kind string) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(d.Resources)) {
		if d.Resources[name]["Type"] == kind {
			names = append(names, name)
		}
	}
	return names
}

func TestTheTemplateRefersToWhatIsThere(t *testing.T) {
	t.Parallel()
	d := template(t)
	used := map[string]bool{}
	needs := map[string][]string{}
	look := func(where string, v any) {
		for _, name := range refers(v) {
			used[name] = true
			condition, isIf := strings.CutPrefix(name, "if ")
			switch {
			case isIf && d.Conditions[condition] == nil:
				t.Errorf("%s asks for the condition %s, which is not there", where, condition)
			case !isIf && d.Resources[name] == nil && d.Parameters[name] == nil:
				t.Errorf("%s refers to %s, which is not there", where, name)
			case d.Resources[name] != nil:
				needs[where] = append(needs[where], name)
			}
		}
	}
	for name, r := range d.Resources {
		own := maps.Clone(r["Properties"].(object))
		delete(own, "Events") // which SAM makes resources of
		look(name, own)
		look(name+"'s events", at(r, "Properties", "Events"))
		if r["Type"] == "AWS::Serverless::Function" {
			look(name, d.Globals["Function"])
		}
		for _, other := range many(r["DependsOn"]) {
			look(name, object{"Ref": other})
		}
		if c, ok := r["Condition"].(string); ok {
			used["if "+c] = true
			if d.Conditions[c] == nil {
				t.Errorf("%s is there if %s, which is no condition", name, c)
			}
		}
	}
	for name, o := range d.Outputs {
		look("output "+name, o["Value"])
	}
	for name, c := range d.Conditions {
		look("condition "+name, c)
	}
	for name := range d.Parameters {
		if !used[name] {
			t.Errorf("nothing uses the parameter %s", name)
		}
	}
	for name := range d.Conditions {
		if !used["if "+name] {
			t.Errorf("nothing depends on the condition %s", name)
		}
	}
	// CloudFormation refuses circles; one through a function's environment is made easily.
	state := map[string]int{} // 1: looked at, 2: done
	var visit func(name string, way []string)
	visit = func(name string, way []string) {
		if state[name] == 1 {
			t.Errorf("resources need each other: %s", strings.Join(append(way, name), " > "))
		}
		if state[name] != 0 {
			return
		}
		state[name] = 1
		for _, other := range needs[name] {
			visit(other, append(way, name))
		}
		state[name] = 2
	}
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		visit(name, nil)
	}
}

// sam deploy --guided shows the descriptions and takes the defaults.
func TestParametersAskSensibleQuestions(t *testing.T) {
	t.Parallel()
	for name, p := range template(t).Parameters {
		text, _ := p["Description"].(string)
		if p["Default"] == nil || len(text) < 20 || !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "?") {
			t.Errorf("the parameter %s has no default or no sentence that describes it", name)
		}
		if pattern, ok := p["AllowedPattern"].(string); ok {
			if p["ConstraintDescription"] == nil || !regexp.MustCompile(pattern).MatchString(p["Default"].(string)) {
				t.Errorf("the parameter %s does not say what it takes, or does not take its own default", name)
			}
		}
	}
}

func TestOutputsSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	for name, o := range template(t).Outputs {
		if text, _ := o["Description"].(string); len(text) < 10 {
			t.Errorf("the output %s has no description", name)
		}
	}
}

// What was decided and the keys to read it outlive the stack.
func TestEvidenceStays(t *testing.T) {
	t.Parallel()
	d := template(t)
	for _, kind := range []string{"AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SecretsManager::Secret"} {
		names := d.typed(kind)
		if len(names) == 0 {
			t.Errorf("there is no %s", kind)
		}
		for _, name := range names {
			if r := d.Resources[name]; r["DeletionPolicy"] != "Retain" || r["UpdateReplacePolicy"] != "Retain" {
				t.Errorf("%s goes with the stack", name)
			}
		}
	}
	for _, key := range []string{"SealingKey", "DataKey"} {
		if at(d.Resources[key], "Properties", "EnableKeyRotation") != true {
			t.Errorf("%s does not rotate", key)
		}
	}
}

// What dynamostore says of its table, and dynamotest makes for the tests.
func TestTheTableIsTheLedgers(t *testing.T) {
	t.Parallel()
	p := template(t).Resources["Ledger"]["Properties"].(object)
	got := fmt.Sprintln(p["AttributeDefinitions"], p["KeySchema"], p["BillingMode"], p["TimeToLiveSpecification"], p["GlobalSecondaryIndexes"],
		p["PointInTimeRecoverySpecification"], p["DeletionProtectionEnabled"], at(p, "StreamSpecification", "StreamViewType"), at(p, "SSESpecification", "SSEType"))
	const want = "[map[AttributeName:pk AttributeType:S] map[AttributeName:sk AttributeType:S]]" +
		" [map[AttributeName:pk KeyType:HASH] map[AttributeName:sk KeyType:RANGE]] PAY_PER_REQUEST" +
		" map[AttributeName:expires Enabled:true] <nil> map[PointInTimeRecoveryEnabled:true] true KEYS_ONLY KMS\n"
	if got != want {
		t.Errorf("the table has\n%s\nwant\n%s", got, want)
	}
}

// CloudFormation writes the text of a secret again when it changes in the template: the configuration in use would be gone.
func TestTheStarterConfigurationNeverChanges(t *testing.T) {
	t.Parallel()
	const starter = `{"controller": "the name of your company", "targets": []}`
	if got := at(template(t).Resources["Configuration"], "Properties", "SecretString"); got != starter || boot.Starter != starter {
		t.Errorf("the secret starts with %q, and functions know it as %q, want %q", got, boot.Starter, starter)
	}
}

func TestLogsEnd(t *testing.T) {
	t.Parallel()
	d := template(t)
	groups := d.typed("AWS::Logs::LogGroup")
	for _, name := range groups {
		if at(d.Resources[name], "Properties", "RetentionInDays") == nil {
			t.Errorf("what %s holds is kept for ever", name)
		}
	}
	taken := map[string]string{}
	for _, name := range d.typed("AWS::Serverless::Function") {
		group, _ := at(d.Resources[name], "Properties", "LoggingConfig", "LogGroup", "Ref").(string)
		if !slices.Contains(groups, group) || taken[group] != "" {
			t.Errorf("%s has no log of its own: %q, also of %q", name, group, taken[group])
		}
		taken[group] = name
	}
	if at(d.Globals, "Function", "LoggingConfig", "LogFormat") != "JSON" || at(d.Globals, "Function", "Tracing") != "Active" {
		t.Error("functions log no JSON, or are not traced")
	}
	logging := at(d.Resources["Erasure"], "Properties", "Logging")
	if at(logging, "IncludeExecutionData") != false || at(logging, "Level") != "ALL" {
		t.Error("the state machine's log holds too little, or inputs, which may be people")
	}
}

// A path holds the token of a status link, an address belongs to a person.
func TestTheAccessLogTellsNobodyApart(t *testing.T) {
	t.Parallel()
	format, _ := at(template(t).Resources["Stage"], "Properties", "AccessLogSettings", "Format").(string)
	var got []string
	for _, m := range regexp.MustCompile(`\$context\.([A-Za-z.]+)`).FindAllStringSubmatch(format, -1) {
		got = append(got, m[1])
	}
	want := []string{"requestId", "requestTimeEpoch", "routeKey", "status", "responseLatency", "responseLength", "error.responseType", "integration.status"}
	if !slices.Equal(got, want) {
		t.Errorf("the access log holds %q, want %q", got, want)
	}
}

// What nobody waits for must not end in silence.
func TestWhatHappensByItselfHasADeadLetter(t *testing.T) {
	t.Parallel()
	d := template(t)
	queue := func(v any) bool {
		return fmt.Sprint(v) == fmt.Sprint(object{"Fn::GetAtt": []any{"DeadLetters", "Arn"}})
	}
	paths := 0
	for name, r := range d.Resources {
		p, _ := r["Properties"].(object)
		events, _ := p["Events"].(object)
		for event, e := range events {
			paths++
			of := at(e, "Properties")
			if at(e, "Type") != "ScheduleV2" || !queue(at(of, "DeadLetterConfig", "Arn")) || at(of, "RetryPolicy", "MaximumRetryAttempts") == nil || at(of, "RetryPolicy", "MaximumEventAgeInSeconds") == nil {
				t.Errorf("%s of %s is no schedule with retries and a dead letter", event, name)
			}
			if role := fmt.Sprint(at(of, "RoleArn")); role != "map[Fn::GetAtt:[ScheduleRole Arn]]" {
				t.Errorf("%s of %s takes on %s, which Scheduler could take on for any account", event, name, role)
			}
			if at(of, "Input") == nil || at(of, "OmitName") != true {
				t.Errorf("%s of %s starts something without a known input, or under a name that one stack only can have", event, name)
			}
			if r["Type"] == "AWS::Serverless::Function" && !queue(at(p, "EventInvokeConfig", "DestinationConfig", "OnFailure", "Destination")) {
				t.Errorf("%s is called without anybody waiting, and its failure goes nowhere", name)
			}
		}
		if r["Type"] == "AWS::Lambda::EventSourceMapping" {
			paths++
			if !queue(at(p, "DestinationConfig", "OnFailure", "Destination")) || p["BisectBatchOnFunctionError"] != true || p["MaximumRetryAttempts"] == nil || p["MaximumRecordAgeInSeconds"] == nil {
				t.Errorf("%s stops at a record that fails", name)
			}
		}
	}
	if paths != 5 {
		t.Errorf("%d things happen by themselves, want a sweep, three functions and the stream", paths)
	}
	if p := d.Resources["DeadLetters"]["Properties"]; at(p, "MessageRetentionPeriod") != 14*24*3600 || at(p, "SqsManagedSseEnabled") != true {
		t.Error("dead letters are kept for less than 14 days, or as plain text")
	}
}

// cfn-lint knows the schema of every resource and what SAM makes of the template. It needs Python, so that it runs where it
// is installed.
func TestCfnLintIsClean(t *testing.T) {
	t.Parallel()
	lint, err := exec.LookPath("cfn-lint")
	if err == nil { // what is on the path may lead to a Python that lacks it
		err = exec.Command(lint, "--version").Run()
	}
	if err != nil {
		t.Skip("cfn-lint is not installed")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(lint, "template.yaml")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

// aws is one partition of AWS: China and GovCloud are others.
func TestARNsAreOfTheStacksPartition(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"template.yaml", "statemachine/erasure.asl.json"} {
		b, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(b), "\n") {
			if strings.Contains(line, "arn:aws:") {
				t.Errorf("%s, line %d names the partition aws", file, n+1)
			}
		}
	}
}
