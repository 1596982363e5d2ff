package rules

import (
	"go/ast"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// users says which functions may link a package, given by how its path begins. Each of these takes time at every start,
// whether it is used or not.
func users() map[string][]string {
	const sdk = "github.com/aws/aws-sdk-go-v2/"
	return map[string][]string{
		"github.com/nyaruka/phonenumbers": {}, // for tests; reads all numbering plans
		"github.com/Azure/":               {"export-devices", "keep-house", "match-subject", "remove-export"},
		sdk + "service/kms":               {}, // for tests; awsjson calls it
		sdk + "service/secretsmanager":    {},
		sdk + "service/sfn":               {"export-devices", "intake", "keep-house"},
		sdk + "service/sesv2":             {},
		sdk + "config":                    {}, // reads files, logins and instance roles
		sdk + "service/sts":               {},
		"html/template":                   {"intake"},
		"text/template":                   {"intake", "tell"}, // and all methods of all that is linked, because templates call them by name
		"golang.org/x/text/language":      {},                 // tables of all languages; for tests
		"golang.org/x/text/message":       {},
		"go.yaml.in/yaml/v3":              {}, // people start programs that read YAML
		"go.etcd.io/bbolt":                {},
		"google.golang.org/protobuf":      {},
	}
}

// linked gives the packages that each function's program is made of, by the function's folder.
func linked(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-tags", "lambda.norpc", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./functions/...")
	cmd.Dir = filepath.Join("..", "..")
	b, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		out[strings.TrimPrefix(f[0], module+"functions/")] = f[1:]
	}
	if len(out) < 13 {
		t.Fatalf("only %d functions seen", len(out))
	}
	return out
}

func TestFunctionsLinkOnlyWhatTheyNeed(t *testing.T) {
	t.Parallel()
	used := map[string][]string{}
	for function, deps := range linked(t) {
		for _, dep := range deps {
			// In later versions the SDK's modules build descriptions of all that a service knows, when the program starts.
			if strings.HasPrefix(dep, "github.com/aws/aws-sdk-go-v2/service/") && strings.HasSuffix(dep, "/schemas") {
				t.Errorf("%s links %s: docs/decisions.md says which versions have none", function, dep)
			}
			for prefix := range users() {
				if (dep == prefix || strings.HasPrefix(dep, strings.TrimSuffix(prefix, "/")+"/")) && !slices.Contains(used[prefix], function) {
					used[prefix] = append(used[prefix], function)
				}
			}
		}
	}
	for prefix, may := range users() {
		if slices.Sort(used[prefix]); !slices.Equal(used[prefix], may) {
			t.Errorf("%s is linked by %q, want %q", prefix, used[prefix], may)
		}
	}
}

// What a package variable calls, such as regexp.MustCompile, is done whenever the program starts; sync.OnceValue does so when
// it is used.
func TestFunctionsComputeNothingAtTheirStart(t *testing.T) {
	t.Parallel()
	ours := map[string]bool{}
	for _, deps := range linked(t) {
		for _, dep := range deps {
			if dir, ok := strings.CutPrefix(dep, module); ok {
				ours[dir] = true
			}
		}
	}
	if len(ours) < 10 {
		t.Fatalf("only %d packages seen", len(ours))
	}
	for _, s := range sources(t) {
		if !ours[s.dir] || strings.HasSuffix(s.name, "_test.go") {
			continue
		}
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				for n, v := range spec.(*ast.ValueSpec).Values {
					ast.Inspect(v, func(v ast.Node) bool {
						call, ok := v.(*ast.CallExpr)
						if !ok {
							return true
						}
						f, ok := call.Fun.(*ast.SelectorExpr)
						if ok && f.Sel.Name != "OnceValue" && f.Sel.Name != "New" { // errors.New and fault.New
							t.Errorf("%s/%s calls %s for %s when a function starts", s.dir, s.name, f.Sel.Name, spec.(*ast.ValueSpec).Names[n].Name)
						}
						return false
					})
				}
			}
		}
	}
}
