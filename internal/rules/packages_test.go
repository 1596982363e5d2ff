package rules

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/lethe-dsr/lethe/"

// may says which packages of this module each package may import, tests left out. Dependencies point one way: commands
// to wiring, wiring to steps, steps to clients and drivers; those know no steps.
func may() map[string][]string {
	base := []string{"internal/fault"}
	with := func(more ...string) []string { return append(base, more...) }
	return map[string][]string{
		"cmd/lethe":                  {"internal/cli"},
		"internal/demo":              with("internal/appcenter/appcentertest", "internal/batch/batchtest", "internal/subject", "internal/people"),
		"internal/boot":              with("internal/awsjson/kms", "internal/awsjson/secretsmanager", "internal/config", "internal/erase", "internal/ledger", "internal/ledger/dynamostore", "internal/metric", "internal/provider", "internal/seal/kmskey", "internal/step", "internal/steps"),
		"internal/service":           with("internal/boot", "internal/intake", "internal/link"),
		"internal/service/frontdoor": {"internal/boot", "internal/config", "internal/door", "internal/executions", "internal/gateway", "internal/metric", "internal/service", "internal/step", "internal/web"},
		"internal/service/house":     with("internal/boot", "internal/duty", "internal/erase", "internal/executions", "internal/gauge", "internal/intake", "internal/ledger", "internal/metric", "internal/service", "internal/step", "internal/steps"),
		"internal/service/tell":      {"internal/awsjson/sesv2", "internal/boot", "internal/fault", "internal/deliver", "internal/ledger", "internal/mail", "internal/opendsr", "internal/outbox", "internal/service", "internal/step"},
		"internal/service/canary":    {"internal/boot", "internal/intake", "internal/ledger", "internal/metric", "internal/service", "internal/step"},
		"internal/gateway":           base,
		"internal/cli":               with("internal/local", "internal/asl", "internal/awslocal", "internal/ledger/dynamotest", "internal/config", "internal/configfile", "internal/demo", "internal/erase", "internal/ledger", "internal/people", "internal/seal", "internal/subject"),
		"internal/awsfault":          {},
		"internal/awslocal":          {"internal/asl", "internal/awsfault", "internal/configfile", "internal/erase", "internal/ledger", "internal/ledger/dynamostore", "internal/ledger/dynamotest", "internal/runtimeapi", "internal/seal/kmskey", "internal/seal/kmstest", "internal/steps", "statemachine"},
		"internal/awslocal/awstest":  {"internal/awslocal", "internal/ledger/dynamotest"},
		"internal/local": with("internal/container", "internal/asl", "internal/config", "internal/erase", "internal/ledger", "internal/ledger/boltstore", "internal/provider", "internal/seal", "internal/step", "internal/steps", "internal/subject", "statemachine",
			"internal/deliver", "internal/door", "internal/duty", "internal/intake", "internal/link", "internal/live", "internal/mail", "internal/outbox"),
		"internal/door":                    with("internal/api", "internal/config", "internal/console", "internal/form", "internal/intake", "internal/ledger", "internal/live", "internal/opendsr", "internal/page", "internal/web", "statemachine"),
		"internal/form":                    with("internal/config", "internal/duty", "internal/erase", "internal/intake", "internal/ledger", "internal/page", "internal/subject"),
		"internal/console":                 with("internal/config", "internal/duty", "internal/erase", "internal/intake", "internal/ledger", "internal/live", "internal/page", "internal/subject", "internal/web", "statemachine"),
		"internal/api":                     with("internal/phone", "internal/config", "internal/erase", "internal/intake", "internal/ledger", "internal/subject", "internal/web"),
		"internal/opendsr":                 with("internal/phone", "internal/config", "internal/deliver", "internal/duty", "internal/erase", "internal/intake", "internal/ledger", "internal/subject", "internal/web"),
		"internal/web":                     with("internal/config", "internal/intake", "internal/ledger"),
		"internal/page":                    {},
		"internal/intake":                  with("internal/phone", "internal/config", "internal/duty", "internal/erase", "internal/ledger", "internal/link", "internal/subject"),
		"internal/outbox":                  with("internal/config", "internal/deliver", "internal/duty", "internal/erase", "internal/intake", "internal/ledger", "internal/link", "internal/mail"),
		"internal/live":                    with("internal/asl", "internal/erase"),
		"internal/link":                    {},
		"internal/mail":                    {},
		"internal/deliver":                 {},
		"internal/duty":                    with("internal/config"),
		"internal/erase":                   with("internal/appcenter", "internal/batch", "internal/config", "internal/duty", "internal/ledger", "internal/match", "internal/phone", "internal/subject"),
		"internal/match":                   with("internal/phone", "internal/subject"),
		"internal/people":                  with("internal/phone", "internal/subject"),
		"internal/config":                  with("internal/phone", "internal/subject"),
		"internal/configfile":              {"internal/config"},
		"internal/subject":                 with("internal/phone"),
		"internal/phone":                   {},
		"internal/executions":              with("internal/boot", "internal/config", "internal/erase", "internal/ledger", "internal/live"),
		"internal/provider":                base,
		"internal/provider/contracttest":   {},
		"internal/appcenter":               with("internal/provider"),
		"internal/appcenter/appcentertest": {},
		"internal/batch":                   with("internal/provider"),
		"internal/batch/batchtest":         {},
		"internal/ledger":                  base,
		"internal/ledger/boltstore":        with("internal/ledger"),
		"internal/ledger/dynamostore":      with("internal/ledger"),
		"internal/ledger/dynamotest":       {"internal/awsfault"},
		"internal/ledger/ledgertest":       with("internal/ledger"),
		"internal/seal":                    base,
		"internal/awsjson":                 base,
		"internal/awsjson/kms":             {"internal/awsjson"},
		"internal/awsjson/secretsmanager":  {"internal/awsjson"},
		"internal/awsjson/sesv2":           {"internal/awsjson"},
		"internal/seal/kmskey":             with("internal/awsjson/kms", "internal/seal"),
		"internal/seal/kmstest":            {"internal/awsfault", "internal/awsjson/kms"},
		"internal/seal/sealtest":           with("internal/seal"),
		"internal/step":                    base,
		"internal/steps":                   with("internal/subject", "internal/appcenter", "internal/batch", "internal/config", "internal/erase", "internal/provider", "internal/step"),
		"internal/container":               with("internal/appcenter"),
		"internal/fault":                   {},
		"internal/asl":                     {},
		"internal/gauge":                   {"internal/duty", "internal/ledger", "internal/metric"},
		"internal/load":                    {},
		"internal/metric":                  {},
		"internal/metric/metrictest":       {},
		"internal/rules":                   {},
		"internal/runtimeapi":              {},
		"statemachine":                     {},
	}
}

