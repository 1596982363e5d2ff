package rules

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// actions are what an operation has to be allowed by IAM, where that is not the operation's own name. A transaction of the
// ledger holds Put and Delete, and DynamoDB asks for these.
func actions(operation string) []string {
	service, name, _ := strings.Cut(operation, ".")
	switch {
	case operation == "dynamodb.TransactWriteItems":
		return []string{"dynamodb:PutItem", "dynamodb:DeleteItem"}
	case service == "sfn":
		service = "states"
	case operation == "sesv2.SendEmail": // SES asks for the second where the mail is given whole
		return []string{"ses:SendEmail", "ses:SendRawEmail"}
	}
	return []string{service + ":" + name}
}

// statement is one that allows something.
type statement struct {
	actions   []string
	resources []any
	condition any
	principal any
	in        string // the resource of the template that holds it
}

// statements of a value, with those of what Fn::If may choose.
func statements(in string, v any) (out []statement) {
	within(v, func(v any) {
		m, ok := v.(object)
		if !ok || m["Effect"] != "Allow" {
			return
		}
		s := statement{resources: many(m["Resource"]), condition: m["Condition"], principal: m["Principal"], in: in}
		for _, a := range many(m["Action"]) {
			s.actions = append(s.actions, a.(string))
		}
		out = append(out, s)
	})
	return out
}

// role gives the statements of a function's role that the template writes: its own, and those of the policies that it takes.
// SAM adds two policies of AWS: writing logs, and X-Ray.
func (d deployed) role(function string) []statement {
	var all []statement
	for _, p := range many(at(d.Resources[function], "Properties", "Policies")) {
		if name, ok := at(p, "Ref").(string); ok {
			all = append(all, statements(name, at(d.Resources[name], "Properties", "PolicyDocument"))...)
			continue
		}
		all = append(all, statements(function, p)...)
	}
	return all
}

// folder of a function's resource: delete-install of DeleteInstallFunction.
func folder(function string) string { return dashed(strings.TrimSuffix(function, "Function"), "-") }

// via tells that a statement lets a service of AWS use a key in the name of the function, and gives its name.
func via(s statement) string {
	service, _ := at(s.condition, "StringEquals", "kms:ViaService", "Fn::Sub").(string)
	service, _, _ = strings.Cut(service, ".")
	return service
}

// driver is what the methods of the ledger's driver are called.
const driver = "(*" + module + "internal/ledger/dynamostore.Store)."

// streaming is what Lambda itself does by a function's role: it reads a stream, and leaves dead letters of it.
func streaming() []string {
	return []string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams", "sqs:SendMessage"}
}

func TestARoleAllowsWhatItsFunctionCanCall(t *testing.T) {
	t.Parallel()
	d := template(t)
	streams := map[any]bool{}
	for _, name := range d.typed("AWS::Lambda::EventSourceMapping") {
		streams[at(d.Resources[name], "Properties", "FunctionName", "Ref")] = true
	}
	for _, function := range d.typed("AWS::Serverless::Function") {
		main := module + "functions/" + folder(function) + ".main"
		if calls(t).functions[main] == nil {
			continue // another rule says that its folder is missing
		}
		needed, allowed := map[string]bool{}, map[string]bool{}
		if streams[function] {
			for _, a := range streaming() {
				needed[a] = true
			}
		}
		operations := calls(t).operations(main)
		// The ledger's driver is one thing: RemoveExport, which reads by key only, may query as well.
		if slices.ContainsFunc(operations, func(o string) bool { return strings.HasPrefix(o, "dynamodb.") }) {
			operations = append(operations, calls(t).operations(driver+"Write")...)
			operations = append(operations, calls(t).operations(driver+"Query")...)
			operations = append(operations, calls(t).operations(driver+"Get")...)
		}
		for _, operation := range operations {
			for _, a := range actions(operation) {
				needed[a] = true
			}
		}
		services := map[string]bool{}
		for _, s := range d.role(function) {
			for _, a := range s.actions {
				switch {
				case via(s) != "":
					services[via(s)] = true
				default:
					allowed[a] = true
				}
			}
		}
		for a := range needed {
			if !allowed[a] {
				t.Errorf("%s can call what its role does not allow: %s", function, a)
			}
		}
		for a := range allowed {
			if !needed[a] {
				t.Errorf("%s may %s, and cannot call it", function, a)
			}
		}
		want := map[string]bool{"dynamodb": needed["dynamodb:Query"], "secretsmanager": needed["secretsmanager:GetSecretValue"]}
		maps.DeleteFunc(want, func(_ string, needs bool) bool { return !needs })
		if !maps.Equal(services, want) {
			t.Errorf("%s has a key that is used for it by %v, want %v", function, services, want)
		}
	}
}

// tableStreams are those of the stack's own table.
const tableStreams = "map[Fn::Sub:[${Table}/stream/* map[Table:map[Fn::GetAtt:[Ledger Arn]]]]]"

