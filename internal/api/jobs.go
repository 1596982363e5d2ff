package api

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lethe-dsr/lethe/internal/config"
	"github.com/lethe-dsr/lethe/internal/erase"
	"github.com/lethe-dsr/lethe/internal/fault"
	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
	"github.com/lethe-dsr/lethe/internal/web"
)

// job is how a job is answered.
type job struct {
	intake.JobView
	Links map[string]string `json:"links"`
}

func jobOf(v intake.JobView) job {
	if v.Lanes == nil {
		v.Lanes = []ledger.Lane{}
	}
	links := map[string]string{"self": jobPath(v.ID)}
	if v.State != intake.Closed {
		links["plan"] = jobPath(v.ID) + "/plan"
	}
	return job{v, links}
}

func (a *API) job(w http.ResponseWriter, r *http.Request) error {
	id, err := id(r)
	if err != nil {
		return err
	}
	return a.answerJob(w, r, id, http.StatusOK)
}

func (a *API) answerJob(w http.ResponseWriter, r *http.Request, id string, status int) error {
	v, err := a.o.Desk.Job(r.Context(), id)
	if err != nil {
		return err
	}
	web.WriteJSON(w, status, jobOf(v))
	return nil
}

func (a *API) jobs(w http.ResponseWriter, r *http.Request) error {
	all, more, err := a.o.Desk.Jobs(r.Context())
	if err != nil {
		return err
	}
	out := struct {
		Jobs []job `json:"jobs"`
		More bool  `json:"more"`
	}{make([]job, len(all)), more}
	for n, v := range all {
		out.Jobs[n] = jobOf(v)
	}
	web.WriteJSON(w, http.StatusOK, out)
	return nil
}

// A page of a plan ends at so many entries or bytes: on AWS an answer has at most 6 MB, in which each quotation mark takes
// two more, and one entry may name tens of thousands of requests.
const (
	planEntries = 1_000
	planBytes   = 2 << 20
)

// plan answers 202 while the job is working: there is no plan yet, or none any more.
func (a *API) plan(w http.ResponseWriter, r *http.Request) error {
	id, err := id(r)
	if err != nil {
		return err
	}
	q, err := query(r, "reveal", "after")
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"", "true", "false"}, q["reveal"]) {
		return invalid("reveal", "bad_value", "must be true or false")
	}
	hash, from, err := planCursor(q["after"])
	if err != nil {
		return err
	}
	v, err := a.o.Desk.Plan(r.Context(), id, q["reveal"] == "true")
	if err != nil {
		return err
	}
	if v.State == intake.Working {
		w.Header().Set("Retry-After", "5")
		web.WriteJSON(w, http.StatusAccepted, struct {
			Job   string          `json:"job"`
			State intake.JobState `json:"state"`
		}{id, v.State})
		return nil
	}
	if hash != "" && hash != v.Plan.Hash {
		return fault.New(fault.WrongPlan, "job %s: the page before is another plan's; read the plan from its beginning", id)
	}
	all := v.Plan.Entries
	v.Plan.Entries = planPage(all[min(from, len(all)):])
	if to := from + len(v.Plan.Entries); to < len(all) {
		linkNext(w, jobPath(id)+"/plan", v.Plan.Hash+"."+strconv.Itoa(to), q)
	}
	web.WriteJSON(w, http.StatusOK, struct {
		intake.PlanView
		Total int `json:"total"` // so that nobody takes a page for the plan
	}{v, len(all)})
	return nil
}

// planPage gives the entries of one page: at least one, where there is one.
func planPage(rest []erase.Entry) []erase.Entry {
	for n, size := 0, 0; n < len(rest); n++ {
		if n == planEntries || size >= planBytes {
			return rest[:n]
		}
		b, _ := json.Marshal(rest[n]) // it always marshals
		size += len(b)
	}
	return rest
}

// planCursor reads where a page begins. The plan's hash is in it, because pages of two plans make none.
func planCursor(after string) (hash string, from int, err error) {
	if after == "" {
		return "", 0, nil
	}
	hash, place, _ := strings.Cut(after, ".")
	from, err = strconv.Atoi(place)
	if err != nil || from < 0 || !hashForm().MatchString(hash) {
		return "", 0, invalid("after", "bad_value", notFromLink)
	}
	return hash, from, nil
}

// hashForm is the form of a plan's hash: SHA-256 in hexadecimal digits.
var hashForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{64}$`) })

func (a *API) approve(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Plan   string   `json:"plan"`
		Keep   []string `json:"keep"`
		Ground string   `json:"ground"`
	}
	id, err := read(r, &in)
	if err != nil {
		return err
	}
	return a.decide(w, r, id, erase.Word{Plan: in.Plan, Approved: true, Keep: in.Keep, Ground: in.Ground})
}

func (a *API) reject(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Plan   string `json:"plan"`
		Ground string `json:"ground"`
	}
	id, err := read(r, &in)
	if err != nil {
		return err
	}
	return a.decide(w, r, id, erase.Word{Plan: in.Plan, Ground: in.Ground})
}

func (a *API) decide(w http.ResponseWriter, r *http.Request, id string, word erase.Word) error {
	if !hashForm().MatchString(word.Plan) {
		return invalid("plan", "bad_value", "must be the hash of the plan: 64 hexadecimal digits")
	}
	word.By = web.Who(r.Context()).Name
	if err := a.o.Desk.Decide(r.Context(), id, word); err != nil {
		return err
	}
	return a.answerJob(w, r, id, http.StatusAccepted)
}

// sweep begins jobs over everything that is open: 202 with their ids, or 200 with none where there is nothing to do.
func (a *API) sweep(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Mode config.Mode `json:"mode"`
	}
	if r.ContentLength != 0 {
		if _, err := web.ReadJSON(r, &in); err != nil {
			return err
		}
	}
	if !slices.Contains([]config.Mode{"", config.Preview, config.Approve, config.Erase}, in.Mode) {
		return invalid("mode", "unknown", "must be one of preview, approve, erase")
	}
	jobs, err := a.o.Desk.Sweep(r.Context(), in.Mode)
	if err != nil {
		return err
	}
	status := http.StatusAccepted
	if len(jobs) == 0 {
		status, jobs = http.StatusOK, []string{}
	}
	web.WriteJSON(w, status, struct {
		Jobs []string `json:"jobs"`
	}{jobs})
	return nil
}
