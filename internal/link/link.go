// Package link makes the links by which a person comes back to a request: one to confirm the e-mail address, one to see
// what became of it. Nothing is stored for them: a token is the request's id with a keyed digest over it, which nobody can
// guess.
package link

import (
	"crypto/hmac"
	"net/url"
	"strings"
)

// Maker makes and reads links.
type Maker struct {
	Base   *url.URL                         // scheme and host of the service
	Digest func(scope, value string) string // keyed
}

const (
	verify = "link/verify"
	status = "link/status"
)

func (m Maker) token(scope, request string) string { return request + "." + m.Digest(scope, request) }

func (m Maker) read(scope, token string) (request string, ok bool) {
	request, _, ok = strings.Cut(token, ".")
	return request, ok && request != "" && hmac.Equal([]byte(token), []byte(m.token(scope, request)))
}

// VerifyToken confirms the e-mail address of a request, once: what makes it single-use is the request's status.
func (m Maker) VerifyToken(request string) string { return m.token(verify, request) }

// Verify is the page for it, in a language: the one in which the person wrote, which need not be the browser's.
func (m Maker) Verify(request, language string) string {
	return m.at("/verify", url.Values{"token": {m.VerifyToken(request)}, "lang": {language}})
}

func (m Maker) at(path string, query url.Values) string {
	u := *m.Base
	u.Path, u.RawQuery = path, query.Encode()
	return u.String()
}

// ReadVerify finds the request of a token from a link to verify.
func (m Maker) ReadVerify(token string) (request string, ok bool) { return m.read(verify, token) }

// StatusToken opens the status page of a request.
func (m Maker) StatusToken(request string) string { return m.token(status, request) }

// Status is that page, in a language.
func (m Maker) Status(request, language string) string {
	return m.at("/status/"+m.StatusToken(request), url.Values{"lang": {language}})
}

// ReadStatus finds the request of a token from a status link.
func (m Maker) ReadStatus(token string) (request string, ok bool) { return m.read(status, token) }