// on says which resources an action may name: where it is not "this one thing", the reason is beside it.
func on(action string) string {
	erasure := "${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:"
	switch action {
	case "kms:Sign", "kms:GetPublicKey":
		return "map[Fn::GetAtt:[SigningKey Arn]]"
	case "kms:GenerateDataKey", "kms:Decrypt":
		return "map[Fn::GetAtt:[SealingKey Arn]]"
	case "secretsmanager:GetSecretValue":
		return "map[Ref:Configuration]"
	case "states:DescribeExecution", "states:GetExecutionHistory": // any execution of this one machine: its name is the job's
		return "map[Fn::Sub:arn:" + erasure + "execution:${AWS::StackName}-erasure:*]"
	case "sqs:SendMessage":
		return "map[Fn::GetAtt:[DeadLetters Arn]]"
	case "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator":
		return "map[Fn::GetAtt:[Ledger StreamArn]]"
	case "dynamodb:ListStreams": // as SAM's own policy DynamoDBStreamReadPolicy: the call names a table, and not a stream
		return tableStreams
	}
	switch service, _, _ := strings.Cut(action, ":"); service {
	case "dynamodb":
		return "map[Fn::GetAtt:[Ledger Arn]]"
	case "states":
		return "map[Fn::Sub:arn:" + erasure + "stateMachine:${AWS::StackName}-erasure]"
	case "kms":
		return "map[Fn::GetAtt:[DataKey Arn]]"
	}
	return ""
}

func TestRolesNameWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	d := template(t).with(t, "")
	const former = "map[Fn::Split:[, map[Ref:FormerSigningKeys]]]" // whose public halves the door publishes
	for _, function := range d.typed("AWS::Serverless::Function") {
		for _, s := range d.role(function) {
			for _, a := range s.actions {
				want := on(a)
				if via(s) != "" {
					want = "map[Fn::GetAtt:[DataKey Arn]]"
				}
				for _, r := range s.resources {
					got := fmt.Sprint(r)
					if got == former && a == "kms:GetPublicKey" && function == "IntakeFunction" {
						continue
					}
					if got != want && !strings.HasPrefix(a, "ses:") {
						t.Errorf("%s of %s is on %s, want %s", a, function, got, want)
					}
				}
			}
		}
	}
}

// What the parameter lets through stands in a role.
func TestFormerSigningKeysAreKeysByName(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(template(t).Parameters["FormerSigningKeys"]["AllowedPattern"].(string))
	const key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for value, want := range map[string]bool{
		"": true, key: true, key + "," + key: true, strings.Replace(key, "aws", "aws-us-gov", 1): true,
		"*": false, key + "," + "*": false, "*," + key: false, "arn:aws:kms:eu-central-1:111122223333:key/*": false, "arn:aws:kms:*:111122223333:key/x": false,
		key + ",": false, key + ", " + key: false, "alias/lethe-signing": false, "arn:aws:kms:eu-central-1:111122223333:alias/x": false,
	} {
		if got := pattern.MatchString(value); got != want {
			t.Errorf("%q is taken: %t, want %t", value, got, want)
		}
	}
}

// In the sandbox SES takes mail to verified addresses only, and asks for the right to use these identities as well. The
// error names the receiver's: https://github.com/cloudposse/terraform-aws-ses/issues/40,
// https://github.com/aws/aws-sdk-js/issues/3641
func TestMailReachesVerifiedAddressesInTheSandbox(t *testing.T) {
	t.Parallel()
	d := template(t)
	account := "map[Fn::Sub:arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:"
	free, bound := []string{}, []string{}
	for _, s := range d.role("TellFunction") {
		if !slices.Contains(s.actions, "ses:SendEmail") {
			continue
		}
		for _, r := range s.resources {
			if s.condition == nil {
				free = append(free, fmt.Sprint(r))
				continue
			}
			bound = append(bound, fmt.Sprint(r)+fmt.Sprint(at(s.condition, "StringLike", "ses:FromAddress")))
		}
	}
	if want := []string{account + "identity/${MailIdentity}]", account + "configuration-set/*]"}; !slices.Equal(free, want) {
		t.Errorf("mails are sent by %q, want %q", free, want)
	}
	sender := "[map[Ref:MailIdentity] map[Fn::Sub:*@${MailIdentity}] map[Fn::Sub:*@*.${MailIdentity}]]"
	if want := []string{account + "identity/*]" + sender}; !slices.Equal(bound, want) {
		t.Errorf("mails to verified addresses are sent by %q, want %q", bound, want)
	}
}

func TestTheMachineMayCallItsStepsAndNothingElse(t *testing.T) {
	t.Parallel()
	d := template(t)
	var got, want []string
	for _, s := range statements("Erasure", at(d.Resources["Erasure"], "Properties", "Policies")) {
		if slices.Equal(s.actions, []string{"lambda:InvokeFunction"}) {
			for _, r := range s.resources {
				got = append(got, fmt.Sprint(r))
			}
			continue
		}
		for _, a := range s.actions {
			if !strings.HasPrefix(a, "logs:") {
				t.Errorf("the state machine may %s", a)
			}
		}
	}
	for step := range inputs() {
		want = append(want, "map[Fn::GetAtt:["+step+"Function Arn]]")
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the state machine may call %q, want %q", got, want)
	}
}