// source is one Go file of the module.
type source struct {
	dir, name string
	file      *ast.File
	lines     int
}

func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var out []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == "build") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		lines := 0
		for s := bufio.NewScanner(f); s.Scan(); {
			lines++
		}
		out = append(out, source{filepath.ToSlash(filepath.Dir(rel)), d.Name(), file, lines})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("only %d source files seen", len(out))
	}
	return out
}

func TestDependenciesPointOneWay(t *testing.T) {
	t.Parallel()
	allowed := may()
	aws := []string{"internal/awsjson", "internal/awsjson/kms", "internal/awsjson/secretsmanager", "internal/awsjson/sesv2", "internal/awslocal", "internal/boot", "internal/executions", "internal/gateway", "internal/service/house", "internal/service/tell", "internal/step", "internal/local", "internal/ledger/dynamostore", "internal/ledger/dynamotest", "internal/seal/kmstest"}
	seen := map[string]bool{}
	for _, s := range sources(t) {
		seen[s.dir] = true
		if strings.HasSuffix(s.name, "_test.go") {
			continue
		}
		list, ok := allowed[s.dir]
		function := strings.HasPrefix(s.dir, "functions/")
		if function { // they only connect
			list, ok = []string{"internal/boot", "internal/container", "internal/erase", "internal/executions", "internal/gateway",
				"internal/service/canary", "internal/service/frontdoor", "internal/service/house", "internal/service/tell", "internal/step", "internal/steps"}, true
		}
		if !ok {
			t.Errorf("package %s is not on the list: say what it may import", s.dir)
		}
		for _, i := range s.file.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			inner, ours := strings.CutPrefix(path, module)
			if ours && !contains(list, inner) {
				t.Errorf("%s/%s imports %s", s.dir, s.name, inner)
			}
			if strings.HasPrefix(path, "github.com/aws/") && !contains(aws, s.dir) && !(function && path == "github.com/aws/aws-lambda-go/lambda") {
				t.Errorf("%s/%s imports %s: steps and clients know nothing of AWS", s.dir, s.name, path)
			}
		}
	}
	for dir := range allowed {
		if !seen[dir] {
			t.Errorf("package %s is on the list and does not exist", dir)
		}
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	for _, s := range sources(t) {
		said[s.dir] = said[s.dir] || s.file.Doc != nil && !strings.HasSuffix(s.name, "_test.go")
	}
	for dir, ok := range said {
		if !ok {
			t.Errorf("package %s has no comment", dir)
		}
	}
}

// Package variables are hidden arguments, and init runs before anybody can stop it. Errors that callers compare with,
// embedded files, compile-time checks, compiled expressions, values made once and fixed arrays are no such thing.
func TestNoInitAndNoPackageVariables(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if strings.HasSuffix(s.name, "_test.go") {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s/%s has an init function", s.dir, s.name)
			}
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				embedded := g.Doc != nil && strings.Contains(commentText(g.Doc), "//go:embed")
				for n, name := range v.Names {
					if name.Name != "_" && !strings.HasPrefix(strings.ToLower(name.Name), "err") && !embedded && !(n < len(v.Values) && constant(v.Values[n])) {
						t.Errorf("%s/%s has the package variable %s", s.dir, s.name, name.Name)
					}
				}
			}
		}
	}
}

// constant tells whether a value is a compiled regular expression, sync.OnceValue's or an array: Go has no constants of
// these.
func constant(v ast.Expr) bool {
	switch v := v.(type) {
	case *ast.CallExpr:
		f, ok := v.Fun.(*ast.SelectorExpr)
		return ok && (f.Sel.Name == "MustCompile" || f.Sel.Name == "OnceValue")
	case *ast.CompositeLit:
		a, ok := v.Type.(*ast.ArrayType)
		return ok && a.Len != nil
	}
	return false
}

func commentText(g *ast.CommentGroup) string {
	var b strings.Builder
	for _, c := range g.List {
		b.WriteString(c.Text + "\n")
	}
	return b.String()
}

func TestFilesAreShortEnoughToRead(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.lines > 500 {
			t.Errorf("%s/%s has %d lines; cut it by subject", s.dir, s.name, s.lines)
		}
	}
}
