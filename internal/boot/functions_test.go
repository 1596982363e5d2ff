package boot_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/runtimeapi"
)

// Each program answers for the function of its name, and its errors go by names that a Catch can match. What is typed into
// a console wrong is said before anything is connected: without a call, and whatever the configuration is like.
func TestEveryProgramRefusesAnInputBeforeItConnects(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs all functions")
	}
	t.Parallel()
	c := newCloud(t)
	c.Configure("no configuration")
	steps := map[string]bool{}
	for _, name := range awslocal.Resources() {
		steps[awslocal.Folder(name)] = true
	}
	c.Dynamo.Forget()
	for _, folder := range folders(t) {
		inputs := []string{`[]`, `"sweep"`}
		if steps[folder] {
			inputs = append(inputs, `{"job": 1}`)
		}
		f := c.function(folder, c.Environment())
		for _, in := range inputs {
			_, err := f.Invoke(t.Context(), []byte(in))
			var e *runtimeapi.Error
			if !errors.As(err, &e) || e.Type != "BadInput" {
				t.Errorf("%s, %s: got %v", folder, in, err)
			} else if name, _, _ := strings.Cut(e.Message, ": "); !strings.EqualFold(name, strings.ReplaceAll(folder, "-", "")) {
				t.Errorf("%s calls itself %s", folder, name)
			}
		}
		f.Close()
	}
	if n := c.Reads() + len(c.KMS.Calls()) + len(c.Dynamo.Calls()); n > 0 {
		t.Errorf("%d calls to AWS, want none", n)
	}
}

// folders are those of the functions.
func folders(t testing.TB) (names []string) {
	t.Helper()
	entries, err := os.ReadDir("../../functions")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAFunctionWithoutSettingsDoesNotStart(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs all functions")
	}
	t.Parallel()
	c := newCloud(t)
	_, err := c.function("open-job", nil).Invoke(t.Context(), []byte(`{}`))
	var e *runtimeapi.Error
	if !errors.As(err, &e) || e.Type != "Runtime.ExitError" {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"LETHE_TABLE", "LETHE_SEALING_KEY", "LETHE_SIGNING_KEY", "LETHE_CONFIG", "LETHE_STATE_MACHINE", "LETHE_STACK"} {
		if !strings.Contains(c.Printed(), name+" is not set") {
			t.Errorf("the log does not say that %s is missing: %s", name, c.Printed())
		}
	}
}
