package web

import (
	"crypto/hmac"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SessionTime is how long somebody stays signed in.
const SessionTime = 12 * time.Hour

// SignIn gives a browser a session for the console in exchange for a token: ErrNoToken, ErrTries. The cookie holds the
// token's name, the session's end, and a keyed digest of the end and the token, so that it ends when the token is replaced.
func (k *Keys) SignIn(w http.ResponseWriter, r *http.Request, given string) (Principal, error) {
	p, err := k.check(r, given)
	if err != nil {
		return p, err
	}
	until := strconv.FormatInt(k.now().Add(SessionTime).Unix(), 10)
	for _, t := range k.tokens {
		if t.Name == p.Name {
			k.setCookie(w, p.Name+"."+until+"."+k.session(t, until), int(SessionTime.Seconds()))
		}
	}
	return p, nil
}

// Session finds who is signed in.
func (k *Keys) Session(r *http.Request) (Principal, bool) {
	cookies := r.CookiesNamed(k.cookieName())
	if len(cookies) != 1 {
		return Principal{}, false
	}
	part := strings.Split(cookies[0].Value, ".")
	if len(part) != 3 {
		return Principal{}, false
	}
	until, err := strconv.ParseInt(part[1], 10, 64)
	if err != nil || k.now().Unix() >= until {
		return Principal{}, false
	}
	for _, t := range k.tokens {
		if t.Name == part[0] && hmac.Equal([]byte(part[2]), []byte(k.session(t, part[1]))) {
			return t.Principal, true
		}
	}
	return Principal{}, false
}

// SignOut ends the session in this browser.
func (k *Keys) SignOut(w http.ResponseWriter) { k.setCookie(w, "", -1) }

func (k *Keys) session(t token, until string) string {
	return k.digest("console/session", until+"."+hex.EncodeToString(t.sum[:]))
}

func (k *Keys) cookieName() string {
	if k.HTTPS {
		return "__Secure-lethe" // browsers take it over https only
	}
	return "lethe"
}

func (k *Keys) setCookie(w http.ResponseWriter, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: k.cookieName(), Value: value, Path: "/console", MaxAge: age,
		Secure: k.HTTPS, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}
