package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/statemachine"
)

// Step Functions checks a definition when it is deployed. asl-validator has the published schema of the States Language,
// and knows what a JSONPath is. Where `make tools` has not been run the test is skipped, and fails where the environment
// says CI.
func TestTheDefinitionIsStatesLanguage(t *testing.T) {
	t.Parallel()
	validator := filepath.Join("..", "..", "statemachine", "testdata", "asl-validator", "node_modules", "asl-validator", "dist", "bin", "asl-validator.js")
	if _, err := os.Stat(validator); err != nil {
		const missing = "asl-validator is not installed; run: make tools"
		if os.Getenv("CI") == "" {
			t.Skip(missing)
		}
		t.Fatal(missing)
	}
	valid := func(definition string) (bool, string) {
		file := filepath.Join(t.TempDir(), "definition.json")
		definition = strings.ReplaceAll(definition, "${Partition}", "aws") // it knows no placeholders there
		if err := os.WriteFile(file, []byte(definition), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("node", validator, "--json-path", file).CombinedOutput()
		return err == nil, string(out)
	}
	if ok, out := valid(string(statemachine.Erasure)); !ok {
		t.Errorf("asl-validator refuses the definition:\n%s", out)
	}
	for was, broken := range map[string]string{
		`"HeartbeatSeconds": 259200`: `"HeartbeatSeconds": "3 days"`,
		`"Next": "ReviewFindings"`:   `"Next": "Nowhere"`,
		`"ItemsPath": "$.search"`:    `"ItemsPath": "$.search["`,
	} {
		other := strings.Replace(string(statemachine.Erasure), was, broken, 1)
		if ok, _ := valid(other); ok || other == string(statemachine.Erasure) {
			t.Errorf("asl-validator takes a definition with %s, and proves nothing", broken)
		}
	}
}
