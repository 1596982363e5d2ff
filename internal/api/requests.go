package api

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/web"
)

// request is how a request is answered.
type request struct {
	intake.View
	Joined   bool              `json:"joined,omitempty"`   // it was open before
	Repeated bool              `json:"repeated,omitempty"` // it came before under the same idempotency key
	Links    map[string]string `json:"links"`
}

func requestPath(id string) string { return "/requests/" + id }
func jobPath(id string) string     { return "/jobs/" + id }

// requestOf gives a request with links to what the asking token may see.
func requestOf(p web.Principal, v intake.View) request {
	links := map[string]string{"self": requestPath(v.ID), "certificate": requestPath(v.ID) + "/certificate"}
	if v.Job != "" && p.May(config.RoleApprove) {
		links["job"] = jobPath(v.Job)
		if v.Status == ledger.InReview {
			links["plan"] = jobPath(v.Job) + "/plan"
		}
	}
	return request{View: v, Links: links}
}

// find gives the request of the path, if the token may see it: a token with the role submit sees what it filed itself.
func (a *API) find(r *http.Request) (intake.View, error) {
	id, err := id(r)
	if err != nil {
		return intake.View{}, err
	}
	v, err := a.o.Desk.Show(r.Context(), id)
	if p := web.Who(r.Context()); err == nil && !p.May(config.RoleApprove) && v.By != p.Name {
		err = ledger.ErrNotFound
	}
	return v, err
}

func (a *API) show(w http.ResponseWriter, r *http.Request) error {
	v, err := a.find(r)
	return answerRequest(w, r, v, err)
}

func (a *API) cancel(w http.ResponseWriter, r *http.Request) error {
	v, err := a.find(r)
	if err == nil {
		v, err = a.o.Desk.Cancel(r.Context(), v.ID)
	}
	return answerRequest(w, r, v, err)
}

func answerRequest(w http.ResponseWriter, r *http.Request, v intake.View, err error) error {
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, requestOf(web.Who(r.Context()), v))
	return nil
}

func (a *API) certificate(w http.ResponseWriter, r *http.Request) error {
	v, err := a.find(r)
	if err != nil {
		return err
	}
	jws, err := a.o.Desk.Certificate(r.Context(), v.ID)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jose")
	w.Header().Set("Content-Disposition", `attachment; filename="lethe-certificate-`+v.ID+`.jws"`)
	_, _ = w.Write([]byte(jws))
	return nil
}

func (a *API) extend(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Reason string `json:"reason"`
	}
	id, err := read(r, &in)
	if err != nil {
		return err
	}
	v, err := a.o.Desk.Extend(r.Context(), id, in.Reason, web.Who(r.Context()).Name)
	return answerRequest(w, r, v, err)
}

func (a *API) deny(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Ground string `json:"ground"`
	}
	id, err := read(r, &in)
	if err != nil {
		return err
	}
	v, err := a.o.Desk.Deny(r.Context(), id, in.Ground)
	return answerRequest(w, r, v, err)
}

func (a *API) claims(w http.ResponseWriter, r *http.Request) error {
	v, err := a.find(r)
	if err != nil {
		return err
	}
	all, err := a.o.Desk.Claims(r.Context(), v.ID)
	if err != nil {
		return err
	}
	a.o.Log.Info("the details of a request were shown, because a word on them is waited for", "request", v.ID, "to", web.Who(r.Context()).Name)
	web.WriteJSON(w, http.StatusOK, map[string][]intake.Identifier{"identifiers": all})
	return nil
}

func (a *API) vouch(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Verified *bool `json:"verified"` // there is no default: both words are of consequence
	}
	id, err := read(r, &in)
	if err != nil {
		return err
	}
	if in.Verified == nil {
		return invalid("verified", "required", "is missing; it is true or false")
	}
	v, err := a.o.Desk.Vouch(r.Context(), id, web.Who(r.Context()).Name, *in.Verified)
	if errors.Is(err, intake.ErrUsed) { // which is told as a link that was used
		err = invalid("verified", "not_allowed", "was said before, and stays as it was said")
	}
	return answerRequest(w, r, v, err)
}

// listed are the statuses that a list can be asked for. Unverified requests are in no list.
var listed = [...]ledger.Status{
	ledger.Pending, ledger.Running, ledger.InReview, ledger.Erased, ledger.NothingFound, ledger.Partial, ledger.Failed,
	ledger.Cancelled, ledger.Denied, ledger.Abandoned,
}

const (
	maxCursor   = 100 // bytes; they are shorter
	notFromLink = "is not from the header Link of the page before"
)

// linkNext tells where the next page is (RFC 8288), by the query of this one.
func linkNext(w http.ResponseWriter, path, after string, q map[string]string) {
	on := url.Values{}
	for name, v := range q {
		on.Set(name, v)
	}
	on.Set("after", after)
	w.Header().Set("Link", "<"+path+"?"+on.Encode()+`>; rel="next"`)
}

func (a *API) list(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "status", "ended", "after")
	if err != nil {
		return err
	}
	f := intake.Filter{Status: ledger.Status(q["status"]), Ended: q["ended"] == "true", After: q["after"]}
	switch {
	case f.Status != "" && !slices.Contains(listed[:], f.Status):
		return invalid("status", "unknown", "is no status of a request")
	case !slices.Contains([]string{"", "true", "false"}, q["ended"]):
		return invalid("ended", "bad_value", "must be true or false")
	case len(f.After) > maxCursor:
		return invalid("after", "bad_value", notFromLink)
	}
	page, next, err := a.o.Desk.List(r.Context(), f)
	if err != nil {
		return err
	}
	if next != "" {
		linkNext(w, "/requests", next, q)
	}
	p := web.Who(r.Context())
	out := struct {
		Requests []request `json:"requests"`
	}{make([]request, len(page))}
	for n, v := range page {
		out.Requests[n] = requestOf(p, v)
	}
	web.WriteJSON(w, http.StatusOK, out)
	return nil
}
