package gateway

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/events"
)

// Caller is whom an authorizer of the API let through.
type Caller struct {
	Name    string   // of a role or user of IAM, or the subject of a JWT
	Session string   // of a role of IAM: who took it on
	IAM     bool     // it may do what the policy of its role lets it call
	Roles   []string // of a JWT: what follows "lethe/", "lethe:" or "lethe." in its scope, scp, roles, permissions and cognito:groups
}

type callerKey struct{}

// CallerOf gives whom the API's authorizer let through; false on a route that has none.
func CallerOf(ctx context.Context) (Caller, bool) {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c, c.Name != ""
}

// roleClaims are where identity providers put what a token is for. API Gateway writes lists as [a b].
var roleClaims = [...]string{"scope", "scp", "roles", "permissions", "cognito:groups"}

// maxName is what is kept of a caller's name, which goes into the evidence as who approved.
const maxName = 100

// odd is what a name is not made of.
var odd = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^A-Za-z0-9_.:/@=+-]`) })

func callerOf(a *events.APIGatewayV2HTTPRequestContextAuthorizerDescription) Caller {
	switch {
	case a == nil:
	case a.IAM != nil && a.IAM.UserARN != "":
		// arn:aws:sts::111122223333:assumed-role/ROLE/SESSION or arn:aws:iam::111122223333:user/NAME
		kind, name, _ := strings.Cut(a.IAM.UserARN, "/")
		c := Caller{Name: fit(cmp.Or(name, kind)), IAM: true}
		if role, session, ok := strings.Cut(name, "/"); ok && strings.HasSuffix(kind, ":assumed-role") {
			c.Name, c.Session = fit(role), fit(session)
		}
		return c
	case a.JWT != nil && a.JWT.Claims["sub"] != "":
		c := Caller{Name: fit(a.JWT.Claims["sub"])}
		for _, claim := range roleClaims {
			for _, word := range strings.Fields(strings.Trim(a.JWT.Claims[claim], "[]")) {
				role, ok := strings.CutPrefix(strings.ToLower(strings.Trim(word, `",`)), "lethe")
				if ok && len(role) > 1 && strings.ContainsRune("/:.", rune(role[0])) && !slices.Contains(c.Roles, role[1:]) {
					c.Roles = append(c.Roles, role[1:])
				}
			}
		}
		return c
	}
	return Caller{}
}

func fit(name string) string {
	name = odd().ReplaceAllString(name, "_")
	return name[:min(len(name), maxName)]
}
