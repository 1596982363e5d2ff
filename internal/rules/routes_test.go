package rules

import (
	"go/ast"
	values "go/constant"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// pattern is one that the door's mux knows.
type pattern struct {
	method, path string
	closed       bool // to everybody whom API Gateway does not know
}

// patterns reads them where they are registered: a constant such as "GET /sent" in a package that registers routes is one. In
// package api, those that do not go to the mux itself go through a check of the caller's role. OpenDSR registers paths and
// looks at the method itself.
func patterns(t *testing.T) (all []pattern) {
	t.Helper()
	loaded, err := packages.Load(&packages.Config{
		Dir:  "../..",
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedSyntax | packages.NeedFiles | packages.NeedImports | packages.NeedCompiledGoFiles,
	}, "./internal/door", "./internal/page", "./internal/form", "./internal/console", "./internal/api", "./internal/opendsr")
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^(?:(GET|POST|PUT|PATCH|DELETE) )?(/\S*)$`)
	for _, pkg := range loaded {
		name := strings.TrimPrefix(pkg.PkgPath, module+"internal/")
		before := len(all)
		for _, file := range pkg.Syntax {
			open := map[ast.Expr]bool{} // first arguments of mux.Handle and mux.HandleFunc
			inRegister := false
			ast.Inspect(file, func(n ast.Node) bool {
				if f, ok := n.(*ast.FuncDecl); ok {
					inRegister = f.Name.Name == "Register"
				}
				if c, ok := n.(*ast.CallExpr); ok && len(c.Args) > 1 {
					if s, ok := c.Fun.(*ast.SelectorExpr); ok && strings.HasPrefix(s.Sel.Name, "Handle") {
						open[c.Args[0]] = true
					}
				}
				e, ok := n.(ast.Expr)
				if !ok || pkg.TypesInfo.Types[e].Value == nil || pkg.TypesInfo.Types[e].Value.Kind() != values.String {
					return true
				}
				m := form.FindStringSubmatch(values.StringVal(pkg.TypesInfo.Types[e].Value))
				if m != nil && (m[1] != "" || name == "opendsr" && inRegister) {
					all = append(all, pattern{m[1], m[2], name == "api" && !open[e]})
				}
				return false // a constant's parts are none
			})
		}
		if len(all) == before {
			t.Errorf("no route of package %s was seen", name)
		}
	}
	slices.SortFunc(all, func(a, b pattern) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return slices.Compact(all) // a page may ask by which pattern it was reached
}

// example is a path that a pattern takes; one below it where it takes all that are.
func example(path string) string {
	if path != "/" && strings.HasSuffix(path, "/") {
		path += "something"
	}
	path = strings.TrimSuffix(path, "{$}")
	path = regexp.MustCompile(`\{\w+\.\.\.\}`).ReplaceAllString(path, "some/thing")
	return regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "something")
}

// chosen gives the route of API Gateway for a request; "" for none. By its developer guide ("Create routes for HTTP APIs")
// a full match of the path goes before one with a greedy variable, and a method before ANY.
func chosen(routes []string, method, path string) string {
	for _, greedy := range []bool{false, true} {
		for _, m := range []string{method, "ANY"} {
			for _, r := range routes {
				of, with, _ := strings.Cut(r, " ")
				expression := regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(with), `[^/]+`)
				expression = regexp.MustCompile(`\\\{\w+\\\+\\\}`).ReplaceAllString(expression, `.+`)
				if of == m && strings.Contains(with, "+}") == greedy && regexp.MustCompile("^"+expression+"$").MatchString(path) {
					return r
				}
			}
		}
	}
	return ""
}

func TestEveryRouteOfTheDoorIsOneOfTheGateway(t *testing.T) {
	t.Parallel()
	d := template(t)
	closed := map[string]bool{}
	for _, name := range d.typed("AWS::ApiGatewayV2::Route") {
		p := d.Resources[name]["Properties"]
		key := at(p, "RouteKey").(string)
		switch kind := at(p, "AuthorizationType"); {
		case kind == "NONE" && at(p, "AuthorizerId") == nil:
			closed[key] = false
		case slices.Equal(many(at(kind, "Fn::If")), []any{"ByJwt", "JWT", "AWS_IAM"}):
			closed[key] = true
			if list := many(at(p, "AuthorizerId", "Fn::If")); len(list) != 3 || list[0] != "ByJwt" || at(list[1], "Ref") != "JwtAuthorizer" {
				t.Errorf("%s has no authorizer for JWTs", key)
			}
		default:
			t.Errorf("%s is neither open nor closed: %v", key, kind)
		}
		if at(p, "Target", "Fn::Sub") != "integrations/${Integration}" {
			t.Errorf("%s does not lead to the door", key)
		}
	}
	routes, used := slices.Sorted(maps.Keys(closed)), map[string]bool{}
	mux, all := http.NewServeMux(), patterns(t)
	for _, p := range all {
		methods := []string{p.method}
		if p.method == "" {
			methods = []string{"GET", "POST", "DELETE"}
		}
		if p.method == "GET" {
			methods = append(methods, "HEAD")
		}
		for _, method := range methods {
			key := chosen(routes, method, example(p.path))
			switch {
			case key == "":
				t.Errorf("%s %s does not come through API Gateway", method, p.path)
			case closed[key] != p.closed:
				t.Errorf("%s %s comes by %q: closed is %t, want %t", method, p.path, key, closed[key], p.closed)
			}
			used[key] = true
		}
		mux.HandleFunc(strings.TrimSpace(p.method+" "+p.path), func(http.ResponseWriter, *http.Request) {}) // panics at what is no pattern, or twice
	}
	for _, key := range routes {
		if !used[key] {
			t.Errorf("%q leads to nothing at the door", key)
		}
	}
	for _, path := range []string{"/nothing", "/nothing/at/all", "/status", "/.well-known/nothing"} {
		if key := chosen(routes, "GET", path); key != "" || slices.Contains(routes, "$default") {
			t.Errorf("%s, which nobody registered, comes through by %q", path, key)
		}
	}
	if len(all) < 50 {
		t.Errorf("%d routes seen; the test looks at the wrong text", len(all))
	}
	for key := range at(d.Resources["Stage"], "Properties", "RouteSettings").(object) {
		if _, ok := closed[key]; !ok {
			t.Errorf("the stage has settings for %q, which is no route", key)
		}
	}
}

// The stage deploys each change by itself. Made before a route, it deploys while the next routes are made, and API Gateway
// refuses what it calls a concurrent modification (github.com/hashicorp/terraform-provider-aws/issues/18018); made after
// them, as SAM does with its own APIs, it deploys once. RouteSettings may name only routes that are there.
func TestTheStageComesAfterTheRoutes(t *testing.T) {
	t.Parallel()
	d := template(t)
	stage := d.Resources["Stage"]
	var after []string
	for _, name := range many(stage["DependsOn"]) {
		after = append(after, name.(string))
	}
	slices.Sort(after)
	if routes := d.typed("AWS::ApiGatewayV2::Route"); !slices.Equal(after, routes) {
		t.Errorf("the stage comes after %q, want %q", after, routes)
	}
	there := map[any]bool{}
	for _, name := range d.typed("AWS::ApiGatewayV2::Route") {
		there[at(d.Resources[name], "Properties", "RouteKey")] = true
	}
	for key := range at(stage, "Properties", "RouteSettings").(object) {
		if !there[key] {
			t.Errorf("the stage has settings for %s, which is no route", key)
		}
	}
}
