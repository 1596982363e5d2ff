package boot_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/awslocal"
	"github.com/lethe-dsr/lethe/internal/runtimeapi"
)

// Each program answers for the step of its name, and its errors go by names that a Catch can match.
func TestEveryProgramIsItsStep(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs all functions")
	}
	t.Parallel()
	c := newCloud(t)
	w, _ := world(t)
	c.Configure(string(w.Config()))
	for _, name := range awslocal.Resources() {
		f := c.function(awslocal.Folder(name), c.Environment())
		_, err := f.Invoke(t.Context(), []byte(`{"job": 1}`))
		var e *runtimeapi.Error
		if !errors.As(err, &e) || e.Type != "BadInput" || !strings.HasPrefix(e.Message, strings.TrimSuffix(name, "FunctionArn")+": ") {
			t.Errorf("%s: got %v", awslocal.Folder(name), err)
		}
		f.Close()
	}
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
