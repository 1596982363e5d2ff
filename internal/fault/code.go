package fault

import (
	"errors"
	"strings"
)

// Code is what a service calls its error (AWS: ThrottlingException), for errors that have an ErrorCode, and "no name" for
// others. It is letters only, at most 60, so that it can be shown: a service's texts repeat what they were sent.
func Code(err error) string {
	var named interface{ ErrorCode() string }
	if !errors.As(err, &named) {
		return "no name"
	}
	code := named.ErrorCode()
	foreign := func(r rune) bool { return !(r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') }
	if code == "" || len(code) > 60 || strings.ContainsFunc(code, foreign) {
		return "no name"
	}
	return code
}
