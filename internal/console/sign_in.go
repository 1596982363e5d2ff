package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/page"
	"github.com/lethe-dsr/lethe/internal/web"
)

type signInPage struct {
	Token    page.Field
	To       string // where to go then
	Problems *page.Summary
}

func (c *Console) writeSignIn(w http.ResponseWriter, status int, to, wrong string) {
	v := signInPage{Token: page.Field{
		Name: "token", Label: "Token", Type: "password", Autocomplete: "current-password", Required: true, Error: wrong,
		Hint: "A token of the service's configuration with the role approve.",
	}}
	if local(to) {
		v.To = to
	}
	if wrong != "" {
		v.Problems = &page.Summary{Title: "You are not signed in", Errors: []page.FieldError{{Name: "token", Text: wrong}}}
	}
	c.write(w, status, "", view{name: "sign_in.html", title: "Sign in", content: v})
}

func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", policy)
	c.writeSignIn(w, http.StatusOK, r.URL.Query().Get("to"), "")
}

// takeToken begins a session. A token without the role approve gets none.
func (c *Console) takeToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", policy)
	if r.ParseForm() != nil {
		c.fail(w, "", web.ErrMalformed)
		return
	}
	to := r.PostForm.Get("to")
	who, err := c.Keys.SignIn(w, r, strings.TrimSpace(r.PostForm.Get("token")))
	switch p := web.ProblemOf(err); {
	case err != nil && p.Status == http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Seconds())))
		c.writeSignIn(w, p.Status, to, "Too many wrong tokens came from your network. Wait ten minutes, then try again.")
	case err != nil:
		c.writeSignIn(w, http.StatusForbidden, to, "This is not a token of the configuration. Check that it was copied whole.")
	case !who.May(config.RoleApprove):
		w.Header().Del("Set-Cookie")
		c.writeSignIn(w, http.StatusForbidden, to, "This token may file requests, but not see the console. Use one with the role approve.")
	case local(to):
		http.Redirect(w, r, to, http.StatusSeeOther)
	default:
		http.Redirect(w, r, "/console", http.StatusSeeOther)
	}
}

func (c *Console) askSignOut(w http.ResponseWriter, _ *http.Request, who string) error {
	c.write(w, http.StatusOK, by(who), view{name: "sign_out.html", title: "Sign out", content: who})
	return nil
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request, _ string) error {
	c.Keys.SignOut(w)
	return see(w, r, "", "sign-in")
}
