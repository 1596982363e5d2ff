package rules

import (
	"go/ast"
	"go/types"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/packages"
)

// program is the module's functions and what they refer to. It answers which calls to AWS a function's main can come to.
//
// The linker cannot say: templates look methods up by name, so that it keeps all methods of every client beside them.
// Here a function leads to what it names; a call through an interface leads to that method of every type that was named on
// the way and fits; and a type that was named leads to its methods that a library could call, such as ServeHTTP. That is more
// than can happen, never less, as long as clients are not called by reflection.
type program struct {
	functions map[string]*body // by full name
	libraries []*types.Interface
}

// body is what one function refers to.
type body struct {
	calls   []*types.Func
	types   []*types.Named
	clients []*types.Named // of AWS, that it makes
}

// awsClient is a package with a Client of one service: the SDK's, or one of ours.
var awsClient = regexp.MustCompile(`^github\.com/(?:aws/aws-sdk-go-v2/service|lethe-dsr/lethe/internal/awsjson)/([a-z0-9]+)$`)

var loaded = sync.OnceValues(func() (*program, error) {
	cfg := &packages.Config{
		Dir:  "../..",
		Mode: packages.NeedName | packages.NeedImports | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedSyntax | packages.NeedFiles | packages.NeedCompiledGoFiles,
	}
	all, err := packages.Load(cfg, "./functions/...", "./internal/...")
	if err != nil {
		return nil, err
	}
	p := &program{functions: map[string]*body{}}
	seen := map[string]bool{}
	for _, pkg := range all {
		for _, e := range pkg.Errors {
			return nil, e
		}
		for path, imported := range pkg.Imports {
			if !strings.HasPrefix(path, module) && !seen[path] && imported.Types != nil {
				seen[path] = true
				p.take(imported.Types.Scope())
			}
		}
		for _, file := range pkg.Syntax {
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
					p.functions[pkg.TypesInfo.Defs[f.Name].(*types.Func).FullName()] = refersTo(f, pkg.TypesInfo)
				}
			}
		}
	}
	p.take(types.Universe)
	return p, nil
})

// take notes the interfaces of a library, by which it calls the module.
func (p *program) take(scope *types.Scope) {
	for _, name := range scope.Names() {
		if i, ok := scope.Lookup(name).Type().Underlying().(*types.Interface); ok && i.NumMethods() > 0 && i.IsMethodSet() {
			p.libraries = append(p.libraries, i)
		}
	}
}

func refersTo(f *ast.FuncDecl, info *types.Info) *body {
	b := &body{}
	ast.Inspect(f, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		switch o := info.Uses[id].(type) {
		case *types.Func:
			b.calls = append(b.calls, o.Origin())
			results := o.Signature().Results()
			for r := range results.Len() {
				if c := client(results.At(r).Type()); c != nil {
					b.clients = append(b.clients, c)
				}
			}
		case *types.TypeName:
			if named, ok := types.Unalias(o.Type()).(*types.Named); ok && o.Pkg() != nil && strings.HasPrefix(o.Pkg().Path()+"/", module) {
				b.types = append(b.types, named)
			}
		}
		return true
	})
	return b
}

// client gives the client of AWS that a pointer leads to; nil for anything else.
func client(of types.Type) *types.Named {
	p, ok := of.(*types.Pointer)
	if !ok {
		return nil
	}
	n, ok := p.Elem().(*types.Named)
	if !ok || n.Obj().Name() != "Client" || n.Obj().Pkg() == nil || !awsClient.MatchString(n.Obj().Pkg().Path()) {
		return nil
	}
	return n
}

// operation gives the operation of AWS that a function of such a package calls, such as "dynamodb.Query"; "" for any other.
func operation(f *types.Func) string {
	if f.Pkg() == nil || !awsClient.MatchString(f.Pkg().Path()) {
		return ""
	}
	service := awsClient.FindStringSubmatch(f.Pkg().Path())[1]
	if recv := f.Signature().Recv(); recv != nil && client(recv.Type()) != nil && f.Name() != "Options" && f.Name() != "Retryer" {
		return service + "." + f.Name()
	}
	if name, ok := strings.CutPrefix(f.Name(), "New"); ok && strings.HasSuffix(name, "Paginator") {
		return service + "." + strings.TrimSuffix(name, "Paginator")
	}
	return ""
}

// operations lists what a function's main can come to.
func (p *program) operations(main string) []string {
	found, reached := map[string]bool{}, map[string]bool{}
	live, through := map[*types.Named]bool{}, map[*types.Func]bool{}
	var reach func(f *types.Func)
	visit := func(name string) {
		if reached[name] || p.functions[name] == nil {
			return
		}
		reached[name] = true
		b := p.functions[name]
		for _, n := range slices.Concat(b.types, b.clients) {
			live[n] = true
		}
		for _, f := range b.calls {
			reach(f)
		}
	}
	reach = func(f *types.Func) {
		if op := operation(f); op != "" {
			found[op] = true
		}
		if recv := f.Signature().Recv(); recv != nil && types.IsInterface(recv.Type()) {
			through[f] = true
		}
		visit(f.FullName())
	}
	visit(main)
	for before := -1; before != len(found)+len(reached)+len(live)+len(through); {
		before = len(found) + len(reached) + len(live) + len(through)
		for n := range maps.Clone(live) {
			if types.IsInterface(n) {
				continue
			}
			to := types.NewPointer(n)
			method := func(name string) {
				if o, _, _ := types.LookupFieldOrMethod(to, false, n.Obj().Pkg(), name); o != nil {
					if f, ok := o.(*types.Func); ok {
						reach(f.Origin())
					}
				}
			}
			for f := range maps.Clone(through) {
				if i := f.Signature().Recv().Type().Underlying().(*types.Interface); types.Implements(to, i) {
					method(f.Name())
				}
			}
			if client(to) != nil {
				continue // libraries do not call clients
			}
			for _, i := range p.libraries {
				if types.Implements(to, i) {
					for m := range i.NumMethods() {
						method(i.Method(m).Name())
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func calls(t *testing.T) *program {
	t.Helper()
	p, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The rules below trust it: it has to see what is called, and not what is not.
func TestTheCallsOfAFunctionAreSeen(t *testing.T) {
	t.Parallel()
	p := calls(t)
	for main, c := range map[string]struct{ has, lacks string }{
		"close-job":      {"kms.Sign", "sfn.DescribeExecution"},
		"export-devices": {"sfn.DescribeExecution", "kms.Sign"},
		"open-job":       {"dynamodb.TransactWriteItems", "kms.Sign"},
	} {
		got := p.operations(module + "functions/" + main + ".main")
		if !slices.Contains(got, c.has) || slices.Contains(got, c.lacks) {
			t.Errorf("%s calls %q, want %s and not %s", main, got, c.has, c.lacks)
		}
	}
}
