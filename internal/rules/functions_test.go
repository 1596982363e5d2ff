package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/boot"
	"github.com/lethe-dsr/lethe/statemachine"
)

// others are the functions beside the state machine's.
func others() []string { return []string{"Intake", "Tell", "KeepHouse", "Canary"} }

// named is what belongs to every function.
func named() []string {
	return slices.Sorted(slices.Values(slices.AppendSeq(others(), maps.Keys(inputs()))))
}

// delete-install starts DeleteInstall: a folder that starts another step would be deployed under a wrong name.
func TestEveryStepIsAFunctionOfItsName(t *testing.T) {
	t.Parallel()
	for name, input := range inputs() {
		folder := dashed(name, "-")
		b, err := os.ReadFile("../../functions/" + folder + "/main.go")
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.HasPrefix(b, []byte("// Command "+folder+" is the function of the step "+name+":")) {
			t.Errorf("functions/%s does not say which step it is", folder)
		}
		// What it refuses before it connects is what the step does not take.
		if takes := strings.Replace(fmt.Sprintf("boot.New[%T](settings, %q, ", input, name), "[*", "[", 1); !bytes.Contains(b, []byte(takes)) {
			t.Errorf("functions/%s does not say %s", folder, takes)
		}
		for other := range inputs() {
			if calls := bytes.Contains(b, []byte("return steps."+other+"(")); calls != (other == name) {
				t.Errorf("functions/%s starts %s: %t", folder, other, calls)
			}
		}
	}
}

// The folder delete-install, the resource DeleteInstallFunction, the substitution DeleteInstallFunctionArn, the step
// DeleteInstall and the samples in events.
func TestFoldersTemplateDefinitionAndEventsAgree(t *testing.T) {
	t.Parallel()
	d := template(t)
	entries, err := os.ReadDir("../../functions")
	if err != nil {
		t.Fatal(err)
	}
	var folders, want, resource, substituted []string
	for _, e := range entries {
		folders = append(folders, e.Name())
		b, err := os.ReadFile("../../functions/" + e.Name() + "/main.go")
		if err != nil {
			t.Error(err)
		}
		if lines := bytes.Count(b, []byte("\n")); lines > 30 {
			t.Errorf("functions/%s has %d lines: a main only connects", e.Name(), lines)
		}
	}
	for _, name := range named() {
		want = append(want, dashed(name, "-"))
		resource = append(resource, name+"Function")
		if at(d.Resources[name+"Function"], "Properties", "CodeUri") != "build/"+dashed(name, "-")+"/" {
			t.Errorf("%sFunction is not what make builds in build/%s", name, dashed(name, "-"))
		}
	}
	if slices.Sort(want); !slices.Equal(folders, want) {
		t.Errorf("the folders in functions are %q, want %q", folders, want)
	}
	if got := d.typed("AWS::Serverless::Function"); !slices.Equal(got, resource) {
		t.Errorf("the template's functions are %q, want %q", got, resource)
	}
	given := at(d.Resources["Erasure"], "Properties", "DefinitionSubstitutions").(object)
	// Step Functions ends an execution that calls a service by the ARN of another partition, as aws is in China
	// (github.com/aws/aws-cdk/issues/4597).
	if got := fmt.Sprint(given["Partition"]); got != "map[Ref:AWS::Partition]" {
		t.Errorf("the definition calls services of the partition %s", got)
	}
	delete(given, "Partition")
	for name, arn := range given {
		substituted = append(substituted, name)
		if got := fmt.Sprint(arn); got != "map[Fn::GetAtt:["+strings.TrimSuffix(name, "Arn")+" Arn]]" {
			t.Errorf("%s stands for %s", name, got)
		}
	}
	if got := resources(t); !slices.Equal(slices.Sorted(slices.Values(substituted)), got) {
		t.Errorf("the template substitutes %q, want %q", substituted, got)
	}
	if at(d.Resources["Erasure"], "Properties", "DefinitionUri") != "statemachine/erasure.asl.json" || at(d.Resources["Erasure"], "Properties", "Type") != "STANDARD" {
		t.Error("the state machine is not the definition of this repository, or cannot wait for weeks")
	}
	runtime := d.Globals["Function"]
	if got := fmt.Sprint(at(runtime, "Runtime"), at(runtime, "Architectures"), at(runtime, "Handler")); got != "provided.al2023[arm64]bootstrap" {
		t.Errorf("functions run as %s, and make builds for provided.al2023 on arm64", got)
	}
}

// A function that hangs ends before its state: its end has a name that is tried again, and the state's has none.
func TestAFunctionEndsBeforeItsState(t *testing.T) {
	t.Parallel()
	d := template(t)
	var machine flow
	if err := json.Unmarshal(statemachine.Erasure, &machine); err != nil {
		t.Fatal(err)
	}
	each(machine, false, func(name string, s state, _ bool) {
		if m := regexp.MustCompile(`\$\{(\w+)Arn\}`).FindSubmatch(s.whole); s.Type == "Task" {
			timeout, own := at(d.Resources[string(m[1])], "Properties", "Timeout").(int)
			if !own {
				timeout = at(d.Globals["Function"], "Timeout").(int)
			}
			if timeout >= s.TimeoutSeconds {
				t.Errorf("%s may run for %d s, and its state %s ends after %d", m[1], timeout, name, s.TimeoutSeconds)
			}
		}
	})
}

// What a function reads of its environment the template gives, and the other way round.
func TestFunctionsGetTheirEnvironment(t *testing.T) {
	t.Parallel()
	d := template(t)
	given := func(v any) map[string]bool {
		out := map[string]bool{}
		variables, _ := at(v, "Environment", "Variables").(object)
		for name := range variables {
			out[name] = true
		}
		return out
	}
	all := given(d.Globals["Function"])
	for _, name := range d.typed("AWS::Serverless::Function") {
		maps.Copy(all, given(d.Resources[name]["Properties"]))
	}
	if _, err := boot.Read(func(name string) string {
		if !all[name] {
			t.Errorf("functions read %s, which the template does not give", name)
		}
		return ""
	}); err == nil {
		t.Error("boot.Read is content with nothing")
	}
	read := map[string]bool{}
	for _, s := range sources(t) {
		if strings.HasSuffix(s.name, "_test.go") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && regexp.MustCompile(`^"LETHE_[A-Z_]+"$`).MatchString(l.Value) {
				read[strings.Trim(l.Value, `"`)] = true
			}
			return true
		})
	}
	if !maps.Equal(read, all) {
		t.Errorf("the template gives %q, and the code reads %q", slices.Sorted(maps.Keys(all)), slices.Sorted(maps.Keys(read)))
	}
}

// What the clock calls has nothing to do while nobody has stored a configuration: its failures would fill the queue of dead
// letters and ring. Whoever calls the others waits for an answer, which must not be that all is well.
func TestWhatTheClockCallsWaitsForTheConfiguration(t *testing.T) {
	t.Parallel()
	d := template(t)
	for _, name := range d.typed("AWS::Serverless::Function") {
		b, err := os.ReadFile("../../functions/" + folder(name) + "/main.go")
		if err != nil {
			t.Error(err)
			continue
		}
		scheduled := at(d.Resources[name], "Properties", "Events") != nil
		if patient := bytes.Contains(b, []byte("boot.NewPatient(")); patient != scheduled {
			t.Errorf("%s has a schedule: %t, and waits for its configuration: %t", name, scheduled, patient)
		}
	}
}
