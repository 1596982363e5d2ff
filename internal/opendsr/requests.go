package opendsr

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/intake"
	"github.com/lethe-dsr/lethe/internal/ledger"
)

const maxBody = 64 << 10 // bytes

// submit takes a request (§7). The same body under the same id gets the same answer, so that a sender may repeat it.
func (p *Processor) submit(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	s, err := p.parse(body)
	if err != nil {
		p.failed(w, err)
		return
	}
	s.By = p.Who(r.Context())
	receipt, err := p.Desk.Submit(r.Context(), s)
	if err != nil {
		p.failed(w, err)
		return
	}
	reply(w, http.StatusCreated, struct {
		Controller string `json:"controller_id"`
		Expected   string `json:"expected_completion_time"`
		Received   string `json:"received_time"`
		Encoded    string `json:"encoded_request"` // the sender's own words, signed: its receipt. We keep it nowhere.
		ID         string `json:"subject_request_id"`
	}{p.controller, timestamp(receipt.Due), timestamp(receipt.Received), base64.StdEncoding.EncodeToString(body), s.External})
}

// readBody reads JSON; without it, it has refused.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset, given := params["charset"]
	if err != nil || kind != jsonType || given && !strings.EqualFold(charset, "utf-8") || r.Header.Get("Content-Encoding") != "" {
		refuse(w, http.StatusUnsupportedMediaType, detail{"Request", "not_json", "the Content-Type must be application/json, in UTF-8 and not compressed"})
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		refuse(w, http.StatusRequestEntityTooLarge, detail{"Request", "too_large", "the body is larger than 64 KiB"})
	case err != nil:
		refuse(w, http.StatusBadRequest, detail{"Request", "cut_off", "the body did not arrive whole"})
	}
	return body, err == nil
}

// sent finds the request that the caller submitted under the id in the path: ids of others are not found.
func (p *Processor) sent(r *http.Request) (id string, v intake.View, err error) {
	if id = r.PathValue("id"); !uuid4().MatchString(id) {
		return id, v, ledger.ErrNotFound
	}
	v, err = p.Desk.Sent(r.Context(), channel, p.Who(r.Context()), id)
	return id, v, err
}

// show tells how a request stands (§8.1).
func (p *Processor) show(w http.ResponseWriter, r *http.Request) {
	id, v, err := p.sent(r)
	if err != nil {
		p.failed(w, err)
		return
	}
	reply(w, http.StatusOK, p.status(id, v))
}

// cancel ends a request (§9). Once cancelled, it may be asked for again: a sender may have missed the first answer.
func (p *Processor) cancel(w http.ResponseWriter, r *http.Request) {
	id, v, err := p.sent(r)
	if err == nil && v.Status != ledger.Cancelled {
		v, err = p.Desk.Cancel(r.Context(), v.ID)
	}
	if err != nil {
		p.failed(w, err)
		return
	}
	reply(w, http.StatusAccepted, struct {
		Controller string `json:"controller_id"`
		ID         string `json:"subject_request_id"`
		Received   string `json:"received_time"` // of the cancellation
		Version    string `json:"api_version"`
	}{p.controller, id, timestamp(v.Changed), version})
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
