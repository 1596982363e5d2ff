package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lethe-dsr/lethe/internal/config"
)

// Principal is who asks: the holder of a token.
type Principal struct {
	Name string // of the token
	Role config.Role
}

// May tells whether the principal has a role; approve has submit's rights, too.
func (p Principal) May(role config.Role) bool {
	return p.Role == role || p.Role == config.RoleApprove
}

// Keys knows the tokens, by their digests only. Make it with NewKeys, and set the fields before it is used.
type Keys struct {
	HTTPS   bool // people reach the service by https: cookies are for https only
	Proxies int  // reverse proxies in front, as for Client

	// Gateway tells whom a gateway in front let through to something that needs a role, and which role that one has; false
	// where the gateway asks nobody. nil without such a gateway.
	Gateway func(r *http.Request, need config.Role) (Principal, bool)

	digest func(scope, value string) string
	now    func() time.Time
	tokens []token

	mu    sync.Mutex
	tries map[string]tries // of clients
	last  []string         // client that used each token last
}

type token struct {
	Principal
	sum [sha256.Size]byte
}

// NewKeys takes the tokens of the configuration; digest is a keyed one, for session cookies.
func NewKeys(tokens []config.Token, digest func(scope, value string) string, now func() time.Time) *Keys {
	k := &Keys{digest: digest, now: now, tries: map[string]tries{}, last: make([]string, len(tokens))}
	for _, t := range tokens {
		k.tokens = append(k.tokens, token{Principal{t.Name, t.Role}, sha256.Sum256([]byte(t.Token.Reveal()))})
	}
	return k
}

// find gives the index of a token, in the same time whichever it is, and -1 for one that is not known.
func (k *Keys) find(given string) int {
	sum := sha256.Sum256([]byte(given))
	found := -1
	for n := range k.tokens {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], k.tokens[n].sum[:]), n, found)
	}
	return found
}

// check finds who holds a token that came from a client: ErrNoToken, and ErrTries when wrong ones came from there too often.
func (k *Keys) check(r *http.Request, given string) (Principal, error) {
	client := Client(r, k.Proxies)
	n := k.find(given)
	if err := k.limit(client, n); err != nil {
		return Principal{}, err
	}
	if n < 0 {
		return Principal{}, ErrNoToken
	}
	return k.tokens[n].Principal, nil
}

// Bearer finds who asks by the header Authorization: ErrNoToken, ErrTries.
func (k *Keys) Bearer(r *http.Request) (Principal, error) {
	lines := r.Header.Values("Authorization")
	if len(lines) != 1 {
		return Principal{}, ErrNoToken
	}
	scheme, given, ok := strings.Cut(lines[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return Principal{}, ErrNoToken
	}
	return k.check(r, strings.TrimLeft(given, " "))
}

// Limits of wrong tokens.
const (
	maxTries    = 20 // of a client in triesWindow
	triesWindow = 10 * time.Minute
	maxClients  = 10_000 // that are remembered
)

// tries are a client's wrong tokens in a window of time.
type tries struct {
	since time.Time
	count int
}

// limit counts a wrong token (n is -1), and refuses a client that gave too many. Whoever used the right one from there
// before may go on: clients share addresses, and nobody shall lock out the others.
func (k *Keys) limit(client string, n int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n >= 0 && k.last[n] == client {
		return nil
	}
	now := k.now()
	t, there := k.tries[client]
	if there && now.Sub(t.since) >= triesWindow {
		delete(k.tries, client)
		t, there = tries{}, false
	}
	switch {
	case t.count >= maxTries:
		return ErrTries
	case n >= 0:
		k.last[n] = client
		return nil
	case !there && len(k.tries) >= maxClients:
		for other := range k.tries { // any: with so many addresses somebody has tries enough anyway
			delete(k.tries, other)
			break
		}
	}
	if !there {
		t.since = now
	}
	t.count++
	k.tries[client] = t
	return nil
}

type whoKey struct{}

// As puts a principal into a context, for Who.
func As(ctx context.Context, p Principal) context.Context { return context.WithValue(ctx, whoKey{}, p) }

// caller finds who asks for something that needs a role: by the gateway, or by a bearer token.
func (k *Keys) caller(r *http.Request, need config.Role) (Principal, error) {
	if k.Gateway != nil {
		if p, ok := k.Gateway(r, need); ok {
			return p, nil
		}
	}
	return k.Bearer(r)
}

// Who is the principal that Need or As put into a context; the zero Principal, which may do nothing, where there is none.
func Who(ctx context.Context) Principal {
	p, _ := ctx.Value(whoKey{}).(Principal)
	return p
}

// Need lets only requests through of whom the gateway knows, or with a bearer token, of a role; others get a problem: 401, 403 or 429.
func Need(role config.Role, k *Keys, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := k.caller(r, role)
		challenge := `Bearer realm="lethe"`
		switch {
		case err != nil && r.Header.Get("Authorization") != "":
			challenge += `, error="invalid_token"`
		case err == nil && !p.May(role):
			err = ErrForbidden
			challenge += `, error="insufficient_scope"`
		}
		if err != nil {
			w.Header().Set("WWW-Authenticate", challenge)
			WriteError(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(As(r.Context(), p)))
	})
}
