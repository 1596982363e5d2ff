package appcentertest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"time"
)

// isSASField tells whether a query parameter belongs to a container's signature.
func isSASField(name string) bool {
	switch name {
	case "sv", "st", "se", "sr", "sp", "sig":
		return true
	}
	return false
}

// ContainerSAS gives the URL of the app's container under base, where the Server is served, with the rights of Azure's
// letters: r read, w write, d delete, l list. "" stands for all of them.
func (s *Server) ContainerSAS(base, app, rights string) string {
	if rights == "" {
		rights = "rwdl"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := url.Values{"sv": {"2021-08-06"}, "se": {"2099-01-01T00:00:00Z"}, "sr": {"c"}, "sp": {rights}}
	name := s.app(app).Container
	q.Set("sig", s.signature(name, q))
	return strings.TrimSuffix(base, "/") + "/" + account + "/" + url.PathEscape(name) + "?" + q.Encode()
}

// signature signs what a SAS says about the container. Azure signs more, in another form; only the server reads it.
func (s *Server) signature(container string, q url.Values) string {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(strings.Join([]string{container, q.Get("sv"), q.Get("st"), q.Get("se"), q.Get("sr"), q.Get("sp")}, "\n")))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// signed gives the container and the rights of a URL with a good signature, or nil.
func (s *Server) signed(raw string) (*container, string) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, ""
	}
	q, name := u.Query(), containerOf(u)
	ends, err := time.Parse(time.RFC3339, q.Get("se"))
	if err != nil || time.Now().After(ends) || !hmac.Equal([]byte(q.Get("sig")), []byte(s.signature(name, q))) {
		return nil, ""
	}
	return s.containers[name], q.Get("sp")
}