// Scheduler may start what has a schedule, and nothing else.
func TestSchedulesStartWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	d := template(t)
	got, want := map[string]bool{}, map[string]bool{"sqs:SendMessage map[Fn::GetAtt:[DeadLetters Arn]]": true}
	for _, s := range statements("ScheduleRole", at(d.Resources["ScheduleRole"], "Properties", "Policies")) {
		for _, r := range s.resources {
			got[strings.Join(s.actions, " ")+" "+fmt.Sprint(r)] = true
		}
	}
	for name, r := range d.Resources {
		switch {
		case at(r, "Properties", "Events") == nil:
		case r["Type"] == "AWS::Serverless::StateMachine":
			want["states:StartExecution map[Ref:"+name+"]"] = true
		default:
			want["lambda:InvokeFunction map[Fn::GetAtt:["+name+" Arn]]"] = true
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("schedules may %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// Nothing is allowed to everybody or on everything. Three things cannot be said otherwise: a key's policy is about this key,
// and leaves to the account's roles what they may; CloudWatch Logs knows no resource for what Step Functions does before it
// writes a log (Step Functions developer guide, "Using CloudWatch Logs to log execution history"); and Amazon SES asks for
// identities that nobody knows here, of receivers in the sandbox, where it is the sender's address that is limited.
func TestNothingIsAllowedToEverybodyOrOnEverything(t *testing.T) {
	t.Parallel()
	d := template(t).with(t, "")
	seen := 0
	for name, r := range d.Resources {
		key := r["Type"] == "AWS::KMS::Key"
		for _, s := range statements(name, r["Properties"]) {
			seen++
			root := key && fmt.Sprint(s.principal) == "map[AWS:map[Fn::Sub:arn:${AWS::Partition}:iam::${AWS::AccountId}:root]]"
			for _, a := range s.actions {
				if strings.Contains(a, "*") && !(root && a == "kms:*") {
					t.Errorf("%s allows %s", name, a)
				}
			}
			from := at(s.condition, "StringLike", "ses:FromAddress") != nil
			log := name == "Erasure" && !slices.ContainsFunc(s.actions, func(a string) bool { return !strings.HasPrefix(a, "logs:") })
			for _, resource := range s.resources {
				text := fmt.Sprint(resource)
				mail := strings.HasSuffix(text, ":configuration-set/*]") || from && strings.HasSuffix(text, ":identity/*]")
				if strings.Contains(text, "*") && !(text == "*" && (key || log)) && !mail &&
					!strings.HasSuffix(text, "execution:${AWS::StackName}-erasure:*]") && text != tableStreams {
					t.Errorf("%s allows something on %s", name, text)
				}
			}
			service, _ := at(s.principal, "Service").(string)
			account := fmt.Sprint(at(s.condition, "StringEquals", "aws:SourceAccount"))
			if s.principal != nil && !root && (service == "" || account != "map[Ref:AWS::AccountId]") {
				t.Errorf("%s allows something to %v, from any account", name, s.principal)
			}
		}
		within(r, func(v any) {
			if m, ok := v.(object); ok && m["FunctionUrlConfig"] != nil {
				t.Errorf("%s can be called by a URL of its own", name)
			}
		})
	}
	if seen < 20 {
		t.Errorf("only %d statements seen", seen)
	}
	for _, name := range d.typed("AWS::Lambda::Permission") {
		p := d.Resources[name]["Properties"]
		source, _ := at(p, "SourceArn", "Fn::Sub").(string)
		if at(p, "Principal") != "apigateway.amazonaws.com" || !strings.Contains(source, "${AWS::AccountId}:${HttpApi}/") {
			t.Errorf("%s lets in %v from %s", name, at(p, "Principal"), source)
		}
	}
	// Types that are open by themselves, or can be made so by what this test does not read.
	known := regexp.MustCompile(`^AWS::(ApiGatewayV2::(Api|Stage|Integration|Route|Authorizer)|Serverless::(Function|StateMachine)|Lambda::(Permission|EventSourceMapping)|` +
		`DynamoDB::Table|KMS::(Key|Alias)|SecretsManager::Secret|SQS::Queue|SNS::(Topic|TopicPolicy|Subscription)|SES::(EmailIdentity|ConfigurationSet)|` +
		`IAM::(ManagedPolicy|Role)|Logs::LogGroup|CloudWatch::(Alarm|Dashboard))$`)
	for name, r := range d.Resources {
		if !known.MatchString(r["Type"].(string)) {
			t.Errorf("%s is a %s: say here that it is not world-readable, and why", name, r["Type"])
		}
	}
}
