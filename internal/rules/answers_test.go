package rules

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/statemachine"
)

// outputs are the answers of the steps that answer something.
func outputs() map[string]reflect.Type {
	slice := reflect.TypeFor[erase.Slice]()
	return map[string]reflect.Type{
		"OpenJob": reflect.TypeFor[erase.OpenJobOut](), "ExportDevices": reflect.TypeFor[erase.ExportDevicesOut](),
		"ReviewFindings": reflect.TypeFor[erase.ReviewFindingsOut](), "CloseJob": reflect.TypeFor[erase.CloseJobOut](),
		"MatchSubject": slice, "RemoveExport": slice, "ListAudiences": slice, "ListNotifications": slice,
		"DeleteInstall": slice, "DeleteAudiences": slice, "DeleteNotifications": slice, "BatchDelete": slice,
	}
}

// answerField gives the tag of a JSON field.
func answerField(of reflect.Type, name string) (tag string, ok bool) {
	for i := range of.NumField() {
		tag := of.Field(i).Tag.Get("json")
		if n, _, _ := strings.Cut(tag, ","); n == name {
			return tag, true
		}
	}
	return "", false
}

// A JSONPath to a field that an answer left out breaks the execution: what the machine reads is always written.
func TestWhatTheMachineReadsIsNeverLeftOut(t *testing.T) {
	t.Parallel()
	answers := map[string][]reflect.Type{} // by the place where the machine puts them
	task := regexp.MustCompile(`"Resource":\s*"\$\{(\w+)FunctionArn\}",\s*"Parameters":\s*\{[^}]*\},\s*"ResultPath":\s*"([^"]+)"`)
	found := task.FindAllStringSubmatch(string(statemachine.Erasure), -1)
	for _, m := range found {
		out, ok := outputs()[m[1]]
		if !ok {
			t.Errorf("%s has no answer in this test", m[1])
			continue
		}
		answers[m[2]] = append(answers[m[2]], out)
	}
	if len(answers) < 5 || len(found) < len(outputs()) {
		t.Fatalf("%d answers at %d places; the test looks at the wrong text", len(found), len(answers))
	}
	read := 0
	for _, m := range regexp.MustCompile(`"\$\.(\w+)(?:\.(\w+))?"`).FindAllStringSubmatch(string(statemachine.Erasure), -1) {
		for _, of := range answers["$."+m[1]] {
			if m[2] == "" {
				continue
			}
			read++
			if tag, ok := answerField(of, m[2]); !ok || strings.Contains(tag, ",omit") {
				t.Errorf("the machine reads $.%s.%s, which %s does not always have (%q)", m[1], m[2], of.Name(), tag)
			}
		}
		for _, of := range answers["$"] { // others put their answers beside OpenJob's
			if tag, ok := answerField(of, m[1]); ok {
				read++
				if strings.Contains(tag, ",omit") {
					t.Errorf("the machine reads $.%s, which %s may leave out", m[1], of.Name())
				}
			}
		}
	}
	if read < 20 {
		t.Errorf("the test saw the machine read %d fields; it looks at the wrong text", read)
	}
}
